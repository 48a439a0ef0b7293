"""The local-mode runner: cases as jobs of the real SageMaker SDK's local mode, as a last smoke.

The jobs are given to the SDK's local client with folders of this machine in place of S3: no
account, no upload. What no job can express is not proven, with the reason. The SDK runs in an
environment of its own, found by HARNESS_SDK_PYTHON or made by `harness sdk setup`.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.inside import sdk_service
from harness.runners.real import engine, jobs_of_cases
from harness.runners.real.exchange import without_bytecode
from harness.runners.real.jobs_of_cases import LocalJob
from harness.worlds.tree import Entry, Tree, is_under

if TYPE_CHECKING:
    from docker.models.containers import Container

# Where `harness sdk setup` makes the environment of the SDK.
ENVIRONMENT = Path(".cache") / "harness" / "sdk"
_WORKING_FOLDER = "com.docker.compose.project.working_dir"
_ADDED = 1
_ARCHIVES = {"model.tar.gz": "/opt/ml/model", "output.tar.gz": "/opt/ml/output"}
# The SDK's process, in each process of the harness.
_services: list[subprocess.Popen[str]] = []


def sdk_python() -> str:
    """The Python of the SDK; raises `RunnerUnavailable` when there is none."""
    named = os.environ.get("HARNESS_SDK_PYTHON")
    path = Path(named) if named else ENVIRONMENT / "bin" / "python"
    if not path.is_file():
        what = f"HARNESS_SDK_PYTHON names {named}, which is not there" if named else ""
        raise RunnerUnavailable(
            what or "there is no SageMaker SDK for the local-mode runner",
            "make its environment with `harness sdk setup`, or name one by HARNESS_SDK_PYTHON",
        )
    return str(path.absolute())


@dataclass(frozen=True)
class LocalModeRunner:
    """Runs cases as jobs of local mode, in containers of `image`."""

    image: str
    name: str = "local-mode"

    def prepare(self) -> None:
        """Find the engine, the image and the SDK; raises `RunnerUnavailable`."""
        with engine.connected() as client:
            engine.ensure_image(client, self.image)
        sdk_python()

    def run(self, case: Case) -> Outcome:
        """Run one case; raises `RunnerCannot`, and `RunnerUnavailable` without an SDK."""
        reason = jobs_of_cases.reason_against(case)
        if reason:
            return Outcome(
                0, "", "", 0.0, case.tree, None, unproven=f"no job: {reason}", must_be_proven=False
            )
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            top = Path(folder).resolve()
            job = jobs_of_cases.job_of(case, self.image, top)
            started = time.monotonic()
            said = _ask({"container_root": str(job.root), **job.asked})
            seconds = time.monotonic() - started
            with engine.connected() as client:
                containers = [
                    one
                    # Other workers remove theirs meanwhile.
                    for one in client.containers.list(
                        all=True, filters={"label": _WORKING_FOLDER}, ignore_removed=True
                    )
                    if one.labels[_WORKING_FOLDER].startswith(f"{top}/")
                ]
                if not containers:
                    raise RunnerCannot(
                        f"the SDK has started no container for case {case.id!r}: {said}",
                        "look at what it says",
                    )
                try:
                    return _outcome(case, job, containers[0], seconds)
                finally:
                    for one in containers:
                        engine.remove(one)

    def identity(self) -> object:
        """The image, and the SDK's environment."""
        with engine.connected() as client:
            return self.name, sdk_python(), *engine.describe(client, self.image)

    def for_this_process(self) -> LocalModeRunner:
        """The same in every process, each of which has an SDK of its own."""
        return self

    def close(self) -> None:
        """End the SDK's process."""
        while _services:
            service = _services.pop()
            # Its input ends, and so does it.
            service.communicate()


atexit.register(LocalModeRunner("").close)


def _ask(asked: Mapping[str, Any]) -> str:
    """What the SDK answers, "" when the job has ended well."""
    if not _services:
        _services.append(_started())
    service = _services[0]
    assert service.stdin is not None
    assert service.stdout is not None
    service.stdin.write(json.dumps(asked) + "\n")
    service.stdin.flush()
    line = service.stdout.readline()
    if not line:
        _services.clear()
        raise RunnerCannot("the process of the SDK has ended", "run it again")
    answer: str = json.loads(line)
    return answer


def _started() -> subprocess.Popen[str]:
    python = sdk_python()
    # A docker-compose may have come with the SDK.
    path = f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    service = subprocess.Popen(
        [python, str(sdk_service.__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert service.stdout is not None
    if service.stdout.readline().strip() != '"ready"':
        raise RunnerUnavailable(
            f"the SageMaker SDK of {python} does not start",
            f"try {python} -c 'from sagemaker.local import LocalSession'; it must be version 2",
        )
    return service


def _outcome(case: Case, job: LocalJob, container: Container, seconds: float) -> Outcome:
    """What a job has done: its exit code, its log, and what it has left."""
    container.reload()
    log = container.logs().decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    after = dict(case.tree.entries)
    for at, folder in job.folders.items():
        after = {path: one for path, one in after.items() if not is_under(path, at)}
        after.update(_read(folder, at, case.tree))
    for archive, at in _ARCHIVES.items():
        for packed in job.collected.rglob(archive):
            after.update(_unpacked(packed.read_bytes(), at))
    places = [one["Destination"] for one in container.attrs["Mounts"]]
    for change in container.diff() or ():
        path = str(change["Path"])
        mounted = any(is_under(path, one) or is_under(one, path) for one in places)
        if change["Kind"] == _ADDED and path not in after and not mounted:
            after[path] = _entry_in(container, path)
    code = int(container.attrs["State"]["ExitCode"])
    # Both streams of the container are one.
    tree = Tree(without_bytecode(case.tree, after), case.tree.job, case.tree.request)
    return Outcome(code, "", log, seconds, case.tree, tree)


def _read(folder: Path, at: str, before: Tree) -> Iterator[tuple[str, Entry]]:
    """What is in a mounted folder; the owner of what was put there is that of the case."""
    for path in (folder, *sorted(folder.rglob("*"))) if folder.is_dir() else ():
        place = at if path == folder else f"{at}/{path.relative_to(folder).as_posix()}"
        status, old = path.lstat(), before.get(place)
        uid, gid = (old.uid, old.gid) if old else (status.st_uid, status.st_gid)
        mode, mtime = status.st_mode & 0o7777, status.st_mtime
        if path.is_symlink():
            yield place, Entry("symlink", b"", mode, uid, gid, mtime, os.readlink(path))
        elif path.is_dir():
            yield place, Entry("directory", b"", mode, uid, gid, mtime)
        else:
            yield place, Entry("file", path.read_bytes(), mode, uid, gid, mtime)


def _unpacked(data: bytes, at: str) -> Iterator[tuple[str, Entry]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            place = f"{at}/{member.name}"
            attributes = member.mode, member.uid, member.gid, member.mtime
            if member.isdir():
                yield place, Entry("directory", b"", *attributes)
            elif member.issym():
                yield place, Entry("symlink", b"", *attributes, member.linkname)
            elif (stream := archive.extractfile(member)) is not None:
                yield place, Entry("file", stream.read(), *attributes)


def _entry_in(container: Container, path: str) -> Entry:
    """What is at a path of a container that has ended."""
    data = b"".join(container.get_archive(path)[0])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.next()
        assert member is not None
        if not member.isfile():
            return Entry("directory" if member.isdir() else "symlink", mode=member.mode)
        stream = archive.extractfile(member)
        return Entry("file", stream.read() if stream else b"", member.mode)
