"""The fake runner: every behaviour of a script is the outcome that a real process would have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.cases.case import BASE_ENVIRONMENT, Call, Interrupt, Mount, Outcome
from harness.errors import RunnerCannot
from harness.runners.fake.runner import FakeRunner
from harness.worlds.jobs import PROCESSING, TRAINING
from harness.worlds.tree import Tree
from tests.unit.worlds import OUTPUT, SCRIPT, case_of


def run(source: str, tree: Tree | None = None, **changes: object) -> Outcome:
    return FakeRunner().run(case_of(source, tree, **changes))


def new_paths(outcome: Outcome) -> list[str]:
    assert outcome.after is not None
    return [path for path, _ in outcome.after if path not in outcome.before]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('no')", 1),
        ("raise SystemExit(257)", 1),
        ("raise ValueError('no')", 1),
        ("not python", 1),
        ("import os; os._exit(5)", 5),
        ("import os; os.abort()", 134),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("import threading\nthreading.Thread(target=lambda: None).start()", 0),
        ("import faulthandler; faulthandler._sigsegv()", 139),
    ],
)
def test_exit_codes(source: str, code: int) -> None:
    assert run(source).exit_code == code


@pytest.mark.parametrize(
    "end",
    ["os._exit(0)", "os.abort()", "os.kill(os.getpid(), 9)", "atexit.register(os._exit, 0)"],
)
def test_a_sudden_end_takes_what_is_in_open_files_alone(end: str) -> None:
    source = f"""
import atexit, os, threading
open('/tmp/unnamed', 'w').write('closed at once')
thread = threading.Thread(target=lambda: open('/tmp/thread', 'w').write('closed at once'))
thread.start()
thread.join()
named = open('/tmp/named', 'w')
named.write('never flushed')
{end}
"""
    after = run(source).after
    assert after is not None
    written = [after.entries[f"/tmp/{name}"].data for name in ("unnamed", "thread", "named")]
    assert written == [b"closed at once", b"closed at once", b""]


def test_what_comes_next_in_a_file_can_be_looked_at() -> None:
    source = (
        "open('/tmp/a', 'wb').write(b'bytes')\n"
        "with open('/tmp/a', 'rb') as file:\n"
        "    assert file.read(1) + file.peek(2)[:2] + file.read() == b'bytytes'\n"
        "    assert file.peek() == b''\n"
    )
    assert run(source).exit_code == 0


def test_a_hanging_script_is_an_outcome() -> None:
    outcome = run("import time\nwhile True: time.sleep(1)", timeout=0.3)
    assert outcome.exit_code is None
    busy = run("while True: pass", timeout=0.3)
    assert (busy.exit_code, busy.after) == (None, None)


def test_another_user_may_load_modules_of_python_late() -> None:
    source = 'import cmd, sched; "a".encode("unicode_escape"); "a".encode("cp037")'
    assert run(source, user=1234).exit_code == 0


def test_a_fifo_blocks() -> None:
    tree = Tree.for_job(PROCESSING).with_fifo("/opt/ml/fifo")
    assert run("open('/opt/ml/fifo').read()", tree).exit_code is None
    assert run("import os; os.open('/opt/ml/fifo', os.O_RDONLY)", tree).exit_code is None
    stat = "import os, stat; assert stat.S_ISFIFO(os.stat('/opt/ml/fifo').st_mode)"
    assert run(stat, tree).exit_code == 0


def test_tracebacks_are_those_of_a_real_file_system(tmp_path: Path) -> None:
    source = """
import logging

def read(path):
    with open(path) as stream:
        return stream.read()

try:
    read("/nowhere/a")
except OSError:
    logging.exception("cannot read it")
