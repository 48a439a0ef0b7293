"""The sandbox runner: real processes that change nothing on this machine."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cases.case import BASE_ENVIRONMENT, Call, Case, Interrupt, Mount, Outcome
from harness.errors import Exit, RunnerCannot, RunnerUnavailable, WrongUse
from harness.runners.fake.runner import FakeRunner
from harness.runners.inside import mounts
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.real.sandbox_world import conflicting_path
from harness.runners.registry import open_runner
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Entry, Tree
from tests.unit.gated import PATIENCE, wait_until
from tests.unit.worlds import OUTPUT, SCRIPT, case_of, hanging

NOBODY = 65534
HARNESS = Path(sys.executable).with_name("harness")


def after(outcome: Outcome) -> Tree:
    assert outcome.after is not None, outcome.stderr
    return outcome.after


def new_paths(outcome: Outcome) -> set[str]:
    return {path for path, _ in after(outcome) if path not in outcome.before}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise ValueError('no')", 1),
        ("not python", 1),
        ("import os; os._exit(5)", 5),
        ("import os; os.abort()", 134),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import subprocess, sys; sys.exit(subprocess.call(['sh', '-c', 'exit 4']))", 4),
    ],
)
def test_exit_codes(sandbox: SandboxRunner, source: str, code: int) -> None:
    assert sandbox.run(case_of(source)).exit_code == code


def test_a_script_that_hangs_is_an_outcome(sandbox: SandboxRunner) -> None:
    outcome = hanging(sandbox)
    assert (outcome.exit_code, outcome.stdout) == (None, "here\n")


CHANGES: dict[str, tuple[str, Entry]] = {
    "bytes": ("open(path, 'r+b').write(b'new')", Entry("file", b"new")),
    "mode": ("os.chmod(path, 0o600)", Entry("file", b"old", mode=0o600)),
    "date": ("os.utime(path, (1, 1))", Entry("file", b"old", mtime=1.0)),
    "kind": (
        "os.unlink(path); os.symlink('old', path)",
        Entry("symlink", b"", 0o777, target="old"),
    ),
    "nothing": ("", Entry("file", b"old")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_one_attribute_is_detected(sandbox: SandboxRunner, what: str) -> None:
    """Unchanged entries are not sent back; times alone do not decide what is unchanged."""
    change, wanted = CHANGES[what]
    keep = "" if what == "date" else "os.utime(path, ns=dates, follow_symlinks=False)"
    source = (
        "import os\npath = '/opt/ml/here'\nstat = os.stat(path)\n"
        f"dates = (stat.st_atime_ns, stat.st_mtime_ns)\n{change}\n{keep}\n"
    )
    outcome = sandbox.run(
        case_of(source, Tree.for_job(PROCESSING).with_file("/opt/ml/here", b"old"))
    )
    assert after(outcome).entries["/opt/ml/here"] == wanted, outcome.stderr


SUBPROCESS = """
import mmap, sqlite3, subprocess, sys
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout)
with open("/tmp/mapped", "w+b") as stream:
    stream.truncate(100)
    with mmap.mmap(stream.fileno(), 100) as mapped:
        mapped[0:3] = b"abc"
    stream.seek(0)
    print(stream.read(3))
with sqlite3.connect("/tmp/base.db") as base:
    base.execute("create table t (n integer)")
    base.execute("insert into t values (3)")
    print(base.execute("select n from t").fetchall())
