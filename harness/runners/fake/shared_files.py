"""What several open files of one path have written, each where it wrote it.

pyfakefs writes the whole content of an open file whenever it is flushed, and so undoes what has
come to the file by another way since: another open file, `os.truncate`. Nor does it keep what one
of them has in its buffer while another is flushed. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

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
        set_contents_(file, contents)
        file._file_epoch, file._synced = file.file_object.epoch, current

    wrapper.__init__, wrapper.flush, wrapper._sync_io = init, flush, sync_io


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
