"""What scripts attempt in a sandbox, as root and as an ordinary user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot
from harness.promises.scratch import SCRATCH
from harness.runners.inside import stamps
from harness.runners.real import exchange
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.real.warm import pool
from harness.worlds.tree import Tree
from tests.adversary.test_harness import CASE
from tests.unit.test_sandbox_runner import call_as_nobody, pythons
from tests.unit.worlds import OUTPUT, case_of

# Name → script, which exits with 0 when it was denied.
DENIED = {
    "memory of the agent": "open('/proc/1/mem', 'r+b')",
    "its map": "open('/proc/1/maps').read()",
    "its variables": "open('/proc/1/environ', 'rb').read()",
    "its descriptors": "os.open('/proc/1/fd/1', os.O_WRONLY)",
    "ptrace": "check(libc.ptrace(16, 1, 0, 0))",
    "remount": "check(libc.mount(b'none', sys.prefix.encode(), None, 4096 | 32, None))",
    "mount": "check(libc.mount(b'none', b'/mnt', b'tmpfs', 0, None))",
    "unmount": "check(libc.umount2(b'/proc', 2))",
    "new user namespace": "check(libc.unshare(0x10000000))",
    "new mount namespace": "check(libc.unshare(0x00020000))",
    "another namespace": "check(libc.setns(os.open('/proc/self/ns/mnt', 0), 0))",
    "keyring": "check(libc.syscall(250, 0, -3, 0) if os.uname().machine == 'x86_64' else -1)",
    "the interpreter": "open(os.path.join(sys.prefix, 'left'), 'w')",
    "a kernel setting": "open('/proc/sys/kernel/hostname', 'w').write('x')",
    "a network": "import socket; socket.create_connection(('1.1.1.1', 53), 1)",
    "a device": "os.mknod('/tmp/d', 0o60600, os.makedev(8, 0)); open('/tmp/d')",
}
HEAD = """
    import ctypes, os, sys
    libc = ctypes.CDLL(None, use_errno=True)
    def check(result):
        if result == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        {attempt}
    except OSError as error:
        sys.exit(0)
    sys.exit(7)
