"""Open files as Python's are: what each has written of one path, and how it is gone through.

pyfakefs writes the whole content of an open file whenever it is flushed, and so undoes what has
come to the file by another way since: another open file, `os.truncate`. Nor does it keep what one
of them has in its buffer while another is flushed. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from pyfakefs.fake_file import FakeFileWrapper


def keep_what_others_write() -> None:
    """Have each open file write what it has itself changed, and nothing else."""
    wrapper: Any = FakeFileWrapper
    init_, flush_, set_contents_ = (
        wrapper.__init__,
        wrapper.flush,
        wrapper._set_stream_contents,
    )

    def init(file: Any, *args: Any, **names: Any) -> None:
        init_(file, *args, **names)
        file._synced = file.file_object.byte_contents or b""

    def flush(file: Any) -> None:
        if file.allow_update and not (file.is_stream or file.open_modes.append):
            file._sync_io()
        flush_(file)
        file._synced = file.file_object.byte_contents or b""

    def sync_io(file: Any) -> None:
        if file._file_epoch == file.file_object.epoch:
            return
        current = contents = file.file_object.byte_contents or b""
        if file.allow_update and not file.open_modes.append:
            # Characters that wait in the buffer of a text are no bytes yet.
            file._io.flush()
            contents = _with_changes(contents, file._synced, file._io.getvalue())
        if file._binary:
            set_contents_(file, contents)
        else:
            # A text that is gone through by lines does not tell where it is.
            _replace(file._io._bytestream, contents)
        file._file_epoch, file._synced = file.file_object.epoch, current

    wrapper.__init__, wrapper.flush, wrapper._sync_io = init, flush, sync_io
    _go_through_as_python(wrapper)


def _go_through_as_python(wrapper: Any) -> None:
    """Have positions and lines of an open file as Python's have them."""
    seek_ = wrapper.seek
    iter_, next_, truncate_ = wrapper.__iter__, wrapper.__next__, wrapper._truncate_wrapper

    def seek(file: Any, offset: int, whence: int = 0) -> int:
        if not file.is_stream:
            file._sync_io()
        return int(seek_(file, offset, whence))

    def truncating(file: Any) -> Callable[..., int]:
        def truncate(*args: Any) -> int:
            position = file._io.tell()
            size: int = truncate_(file)(*args)
            if not file.open_modes.append:
                file._io.seek(position)
            return size

        return truncate

    def iterate(file: Any) -> Iterator[Any]:
        lines = iter_(file)
        if file.open_modes.append:
            # What is written at the end moves the position from which pyfakefs would read.
            lines = iter(file.readline, b"" if file._binary else "")
        return _Lines(file, lines)

    def following(file: Any) -> Any:
        file._sync_io()
        return next_(file)

    wrapper.seek, wrapper.__iter__, wrapper.__next__ = seek, iterate, following
    wrapper._truncate_wrapper = truncating


def _replace(stream: io.BytesIO, contents: bytes) -> None:
    position = stream.tell()
    stream.seek(0)
    stream.truncate()
    stream.write(contents)
    stream.seek(position)


class _Lines:
    """The lines of a file; what closes an iterator, as `yield from` does, closes the file."""

    def __init__(self, file: Any, lines: Iterator[Any]) -> None:
        self.close = file.close
        self._file, self._lines = file, lines

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> Any:
        self._file._sync_io()
        return next(self._lines)


def _with_changes(contents: bytes, before: bytes, after: bytes) -> bytes:
    """Some contents with what was changed from one state of them to another."""
    if before == after:
        return contents
    size = min(len(before), len(after))
    first = next((at for at in range(size) if before[at] != after[at]), size)
    end = len(after)
    while len(before) == len(after) and before[end - 1] == after[end - 1]:
        end -= 1
    return contents[:first].ljust(first, b"\0") + after[first:end] + contents[end:]