"""


def test_what_the_fake_runner_refuses_works_in_a_sandbox(sandbox: SandboxRunner) -> None:
    case = case_of(SUBPROCESS)
    with pytest.raises(RunnerCannot, match="--runner sandbox"):
        FakeRunner().run(case)
    outcome = sandbox.run(case)
    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == ["42", "", "b'abc'", "[(3,)]"]
    assert {"/tmp/mapped", "/tmp/base.db"} <= new_paths(outcome)


def test_memory_can_be_shared_on_a_read_only_root(sandbox: SandboxRunner) -> None:
    share = """
        import multiprocessing
        from multiprocessing.shared_memory import SharedMemory
        block = SharedMemory(create=True, size=9)
        block.close()
        block.unlink()
        multiprocessing.Lock()
    """
    outcome = sandbox.run(case_of(share, read_only=("/",), writable=("/tmp",)))
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_the_script_sees_its_tree_and_arguments(sandbox: SandboxRunner) -> None:
    case = case_of(
        """
        import os, sys
        print(__file__, sys.argv[1:], os.getcwd(), os.environ["LEVEL"], os.getuid())
        print(oct(os.stat("/opt/ml/code/data").st_mode), os.stat("/opt/ml/code/data").st_mtime)
        print(os.readlink("/opt/ml/code/link"), os.lstat("/opt/ml/code/link").st_mtime)
        print(os.stat("/opt/ml/code").st_mtime)
        """,
        arguments=("--level", "3"),
        variables={"LEVEL": "3"},
        cwd="/tmp",
    )
    tree = case.tree.with_file("/opt/ml/code/data", b"", mode=0o640)
    outcome = sandbox.run(case.with_tree(tree.with_symlink("/opt/ml/code/link", "data")))
    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == [
        f"{SCRIPT} ['--level', '3'] /tmp 3 0",
        "0o100640 1704164645.0",
        "data 1704164645.0",
        "1704164645.0",
    ]


def test_the_environment_is_only_that_of_the_job(
    sandbox: SandboxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    expected = f"{sorted(BASE_ENVIRONMENT)}\n"
    assert sandbox.run(case_of("import os; print(sorted(os.environ))")).stdout == expected


def test_an_unchanged_tree_is_returned_unchanged(sandbox: SandboxRunner) -> None:
    tree = (
        Tree.for_job(PROCESSING, (OUTPUT,))
        .with_channel("model", {"a.bin": b"a"})
        .with_symlink("/opt/ml/link", "code")
        .with_file("/opt/ml/odd", b"odd", mode=0o4711)
        .with_device("/opt/ml/null")
        .with_fifo("/opt/ml/fifo")
    )
    outcome = sandbox.run(case_of("open('/opt/ml/null', 'w').write('gone')", tree))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert after(outcome).entries == outcome.before.entries


def test_files_written_anywhere_are_returned_and_do_not_reach_this_machine(
    sandbox: SandboxRunner,
) -> None:
    mark = f"sandbox-test-{os.getpid()}"
    outside = [f"{folder}/{mark}" for folder in ("", "/etc", "/var", "/var/log", "/srv", "/home")]
    outside += [f"/opt/other/{mark}", f"/dev/shm/{mark}", f"/var/tmp/{mark}", f"/tmp/{mark}"]
    outcome = sandbox.run(
        case_of(
            f"""
            import os
            for path in {outside}:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, "w").write("x")
            open("/etc/passwd", "a").write("more")
            for folder in ("/usr", "/usr/bin", "/proc/sys"):
                try:
                    open(folder + "/{mark}", "w")
                except OSError as error:
                    print(error.strerror)
            """
        )
    )
    assert outcome.stderr == ""
    assert {*outside, "/etc/passwd"} <= new_paths(outcome)
    assert outcome.stdout.splitlines()[:2] == ["Read-only file system"] * 2
    assert [path for path in outside if os.path.lexists(path)] == []
    assert "more" not in Path("/etc/passwd").read_text().splitlines()


def test_a_script_cannot_reach_this_machine(sandbox: SandboxRunner) -> None:
    outcome = sandbox.run(
        case_of(
            """
            import os, stat
            print(len([name for name in os.listdir("/proc") if name.isdigit()]) < 4)
            def caught(name, function, *arguments):
                try:
                    function(*arguments)
                except OSError as error:
                    print(name, "refused")
                else:
                    print(name, "done")
            caught("device", os.mknod, "/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))
            caught("setting", open, "/proc/sys/kernel/hostname", "w")
            caught("trigger", open, "/proc/sysrq-trigger", "w")
            os.kill(-1, 0)
            """
        )
    )
    assert outcome.stdout.splitlines() == [
        "True",
        "device refused",
        "setting refused",
        "trigger refused",
    ]


def test_a_script_cannot_reach_the_first_process_or_mount(roots_sandbox: SandboxRunner) -> None:
    outcome = roots_sandbox.run(
        case_of(
            """
            import ctypes, os
            libc = ctypes.CDLL(None)
            print(libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None))
            print(libc.mount(None, b"/usr", None, 32 | 4096, None))
            for function, path in ((os.readlink, "/proc/1/fd/0"), (os.listdir, "/proc/1/root")):
                try:
                    function(path)
                except OSError as error:
                    print("refused")
            """
        )
    )
    assert outcome.stdout.splitlines() == ["-1", "-1", "refused", "refused"]


def test_another_interpreter_can_be_used(
    sandbox: SandboxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    monkeypatch.setenv("HARNESS_PYTHON", str(other))
    runner = open_runner("sandbox")
    runner.prepare()
    outcome = runner.run(case_of("import sys; print(sys.prefix == sys.base_prefix, sys.prefix)"))
    assert outcome.stdout == f"True {sys.base_prefix}\n"
    assert outcome.stderr == ""
    with pytest.raises(WrongUse, match="HARNESS_PYTHON"):
        SandboxRunner("/no/such/python").prepare()


def test_a_package_that_is_worked_on_elsewhere_is_seen(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    version = f"python3.{sys.version_info.minor}"
    packages = tmp_path / "venv" / "lib" / version / "site-packages"
    for folder in (packages, tmp_path / "venv" / "bin", tmp_path / "own"):
        folder.mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    (tmp_path / "venv" / "bin" / "python3").symlink_to(Path(sys.base_prefix, "bin", version))
    (tmp_path / "own" / "own_module.py").write_text("VALUE = 3\n")
    (packages / "own.pth").write_text(f"{tmp_path}/own\n")
    runner = SandboxRunner(str(tmp_path / "venv" / "bin" / "python3"))
    outcome = runner.run(case_of("import own_module; print(own_module.VALUE)"))
    assert (outcome.stdout, outcome.stderr) == ("3\n", "")


def test_a_tree_may_not_cover_the_interpreter(sandbox: SandboxRunner) -> None:
    tree = case_of("").tree.with_file(f"{sys.prefix}/x", b"x")
    with pytest.raises(RunnerCannot, match="HARNESS_PYTHON"):
        sandbox.run(case_of("", tree))
    for path, conflict in (("/srv/python", "/srv/python"), ("/srv", "/srv"), ("/srv/x", None)):
        case = Case(tree=Tree().with_file(path, b""))
        assert conflicting_path(case, ("/srv/python",)) == conflict


def test_a_script_that_looks_where_its_interpreter_is_proves_nothing(
    sandbox: SandboxRunner,
) -> None:
    """In a container the folder of temporary files holds none."""
    sources = {
        "import os\nos.listdir('/tmp')": True,
        "import subprocess\nsubprocess.run('ls /tmp', shell=True, check=True)": True,
        "import shutil, tempfile\nshutil.rmtree(tempfile.mkdtemp())": False,
        "import os\nos.listdir('/var/tmp')": False,
    }
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        venv.create(folder, symlinks=True)
        runner = SandboxRunner(f"{folder}/bin/python")
        outcomes = {one: runner.run(case_of(one)) for one in sources}
    assert {one.exit_code for one in outcomes.values()} == {0}
    unproven = {source: one.unproven for source, one in outcomes.items()}
    assert {one: "looks through /tmp" in unproven[one] for one in sources} == sources


def test_devices_of_this_machine_cannot_be_changed(roots_sandbox: SandboxRunner) -> None:
    before = Path("/dev/null").stat().st_mode
    outcome = roots_sandbox.run(
        case_of("import os\nos.chmod('/dev/null', 0o600)\nopen('/dev/null', 'w').write('x')")
    )
    assert (outcome.exit_code, Path("/dev/null").stat().st_mode) == (0, before)


def test_a_case_does_not_affect_the_next_one(sandbox: SandboxRunner) -> None:
    sandbox.run(case_of("open('/tmp/left', 'w').close()"))
    source = "import os; print(os.path.exists('/tmp/left'))"
    assert sandbox.run(case_of(source)).stdout == "False\n"


def test_a_function_call_returns_its_result(sandbox: SandboxRunner) -> None:
    call = Call("double", {"number": 21})
    outcome = sandbox.run(case_of("def double(number):\n    return 2 * number\n", call=call))
    assert outcome.returned == {"returned": 42}


def test_a_mount_is_a_limited_file_system(sandbox: SandboxRunner) -> None:
    case = case_of(
        f"""
        import os
        print(os.stat("{OUTPUT}").st_dev != os.stat("/opt/ml").st_dev)
        open("{OUTPUT}/large", "wb").write(bytes(200_000))
        """,
        mounts=(Mount(OUTPUT, size=64 * 1024),),
    )
    outcome = sandbox.run(case)
    assert outcome.stdout == "True\n"
    assert "No space left on device" in outcome.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137)])
@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("user", [0, 1234])
def test_a_signal_arrives_during_the_run(
    sandbox: SandboxRunner, number: signal.Signals, code: int, share: float, user: int
) -> None:
    source = """
        import time
        for number in range(50):
            open(f"/tmp/{number}", "w").close()
            time.sleep(0.01)
    """
    outcome = sandbox.run(case_of(source, interrupt=Interrupt(number, share), user=user))
    written = sum(path.startswith("/tmp/") for path, _ in after(outcome))
    assert outcome.exit_code == code
    # On a slow machine it comes later.
    assert written in (range(1, 50) if share < 0.5 else range(30, 50))


DAEMON = """
import subprocess, sys
subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
{then}
"""


def running(word: str) -> list[str]:
    """The processes of this machine whose command line has this word."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in command:
                found.append(folder.name)
    return found


