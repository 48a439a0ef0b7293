"""Worlds within a container: nothing of a case reaches the next, and the container ends in time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.models.containers import Container

from harness.errors import RunnerUnavailable
from harness.runners.real import container
from harness.runners.real.container import ContainerRunner
from harness.runs.parity import Comparison
from harness.runs.step import StepRef, load
from tests.integration.conftest import Containers
from tests.unit.worlds import case_of

STEP = Path(__file__).parents[2] / "dummy_training"

# Much of what a script that runs as root may leave behind.
LEAVES = r"""
import ctypes, os, shutil, subprocess, sys
for path in (
    *("/left", "/tmp/left", "/root/left", "/etc/left", "/var/tmp/left", "/usr/lib/left"),
    *("/usr/local/bin/left", "/dev/shm/left", "/dev/left", "/opt/ml/left", "/srv/left"),
):
    open(path, "w").close()
with open("/etc/passwd", "a") as users:
    users.write("left:x:5:5::/:/bin/sh\n")
with open("/etc/hosts", "a") as names:
    names.write("127.0.0.1 left\n")
library = os.path.dirname(os.__file__)
with open(library + "/this.py", "w") as module:
    module.write("left = True\n")
os.remove(library + "/antigravity.py")
shutil.rmtree("/var/cache")
os.chmod("/tmp", 0o700)
os.chown("/srv", 5, 5)
os.utime("/mnt", (5, 5))
libc = ctypes.CDLL(None)
assert min(libc.shmget(5, 4096, 0o1666), libc.semget(5, 1, 0o1666), libc.msgget(5, 0o1666)) >= 0
sleeper = subprocess.Popen(
    [sys.executable, "-c", '''if True:
        import socket, time
        one = socket.socket(socket.AF_UNIX)
        one.bind("\\0left")
        one.listen()
        two = socket.create_server(("127.0.0.1", 4567))
        print("up", flush=True)
        time.sleep(600)
    '''],
    start_new_session=True,
    stdout=subprocess.PIPE,
)
assert sleeper.stdout.readline() == b"up\n"
"""
SEES = r"""
import ctypes, json, os, socket, stat
def reached(family, address):
    with socket.socket(family) as one:
        return one.connect_ex(address) == 0
def text(path):
    with open(path) as stream:
        return stream.read()
