"""Open files of the fake file system answer as those of Python's `io`.

pyfakefs's have no layers: a text file is no wrapper of a buffer. What depends on that is refused.
Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pyfakefs import fake_file, fake_open

# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {"open": io.open, "FileIO": io.FileIO}
# What scripts have in its place.
_CLASSES: dict[str, type] = {}
_Wrapper: Any = fake_file.FakeFileWrapper
_Opening: Any = fake_open.FakeFileOpen
_USUAL = frozenset(("r", "rb", "rt", "w", "wb", "wt", "a", "ab", "at"))
# How large the buffer is, the encoding, what errors do, and the ends of lines.
_DEFAULTS = (-1, None, None, None)
# The parts of a file that are files themselves.
_LAYERS = ("detach", "raw")
_ABLE = {"read": "readable", "write": "writable"}


def use_answers_of_io(modules: Sequence[Any], on_refusal: Callable[[str], NoReturn]) -> None:
    """Have the open files of this process answer so; `on_refusal(what)` is called otherwise.

    `modules` are those that have pyfakefs's functions in place of the ones of `io`.
    """
    _Wrapper._check_open_file = _check_open
    _Wrapper._raise = _raise_unsupported
    _Wrapper.__getattr__ = _get(_Wrapper.__getattr__, on_refusal)
    _Wrapper.__iter__ = _checked(_Wrapper.__iter__)
    _Wrapper.__next__ = _checked(_Wrapper.__next__)
    _Wrapper.__enter__ = _checked(_Wrapper.__enter__)
    _Wrapper.flush = _flush(_Wrapper.flush)
    _Wrapper.seek = _seek(_Wrapper.seek)
    _Opening.call = _call(_Opening.call)
    _Opening._init_file_object = _without_truncation(_Opening._init_file_object)
    _Wrapper.readall = lambda file: file.read()
    _Wrapper.__repr__ = _shown
    _CLASSES["FileIO"] = _raw_file(modules[0].open, on_refusal)
    for module in modules:
        module.FileIO = _CLASSES["FileIO"]


def class_of(file: Any) -> type:
    """The class that Python's own file would have."""
    modes = file.open_modes
    if not file._binary:
        return io.TextIOWrapper
    if file._buffer_size == 0:
        return _CLASSES["FileIO"]
    if modes.can_read and modes.can_write:
        return io.BufferedRandom
    return io.BufferedWriter if modes.can_write else io.BufferedReader


def _shown(file: Any) -> str:
    parts = [f"_io.{file.__class__.__name__}", f"name={file.name!r}"]
    if not file._binary:
        parts += [f"mode={file.mode!r}", f"encoding={file.encoding!r}"]
    elif file._buffer_size == 0:
        parts += [f"mode={file.mode!r}", f"closefd={file._closefd}"]
    return f"<{' '.join(parts)}>"


def _check_open(file: Any, what: str = "") -> None:
    if not file.is_stream and not file._is_open():
        raise ValueError(f"{what} closed file" if what else "I/O operation on closed file.")


def _raise_unsupported(file: Any, message: str) -> NoReturn:
    if file.raw_io:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    kind = "read" if "reading" in message else "write"
    raise io.UnsupportedOperation(kind if file._binary else f"not {_ABLE[kind]}")


def _get(original: Callable[..., Any], on_refusal: Callable[[str], NoReturn]) -> Any:
    @functools.wraps(original)
    def attribute(file: Any, name: str) -> Any:
        if name in _LAYERS and _caller() != "tempfile":
            on_refusal(f"takes a file apart ({name})")
        reads = name.startswith("read")
        if reads or name.startswith("write") or name == "truncate":
            if file._binary:
                _check_open(file, f"{name} {'to' if name == 'write' else 'of'}")
            is_able = file.open_modes.can_read if reads else file.open_modes.can_write
            if not is_able and not file.raw_io:
                if file._binary or name == "truncate":
                    return _unsupported("read" if name.startswith("readline") else name)
                return _unsupported("not readable" if reads else "not writable")
        return original(file, name)

    return attribute


def _caller() -> str:
    """Who asks for the attribute of a file."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and _is_watching(frame):
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _is_watching(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(__package__ or "")


def _checked(original: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which a closed file has no more."""

    @functools.wraps(original)
    def method(file: Any) -> Any:
        _check_open(file)
        return original(file)

    return method


def _unsupported(what: str) -> Callable[..., NoReturn]:
    def fail(*_args: Any, **_names: Any) -> NoReturn:
        raise io.UnsupportedOperation(what)

    return fail


def _flush(original: Callable[..., None]) -> Callable[..., None]:
    """Flushes, unless the descriptor that a file was made of is only for reading."""

    @functools.wraps(original)
    def flush(file: Any) -> None:
        is_lent = file.open_modes.can_write and not file.allow_update and file._is_open()
        if is_lent and file._io.getvalue() != (file.file_object.byte_contents or b""):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        original(file)

    return flush


def _seek(original: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(original)
    def seek(file: Any, offset: int, whence: int = 0) -> int:
        try:
            return original(file, offset, whence)
        except ValueError as error:
            if not str(error).startswith("negative seek"):
                raise
            if not file._binary:
                raise ValueError(f"negative seek position {offset!r}") from None
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None

    return seek


def _call(original: Callable[..., Any]) -> Callable[..., Any]:
    """Opens as pyfakefs does; a file of a descriptor goes on where that is."""

    @functools.wraps(original)
    def call(opening: Any, path: Any, *args: Any, **names: Any) -> Any:
        is_descriptor = isinstance(path, int)
        files = opening.filesystem.get_open_files(path) if is_descriptor else []
        position = files[-1].tell() if files and isinstance(files[-1], _Wrapper) else 0
        if "open_modes" not in names:
            _check_arguments(*args, **names)
        opened = original(opening, path, *args, **names)
        if is_descriptor and isinstance(opened, _Wrapper):
            opened.name = path
            if not opened.open_modes.append:
                opened._io.seek(position)
        return opened

    return call


def _check_arguments(mode: str = "r", *args: Any, **names: Any) -> None:
    """Have Python itself say what is wrong with what a file is to be opened with."""
    # All up to the end of lines.
    rest = args[:4]
    given = {one: names[one] for one in names if one not in ("opener", "closefd")}
    if mode in _USUAL and rest in ((), _DEFAULTS) and not given:
        return
    is_one = len(re.findall("[rwax]", mode)) == 1
    plain = re.sub("[wax]", "r", mode).replace("+", "", 1) if is_one else mode
    _REAL["open"]("/dev/null", plain, *rest, **given).close()


def _without_truncation(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def init(opening: Any, node: Any, path: Any, modes: Any, *rest: Any, **names: Any) -> Any:
        # Who opens a descriptor keeps what is there.
        if not names.get("check_file_permission", True):
            modes = modes._replace(truncate=False)
        return original(opening, node, path, modes, *rest, **names)

    return init


def _raw_file(fake_open_: Callable[..., Any], on_refusal: Callable[[str], NoReturn]) -> type:
    real: Any = _REAL["FileIO"]

    class FileIO(real):  # type: ignore[misc]
        """A file without a buffer."""

        def __new__(
            cls, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None
        ) -> Any:
            if cls is not FileIO:
                on_refusal(f"opens a file of a class of its own ({cls.__name__})")
            plain = mode.replace("b", "")
            return fake_open_(file, f"{plain}b", 0, closefd=closefd, opener=opener)

    FileIO.__module__ = "_io"
    return FileIO