read("/nowhere/b")
"""
    script = tmp_path / "script.py"
    script.write_text(source)
    real = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    fake = FakeRunner().run(case_of(source))
    assert fake.stderr.replace("/opt/ml/code", str(tmp_path)) == real.stderr


def test_the_traceback_shows_only_the_script() -> None:
    outcome = run("def deep():\n    raise ValueError('no')\ndeep()\n")
    assert outcome.stderr.startswith("Traceback (most recent call last):\n")
    assert outcome.stderr.endswith("ValueError: no\n")
    assert f'File "{SCRIPT}", line 3, in <module>\n    deep()' in outcome.stderr
    assert "harness/runners" not in outcome.stderr


def test_both_output_streams_are_captured_and_may_be_binary() -> None:
    outcome = run(
        """
        import os, sys
        print("out")
        print("err", file=sys.stderr)
        sys.stdout.flush()
        os.write(1, b"\\xff\\n")
        """
    )
    assert outcome.stdout == "out\n\\xff\n"
    assert outcome.stderr == "err\n"


def test_logging_works_as_in_a_fresh_process() -> None:
    outcome = run("import logging\nlogging.basicConfig(level='INFO')\nlogging.info('hello')")
    assert outcome.stderr == "INFO:root:hello\n"


def test_the_script_sees_only_its_tree() -> None:
    outcome = run(
        """
        import os, sys
        print(__file__, sys.argv, os.getcwd())
        print(sorted(os.listdir("/")), os.path.exists("/etc/passwd"))
        print(__name__, sys.path[0])
        """,
        arguments=("--level", "3"),
    )
    assert outcome.stdout.splitlines() == [
        f"{SCRIPT} ['{SCRIPT}', '--level', '3'] /opt/ml/code",
        "['dev', 'home', 'opt', 'root', 'tmp', 'var'] False",
        "__main__ /opt/ml/code",
    ]


def test_the_environment_is_only_that_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    source = "import os; print(sorted(os.environ))"
    assert run(source).stdout == f"{sorted(BASE_ENVIRONMENT)}\n"
    training = run(source, Tree.for_job(TRAINING), variables={"LEVEL": "3"}).stdout
    assert "'SM_CHANNELS'" in training
    assert "'LEVEL'" in training
    assert "SECRET_OF_THE_HOST" not in training


def test_an_unchanged_tree_is_returned_unchanged() -> None:
    tree = (
        Tree.for_job(PROCESSING, (OUTPUT,))
        .with_channel("model", {"a.bin": b"a"})
        .with_symlink("/opt/ml/link", "code")
        .with_file("/opt/ml/odd", b"odd", mode=0o4711)
        .with_device("/opt/ml/null")
        .with_fifo("/opt/ml/fifo")
    )
    outcome = run("", tree)
    assert outcome.after is not None
    assert outcome.after.entries == outcome.before.entries


def test_changes_are_returned() -> None:
    outcome = run(
        f"""
        import os
        open("{OUTPUT}/a", "w").write("written")
        os.chmod("{OUTPUT}/a", 0o600)
        os.makedirs("/srv/deep")
        os.symlink("a", "{OUTPUT}/link")
        os.remove("/opt/ml/config/resourceconfig.json")
        """
    )
    assert outcome.after is not None
    assert new_paths(outcome) == [f"{OUTPUT}/a", f"{OUTPUT}/link", "/srv", "/srv/deep"]
    assert outcome.after.entries[f"{OUTPUT}/a"].data == b"written"
    assert outcome.after.entries[f"{OUTPUT}/a"].mode == 0o600
    assert outcome.after.entries[f"{OUTPUT}/link"].target == "a"
    assert "/opt/ml/config/resourceconfig.json" not in outcome.after


def test_creating_a_file_updates_the_time_of_its_folder() -> None:
    outcome = run("import os\nopen('/opt/ml/code/x', 'w').close()\nos.remove('/opt/ml/code/x')")
    assert outcome.after is not None
    code = "/opt/ml/code"
    assert outcome.after.entries[code].mtime > outcome.before.entries[code].mtime


# Correct idioms that fail in pyfakefs alone.
IDIOMS = {
    "from os.path import": "from os.path import exists\nassert exists('/opt/ml/code/script.py')",
    "import posixpath": "import posixpath\nassert posixpath.exists('/opt/ml/code/script.py')",
    "from os import": "from os import listdir\nassert listdir('/opt/ml/code') == ['script.py']",
    "pathlib": "from pathlib import Path\nassert Path('/opt/ml/code/script.py').is_file()",
    "fchmod after mkstemp": """
        import os, tempfile
        fd, name = tempfile.mkstemp()
        os.fchmod(fd, 0o640)
        assert os.stat(name).st_mode & 0o777 == 0o640
        os.close(fd); os.remove(name)
    """,
    "open for reading leaves the mode": """
        import os
        before = os.stat(__file__).st_mode
        os.close(os.open(__file__, os.O_RDONLY))
        assert os.stat(__file__).st_mode == before
    """,
    "os.open obeys the umask": """
        import os
        os.close(os.open("/tmp/x", os.O_CREAT | os.O_WRONLY, 0o666))
        assert os.stat("/tmp/x").st_mode & 0o777 == 0o644
        os.remove("/tmp/x")
    """,
    "lseek returns the position": """
        import os
        fd = os.open(__file__, os.O_RDONLY)
        assert os.lseek(fd, 0, os.SEEK_END) == os.path.getsize(__file__)
    """,
    "pread, pwrite and writev": """
        import os
        fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
        assert os.writev(fd, [b"ab", b"cd"]) == 4
        assert os.pwrite(fd, b"X", 1) == 1
        assert os.pread(fd, 2, 1) == b"Xc"
        assert os.lseek(fd, 0, os.SEEK_CUR) == 4
        os.remove("/tmp/x")
    """,
    "preadv and pwritev": """
        import os
        fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
        assert os.pwritev(fd, [b"ab", bytearray(b"cd")], 1) == 4
        one, two = bytearray(2), bytearray(9)
        assert os.preadv(fd, [one, two], 1) == 4
        assert (bytes(one), bytes(two[:2])) == (b"ab", b"cd")
        os.remove("/tmp/x")
    """,
    "a file without holes": """
        import os
        fd = os.open(__file__, os.O_RDONLY)
        assert os.lseek(fd, 3, os.SEEK_DATA) == 3
        assert os.lseek(fd, 3, os.SEEK_HOLE) == os.path.getsize(__file__)
        try:
            os.lseek(fd, 1 << 30, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == 6
    """,
    "what a descriptor is": """
        import os
        fd = os.open(__file__, os.O_RDONLY)
        os.set_inheritable(fd, False)
        os.set_blocking(fd, True)
        assert (os.get_inheritable(fd), os.get_blocking(fd)) == (False, True)
        assert os.fpathconf(fd, "PC_NAME_MAX") == 255
    """,
    "fchdir": """
        import os
        os.fchdir(os.open("/opt/ml", os.O_RDONLY | os.O_DIRECTORY))
        assert os.getcwd() == "/opt/ml"
    """,
    "names that are too long": """
        import os
        def error(function, *paths):
            try:
                function(*paths)
            except (OSError, ValueError) as error:
                return str(error)
        long = "/tmp/" + "é" * 128
        text = f"[Errno 36] File name too long: '{long}'"
        assert error(open, long, "w") == error(os.mkdir, long) == text
        open("/tmp/x", "w").close()
        text = f"[Errno 36] File name too long: '/tmp/x' -> '{long}'"
        assert error(os.rename, "/tmp/x", long) == error(os.link, "/tmp/x", long) == text
        assert error(open, "/tmp/" + "n/" * 2100).startswith("[Errno 36]")
        assert error(open, "/tmp/a" + chr(0), "w") == "embedded null byte"
        assert not os.path.exists(long)
        open("/tmp/" + "n" * 255, "w").close()
        os.symlink("t" * 300, "/tmp/link")
        assert os.stat("/tmp").st_blksize == 4096
    """,
    "all descriptors closed": """
        import os
        fd = os.open(__file__, os.O_RDONLY)
        os.closerange(3, 1 << 16)
        try:
            os.read(fd, 1)
        except OSError as error:
            assert error.errno == 9
        else:
            raise AssertionError
    """,
    "copy_file_range": """
        import os
        src, dst = os.open(__file__, os.O_RDONLY), os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
        size = os.path.getsize(__file__)
        assert os.copy_file_range(src, dst, size) == size
        assert os.copy_file_range(src, dst, size) == 0
        assert open("/tmp/x").read() == open(__file__).read()
    """,
    "statvfs and disk_usage": """
        import os, shutil
        assert os.statvfs("/opt/ml").f_bavail > 0
        assert shutil.disk_usage("/opt/ml").free > 0
    """,
    "chown": """
        import os
        fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
        os.fchown(fd, 5, -1)
        os.lchown("/tmp/x", -1, 6)
        assert (os.stat("/tmp/x").st_uid, os.stat("/tmp/x").st_gid) == (5, 6)
    """,
    "fsync of a folder": """
        import os
        fd = os.open("/opt/ml/code", os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)
    """,
    "posix_fallocate": """
        import os
        fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
        os.posix_fallocate(fd, 0, 100)
        assert os.fstat(fd).st_size == 100
    """,
    "temporary files and folders": """
        import os, tempfile
        with tempfile.TemporaryDirectory() as d, tempfile.NamedTemporaryFile(dir=d) as one:
            assert one.name.startswith("/tmp/")
            one.write(b"x"); one.flush()
            assert os.path.getsize(one.name) == 1
        assert os.listdir("/tmp") == []
    """,
    "a temporary folder cleaned at exit": "import tempfile\nkept = tempfile.TemporaryDirectory()",
    "atexit": """
        import atexit, os
        open("/tmp/x", "w").close()
        atexit.register(os.remove, "/tmp/x")
    """,
    "flock of a locked file": """
        import fcntl
        def lock(file, kind): fcntl.flock(file, kind | fcntl.LOCK_NB)
        with open("/tmp/x", "w") as first, open("/tmp/x") as second:
            lock(first, fcntl.LOCK_SH); lock(second.fileno(), fcntl.LOCK_SH)
            try:
                lock(first, fcntl.LOCK_EX)
            except BlockingIOError as error:
                assert error.errno == 11
            else:
                raise AssertionError
            lock(second, fcntl.LOCK_UN); lock(first, fcntl.LOCK_EX)
        with open("/tmp/x") as third: fcntl.flock(third, fcntl.LOCK_EX)
    """,
    "flock": "import fcntl\nwith open('/tmp/x', 'w') as f: fcntl.flock(f, fcntl.LOCK_EX)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\nA(1)",
    "threads": """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(len, ["a", "bb"])) == [1, 2]
    """,
    "getpwuid through tarfile": """
        import tarfile
        with tarfile.open("/tmp/x.tar", "w") as tar:
            tar.add(__file__, arcname="a")
            assert tar.getmember("a").uid == 0
    """,
    "root": "import os\nassert (os.getuid(), os.geteuid()) == (0, 0)",
}


@pytest.mark.parametrize("name", IDIOMS)
def test_idioms_work_as_in_a_real_process(name: str) -> None:
    outcome = run(IDIOMS[name])
    assert (outcome.exit_code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("name", ["a temporary folder cleaned at exit", "atexit"])
def test_exit_handlers_run(name: str) -> None:
    assert new_paths(run(IDIOMS[name])) == []


KEPT_IN_MEMORY = """
import logging, logging.handlers
target = logging.FileHandler("/tmp/log")
logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=target))
logging.warning("hello")
"""
FINALISED = """
from pathlib import Path
class Kept:
    def __del__(self):
        Path("/tmp/written").write_text("x")
        open("/tmp/lost", "w")
