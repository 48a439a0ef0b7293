"""Closes files that nobody refers to any more, as CPython does at once by its reference counts.

pyfakefs keeps every open file, so that what was written to it without `close()` would stay in its
buffer.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pyfakefs.fake_file import FakeFileWrapper
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen


def _count_references(files: list[Any]) -> int:
    file = files[-1]
    return sys.getrefcount(file)


# Those to an object that only a list refers to.
_OWN_REFERENCES = _count_references([object()])


def close_unreferenced_files(fs: FakeFilesystem) -> Callable[[], None]:
    """Close them whenever the file system is looked at; returns what closes them now."""
    opened: set[int] = set()

    def close() -> None:
        for number in tuple(opened):
            files = fs.open_files[number] if number < len(fs.open_files) else None
            if not files or not isinstance(files[-1], FakeFileWrapper):
                opened.discard(number)
                continue
            if _count_references(files) <= _OWN_REFERENCES:
                opened.discard(number)
                # Nobody is there who could be shown an error.
                with suppress(OSError, ValueError):
                    files[-1].close()

    def before(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def function(*args: Any, **names: Any) -> Any:
            if opened:
                close()
            return original(*args, **names)

        return function

    call = before(FakeFileOpen.call)

    @functools.wraps(call)
    def open_file(opening: Any, path: Any, *args: Any, **names: Any) -> Any:
        file = call(opening, path, *args, **names)
        # A descriptor of `os.open` stays open until it is closed, as does one that is only lent.
        if isinstance(file, FakeFileWrapper) and not file.raw_io and file._closefd:
            assert file.filedes is not None
            opened.add(file.filedes)
        return file

    setattr(FakeFileOpen, "call", open_file)  # noqa: B010
    # What looks at the content or the size of a file resolves its path.
    setattr(FakeFilesystem, "resolve", before(FakeFilesystem.resolve))  # noqa: B010
    return close
