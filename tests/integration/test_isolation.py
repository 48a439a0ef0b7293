"""Isolation of cases in a reused container, and the end of the container."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.models.containers import Container

from harness.errors import RunnerUnavailable
from harness.runners.real import container
from harness.runners.real.container import ContainerRunner
from tests.integration.conftest import Containers
from tests.unit.gated import wait_until
from tests.unit.worlds import case_of

ROOT = Path(__file__).parents[2]

# Changes of many kinds that a script may make as root.
LEAVE_TRACES = r"""
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
REPORT_TRACES = r"""
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


HANG = "import time; time.sleep(3600)"


@pytest.fixture
def runner(engine: str) -> Iterator[ContainerRunner]:
    runner = ContainerRunner(engine)
    yield runner
    runner.close()


def report(runner: ContainerRunner, source: str) -> dict[str, object]:
    outcome = runner.run(case_of(source))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    state: dict[str, object] = json.loads(outcome.stdout or "{}")
    return state


def test_a_case_does_not_affect_the_next_one(runner: ContainerRunner) -> None:
    before = report(runner, REPORT_TRACES)
    report(runner, LEAVE_TRACES)
    assert report(runner, REPORT_TRACES) == before


def test_traces_within_one_case_are_reported(runner: ContainerRunner) -> None:
    clean = report(runner, REPORT_TRACES)
    unclean = report(runner, LEAVE_TRACES + REPORT_TRACES)
    same = {key for key, value in clean.items() if unclean[key] == value}
    assert same == {
        *("/opt", "/opt mode", "/root mode", "/dev/null mode"),
        *("variables", "rights", "settings", "interfaces"),
    }


def test_a_case_in_a_reused_container_sees_what_it_sees_in_its_own(runner: ContainerRunner) -> None:
    reused, own = (
        report(one, REPORT_TRACES) for one in (runner, ContainerRunner(runner.image, "case"))
    )
    differ = {key: (reused[key], own[key]) for key in own if reused[key] != own[key]}
    assert differ == {}


def test_a_case_does_not_change_the_container(
    runner: ContainerRunner, containers: Containers
) -> None:
    report(runner, LEAVE_TRACES)
    (one,) = containers(runner.session)
    assert not any("left" in str(change["Path"]) for change in one.diff() or ())


def test_a_killed_container_is_replaced(runner: ContainerRunner, containers: Containers) -> None:
    assert runner.run(case_of("print(1)")).stdout == "1\n"
    (one,) = containers(runner.session)
    one.kill()
    assert runner.run(case_of("print(2)")).stdout == "2\n"
    assert one.id not in [other.id for other in containers(runner.session)]


def test_a_missing_right_to_mount_is_reported(
    runner: ContainerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_MAY_MOUNT", {})
    with pytest.raises(RunnerUnavailable, match="--isolation case"):
        runner.run(case_of(""))
    assert ContainerRunner(runner.image, "case").run(case_of("print(1)")).stdout == "1\n"


@pytest.mark.parametrize(
    ("isolation", "source"),
    [("worker", ""), ("worker", HANG), ("case", HANG)],
    ids=["worker-between-cases", "worker-during-case", "case-during-case"],
)
def test_a_container_ends_with_its_worker(
    engine: str, containers: Containers, isolation: str, source: str
) -> None:
    """The worker is killed during a case, or between two."""
    worker = (
        "import time\n"
        "from harness.runners.real.container import ContainerRunner\n"
        "from tests.unit.worlds import case_of\n"
        f"runner = ContainerRunner({engine!r}, {isolation!r})\n"
        "print(runner.session, flush=True)\n"
        "runner.run(case_of(''))\n"
        "print('ready', flush=True)\n"
        f"runner.run(case_of({source!r}, timeout=3600))\n"
        "time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", worker],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        session = process.stdout.readline().strip()
        assert process.stdout.readline() == "ready\n"
        while [_runs_script(one) for one in containers(session)] != [bool(source)]:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not containers(session))


def _runs_script(one: Container) -> bool:
    if one.status != "running":
        return False
    return any("script.py" in word for line in one.top()["Processes"] for word in line)
