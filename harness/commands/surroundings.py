"""What a command is started with: streams, folders, signals and variables of whoever starts it."""

from __future__ import annotations

import atexit
import errno
import io
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from harness.commands.options import say
from harness.errors import HarnessError

# Set by whoever looks for a defect of the harness.
_TRACEBACK = "HARNESS_TRACEBACK"
# They make every Python that is started wait for more at its end.
_INTERACTIVE = ("PYTHONINSPECT", "PYTHONSTARTUP")
_LIMITS = {
    errno.EMFILE: "allow more open files: ulimit -n 1024",
    errno.ENFILE: "this machine has too many open files",
    errno.EFBIG: "allow larger files: ulimit -f unlimited",
    errno.ENOSPC: "free space there, or name another folder in TMPDIR",
    errno.EAGAIN: "allow more processes: ulimit -u",
}
_real_exit = os._exit


def put_in_order() -> None:
    """Make up for what is missing, or means something else to the processes of a run."""
    # A file that is opened would become a standard stream.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What another encoding lacks is escaped.
            stream.reconfigure(errors="backslashreplace")
    # Otherwise nobody could wait for a child process.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for name in _INTERACTIVE:
        os.environ.pop(name, None)
    try:
        Path.cwd()
    except OSError:
        os.chdir("/")
        say("warning: the working directory is gone; relative paths are taken from /")


def describe(error: OSError) -> HarnessError:
    """The error for a system call that has failed."""
    what = error.strerror or str(error)
    name = f": {error.filename!r}" if error.filename else ""
    return HarnessError(f"{what}{name}", _LIMITS.get(error.errno or 0, "look at what is named"))


def shows_tracebacks() -> bool:
    """Whether a defect of the harness is shown with its traceback."""
    return bool(os.environ.get(_TRACEBACK))


def defect(error: Exception) -> HarnessError:
    """The error for an exception that nobody has foreseen."""
    calls = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(calls[-1].filename).name}:{calls[-1].lineno}" if calls else ""
    text = " ".join(str(error).split())[:300]
    return HarnessError(
        f"this is a defect of the harness: {type(error).__name__}{place}: {text}",
        f"report it; {_TRACEBACK}=1 shows where it comes from",
    )


def drop_output() -> None:
    """Let nothing more be written to standard output: whoever reads it has gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def end(code: int) -> NoReturn:
    """End this process with the code, whatever else was registered to run at its end."""

    def exit_with_code(_code: Any = None) -> NoReturn:
        _real_exit(code)

    setattr(os, "_exit", exit_with_code)  # noqa: B010
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        _real_exit(code)
