"""What all worker processes share: they ignore Ctrl-C, and end with the process they work for.

Ctrl-C reaches a whole process group; the session alone decides what it means. SIGTERM ends a
worker, and so does the death of its parent, even by SIGKILL; the worker then cleans up after its
case.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

# How long a worker may take to clean up when it is stopped, in seconds.
GRACE_PERIOD = 5.0

T = TypeVar("T")


class Stopped(BaseException):
    """This worker was stopped; raised in the middle of a case, so that the case is cleaned up."""


class _WorkerState:
    """What the signal handlers need to know."""

    lifeline = -1
    # Between two cases there is nothing to clean up.
    idle = False
    stopping = False


def become_worker(lifeline: int) -> None:
    """Make this process a worker.

    `lifeline` is the read end of a pipe; its write end closes when the parent dies.
    """
    _WorkerState.lifeline = lifeline
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGIO, _stop_if_parent_died)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    # The pipe may have closed before the handler was installed.
    signal.raise_signal(signal.SIGIO)


def set_idle() -> None:
    """From now on, and between two cases, a stop ends this process at once."""
    _WorkerState.idle = True


def run_task(task: Callable[[str], T], case_id: str) -> T:
    """Do a task for one case and return its result; when stopped, clean up and exit."""
    try:
        _WorkerState.idle = False
        return task(case_id)
    except Stopped:
        os._exit(1)
    finally:
        _WorkerState.idle = True


def ignore_stops() -> None:
    """From now on a stop changes nothing: this process is about to exit anyway."""
    _WorkerState.stopping = True


def _stop(_number: int, _frame: FrameType | None) -> None:
    if _WorkerState.idle:
        os._exit(1)
    if not _WorkerState.stopping:
        # A second stop must not interrupt the clean-up after the first.
        _WorkerState.stopping = True
        raise Stopped


def _stop_if_parent_died(number: int, frame: FrameType | None) -> None:
    poll = select.poll()
    poll.register(_WorkerState.lifeline, 0)
    if any(event & select.POLLHUP for _, event in poll.poll(0)):
        # The exception may get lost, as in a finalizer, and no parent is left to kill this process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, GRACE_PERIOD)
        _stop(number, frame)