kept = Kept()
"""
NOT_FLUSHED = """
import io, sys
class Full(io.StringIO):
    def flush(self): raise OSError(28, "full")
sys.stdout = Full()
sys.exit(3)
"""
TOO_LATE = """
import os, signal, sys, threading
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
main = threading.main_thread()
def stop():
    while threading.main_thread().is_alive(): os.stat("/tmp")
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=stop).start()
"""
# A script, its exit code, the last line that it says, and the files that it leaves.
ENDS: Mapping[str, tuple[str, int, str, Mapping[str, bytes]]] = {
    "log in memory": (KEPT_IN_MEMORY, 0, "", {"/tmp/log": b"hello\n"}),
    "no open in finalisers": (
        FINALISED,
        0,
        "NameError: name 'open' is not defined",
        {"/tmp/written": b"x"},
    ),
    "signal while threads are waited for": (TOO_LATE, 0, "SystemExit: 143", {}),
    "detached output": (
        "import sys\nsys.stdout.detach()",
        120,
        "ValueError: underlying buffer has been detached",
        {},
    ),
    "output not flushed": (NOT_FLUSHED, 120, "OSError: [Errno 28] full", {}),
    "closed standard error": (
        "import sys\nsys.stderr.close()\nraise ValueError('no')",
        1,
        "lost sys.stderr",
        {},
    ),
    "signal to itself": (
        "import signal\nkept = open('/tmp/a', 'w')\nkept.write('x')\nsignal.raise_signal(15)",
        143,
        "",
        {"/tmp/a": b""},
    ),
    "blocked signal": (
        "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, [15])\n"
        "os.kill(os.getpid(), 15)\nsys.stderr.write(repr([*map(int, signal.sigpending())]))",
        0,
        "[15]",
        {},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_process_ends_as_that_of_python(name: str) -> None:
    source, code, last, files = ENDS[name]
    outcome = run(source)
    assert outcome.after is not None
    said = outcome.stderr.splitlines() or [""]
    left = {path: outcome.after.entries[path].data for path in new_paths(outcome)}
    assert (outcome.exit_code, said[-1], left) == (code, last, files)


UNKNOWN_ENDS = {
    "of A, which has a __del__": """
        import json
        class A:
            def __del__(self): open("/tmp/x", "w").close()
        json.kept = [A()]
    """,
    "leaves a generator, which Python closes": """
        import json
        def lines():
            try: yield
            finally: open("/tmp/x", "w").close()
        json.kept = lines()
        next(json.kept)
    """,
    "a file with a buffer to a thread": """
        import threading, time
        ready = threading.Event()
        def work():
            kept = open("/tmp/x", "w")
            kept.write("x")
            ready.set()
            time.sleep(9999)
        threading.Thread(target=work, daemon=True).start()
        ready.wait()
    """,
    "FIFO /tmp/x without waiting": """
        import os
        os.mkfifo("/tmp/x")
        os.open("/tmp/x", os.O_RDONLY | os.O_NONBLOCK)
    """,
    "waits for a lock": """
        import fcntl
        first, second = open("/tmp/x", "w"), open("/tmp/x", "w")
        fcntl.flock(first, fcntl.LOCK_EX)
        fcntl.flock(second, fcntl.LOCK_SH)
    """,
    "lists '/proc/self/fd'": "import os\nos.listdir('/proc/self/fd')",
}


@pytest.mark.parametrize("reason", UNKNOWN_ENDS)
def test_what_would_end_in_another_way_is_not_judged(reason: str) -> None:
    with pytest.raises(RunnerCannot, match=reason):
        run(UNKNOWN_ENDS[reason])


KNOWN_ENDS = (
    """
    class A:
        def __del__(self): pass
    class B(A): pass
    def lines(): yield
    kept, ring, generator = [A()], B(), lines()
    next(generator)
    ring.itself = ring
    """,
    """
    import os, threading, time
    def work():
        with open("/tmp/x", "w") as stream:
            stream.write("x")
            stream.flush()
            time.sleep(9999)
    threading.Thread(target=work, daemon=True).start()
    while not os.path.exists("/tmp/x") or not os.path.getsize("/tmp/x"): pass
    """,
)


@pytest.mark.parametrize("source", KNOWN_ENDS)
def test_what_ends_by_itself_or_not_at_all_is_judged(source: str) -> None:
    assert run(source).exit_code == 0


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess; subprocess.run(['true'])",
        "import subprocess; subprocess.run(['true'], capture_output=True)",
        "import os; os.popen('true')",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.execv('/bin/true', ['true'])",
        "import mmap; mmap.mmap(3, 10)",
        "import sqlite3; sqlite3.connect('/opt/ml/x')",
        "import socket; socket.socket().bind(('127.0.0.1', 0))",
        "try:\n    import subprocess; subprocess.run(['true'])\nexcept BaseException:\n    pass",
        "import ctypes; ctypes.CDLL(None).getpid()",
        "import os; os.dup(2)",
        "import os; os.dup2(1, 2)",
        "import os; os.pipe()",
        "import multiprocessing as m\nwith m.get_context('spawn').Pool(1) as p: p.map(abs, [1])",
        "from multiprocessing.shared_memory import SharedMemory; SharedMemory(create=True, size=9)",
        # Its modules in C could open files unseen.
        "import pydantic_core",
    ],
)
def test_unsupported_operations_raise_runner_cannot(source: str) -> None:
    with pytest.raises(RunnerCannot, match="--runner sandbox, or --runner container"):
        run(source)


@pytest.mark.parametrize("status", [0, 3])
def test_an_exit_that_bypasses_python_is_refused(status: int) -> None:
    with pytest.raises(RunnerCannot, match=f"with status {status}"):
        run(f"import posix; posix._exit({status})")


def test_no_real_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "real"
    with pytest.raises(RunnerCannot, match="real file"):
        run(f"import os, posix; posix.open({str(target)!r}, os.O_WRONLY | os.O_CREAT)")
    assert not target.exists()


def test_a_mount_is_a_file_system_of_its_own() -> None:
    outcome = run(
        f"""
        import errno, os
        open("/tmp/x", "w").close()
        try:
            os.replace("/tmp/x", "{OUTPUT}/x")
        except OSError as error:
            assert error.errno == errno.EXDEV
        else:
            raise SystemExit("renamed across file systems")
        """,
        mounts=(Mount(OUTPUT),),
    )
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_a_mount_can_be_full() -> None:
    tree = Tree.for_job(PROCESSING, (OUTPUT,)).with_file(f"{OUTPUT}/older", b"x" * 1000)
    source = f"with open('{OUTPUT}/x', 'wb') as out: out.write(b'x' * 5000)"
    outcome = run(source, tree, mounts=(Mount(OUTPUT, 4096),))
    assert outcome.exit_code == 1
    assert "No space left on device" in outcome.stderr
    assert run(source, tree, mounts=(Mount(OUTPUT, 10_000),)).exit_code == 0


HANDLES_SIGTERM = f"""
import os, signal, sys
def stop(*_):
    os.remove("{OUTPUT}/part")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
