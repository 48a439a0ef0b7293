"""Unusual images: both isolations yield the same outcome, and no correct script fails."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import replace

import docker
import pytest

from harness.cases.case import Outcome
from harness.runners.real.container import ContainerRunner
from harness.runners.registry import ISOLATIONS
from harness.worlds.tree import Tree, changes
from tests.integration.conftest import Containers
from tests.unit.worlds import case_of

# `python3` prints a greeting, and the locale of the image is plain C.
WRAPPER = """#!/bin/sh
echo "Welcome to this image: it is ready to serve you, whatever you would like to know."
exec /usr/bin/python3 "$@"
"""
ODD = """
FROM {base}
COPY python3 /usr/local/bin/python3
RUN mkdir -p /var/home /data/folder /opt/ml/code/folder \
 && rmdir /home && ln -s /var/home /home \
 && echo old > /data/old && echo deep > /data/folder/deep && echo more > /opt/ml/code/folder/more \
 && ln -s /data/old /opt/ml/code/link \
 && mkdir -p /srv/deep/same /srv/deep/in/folder /srv/deep/gone /srv/deep/mode \
 && cd /srv/deep/in/folder && touch rewritten mode owner moved removed same \
 && echo old > rewritten && touch /srv/deep/same/same /srv/deep/gone/gone /srv/deep/mode/same
VOLUME /data
USER nobody
WORKDIR /data
ENV LANG=C LC_ALL=POSIX
ENTRYPOINT ["/bin/false"]
HEALTHCHECK --interval=1s CMD touch /opt/ml/healthy
"""


@pytest.fixture(scope="module")
def odd(engine: str) -> Iterator[str]:
    name = f"step-harness-test:{uuid.uuid4().hex}"
    client = docker.from_env()
    try:
        client.images.build(fileobj=_build_context(engine), custom_context=True, tag=name, rm=True)
        yield name
        client.images.remove(name, force=True)
    finally:
        client.close()


def _build_context(base: str) -> io.BytesIO:
    tree = Tree().with_file("/Dockerfile", ODD.format(base=base).encode())
    return io.BytesIO(tree.with_file("/python3", WRAPPER.encode(), mode=0o755).to_tar())


@pytest.fixture(scope="module")
def runners(odd: str) -> Iterator[list[ContainerRunner]]:
    runners = [ContainerRunner(odd, isolation) for isolation in ISOLATIONS]
    yield runners
    for runner in runners:
        runner.close()


def run_in_both(runners: list[ContainerRunner], source: str, tree: Tree | None = None) -> Outcome:
    """The outcome of a script in the image; fails unless it is the same in both isolations."""
    outcomes = [runner.run(case_of(source, tree)) for runner in runners]
    results = [
        (
            *(one.exit_code, one.stdout, one.stderr),
            [(path, replace(entry, mtime=0)) for path, entry in one.after or Tree()],
        )
        for one in outcomes
    ]
    assert results[0] == results[1]
    return outcomes[0]


def changed_paths(outcome: Outcome) -> list[str]:
    assert outcome.after is not None
    return changes(outcome.before, outcome.after)


def test_the_greeting_and_the_settings_of_an_image_do_not_matter(
    runners: list[ContainerRunner],
) -> None:
    outcome = run_in_both(
        runners, "import os, time; time.sleep(1.5); print(os.getuid(), os.getcwd())"
    )
    assert (outcome.exit_code, outcome.stdout) == (0, "0 /opt/ml/code\n")
    assert changed_paths(outcome) == []


def test_the_tree_replaces_files_of_the_image(
    runners: list[ContainerRunner],
) -> None:
    tree = case_of("").tree.with_file("/opt/ml/code/link", b"tree")
    tree = tree.with_file("/opt/ml/code/folder", b"tree").with_symlink("/opt/ml/code/it", "link")
    source = 'for path in ("link", "it", "folder", "/data/old"): print(open(path).read())'
    outcome = run_in_both(runners, source, tree)
    assert outcome.stdout.split() == ["tree", "tree", "tree", "old"]
    assert changed_paths(outcome) == []


def test_a_volume_is_a_separate_file_system(runners: list[ContainerRunner]) -> None:
    outcome = run_in_both(
        runners,
        """
        import errno, os, shutil
        open("/tmp/new", "w").close()
        for new in ("/data/new", "/etc/hosts"):
            try:
                os.rename("/tmp/new", new)
            except OSError as error:
                print(errno.errorcode[error.errno])
        try:
            shutil.rmtree("/data")
        except OSError as error:
            print(errno.errorcode[error.errno])
        open("/data/new", "w").close()
        with open("/etc/hosts", "a") as names:
            names.write("127.0.0.1 new")
        """,
    )
    assert outcome.stdout.split() == ["EXDEV", "EBUSY", "EBUSY"]
    assert [line.split()[:2] for line in changed_paths(outcome)] == [
        ["+", "/data"],
        ["+", "/data/new"],
        ["+", "/etc/hosts"],
        ["+", "/tmp/new"],
    ]


def test_all_that_changes_in_the_image_is_told(runners: list[ContainerRunner]) -> None:
    outcome = run_in_both(
        runners,
        """
        import os, shutil
        os.chdir("/srv/deep/in/folder")
        for path in ("rewritten", "/data/old", "/etc/hosts"):
            before = os.stat(path)
            with open(path, "r+") as stream:
                stream.write("new")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        before = os.stat(".")
        os.chmod("mode", 0o600)
        os.chown("owner", 5, 5)
        os.rename("moved", "/srv/moved")
        os.remove("removed")
        os.utime(".", ns=(before.st_atime_ns, before.st_mtime_ns))
        os.chmod("/srv/deep/mode", 0o700)
        shutil.rmtree("/srv/deep/gone")
        os.mkdir("/srv/deep/gone")
        os.utime("/mnt", (5, 5))
        """,
    )
    assert outcome.stderr == ""
    # Of the folder with the old date, nothing is to be seen.
    assert [line.split()[1] for line in changed_paths(outcome)] == [
        *("/data/old", "/etc/hosts", "/mnt", "/srv", "/srv/deep", "/srv/deep/gone"),
        *(f"/srv/deep/in/folder/{name}" for name in ("mode", "owner", "rewritten")),
        *("/srv/deep/mode", "/srv/moved"),
    ]


def test_volumes_are_removed_with_their_containers(
    odd: str, client: docker.DockerClient, containers: Containers
) -> None:
    runner = ContainerRunner(odd)
    runner.run(case_of(""))
    (one,) = containers(runner.session)
    (mount,) = one.attrs["Mounts"]
    assert mount["Name"] in [volume.name for volume in client.volumes.list()]
    runner.close()
    assert mount["Name"] not in [volume.name for volume in client.volumes.list()]


def test_file_names_are_bytes_in_every_locale(runners: list[ContainerRunner]) -> None:
    tree = case_of("").tree.with_file("/opt/ml/code/é", b"accent")
    outcome = run_in_both(runners, r'import os; os.rename(b"\xc3\xa9", b"\xff\n\xc3\xa9")', tree)
    assert outcome.stderr == ""
    assert changed_paths(outcome) == [
        "- /opt/ml/code/é",
        "+ /opt/ml/code/\udcff\né file (6 bytes)",
    ]
