"""Starts a warm process, in namespaces and with a root file system that are made for it.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from typing import Mapping, NoReturn, Sequence

from harness.runners.inside import agent, mounts

# The descriptors of a warm process for its connection, and for the text of its program.
CONNECTION, PROGRAM = 3, 4
# The folders in which modules may write while they are imported.
WRITABLE = ("/tmp", "/var/tmp")
_KERNELS = ("/dev", "/proc", "/sys")
_HIGH = 100


def execute(
    python: str, outermost: str, environment: Mapping[str, str], connection: int, program: int
) -> NoReturn:
    """Execute a Python with the text `outermost` and these variables in place of this process.

    What it writes into the folders `WRITABLE` must be lost with its namespaces.
    """
    # As subprocess does.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    streams = (os.open(os.devnull, os.O_RDWR), _unnamed_pipe(), _unnamed_pipe())
    keep_descriptors([*streams, connection, program])
    # What modules write when they are imported is seen, and nothing of it reaches a case.
    mounts.remount_read_only(["/"], [*WRITABLE, *_KERNELS])
    os.chdir("/")
    os.execve(python, [python, *agent.OPTIONS, "-c", outermost], dict(environment))


def keep_descriptors(kept: Sequence[int]) -> None:
    """Give these descriptors the numbers from 0 on, and close all others."""
    # First out of the way of the numbers that they are to have.
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _HIGH) for one in kept]
    for wanted, one in enumerate(moved):
        os.dup2(one, wanted)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number >= len(kept):
            # That of the listing is closed.
            with contextlib.suppress(OSError):
                os.close(number)


def _unnamed_pipe() -> int:
    """A pipe, as a script has it, with both ends in one: nothing waits for a reader."""
    path = "/dev/.stream"
    os.mkfifo(path, 0o600)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.unlink(path)
    return descriptor
