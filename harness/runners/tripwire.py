"""Sends a script a signal in mid-run, at a point that is the same from run to run.

Time is no measure: a fast step is over before a timer fires. Instead the function calls of the
main thread are counted. A rehearsal tells at which call the script first creates something and at
which it last renames something (or ends); the signal is then sent at a share of that stretch, as
soon as the script reads or writes: that is where a real step spends its time. Between the call
that makes a temporary file and the `try` that tidies it up is a moment that no script can cover.

Runs on Python 3.8 and newer with the standard library alone, as
`python tripwire.py rehearse POINTS SCRIPT [ARGUMENT...]` (writes the two counts to the file POINTS)
or `python tripwire.py CALL:SIGNAL - SCRIPT [ARGUMENT...]`.
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
# So many calls later the signal comes even if the script neither reads nor writes.
_PATIENCE = 300
_CREATES = ("os.mkdir", "os.link", "os.symlink")


class Tripwire:
    """Counts calls, notes the effects it is told of, and fires once, at or soon after call `at`.

    `first` and `last` are call counts: of the first effect, and of the last rename.
    """

    def __init__(self, at: Optional[int] = None, fire: Optional[Callable[[], None]] = None) -> None:
        """Without `at` it only counts; `fire` is called, without arguments, at that call."""
        self.calls = 0
        self.first: Optional[int] = None
        self.last: Optional[int] = None
        self._at = at
        self._fire = fire
        self._waited = 0
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

    def points(self) -> Optional[List[int]]:
        """The stretch to interrupt, as two call counts; None when nothing was created."""
        if self.first is None:
            return None
        last = self.calls if self.last is None else self.last
        return [self.first, max(self.first, last)]

    def _count(self, frame: Any, event: str, arg: Any) -> None:
        if event in ("call", "c_call"):
            self.calls += 1
            renames = False
            if event == "call" and id(frame.f_code) in self._noted:
                self._noted[id(frame.f_code)]()
                renames = self.last == self.calls
            if self._at is not None and self.calls >= self._at:
                if _inside(frame, tempfile):
                    return
                self._waited += 1
                if self._waited > _PATIENCE or renames or _works(frame, event, arg):
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


def call_number(points: List[int], share: float) -> int:
    """The call to fire at: `share` of the way between the two points, and after the first."""
    first, last = points
    return max(first + 1, round(first + (last - first) * share))


def main() -> None:
    """The command; see the module's docstring."""
    mode, report, script = sys.argv[1:4]
    sys.argv[:] = sys.argv[3:]
    # As `python SCRIPT` has it; runpy.run_path leaves the path of this file there otherwise.
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    if mode == "rehearse":
        wire = Tripwire()
        sys.addaudithook(lambda event, args: _note(wire, event, args))
    else:
        call, number = mode.split(":")
        wire = Tripwire(int(call), lambda: os.kill(os.getpid(), int(number)))
    wire.start()
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        wire.stop()
        points = wire.points()
        if mode == "rehearse":
            with open(report, "w") as stream:
                json.dump(points, stream)


def _note(wire: Tripwire, event: str, args: Tuple[Any, ...]) -> None:
    if event in _CREATES or (event == "open" and isinstance(args[2], int) and args[2] & _WRITING):
        wire.created()
    elif event == "os.rename":
        wire.renamed()


if __name__ == "__main__":
    main()
