"""Counts what a script does to files in a fake file system, and lets one operation fail.

An operation is a call that would reach the kernel: what a script writes is one when it leaves the
buffer of Python. Its place is the line of the script, or of a module beside it, that has led to it.
Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyfakefs import fake_file, fake_scandir
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen

from harness.cases.case import Case
from harness.cases.fault import KILLS, SHORT, Fault, Operation
from harness.worlds.tree import is_under

# Of an operation that no line of the script has led to, as at the end of the process.
_NO_PLACE = "python"
_FUNCTIONS = {
    **{"rename": "rename", "remove": "remove", "rmdir": "remove", "makedir": "mkdir"},
    **{"makedirs": "mkdir", "stat": "stat", "listdir": "list", "chmod": "chmod"},
    **{"utime": "utime", "create_symlink": "link", "create_link": "link"},
}
# Of those with two paths, how many there are.
_PATHS = {"rename": 2, "create_link": 2}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_READING = ("read", "readinto", "readline", "readlines", "read1", "readinto1", "readall")
# pyfakefs rebinds the names of functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"relpath": posixpath.relpath}
_Wrapper: Any = fake_file.FakeFileWrapper


class Operations:
    """The operations of one script on the folders of its case's fault.

    `send(signal)` is called before the operation that a signal of the fault is for.
    """

    def __init__(
        self, case: Case, fs: FakeFilesystem, fake_os: Any, send: Callable[[str], None]
    ) -> None:
        """Count nothing before `watch`."""
        assert case.fault is not None
        self.seen: list[Operation] = []
        self.struck = False
        self._fault: Fault = case.fault
        self._fs = fs
        self._os = fake_os
        self._send = send
        self._folder = case.import_folder
        below = (path for path, _ in case.tree.under(self._folder))
        self._sources = frozenset(path for path in (*below, case.script))
        self._counts: Counter[tuple[str, str]] = Counter()
        self._state = threading.local()
        self._is_on = False
        # The files that have been written to since they were opened or synchronised.
        self._written: set[int] = set()

    def watch(self) -> None:
        """Wrap the functions of pyfakefs through which every operation goes."""
        for name, operation in _FUNCTIONS.items():
            self._wrap(FakeFilesystem, name, operation)
        self._wrap_scandir()
        self._wrap_opening()
        self._wrap_reading_and_writing()
        self._wrap_flush_and_close()
        self._wrap_descriptors()
        self._is_on = True

    def stop(self) -> None:
        """Count no more."""
        self._is_on = False

    @contextmanager
    def _operation(self, name: str, *paths: Any) -> Iterator[bool]:
        """One operation, and none within it; raises its error. Whether a write must be short."""
        depth = getattr(self._state, "depth", 0)
        struck = self._is_on and not depth and self._is_near(paths) and self._count(name)
        self._state.depth = depth + 1
        try:
            if struck and self._fault.error and name != "close":
                raise self._error(name, *paths)
            yield struck and (self._fault.effect == SHORT or name == "close")
        finally:
            self._state.depth = depth

    def _is_near(self, paths: tuple[Any, ...]) -> bool:
        for path in paths:
            if isinstance(path, (str, bytes, os.PathLike)):
                absolute = self._fs.absnormpath(os.fsdecode(path))
                if any(is_under(absolute, folder) for folder in self._fault.folders):
                    return True
        return False

    def _count(self, name: str) -> bool:
        """Count an operation, and send its signal; whether it is that of the fault."""
        place, removes = self._place()
        # What fails while a folder is removed with all that is in it is its removal.
        name = "remove" if removes else name
        self._counts[name, place] += 1
        time = self._counts[name, place]
        handler = signal.getsignal(signal.SIGTERM)
        fault = self._fault
        if not fault.effect:
            self.seen.append(Operation(name, place, time, callable(handler)))
            return False
        if self.struck or (name, place, time) != (fault.operation, fault.place, fault.time):
            return False
        self.struck = True
        if fault.effect in KILLS:
            self._send(fault.effect)
            return False
        return True

    def _place(self) -> tuple[str, bool]:
        """The place of the operation, and whether `shutil.rmtree` does it."""
        frame: Any = sys._getframe(1)
        removes = False
        while frame is not None:
            code = frame.f_code
            removes = removes or ("rmtree" in code.co_name and code.co_filename == shutil.__file__)
            if code.co_filename in self._sources:
                place = f"{_REAL['relpath'](code.co_filename, self._folder)}:{frame.f_lineno}"
                return place, removes
            frame = frame.f_back
        return _NO_PLACE, removes

    def _error(self, name: str, *paths: Any) -> OSError:
        fault = self._fault
        if name in ("read", "write", "close", "sync", "truncate"):
            return OSError(fault.error, fault.error_text)
        return OSError(fault.error, fault.error_text, *(os.fspath(one) for one in paths[:1]))

    def _wrap(self, cls: type, name: str, operation: str) -> None:
        original = getattr(cls, name)

        def wrapper(fs: Any, *args: Any, **names: Any) -> Any:
            given = args or tuple(names.values())
            with self._operation(operation, *given[: _PATHS.get(name, 1)]):
                return original(fs, *args, **names)

        setattr(cls, name, wrapper)

    def _wrap_scandir(self) -> None:
        cls: Any = fake_scandir.ScanDirIter
        original = cls.__init__

        def start(scan: Any, fs: Any, path: Any) -> None:
            with self._operation("list", path):
                original(scan, fs, path)

        cls.__init__ = start

    def _wrap_opening(self) -> None:
        original = FakeFileOpen.call

        def call(opening: Any, path: Any, mode: Any = "r", *args: Any, **names: Any) -> Any:
            modes = names.get("open_modes")
            creates = modes.can_write if modes is not None else bool(set(mode) & set("wxa"))
            with self._operation("create" if creates else "open", path):
                return original(opening, path, mode, *args, **names)

        setattr(FakeFileOpen, "call", call)  # noqa: B010

    def _wrap_reading_and_writing(self) -> None:
        getattr_, iter_, next_ = _Wrapper.__getattr__, _Wrapper.__iter__, _Wrapper.__next__

        def get(file: Any, name: str) -> Any:
            if name in _READING:
                return self._reading(file, name, getattr_)
            if name == "write" and file._buffer_size == 0:
                return self._writing(file, getattr_)
            if name == "truncate":
                return self._truncating(file, getattr_)
            return getattr_(file, name)

        def iterate(file: Any) -> Any:
            with self._operation("read", file.file_object.path):
                return iter_(file)

        def following(file: Any) -> Any:
            with self._operation("read", file.file_object.path):
                return next_(file)

        _Wrapper.__getattr__, _Wrapper.__iter__, _Wrapper.__next__ = get, iterate, following

    def _reading(self, file: Any, name: str, original: Any) -> Any:
        function = original(file, name)

        def read(*args: Any, **names: Any) -> Any:
            with self._operation("read", file.file_object.path):
                return function(*args, **names)

        return read

    def _writing(self, file: Any, original: Any) -> Any:
        """The method of a file without a buffer, which may write less than it is given."""

        def write(data: Any) -> Any:
            with self._operation("write", file.file_object.path) as is_short:
                return original(file, "write")(_shortened(data) if is_short else data)

        return write

    def _truncating(self, file: Any, original: Any) -> Any:
        function = original(file, "truncate")

        def truncate(*args: Any) -> Any:
            with self._operation("truncate", file.file_object.path):
                return function(*args)

        return truncate

    def _wrap_flush_and_close(self) -> None:
        flush_, close_ = _Wrapper.flush, _Wrapper.close_fd

        def flush(file: Any) -> None:
            if not _has_pending(file):
                flush_(file)
                return
            self._written.add(id(file.file_object))
            # Python writes the rest of what was written in part.
            with self._operation("write", file.file_object.path):
                flush_(file)

        def close_fd(file: Any, fd: Any) -> None:
            if not file._is_open():
                return
            try:
                flush(file)
            except OSError:
                # Python closes the descriptor all the same, and what it has in its buffer is lost.
                if self._is_on:
                    _forget_pending(file)
                    close_(file, fd)
                raise
            node = file.file_object
            if id(node) not in self._written or not file.allow_update:
                close_(file, fd)
                return
            self._written.discard(id(node))
            with self._operation("close", node.path) as fails:
                close_(file, fd)
                if fails:
                    node.set_contents(_shortened(node.byte_contents or b""))
                    raise self._error("close")

        _Wrapper.flush, _Wrapper.close_fd = flush, close_fd

    def _wrap_descriptors(self) -> None:
        open_, write_ = self._os.open, self._os.write

        def open(path: Any, flags: int, *args: Any, **names: Any) -> int:
            with self._operation("create" if flags & _WRITING else "open", path):
                return int(open_(path, flags, *args, **names))

        def write(fd: int, data: Any, /) -> int:
            path = self._path_of(fd)
            with self._operation("write", path) as is_short:
                if path is not None:
                    self._written.add(id(self._fs.get_open_file(fd).get_object()))
                return int(write_(fd, _shortened(data) if is_short else data))

        self._os.open, self._os.write = open, write
        for name in ("fsync", "fdatasync"):
            self._wrap_sync(name)
        for name in ("truncate", "ftruncate"):
            self._wrap_truncate(name)
        for name in ("chmod", "fchmod"):
            if hasattr(self._os, name):
                self._wrap_of_descriptor(name, "chmod")

    def _wrap_sync(self, name: str) -> None:
        original = getattr(self._os, name)

        def sync(fd: Any) -> None:
            number = fd if isinstance(fd, int) else fd.fileno()
            path = self._path_of(number)
            with self._operation("sync", path):
                original(fd)
            if path is not None:
                self._written.discard(id(self._fs.get_open_file(number).get_object()))

        setattr(self._os, name, sync)

    def _wrap_truncate(self, name: str) -> None:
        original = getattr(self._os, name)

        def truncate(file: Any, length: int) -> None:
            path = self._path_of(file) if isinstance(file, int) else file
            with self._operation("truncate", path):
                original(file, length)

        setattr(self._os, name, truncate)

    def _wrap_of_descriptor(self, name: str, operation: str) -> None:
        original = getattr(self._os, name)

        def function(file: Any, *args: Any, **names: Any) -> Any:
            path = self._path_of(file) if isinstance(file, int) else file
            with self._operation(operation, path):
                return original(file, *args, **names)

        setattr(self._os, name, function)

    def _path_of(self, fd: int) -> Any:
        """The path of an open fake file; None for other descriptors."""
        files = self._fs.open_files[fd] if 0 <= fd < len(self._fs.open_files) else None
        file = files[0] if files else None
        return file.file_object.path if isinstance(file, fake_file.FakeFileWrapper) else None


def _shortened(data: Any) -> bytes:
    """A part of what is to be written: half of it, and at least a byte."""
    whole = bytes(data)
    return whole[: max(1, len(whole) // 2)] if len(whole) > 1 else whole


def _has_pending(file: Any) -> bool:
    """Whether a file has in its buffer what its fake file has not."""
    if not file.allow_update or file.is_stream or not file._is_open():
        return False
    file._io.flush()
    contents = file._io.getvalue()
    if file.open_modes.append:
        return bool(contents[file._flush_pos :])
    return bool(contents != file.file_object.byte_contents)


def _forget_pending(file: Any) -> None:
    """Empty the buffer of a file, as far as it is not written."""
    contents = file.file_object.byte_contents or b""
    file._set_stream_contents(contents)
    file._flush_pos = len(contents)
    file._file_epoch = file.file_object.epoch
