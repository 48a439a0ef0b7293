"""Runs a script and writes down what it asks for: files, folders and variables.

A script that executes this module apart, and calls `run` with the source of another, does what
that one does. What libraries open without Python is not heard of.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from typing import Any, Dict, List, Set, Tuple

# Where it is written down, when the script has ended.
OBSERVED = "/opt/ml/.observed.json"
_ROOT = "/opt/ml/"
_CHANGES = os.O_WRONLY | os.O_RDWR


def run(source: bytes, script: str) -> None:
    """Run the source as the main module, and keep what it asks for."""
    code = os.path.dirname(os.path.abspath(script))
    read: Set[str] = set()
    variables: Set[str] = set()

    def hear(event: str, given: Tuple[Any, ...]) -> None:
        if event not in ("open", "os.listdir", "os.scandir") or not given:
            return
        path = given[0]
        if event == "open" and (not isinstance(given[2], int) or given[2] & _CHANGES):
            return
        if isinstance(path, (str, os.PathLike)):
            whole = os.path.abspath(os.fspath(path))
            if str(whole).startswith(_ROOT) and not str(whole).startswith(f"{code}/"):
                read.add(str(whole))

    class Heard(type(os.environ)):  # type: ignore[misc]
        def __getitem__(self, key: Any) -> Any:
            if _asks(code):
                variables.add(str(key))
            return super().__getitem__(key)

    def write() -> None:
        told: Dict[str, List[str]] = {"read": sorted(read), "variables": sorted(variables)}
        descriptor = os.open(OBSERVED, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps(told).encode())
        os.close(descriptor)

    atexit.register(write)
    sys.addaudithook(hear)
    os.environ.__class__ = Heard
    main = sys.modules["__main__"].__dict__
    exec(compile(source, script, "exec", dont_inherit=True), main)


def _asks(code: str) -> bool:
    """Whether the script, or a module beside it, asks for a variable, and no library."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.endswith(
        ("os.py", "_collections_abc.py", "<frozen os>", "<frozen _collections_abc>")
    ):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(f"{code}/")
