"""Runs code of users in the harness's own process: suites, and contracts that are Python.

It is trusted, and may still be wrong: it must not end the harness, hold it for ever, take its
signals, or write to its reports.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from harness.files.shown import shown
from harness.signals import STOP_SIGNALS

# How long one such piece may run, in seconds.
TIME_LIMIT = 120.0
# How often it may go on in spite of a stop before this process ends.
_MAX_STOPS = 3
_STOPPED = 130
_WRONG_CONTRACT = 2
_real_exit = os._exit


class EndsProcess(Exception):
    """The code has tried to end the process of the harness."""


class TooLong(BaseException):
    """The code runs for too long; it is not caught by `except Exception`."""


@contextmanager
def contained(seconds: float = TIME_LIMIT) -> Iterator[None]:
    """Run code of users in this context.

    Raises `EndsProcess` where it calls `os._exit`, raises `SystemExit` or, on its own,
    `KeyboardInterrupt`; and `TooLong` after `seconds`. Afterwards signals and the working directory
    are as they were; what it has printed is shown on standard error.
    """
    printed = io.StringIO()
    folder, path = _working_directory(), [*sys.path]
    with contextlib.ExitStack() as after:
        after.callback(_show, printed)
        after.callback(_return_to, folder)
        # What it has added stays: it may import more from there.
        after.callback(lambda: sys.path.extend(one for one in path if one not in sys.path))
        stopped = after.enter_context(_own_signals(seconds))
        after.enter_context(_without_exit())
        after.enter_context(contextlib.redirect_stdout(printed))
        after.enter_context(contextlib.redirect_stderr(printed))
        try:
            yield
        except SystemExit as end:
            raise EndsProcess(f"it raises SystemExit({end.code!r:.40})") from end
        except KeyboardInterrupt as interrupt:
            if stopped():
                raise
            raise EndsProcess("it raises KeyboardInterrupt") from interrupt


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None


def _return_to(folder: Path | None) -> None:
    if folder is not None and folder != _working_directory():
        with contextlib.suppress(OSError):
            os.chdir(folder)


def _show(printed: io.StringIO) -> None:
    if text := printed.getvalue():
        sys.stderr.write(shown(text if text.endswith("\n") else text + "\n"))


@contextmanager
def _without_exit() -> Iterator[None]:
    """`os._exit` raises `EndsProcess`, in this process alone."""
    process, before = os.getpid(), os._exit

    def exit_(status: int) -> NoReturn:
        if os.getpid() != process:
            _real_exit(status)
        raise EndsProcess(f"it calls os._exit({status!r:.40})")

    module: Any = os
    module._exit = exit_
    try:
        yield
    finally:
        module._exit = before


@contextmanager
def _own_signals(seconds: float) -> Iterator[Callable[[], bool]]:
    """Keep the signals of the harness; returns whether one has come that stops it.

    Only the main thread handles signals; in another thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {one: signal.getsignal(one) for one in (*STOP_SIGNALS, signal.SIGALRM)}
    stops: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        handler = before[signal.Signals(number)]
        if len(stops) >= _MAX_STOPS:
            _real_exit(_WRONG_CONTRACT if number == signal.SIGALRM else _STOPPED)
        if number == signal.SIGALRM:
            raise TooLong(f"it has not ended within {seconds:g} s")
        if callable(handler):
            handler(number, frame)

    for number, handler in before.items():
        if number == signal.SIGALRM or callable(handler):
            signal.signal(number, stop)
    # Again and again, since the code may catch what the first one raises.
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield lambda: bool(stops)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        for number, handler in before.items():
            signal.signal(number, handler)
