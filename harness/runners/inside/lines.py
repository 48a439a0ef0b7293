"""Tells which lines a script has run, and which line each one followed.

It runs in the script's process, in a namespace of its own, before the script; see
`harness.runners.traced`. At the end of the process it writes one line to standard error: `MARK`,
and what was run as base64 of compressed JSON, {file: [[line before, line], …]}. Entering a function
is the negative number of its first line before, and leaving it the same after. Runs on Python 3.8
and newer with the standard library alone.
"""

from __future__ import annotations

import atexit
import base64
import json
import opcode
import os
import sys
import threading
import zlib
from types import FrameType
from typing import Any, Callable, Dict, NoReturn, Optional, Set, Tuple

MARK = "harness: lines "
Trace = Callable[[FrameType, str, Any], Any]
_RESUME = opcode.opmap.get("RESUME")
# Of its argument: 0 at the start of a function.
_RESUME_KIND = 3
_YIELDS = [opcode.opmap[one] for one in ("YIELD_VALUE", "YIELD_FROM") if one in opcode.opmap]


class Lines:
    """What was run of the files below a folder."""

    def __init__(self, folder: str) -> None:
        """Nothing yet."""
        self._folder = os.path.join(folder, "")
        self._files: Dict[str, Set[Tuple[int, int]]] = {}
        self._names: Dict[str, Optional[str]] = {}
        self._process = os.getpid()

    def start(self) -> None:
        """Trace all threads from now on, and tell at the end of the process, however it ends."""
        exit_at_once = os._exit

        def exit_(status: int) -> NoReturn:
            self.tell()
            exit_at_once(status)

        os._exit = exit_
        atexit.register(self.tell)
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def tell(self) -> None:
        """Write what was run."""
        sys.settrace(None)
        found = {name: sorted(arcs) for name, arcs in self._files.items()}
        self._files = {}
        text = base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()
        try:
            data = memoryview(("\n%s%s\n" % (MARK, text)).encode())
            while data:
                data = data[os.write(2, data) :]
        except OSError:
            # The script has closed it.
            return

    def _enter(self, frame: FrameType, event: str, _argument: Any) -> Optional[Trace]:
        """Trace what is called, if its file is below the folder."""
        code = frame.f_code
        path = self._path(code.co_filename)
        if event != "call" or path is None:
            return None
        arcs = self._files.setdefault(path, set())
        outside = -code.co_firstlineno
        last = frame.f_lineno if _is_resumed(frame) else outside

        def trace(frame: FrameType, event: str, _argument: Any) -> Trace:
            nonlocal last
            if event == "line":
                arcs.add((last, frame.f_lineno))
                last = frame.f_lineno
            elif event == "return" and not _will_resume(frame):
                arcs.add((last, outside))
            return trace

        return trace

    def _path(self, name: str) -> Optional[str]:
        if name not in self._names:
            path = os.path.abspath(name)
            self._names[name] = path if path.startswith(self._folder) else None
        return self._names[name]


def _is_resumed(frame: FrameType) -> bool:
    """Whether a call is a generator that goes on."""
    if _RESUME is None:
        return frame.f_lasti >= 0
    code = frame.f_code.co_code
    return bool(code[frame.f_lasti] == _RESUME and code[frame.f_lasti + 1] & _RESUME_KIND)


def _will_resume(frame: FrameType) -> bool:
    """Whether a return is a generator that waits."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if _RESUME is None:
        return code[at] in _YIELDS or (at + 2 < len(code) and code[at + 2] in _YIELDS[1:])
    return any(one < len(code) and code[one] == _RESUME for one in (at, at + 2))
