"""Sends a script a signal in mid-run, at a point that is the same from run to run.

Time is no measure: a fast step is over before a timer fires. Instead the function calls of the
main thread are counted. A rehearsal tells at which call the script first creates something (or
begins) and at which it last renames something (or last reads or writes, or ends); the signal is
then sent at a share of that stretch, as soon as the script reads or writes: that is where a real
step spends its time. Between the call that makes a temporary file and the `try` that tidies it up
is a moment that no script can cover.

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

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_WORK = {"write", "read", "readinto", "compress", "decompress", "fsync", "sendfile"}
_CREATES = ("os.mkdir", "os.link", "os.symlink")


class Tripwire:
    """Counts calls, notes the effects it is told of, and fires once, within a window of calls.

    `first`, `last` and `worked` are call counts: of the first effect, of the last rename, and of
    the last call that read or wrote something.
    """

    def __init__(
        self,
        window: Optional[Tuple[int, int]] = None,
        fire: Optional[Callable[[], None]] = None,
        beneath: Tuple[str, ...] = (),
    ) -> None:
        """Without a window it only counts; `fire` is called, without arguments, within it.

        Calls from within files of the folders `beneath` do not count: in a real process they would
        be the system's.
        """
        self.calls = 0
        self.first: Optional[int] = None
        self.last: Optional[int] = None
        self.worked: Optional[int] = None
        self._window = window
        self._fire = fire
        self._beneath = beneath
        self._noted: Dict[int, Callable[[], None]] = {}

    def start(self) -> None:
        """Begin to count."""
        sys.setprofile(self._count)

    def note(self, function: Any, effect: Callable[[], None]) -> None:
        """Have `effect` (`created` or `renamed`) called whenever `function` is."""
        self._noted[id(function.__code__)] = effect

    def stop(self) -> None:
        """Stop counting."""
        sys.setprofile(None)

    def created(self) -> None:
        """Note that the script creates something now."""
        if self.first is None:
            self.first = self.calls

    def renamed(self) -> None:
        """Note that the script renames something now."""
        self.created()
        self.last = self.calls

    def points(self) -> List[int]:
        """The stretch to interrupt, as two call counts."""
        first = self.first or 0
        ends = (one for one in (self.last, self.worked) if one is not None and one >= first)
        return [first, next(ends, self.calls)]

    def _count(self, frame: Any, event: str, arg: Any) -> None:
        if event in ("call", "c_call"):
            caller = frame if event == "c_call" else frame.f_back
            if caller is None or not caller.f_code.co_filename.startswith(self._beneath):
                self.calls += 1
            renames = False
            if event == "call" and id(frame.f_code) in self._noted:
                self._noted[id(frame.f_code)]()
                renames = self.last == self.calls
            works = renames or _works(frame, event, arg)
            if works:
                self.worked = self.calls
            if self._window is None or self.calls < self._window[0] or _inside(frame, tempfile):
                return
            if works or self.calls >= self._window[1]:
                sys.setprofile(None)
                if self._fire is not None:
                    self._fire()


def _inside(frame: Any, module: Any) -> bool:
    """Whether a function of this module is running.

    Within `tempfile`, a file may be made whose name the script has not been told yet.
    """
    while frame is not None:
        if frame.f_code.co_filename == module.__file__:
            return True
        frame = frame.f_back
    return False


def _works(frame: Any, event: str, arg: Any) -> bool:
    """Whether this call reads, writes, packs or renames, and is no line of the log."""
    name = frame.f_code.co_name if event == "call" else arg.__name__
    if name in ("rename", "replace") and getattr(arg, "__module__", None) == "posix":
        return True
    if name not in _WORK or getattr(arg, "__self__", None) in (sys.stdout, sys.stderr):
        return False
    return not _inside(frame, logging)


def window(points: List[int], share: float) -> Tuple[int, int]:
    """The calls to fire within: from `share` of the way between the two points on."""
    first, last = points
    return max(first + 1, round(first + (last - first) * share)), last


def main() -> None:
    """The command; see the module's docstring."""
    mode, report, script = sys.argv[1:4]
    sys.argv[:] = sys.argv[3:]
    # As `python SCRIPT` has it; runpy.run_path leaves the path of this file there otherwise.
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    if mode == "rehearse":
        tripwire = Tripwire()
        sys.addaudithook(lambda event, args: _note(tripwire, event, args))
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


def _note(tripwire: Tripwire, event: str, args: Tuple[Any, ...]) -> None:
    if event in _CREATES or (event == "open" and isinstance(args[2], int) and args[2] & _WRITING):
        tripwire.created()
    elif event == "os.rename":
        tripwire.renamed()


if __name__ == "__main__":
    main()
