"""What scripts attempt in the fake runner; each line is refused, or ends as in a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.errors import RunnerCannot
from harness.runners.fake import unsupported
from harness.runners.fake.report import KEY_SIZE, BrokenReport, Report
from harness.runners.fake.runner import FakeRunner
from harness.runners.inside import capture
from harness.worlds.tree import Tree
from tests.unit.worlds import case_of

ROOT = Path(__file__).parents[2]
# Attempts that have no verdict: name → script, and words of the reason.
REFUSED = {
    "pickle as a report": (
        "import pickle, posix\n"
        "for n in range(3, 250):\n"
        "    try: posix.write(n, b'x' * 8 + pickle.dumps(print))\n"
        "    except OSError: pass\n"
        "posix._exit(0)",
        "by other means",
    ),
    "symlink": ("import posix; posix.symlink('a', '/tmp/left-by-a-test')", "changes the real"),
    "chmod": ("import posix; posix.chmod('/tmp', 0)", "changes the real file"),
    "truncate": ("import posix; posix.truncate('/etc/hostname', 0)", "changes the real file"),
    "rename": ("import posix; posix.rename('/etc/hostname', '/x')", "changes the real file"),
    "mkfifo": ("import posix; posix.mkfifo('/tmp/left-by-a-test')", "leave the fake file system"),
    "mknod": ("import posix; posix.mknod('/tmp/left-by-a-test')", "leave the fake file system"),
    "dir_fd": (
        "import posix; posix.unlink('nothing', dir_fd=posix.open('/usr/lib', 0))",
        "changes the real file",
    ),
    "read": ("import posix; posix.open('/etc/hostname', 0)", "reads the real file"),
    "read by ..": (
        "import posix; posix.open('/usr/lib/../../etc/hostname', 0)",
        "reads the real file",
    ),
    "write by ..": (
        "import posix; posix.open('/dev/../etc/hostname', posix.O_WRONLY)",
        "writes the real file",
    ),
    "FileIO": ("import _io; _io.FileIO('/etc/passwd', 'r+')", "writes the real file"),
    "environ": ("import posix; posix.open('/proc/self/environ', 0)", "reads the real file"),
    "memory": ("import posix; posix.open('/proc/self/mem', posix.O_RDWR)", "writes the real"),
    "os-release": ("open('/etc/os-release')", "a file of the system"),
    "kill the parent": (
        "import os, posix; posix.kill(os.getppid(), 9)",
        "leave the fake file system",
    ),
    "limits of the parent": (
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "leave the fake file system",
    ),
    "place of the parent": (
        "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "leave the fake file system",
    ),
    "processors of the parent": (
        "import os; os.sched_setaffinity(os.getppid(), {0})",
        "leave the fake file system",
    ),
    "kill all": ("import posix; posix.kill(-1, 15)", "leave the fake file system"),
    "spawn": ("import os; os.posix_spawn('/bin/true', ['true'], {})", "starts a subprocess"),
    "ctypes": ("import ctypes; ctypes.CDLL(None).fork()", "calls C code"),
    "objects": ("import gc; gc.get_objects()", "looks for the objects"),
    "referrers": ("import gc; gc.get_referrers(print)", "looks for the objects"),
    "lock": ("import multiprocessing; multiprocessing.Lock()", "leave the fake file system"),
    "queue": ("import multiprocessing; multiprocessing.Queue()", "makes a pipe"),
    "shared memory": (
        "from multiprocessing import shared_memory as s; s.SharedMemory(create=True, size=9)",
        "shares memory",
    ),
    "memfd": ("import os; os.memfd_create('x')", "makes a descriptor"),
    "a file without a name": (
        "import os; os.open('/tmp', os.O_TMPFILE | os.O_RDWR)",
        "a file that has no name",
    ),
}
# Attempts that have the verdict of a real process: name → script, exit code, words of its log.
JUDGED = {
    "own modules": ("import harness", 1, "No module named 'harness'"),
    "modules": (
        "import sys; sys.exit(str([m for m in sys.modules if m[:7] in ('harness', 'pyfakef')]))",
        1,
        "[]",
    ),
    "posix.environ": ("import posix, sys; print(posix.environ, file=sys.stderr)", 0, "planted"),
    "kill others": ("import os; os.kill(1 << 21, 9)", 1, "No such process"),
    "stop the parent": ("import os, signal; os.kill(os.getppid(), signal.SIGSTOP)", 0, ""),
    "stop itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", None, ""),
    "a signal without effect": ("import os, signal; os.kill(os.getpid(), signal.SIGCHLD)", 0, ""),
    "no hook": ("import sys; sys.excepthook = None; raise ValueError('mine')", 1, "mine"),
    "a hook that raises": (
        "import sys\ndef hook(*a): raise KeyError\nsys.excepthook = hook\nraise ValueError",
        1,
        "Original exception was",
    ),
    "an exit that cannot be shown": (
        "import sys\nclass X:\n    def __str__(self): raise ValueError\nsys.exit(X())",
        1,
        "",
    ),
    "fstat": ("import os; [os.fstat(n) for n in range(3)]", 0, ""),
    "stderr by its name": (
        "import sys; sys.stderr.write('one\\n'); open('/dev/stderr', 'w').write('two\\n')",
        0,
        "one\ntwo",
    ),
    "a name that is not UTF-8": ("open(b'/tmp/\\xff', 'w').close()", 0, ""),
    "stack": ("import traceback; traceback.print_stack()", 0, "script.py"),
    "connect": ("import socket; socket.create_connection(('127.0.0.1', 1))", 1, "refused"),
    "rewind": (
        "import os, sys\nos.write(2, b'secret')\ntry: os.ftruncate(2, 0)\nexcept OSError: pass",
        0,
        "secret",
    ),
    "a namespace package": ("import spaces.one", 0, ""),
    "memory that is shared": (
        "import os, tempfile\nwith tempfile.NamedTemporaryFile(dir='/dev/shm') as stream:\n"
        "    os.rename(stream.name, '/tmp/elsewhere')",
        1,
        "Invalid cross-device link",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str) -> None:
    source, reason = REFUSED[name]
    with pytest.raises(RunnerCannot, match=reason):
        FakeRunner().run(case_of(source))
    assert not os.path.lexists("/tmp/left-by-a-test")


@pytest.mark.parametrize("name", JUDGED)
def test_it_ends_as_a_process_does(name: str) -> None:
    source, code, words = JUDGED[name]
    tree = case_of("").tree.with_file("/opt/ml/code/spaces/one.py", b"")
    outcome = FakeRunner().run(case_of(source, tree))
    assert outcome.exit_code == code, outcome.stderr
    assert words in outcome.stderr


def test_what_audit_events_do_not_tell_is_refused_by_the_kernel() -> None:
    """As if a script had silenced the hook that hears them."""
    source = """
        import sys, posix
        frame = sys._getframe()
        while frame and "_world" not in frame.f_globals:
            frame = frame.f_back
        frame.f_globals["_world"].finished = True
        posix.unlink("/etc/hostname")
    """
    with pytest.raises(RunnerCannot, match="the kernel has ended it"):
        FakeRunner().run(case_of(source))
    assert Path("/etc/hostname").exists()


@pytest.mark.parametrize(
    "source",
    [
        "import posix",
        "import _io",
        "import sys; sys._getframe(1)",
        "e.__traceback__.tb_frame.f_back",
        "import sys; sys.setprofile(print)",
        "from sys import settrace",
        "import os; os.open.__globals__",
        "import os; getattr(os.listdir, '__self__')",
    ],
)
def test_a_script_that_could_forge_is_not_judged_there_by_default(source: str) -> None:
    assert unsupported.reason_against({"s.py": source.encode()}, "s.py", ())
    plain = b"import gc, os, logging\ngc.collect()\n"
    assert not unsupported.reason_against({"s.py": plain}, "s.py", ())


def test_the_variables_of_the_host_are_not_in_its_processes() -> None:
    code = """
