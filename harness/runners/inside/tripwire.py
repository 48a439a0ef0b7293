"""Sends a script a signal during its run, at a reproducible point.

A timer would not do: a fast step ends before it fires. Instead the function calls of the main
thread are counted. A rehearsal determines the call at which the script first creates something (or
starts) and the one at which it last renames something (or last reads or writes, or ends). The
signal is sent after a given fraction of the range between them, at the next read or write, where a
real step spends its time: no script can handle a signal between the call that creates a temporary
file and the `try` that removes it.

Runs on Python 3.8 and newer with the standard library alone, as
`python tripwire.py rehearse POINTS SCRIPT [ARGUMENT...]` (writes the two counts to the file POINTS)
or `python tripwire.py FROM:UNTIL:SIGNAL - SCRIPT [ARGUMENT...]`.
"""

from __future__ import annotations

import json
import logging
import os
import runpy
import sys
import tempfile
from typing import Any, Callable, Dict, List, Optional, Tuple

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_WORK_FUNCTIONS = {"write", "read", "readinto", "compress", "decompress", "fsync", "sendfile"}
_CREATE_EVENTS = ("os.mkdir", "os.link", "os.symlink")


class Tripwire:
    """Counts calls, records effects, and fires once, within a window of call counts.

    `first`, `last` and `worked` are call counts: of the first creation, of the last rename, and of
    the last call that read or wrote something.
    """

    def __init__(
        self,
        window: Optional[Tuple[int, int]] = None,
        fire: Optional[Callable[[], None]] = None,
        uncounted: Tuple[str, ...] = (),
    ) -> None:
        """Without a window only count; `fire` is called without arguments within it.

        Calls from files in the folders `uncounted` (paths that end in "/") are not counted: they
        replace system calls.
        """
        self.calls = 0
        self.first: Optional[int] = None
        self.last: Optional[int] = None
        self.worked: Optional[int] = None
        self._window = window
        self._fire = fire
        self._uncounted = uncounted
        self._callbacks: Dict[int, Callable[[], None]] = {}

    def start(self) -> None:
        """Start counting."""
        sys.setprofile(self._count)

    def on_call(self, function: Any, effect: Callable[[], None]) -> None:
        """Call `effect` whenever `function` is called."""
        self._callbacks[id(function.__code__)] = effect

    def stop(self) -> None:
        """Stop counting."""
        sys.setprofile(None)

    def record_creation(self) -> None:
        """Record that the script creates something now."""
        if self.first is None:
            self.first = self.calls

    def record_rename(self) -> None:
        """Record that the script renames something now."""
        self.record_creation()
        self.last = self.calls

    def points(self) -> List[int]:
        """The range in which to interrupt, as the first and the last call count."""
        first = self.first or 0
        ends = (one for one in (self.last, self.worked) if one is not None and one >= first)
        return [first, next(ends, self.calls)]

    def _count(self, frame: Any, event: str, arg: Any) -> None:
        if event in ("call", "c_call"):
            caller = frame if event == "c_call" else frame.f_back
            if caller is None or not caller.f_code.co_filename.startswith(self._uncounted):
                self.calls += 1
            renames = False
            if event == "call" and id(frame.f_code) in self._callbacks:
                self._callbacks[id(frame.f_code)]()
                renames = self.last == self.calls
            works = renames or _is_work(frame, event, arg)
            if works:
                self.worked = self.calls
            if self._window is None or self.calls < self._window[0] or _is_running(frame, tempfile):
                return
            if works or self.calls >= self._window[1]:
                sys.setprofile(None)
                if self._fire is not None:
                    self._fire()


def _is_running(frame: Any, module: Any) -> bool:
    """Whether a function of this module is on the stack.

    `tempfile` may have created a file whose name it has not returned to the script yet.
    """
    while frame is not None:
        if frame.f_code.co_filename == module.__file__:
            return True
        frame = frame.f_back
    return False


def _is_work(frame: Any, event: str, arg: Any) -> bool:
    """Whether this call reads, writes, compresses or renames, and does not log."""
    name = frame.f_code.co_name if event == "call" else arg.__name__
    if name in ("rename", "replace") and getattr(arg, "__module__", None) == "posix":
        return True
    if name not in _WORK_FUNCTIONS or getattr(arg, "__self__", None) in (sys.stdout, sys.stderr):
        return False
    return not _is_running(frame, logging)


def window(points: List[int], share: float) -> Tuple[int, int]:
    """The call counts to fire within: from the fraction `share` of the range between the points."""
    first, last = points
    return max(first + 1, round(first + (last - first) * share)), last


def main() -> None:
    """Run the command; see the docstring of the module."""
    mode, report, script = sys.argv[1:4]
    sys.argv[:] = sys.argv[3:]
    # As for `python SCRIPT`; runpy.run_path would keep the folder of this file.
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    if mode == "rehearse":
        tripwire = Tripwire()
        sys.addaudithook(lambda event, args: _record_effect(tripwire, event, args))
    else:
        begin, end, number = map(int, mode.split(":"))
        tripwire = Tripwire((begin, end), lambda: os.kill(os.getpid(), number))
    tripwire.start()
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        tripwire.stop()
        points = tripwire.points()
        if mode == "rehearse":
            with open(report, "w") as stream:
                json.dump(points, stream)


def _record_effect(tripwire: Tripwire, event: str, args: Tuple[Any, ...]) -> None:
    if event in _CREATE_EVENTS or (
        event == "open" and isinstance(args[2], int) and args[2] & _WRITE_FLAGS
    ):
        tripwire.record_creation()
    elif event == "os.rename":
        tripwire.record_rename()


if __name__ == "__main__":
    main()