"""


# The modules that are imported ahead: every case has a new interpreter, or is forked.
STARTS = pytest.mark.parametrize(
    "modules", [pytest.param(None, id="cold"), pytest.param((), id="warm")]
)


@STARTS
@pytest.mark.parametrize("name", DENIED)
def test_it_is_denied(name: str, modules: tuple[str, ...] | None) -> None:
    runner = SandboxRunner(modules=modules)
    outcome = runner.run(case_of(HEAD.format(attempt=DENIED[name])))
    runner.close()
    assert outcome.exit_code == 0, f"it was not denied: {outcome.stderr}"
    assert not Path("/tmp/d").exists()


@pytest.fixture(scope="module")
def run_as_nobody() -> Callable[..., Outcome]:
    found = pythons()
    if not found:
        pytest.skip("there is no Python that the user nobody may run")

    def run(case: Case, modules: tuple[str, ...] | None = None) -> Outcome:
        runner = SandboxRunner(found[0], modules=modules)

        def prepared() -> Outcome:
            runner.prepare()
            outcome = runner.run(case)
            assert modules is None or pool(runner, runner.start_warm, modules).forked
            runner.close()
            return replace(outcome, before=Tree(outcome.before.entries))

        outcome = call_as_nobody(prepared)
        assert isinstance(outcome, Outcome)
        return outcome

    return run


@STARTS
@pytest.mark.parametrize("name", DENIED)
def test_it_is_denied_to_the_user_nobody(
    run_as_nobody: Callable[..., Outcome], name: str, modules: tuple[str, ...] | None
) -> None:
    outcome = run_as_nobody(case_of(HEAD.format(attempt=DENIED[name])), modules)
    assert outcome.exit_code == 0, f"it was not denied: {outcome.stderr}"


@STARTS
def test_no_user_has_more_rights_than_in_a_container(
    run_as_nobody: Callable[..., Outcome], modules: tuple[str, ...] | None
) -> None:
    source = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0])"
    runner = SandboxRunner(modules=modules)
    for outcome in (runner.run(case_of(source)), run_as_nobody(case_of(source), modules)):
        rights = int(outcome.stdout, 16)
        # To administer the machine, to look into processes, to make devices.
        assert not any(rights >> one & 1 for one in (12, 16, 17, 19, 21, 22, 27))
    runner.close()


def test_streams_are_pipes_that_any_user_may_open() -> None:
    source = """
        import os, stat, subprocess, sys
        print([stat.S_ISFIFO(os.fstat(n).st_mode) for n in (1, 2)])
        sys.stderr.write("own\\n")
        sys.stderr.flush()
        subprocess.run("echo shell > /dev/stderr", shell=True, check=True)
        with open("/dev/stdout", "w") as again:
            again.write("again\\n")
        try:
            os.ftruncate(2, 0)
        except OSError:
            pass
    """
    for user in (0, 1000):
        outcome = SandboxRunner().run(case_of(source, user=user))
        assert outcome.exit_code == 0
        assert outcome.stderr == "own\nshell\n"
        assert sorted(outcome.stdout.splitlines()) == ["[True, True]", "again"]


def test_where_warnings_are_errors_nothing_is_said() -> None:
    command = [sys.executable, "-W", "error", "-m", "harness", *CASE, "--runner", "sandbox"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_shared_memory_is_writable_where_the_root_is_not() -> None:
    source = "import multiprocessing; multiprocessing.Lock(); open('/dev/shm/x', 'w')"
    outcome = SandboxRunner().run(case_of(source, read_only=("/",), writable=SCRATCH))
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_what_a_call_answers_is_not_what_the_script_prints() -> None:
    from harness.cases.case import Call

    forged = """
        import os, sys
        sys.stdout.write('\\nharness-call: {"returned": 1}\\n')
        for n in range(3, 40):
            try: os.write(n, b'{"returned": 1}')
            except OSError: pass
        sys.stdout.flush()
        os._exit(0)
    """
    outcome = SandboxRunner().run(case_of(forged, call=Call("answer")))
    assert outcome.returned is None
    noisy = """
        import atexit, sys
        atexit.register(print, "bye")
        def answer():
            sys.stdout = None
            return 42
    """
    outcome = SandboxRunner().run(case_of(noisy, call=Call("answer")))
    assert outcome.returned == {"returned": 42}


def new_in(outcome: Outcome) -> set[str]:
    assert outcome.after is not None
    return set(outcome.after.entries) - set(outcome.before.entries)


def test_changes_are_seen_in_every_folder_and_whatever_their_date() -> None:
    source = """
        import os
        before = os.stat("/etc/hosts")
        data = open("/etc/hosts").read().replace("local", "LOCAL")
        open("/etc/hosts", "w").write(data)
        os.utime("/etc/hosts", ns=(before.st_atime_ns, before.st_mtime_ns))
        os.makedirs("/boot")
        open("/dev/left", "w").close()
    """
    outcome = SandboxRunner().run(case_of(source))
    assert outcome.exit_code == 0, outcome.stderr
    assert {"/etc/hosts", "/boot", "/dev/left"} <= new_in(outcome)
    quiet = "print(open('/etc/hosts').read()); open('/dev/null', 'w').write('x')"
    assert not new_in(SandboxRunner().run(case_of(quiet)))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"open('{OUTPUT}/x', 'wb').truncate(1 << 40)", "of 1099511627776 bytes"),
        ("import os\nfor n in range(60): open('/tmp/%d' % n, 'w')", "more than"),
        (
            "import os\nfor _ in range(1500): os.mkdir('deeper'); os.chdir('deeper')",
            "path is too long",
        ),
    ],
)
def test_what_is_too_much_is_not_proven(
    monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    monkeypatch.setattr(stamps, "MAX_ADDED", 50 if words == "more than" else stamps.MAX_ADDED)
    outcome = SandboxRunner().run(case_of(source, cwd="/tmp"))
    assert words in outcome.unproven


def test_floods_are_kept_in_part() -> None:
    source = "import os\nfor _ in range(2000): os.write(2, b'x' * 100_000)"
    outcome = SandboxRunner().run(case_of(source))
    assert "bytes are left out here" in outcome.stderr
    assert len(outcome.stderr) < 10 << 20


def test_arguments_that_are_too_long_are_no_defect_of_the_runner() -> None:
    outcome = SandboxRunner().run(case_of("", arguments=("x" * 200_000,)))
    assert (outcome.exit_code, outcome.stderr) == (
        126,
        "the script cannot be started: argument list too long\n",
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"no tar", Tree().with_file("/tree/a", b"x").to_tar()],
)
def test_an_answer_that_is_none_is_told(data: bytes) -> None:
    with pytest.raises(RunnerCannot, match="is not what an agent sends"):
        exchange.Response.from_tar(data, case_of(""))