import os, threading, time
from harness.runners.fake.fork_server import ForkServer
server = ForkServer()
for _ in range(200):
    found = open(f"/proc/{server._process}/environ", "rb").read()
    if b"of-the-host" not in found:
        break
    time.sleep(0.05)
print(b"of-the-host" in found)
server.close()
"""
    environment = {**os.environ, "MY_SECRET": "of-the-host"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "False\n", done.stderr


KEY = b"k" * KEY_SIZE
GOOD = Report(0, Tree().with_file("/a", b"x")).to_bytes(KEY, [])


@pytest.mark.parametrize(
    "data",
    {
        "empty": b"",
        "another key": b"x" * KEY_SIZE + GOOD[KEY_SIZE:],
        "cut": GOOD[:-1],
        "longer": GOOD + b"x",
        "no JSON": GOOD.replace(b'{"', b'["', 1),
        "a code that is none": GOOD.replace(b'"exit_code": 0', b'"exit_code":""', 1),
        "seconds without end": GOOD.replace(b'"slept": 0.0', b'"slept":1e99', 1)[:-1],
    }.values(),
)
def test_a_report_that_is_none_is_not_read(data: bytes) -> None:
    assert Report.from_bytes(GOOD, KEY).changed.get("/a") is not None
    with pytest.raises(BrokenReport):
        Report.from_bytes(data, KEY)


def test_of_a_stream_head_tail_and_size_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MAX_SIZE", 10)
    read_end, write_end = os.pipe()
    kept = capture.Capture(read_end)

    def write() -> None:
        with os.fdopen(write_end, "wb") as stream:
            stream.write(b"head" + b"." * 100_000 + b"tail")

    thread = threading.Thread(target=write)
    thread.start()
    while kept.read():
        pass
    thread.join()
    os.close(read_end)
    content = kept.content()
    assert content.startswith(b"head......\n(99988 bytes are left out here)\n")
    assert content.endswith(b"......tail")


def test_the_kernel_may_lack_what_keeps_a_script_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.runners.inside import system_calls

    monkeypatch.setattr(system_calls, "_ARCHITECTURES", {})
    assert not system_calls.refuse(system_calls.of_container())
    assert signal.SIGSYS
