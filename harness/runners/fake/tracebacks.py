"""Tracebacks as on a real file system: without the calls inside pyfakefs and the harness."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

# Where `traceback` walks from call to call, in Python 3.10 and in newer ones.
_WALKS = ("walk_tb", "_walk_tb_with_full_positions")


def hide_calls_in(folders: tuple[str, ...], outermost: str) -> None:
    """Leave the calls of files below these folders out of every traceback of this process.

    A stack ends at the calls of the file `outermost`, which runs the script.
    """

    def hiding(walk: Callable[[Any], Iterator[tuple[Any, Any]]]) -> Callable[[Any], Any]:
        def shown(tb: Any) -> Iterator[tuple[Any, Any]]:
            for frame, position in walk(tb):
                if not frame.f_code.co_filename.startswith(folders):
                    yield frame, position

        return shown

    for name in _WALKS:
        if hasattr(traceback, name):
            setattr(traceback, name, hiding(getattr(traceback, name)))

    walk_stack = traceback.walk_stack

    def stack(frame: Any) -> Iterator[tuple[Any, int]]:
        # Without a frame it begins at the caller of the function that goes through it.
        for one, line in walk_stack(frame or sys._getframe(1).f_back):
            if one.f_code.co_filename == outermost:
                return
            if not one.f_code.co_filename.startswith(folders):
                yield one, line

    setattr(traceback, "walk_stack", stack)  # noqa: B010
