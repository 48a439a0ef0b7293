"""Tells what a function of the file system looks up as the one question that it asks.

On the way to a path each of its folders is looked up. A script that asks whether a file is there
sees nothing of them but the answer, which is the same where the folder is missing, or empty.
"""

from __future__ import annotations

import functools
import posixpath
import threading
from collections.abc import Callable
from typing import Any

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen

from harness.cases.observed import Kind, Query
from harness.worlds.tree import is_under

# Their answer is that of what is at their first argument, and they change nothing.
_ASKING = ("stat", "exists", "isdir", "isfile", "islink")
_READING = frozenset(("r", "rb", "rt", "br", "tr"))


class Lookups:
    """What is looked up within a call of such a function, and is told when it is over."""

    def __init__(self, tell: Callable[[Kind, str], None]) -> None:
        """Tell each query to this function."""
        self._tell = tell
        # Each thread makes calls of its own.
        self._calls = threading.local()

    def see(self, kind: Kind, name: str) -> None:
        """The script, or a function that it has called, has looked at this."""
        within: list[Query] | None = getattr(self._calls, "queries", None)
        if within is None:
            self._tell(kind, name)
        else:
            within.append((kind, name))

    def watch(self) -> None:
        """Watch the functions that only ask."""
        for name in _ASKING:
            setattr(FakeFilesystem, name, self._joined(getattr(FakeFilesystem, name)))
        call: Any = FakeFileOpen.call
        reading = self._joined(call)

        @functools.wraps(call)
        def open_(opened: FakeFileOpen, *args: Any, **names: Any) -> Any:
            mode = args[1] if len(args) > 1 else names.get("mode", "r")
            # The eighth is what opens it, and the ninth the flags of `os.open`.
            is_plain = not any(args[7:]) and not {"opener", "open_modes"} & {*names}
            if is_plain and mode in _READING:
                return reading(opened, *args, **names)
            return call(opened, *args, **names)

        setattr(FakeFileOpen, "call", open_)  # noqa: B010

    def _joined(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The function, of whose call the one question is told."""

        @functools.wraps(original)
        def function(place: Any, *args: Any, **names: Any) -> Any:
            path = _whole(getattr(place, "filesystem", place), args[0]) if args else None
            if path is None or getattr(self._calls, "queries", None) is not None:
                return original(place, *args, **names)
            queries = self._calls.queries = []
            try:
                return original(place, *args, **names)
            finally:
                self._calls.queries = None
                self._tell_joined(path, queries)

        return function

    def _tell_joined(self, path: str, queries: list[Query]) -> None:
        self._tell("lookup", path)
        # Through a link, or what was moved, other paths are met than those on the way.
        is_direct = all(is_under(path, name) for kind, name in queries if kind == "stat")
        for kind, name in queries:
            if kind != "stat" or not is_direct:
                self._tell(kind, name)


def _whole(fs: FakeFilesystem, path: Any) -> str | None:
    """The absolute path that is meant; None where it is no text in its plain form."""
    if not isinstance(path, (str, bytes)) and not hasattr(path, "__fspath__"):
        return None
    name = path if isinstance(path, (str, bytes)) else path.__fspath__()
    if not isinstance(name, str) or not name:
        return None
    found = name if name.startswith("/") else f"{fs.cwd.rstrip('/')}/{name}"
    return found if posixpath.normpath(found) == found != "/" else None