with open("{OUTPUT}/part", "w") as part:
    for _ in range(200):
        part.write("x"); part.flush()
os.replace("{OUTPUT}/part", "{OUTPUT}/whole")
"""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_signal_arrives_during_the_run(share: float) -> None:
    outcome = run(HANDLES_SIGTERM, interrupt=Interrupt(signal.SIGTERM, share))
    assert outcome.exit_code == 143
    assert new_paths(outcome) == []


def test_an_unhandled_signal_ends_the_script() -> None:
    source = HANDLES_SIGTERM.replace("signal.signal(signal.SIGTERM, stop)", "")
    outcome = run(source, interrupt=Interrupt(signal.SIGTERM, 0.5))
    assert outcome.exit_code == 143
    assert new_paths(outcome) == [f"{OUTPUT}/part"]


def test_a_kill_cannot_be_handled() -> None:
    outcome = run(HANDLES_SIGTERM, interrupt=Interrupt(signal.SIGKILL, 0.5))
    assert outcome.exit_code == 137
    assert new_paths(outcome) == [f"{OUTPUT}/part"]


CREATES_A_TEMPORARY_FILE = f"""
import os, signal, sys, tempfile
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
handle, draft = tempfile.mkstemp(dir={OUTPUT!r})
target = os.path.join({OUTPUT!r}, "part".replace("p", "P"))
try:
    with os.fdopen(handle, "wb") as stream:
        for _ in range(20):
            stream.write(b"x" * 1000)
    os.replace(draft, target)