def mount_points() -> list[str]:
    """The mount points of this machine, without those of its Docker engine."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [point for point in points if "docker" not in point]


def test_background_processes_end_with_the_script(sandbox: SandboxRunner) -> None:
    seconds = f"5{os.getpid()}"
    outcome = sandbox.run(case_of(DAEMON.format(seconds=seconds, then="")))
    assert (outcome.exit_code, running(seconds)) == (0, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_leaves_no_process_and_no_mount(
    sandbox: SandboxRunner, tmp_path: Path, number: signal.Signals
) -> None:
    seconds = f"6{os.getpid()}"
    script = tmp_path / "slow.py"
    script.write_text(DAEMON.format(seconds=seconds, then="import time; time.sleep(3600)"))
    command = [str(HARNESS), "check", "--script", str(script), "--runner", "sandbox", "--jobs", "2"]
    before = mount_points()
    with subprocess.Popen(command, stdout=-3, stderr=subprocess.PIPE, text=True) as check:
        wait_until(lambda: len(running(seconds)) > 0)
        check.send_signal(number)
        _, stderr = check.communicate(timeout=PATIENCE)
    assert check.returncode == Exit.INTERRUPTED
    assert "nothing is left running" in stderr
    wait_until(lambda: running(seconds) == [])
    assert mount_points() == before


def test_the_processes_of_a_case_end_with_a_killed_worker(sandbox: SandboxRunner) -> None:
    seconds = f"7{os.getpid()}"
    case = case_of(DAEMON.format(seconds=seconds, then="import time; time.sleep(3600)"))
    worker = os.fork()
    if worker == 0:
        try:
            sandbox.run(case)
        finally:
            os._exit(0)
    wait_until(lambda: len(running(seconds)) > 0)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    wait_until(lambda: running(seconds) == [])


def refuse_unshare(name: str, *_arguments: Any) -> None:
    if name == "unshare":
        raise PermissionError(1, "unshare: Operation not permitted")


def test_a_system_without_namespaces_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "call_libc", refuse_unshare)
    with pytest.raises(RunnerUnavailable, match=r"not permitted[\s\S]*--runner container"):
        SandboxRunner().prepare()


def test_another_system_than_linux_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(RunnerUnavailable, match="needs Linux; this is darwin"):
        SandboxRunner().prepare()


def call_as_nobody(function: Callable[[], object]) -> Any:
    """What a function returns when the user nobody calls it in a subprocess."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                # As in a program that this user has started.
                set_dumpable = 4
                mounts.call_libc("prctl", set_dumpable, 1, 0, 0, 0)
            result: object = function()
        except RunnerUnavailable as error:
            result = error
        except BaseException:
            result = traceback.format_exc()
        with os.fdopen(write_end, "wb") as stream:
            stream.write(pickle.dumps(result))
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    result = pickle.loads(data)
    if isinstance(result, RunnerUnavailable):
        pytest.skip(str(result))
    assert not isinstance(result, str), result
    return result