library = os.path.dirname(os.__file__)
libc = ctypes.CDLL(None)
folders = (
    *("/", "/tmp", "/root", "/etc", "/var", "/var/tmp", "/usr/lib", "/usr/local/bin", "/dev"),
    *("/dev/shm", "/opt", "/opt/ml", "/srv", library),
)
print(json.dumps({
    **{folder: sorted(os.listdir(folder)) for folder in folders},
    **{path + " mode": os.stat(path).st_mode for path in ("/tmp", "/opt", "/root", "/dev/null")},
    "/srv owner": os.stat("/srv").st_uid,
    "/mnt time": os.stat("/mnt").st_mtime,
    "users": text("/etc/passwd"),
    "hosts": "left" in text("/etc/hosts"),
    "module": "left" in text(library + "/this.py"),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "memory": libc.shmget(5, 0, 0),
    "semaphores": libc.semget(5, 0, 0),
    "messages": libc.msgget(5, 0),
    "abstract socket": reached(socket.AF_UNIX, "\0left"),
    "port": reached(socket.AF_INET, ("127.0.0.1", 4567)),
    "variables": {key: value for key, value in os.environ.items() if key != "HOSTNAME"},
    "rights": [one for one in text("/proc/self/status").splitlines() if one.startswith("Cap")],
    "open files": len(os.listdir("/proc/self/fd")),
    "settings": os.access("/proc/sys/kernel/hostname", os.W_OK),
    "interfaces": socket.if_nameindex(),
}))
"""


HANGS = "import time; time.sleep(300)"


@pytest.fixture
def runner(engine: str) -> Iterator[ContainerRunner]:
    runner = ContainerRunner(engine)
    yield runner
    runner.close()


def said(runner: ContainerRunner, source: str) -> dict[str, object]:
    outcome = runner.run(case_of(source))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    seen: dict[str, object] = json.loads(outcome.stdout or "{}")
    return seen


def test_a_case_cannot_see_what_an_earlier_one_left(runner: ContainerRunner) -> None:
    before = said(runner, SEES)
    said(runner, LEAVES)
    assert said(runner, SEES) == before


def test_it_would_be_seen(runner: ContainerRunner) -> None:
    clean = said(runner, SEES)
    unclean = said(runner, LEAVES + SEES)
    same = {key for key, value in clean.items() if unclean[key] == value}
    assert same == {
        *("/opt", "/opt mode", "/root mode", "/dev/null mode"),
        *("variables", "rights", "settings", "interfaces"),
    }


def test_a_world_within_a_container_looks_like_a_container(runner: ContainerRunner) -> None:
    inside, whole = (said(one, SEES) for one in (runner, ContainerRunner(runner.image, "case")))
    differ = {key: (inside[key], whole[key]) for key in whole if inside[key] != whole[key]}
    assert differ == {}


def test_nothing_is_left_in_the_container_itself(
    runner: ContainerRunner, containers: Containers
) -> None:
    said(runner, LEAVES)
    (one,) = containers(runner.session)
    assert not any("left" in str(change["Path"]) for change in one.diff() or ())


def test_both_isolations_come_to_the_same_verdicts(engine: str) -> None:
    ref = StepRef(STEP)
    ids = [one for one in load(ref).matrix.ids if one.startswith(("special", "circumstance"))]
    runners = (ContainerRunner(engine), ContainerRunner(engine, "case"))
    found = [one for case in Comparison(ref, runners, 2).run(ids) for one in case]
    assert len(ids) > 200
    assert found == []


def test_a_container_that_is_gone_is_replaced(
    runner: ContainerRunner, containers: Containers
) -> None:
    assert runner.run(case_of("print(1)")).stdout == "1\n"
    (one,) = containers(runner.session)
    one.kill()
    assert runner.run(case_of("print(2)")).stdout == "2\n"
    assert one.id not in [other.id for other in containers(runner.session)]


def test_an_engine_that_gives_no_right_to_mount_is_told_of(
    runner: ContainerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_MAY_MOUNT", {})
    with pytest.raises(RunnerUnavailable, match="--isolation case"):
        runner.run(case_of(""))
    assert ContainerRunner(runner.image, "case").run(case_of("print(1)")).stdout == "1\n"


@pytest.mark.parametrize(
    ("isolation", "source"),
    [("worker", ""), ("worker", HANGS), ("case", HANGS)],
    ids=["worker-between", "worker-in-mid-case", "case-in-mid-case"],
)
def test_a_container_ends_with_its_worker(
    engine: str, containers: Containers, isolation: str, source: str
) -> None:
    """Even if that is killed, in mid-case or between two."""
    worker = (
        "import time\n"
        "from harness.runners.real.container import ContainerRunner\n"
        "from tests.unit.worlds import case_of\n"
        f"runner = ContainerRunner({engine!r}, {isolation!r})\n"
        "print(runner.session, flush=True)\n"
        "runner.run(case_of(''))\n"
        "print('ready', flush=True)\n"
        f"runner.run(case_of({source!r}, timeout=300))\n"
        "time.sleep(300)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", worker],
        cwd=STEP.parent,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        session = process.stdout.readline().strip()
        assert process.stdout.readline() == "ready\n"
        while [_runs_script(one) for one in containers(session)] != [bool(source)]:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while containers(session):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.05)


def _runs_script(one: Container) -> bool:
    if one.status != "running":
        return False
    return any("script.py" in word for line in one.top()["Processes"] for word in line)