except BaseException:
    os.unlink(draft)
    raise
"""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_no_signal_arrives_while_tempfile_creates_a_file(share: float) -> None:
    outcome = run(CREATES_A_TEMPORARY_FILE, interrupt=Interrupt(signal.SIGTERM, share))
    assert outcome.exit_code == 143
    assert new_paths(outcome) == []


def test_an_unnamed_temporary_file_is_removed_at_exit() -> None:
    source = (
        "import tempfile\nkept = tempfile.TemporaryFile()\nkept.write(b'x')\nraise SystemExit(3)"
    )
    outcome = run(source)
    assert outcome.exit_code == 3
    assert new_paths(outcome) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nopen('/tmp/draft', 'w').write('x')\nos.replace('/tmp/draft', '/tmp/whole')",
        # What is only buffered is no effect.
        "import json\njson.dump([1, 2, 3], open('/tmp/whole', 'w'))",
        "import os\nos.mkdir('/tmp/folder')",
    ],
)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_script_that_writes_at_once_is_interrupted_before(source: str, share: float) -> None:
    outcome = run(source, interrupt=Interrupt(signal.SIGTERM, share))
    assert (outcome.exit_code, outcome.unproven, new_paths(outcome)) == (143, "", [])


@pytest.mark.parametrize(
    "source", ["open('/opt/ml/code/script.py').read()", "for number in range(50):\n    abs(number)"]
)
def test_a_script_that_writes_nothing_is_not_interrupted(source: str) -> None:
    outcome = run(source, interrupt=Interrupt(signal.SIGTERM, 0.5))
    assert "not delivered" in outcome.unproven


def test_a_script_that_ignores_the_signal_has_got_it() -> None:
    source = HANDLES_SIGTERM.replace("SIGTERM, stop", "SIGTERM, signal.SIG_IGN")
    outcome = run(source, interrupt=Interrupt(signal.SIGTERM, 0.5))
    assert (outcome.exit_code, outcome.unproven) == (0, "")


FUNCTIONS = """
from pathlib import Path
def double(number): return number * 2
def below(folder): return folder / "x"
def fails(): raise FileNotFoundError("not there")
def ends(): raise SystemExit(4)
def odd(): return object()
"""


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (Call("double", {"number": 4}), {"returned": 8}),
        (Call("double", {"0": 4}), {"returned": 8}),
        (Call("odd"), {"returned": {"type": "object"}}),
        (Call("absent"), {"missing": True}),
        (Call("ends"), {"raised": ["SystemExit", "BaseException"], "message": "4"}),
    ],
)
def test_a_function_is_called(call: Call, result: object) -> None:
    outcome = run(FUNCTIONS, call=call)
    assert (outcome.exit_code, outcome.returned) == (0, result)


def test_a_call_returns_paths_and_exceptions() -> None:
    from pathlib import PurePosixPath

    outcome = run(FUNCTIONS, call=Call("below", {"folder": PurePosixPath("/srv")}))
    assert outcome.returned == {"returned": {"path": "/srv/x"}}
    raised = run(FUNCTIONS, call=Call("fails")).returned
    assert raised is not None
    assert raised["raised"] == ["FileNotFoundError", "OSError", "Exception", "BaseException"]


def test_an_exception_during_import_is_reported() -> None:
    outcome = run("raise SystemExit(0)", call=Call("main"))
    assert outcome.returned is not None
    assert outcome.returned["importing"] is True


def test_a_case_does_not_affect_the_next_one() -> None:
    run("import os, sys\nos.environ['LEFT'] = '1'\nopen('/tmp/left', 'w').close()\nsys.left = 1")
    after = run(
        "import os, sys\nprint('LEFT' in os.environ, os.listdir('/tmp'), hasattr(sys, 'left'))"
    )
    assert after.stdout == "False [] False\n"
    assert not os.path.lexists("/tmp/left")


def test_a_pattern_warning_is_shown_in_every_case() -> None:
    source = "import re\nre.compile('[[a]')\nre.compile('b')\n"
    # In a subprocess, because pytest captures the warnings of this process.
    twice = (
        "from harness.runners.fake.runner import FakeRunner\n"
        "from tests.unit.worlds import case_of\n"
        f"for _ in range(2): print(FakeRunner().run(case_of({source!r})).stderr)"
    )
    completed = subprocess.run(
        [sys.executable, "-c", twice], capture_output=True, text=True, check=True
    )
    assert completed.stdout.count("FutureWarning: Possible nested set") == 2


MANY_PATTERNS = """
import re
from harness.runners.fake.runner import FakeRunner
from tests.unit.worlds import case_of

