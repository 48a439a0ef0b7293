"""What every worker process is: deaf to Ctrl-C, and gone soon after whoever it works for.

Ctrl-C reaches a whole group of processes; the session alone decides what it means. SIGTERM and the
death of the process that it works for, even by SIGKILL, end a worker, which takes down what its
case has started.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

# Seconds in which a worker that is told to stop takes down what it has started.
GRACE = 5.0

T = TypeVar("T")


class Stopped(BaseException):
    """This worker is to end: whatever its case has started is taken down."""


class _State:
    """What the handlers of signals need to know."""

    lifeline = -1
    # Nothing has to be taken down between two cases.
    idle = False
    stopping = False


def become_worker(lifeline: int) -> None:
    """Make this process a worker.

    `lifeline` is the read end of a pipe whose other end closes when whoever this works for dies.
    """
    _State.lifeline = lifeline
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGIO, _look)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    # It may have closed before.
    signal.raise_signal(signal.SIGIO)


def wait_for_cases() -> None:
    """From now on a signal that comes between two cases ends this process at once."""
    _State.idle = True


def one_case(task: Callable[[str], T], case_id: str) -> T:
    """What a task returns; the process ends when it is stopped."""
    try:
        _State.idle = False
        return task(case_id)
    except Stopped:
        os._exit(1)
    finally:
        _State.idle = True


def hear_no_more() -> None:
    """From now on a stop changes nothing: this process is about to end by itself."""
    _State.stopping = True


def _stop(_number: int, _frame: FrameType | None) -> None:
    if _State.idle:
        os._exit(1)
    if not _State.stopping:
        # Another one must not break off what the first makes it do.
        _State.stopping = True
        raise Stopped


def _look(number: int, frame: FrameType | None) -> None:
    poll = select.poll()
    poll.register(_State.lifeline, 0)
    if any(event & select.POLLHUP for _, event in poll.poll(0)):
        # An exception may get lost; nobody is left who would kill this process then.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, GRACE)
        _stop(number, frame)
