"""What scripts attempt in containers: the answer of the agent is not theirs, and all is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.runners.real.container import ContainerRunner
from tests.unit.worlds import OUTPUT, case_of

# Exits with 0 when all was denied.
ATTEMPTS = """
    import ctypes, os, struct, sys
    libc = ctypes.CDLL(None, use_errno=True)
    def denied(attempt):
        try:
            return attempt() == -1
        except OSError:
            return True
    frame = struct.pack(">cQ", b"R", 3) + b"tar"
    def write(number):
        descriptor = os.open(f"/proc/1/fd/{number}", os.O_WRONLY)
        os.write(descriptor, frame)
    allowed = [number for number in range(10) if not denied(lambda: write(number))]
    for name, attempt in {
        "mem": lambda: open("/proc/1/mem", "r+b"),
        "maps": lambda: open("/proc/1/maps").read(),
        "ptrace": lambda: libc.ptrace(16, 1, 0, 0),
        "mount": lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None),
        "unshare": lambda: libc.unshare(0x10000000),
    }.items():
        if not denied(attempt):
            allowed.append(name)
    sys.exit(str(allowed) if allowed else 0)
"""
LEAVE = f"""
    import os
    for folder in ("/usr/local/lib", "/boot", "/dev"):
        os.makedirs(folder, exist_ok=True)
        open(folder + "/left", "w").close()
    before = os.stat("/etc/passwd")
    data = open("/etc/passwd").read().replace("root", "r00t")
    open("/etc/passwd", "w").write(data)
    os.utime("/etc/passwd", ns=(before.st_atime_ns, before.st_mtime_ns))
    open("{OUTPUT}/x", "w").close()
"""
LEFT = {"/usr/local/lib/left", "/boot/left", "/dev/left", "/etc/passwd", f"{OUTPUT}/x"}


@pytest.fixture(scope="module", params=["worker", "case"])
def runner(request: pytest.FixtureRequest, engine: str) -> Iterator[ContainerRunner]:
    found = ContainerRunner(engine, isolation=request.param)
    found.prepare()
    yield found
    found.close()


def test_the_agent_cannot_be_reached(runner: ContainerRunner) -> None:
    outcome = runner.run(case_of(ATTEMPTS))
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_changes_are_seen_in_every_folder_and_whatever_their_date(runner: ContainerRunner) -> None:
    outcome = runner.run(case_of(LEAVE))
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.after is not None
    new = set(outcome.after.entries) - set(outcome.before.entries)
    assert new >= LEFT
    quiet = runner.run(case_of("print(open('/etc/passwd').read())"))
    assert quiet.after is not None
    assert not set(quiet.after.entries) - set(quiet.before.entries)