def pythons() -> list[str]:
    """The interpreters that the user nobody may run."""
    named = [sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"]
    return [one for one in named if call_as_nobody(lambda one=one: (os.access(one, os.X_OK),))[0]]  # type: ignore[misc]


@pytest.fixture(scope="module")
def run_as_nobody() -> Callable[[Case], Outcome]:
    found = pythons()
    if not found:
        pytest.skip("there is no Python that the user nobody may run")

    def run(case: Case) -> Outcome:
        runner = SandboxRunner(found[0])

        def prepared() -> Outcome:
            runner.prepare()
            outcome = runner.run(case)
            # A job cannot be pickled.
            return replace(outcome, before=Tree(outcome.before.entries))

        outcome = call_as_nobody(prepared)
        assert isinstance(outcome, Outcome)
        return outcome

    return run


def test_the_user_nobody_is_root_in_a_sandbox(run_as_nobody: Callable[[Case], Outcome]) -> None:
    tree = case_of("").tree.with_fifo("/opt/ml/code/f").with_device("/opt/ml/code/d")
    outcome = run_as_nobody(
        case_of(
            f"""
            import os, socket, subprocess
            print(os.getuid(), os.getgid(), os.getpid() < 10)
            open("{OUTPUT}/x", "w").write("x")
            open("/etc/elsewhere", "w").write("x")
            open("/opt/ml/code/d", "w").write("gone")
            print(subprocess.run(["sh", "-c", "exit 3"]).returncode)
            print([name for _, name in socket.if_nameindex()])
            """,
            tree,
        )
    )
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == ["0 0 True", "3", "['lo']"]
    assert {f"{OUTPUT}/x", "/etc/elsewhere"} <= new_paths(outcome)
    written, before = after(outcome).without(OUTPUT).entries, outcome.before.without(OUTPUT).entries
    assert {path: written.get(path) for path in before} == before
    assert not os.path.lexists("/etc/elsewhere")


def test_a_sandbox_of_the_user_nobody_can_run_as_another_user(
    run_as_nobody: Callable[[Case], Outcome],
) -> None:
    source = f"""
        import os
        print(os.getuid(), os.geteuid(), os.getgid())
        open("{OUTPUT}/x", "w").write("x")
        try:
            os.setuid(0)
        except OSError as error:
            print(type(error).__name__)
    """
    outcome = run_as_nobody(case_of(source, user=1234))
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == ["1234 1234 1234", "OSError"]


def test_a_sandbox_of_the_user_nobody_has_read_only_and_full_folders(
    run_as_nobody: Callable[[Case], Outcome],
) -> None:
    source = f"""
        import errno
        for path in ("/opt/ml/code/x", "{OUTPUT}/x", "/tmp/x"):
            try:
                with open(path, "w") as stream:
                    stream.write("x")
            except OSError as error:
                print(path, errno.errorcode[error.errno])
    """
    case = case_of(
        source,
        mounts=(Mount(OUTPUT, 0),),
        read_only=("/",),
        writable=(OUTPUT, "/tmp"),
    )
    outcome = run_as_nobody(case)
    assert outcome.stdout.splitlines() == ["/opt/ml/code/x EROFS", f"{OUTPUT}/x ENOSPC"]
    assert "/tmp/x" in after(outcome)