for number in range(600):
    re.compile(f"pattern {number}")
FakeRunner().run(case_of("import re; re.compile('of the script')"))
second = "import re; print([one[1] for one in re._cache if one[1] == 'of the script'])"
print(FakeRunner().run(case_of(second)).stdout)
"""


def test_the_patterns_of_a_script_are_compiled_once_whatever_the_harness_has_compiled() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", MANY_PATTERNS], capture_output=True, text=True, check=True
    )
    assert completed.stdout == "['of the script']\n\n"


def test_changes_to_the_pattern_cache_do_not_affect_the_next_case() -> None:
    pattern = "import re\nfound = re.compile('(a)|b')\n"
    assert run(pattern + "re._cache.clear(); re._cache[str, 'c', 0] = found").exit_code == 0
    assert run(pattern + "assert found.groups == 1 and not re.match('c', 'a')").exit_code == 0


def test_changes_to_a_module_do_not_affect_the_next_case() -> None:
    changes = "import json, os, sys, tarfile, isal\nisal.x = json.x = tarfile.x = os.x = sys.x = 1"
    checks = "import json, os, sys, tarfile, isal\nassert not any(hasattr(one, 'x') for one in "
    assert run(changes).exit_code == 0
    assert run(checks + "(json, os, sys, tarfile, isal))").exit_code == 0


@pytest.mark.parametrize("name", ["isal.py", "isal/__init__.py"])
def test_a_module_beside_the_script_shadows_a_preloaded_one(name: str) -> None:
    tree = Tree.for_job(PROCESSING).with_code({name: b"isal_zlib = 'of the step'"})
    outcome = run("from isal import isal_zlib; print(isal_zlib)", tree)
    assert outcome.stdout == "of the step\n"
    assert run("from isal import isal_zlib; print(isal_zlib.crc32(b''))").stdout == "0\n"


@pytest.mark.parametrize("name", ["queue.py", "json/__init__.py"])
def test_a_module_that_python_itself_would_import_first_is_refused(name: str) -> None:
    tree = Tree.for_job(PROCESSING).with_code({name: b"x = 1", "sched.py": b"x = 2"})
    module = name.partition("/")[0].removesuffix(".py")
    with pytest.raises(RunnerCannot, match=f"{module} has the name of a module of Python"):
        run(f"import {module}; print({module}.x)", tree)


def test_a_module_of_the_name_of_one_that_is_not_loaded_is_imported() -> None:
    tree = Tree.for_job(PROCESSING).with_code({"sched.py": b"x = 2"})
    assert run("import sched; print(sched.x)", tree).stdout == "2\n"


INTERRUPTED_RUN = """
import signal
from harness.runners.fake.runner import FakeRunner
from tests.unit.worlds import case_of

def on_alarm(number, frame):
    raise InterruptedError

signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 1)
try:
    FakeRunner().run(case_of("while True: pass"))
except InterruptedError:
    print(FakeRunner().run(case_of("print('the next')")).stdout)
"""


WITH_TEMPLATE = """
from harness.runners.fake.fork_server import start_template
start_template()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("first", ["", WITH_TEMPLATE], ids=["alone", "from the template"])
def test_an_interrupted_case_leaves_no_process(first: str) -> None:
    """The exception is raised while a case hangs, as when the session is stopped."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-c", f"# {mark}\n{first}{INTERRUPTED_RUN}"]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert completed.stdout == "the next\n\n"
    # Forked processes have the command line of their parent.
    assert [one for one in Path("/proc").glob("[0-9]*/cmdline") if mark in command_line(one)] == []


def command_line(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
