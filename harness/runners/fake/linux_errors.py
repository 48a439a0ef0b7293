"""Errors of the fake file system as Linux words them.

Linux names the path that a function was given, and both paths of a rename or a link. pyfakefs names
a parent folder or another form of the path. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import functools
import os
import posix
from collections.abc import Callable, Sequence
from typing import Any

from pyfakefs import fake_pathlib
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen

# Functions of one path, their first argument. Those that call others, such as `makedirs`, are not
# among them: their errors are those of the inner calls.
_OF_FILE_SYSTEM = ("stat", "chmod", "readlink", "makedir", "remove", "rmdir", "listdir")
_OF_OS = ("chdir", "truncate", "scandir")
_OF_PATHS = ("getsize", "getatime", "getmtime", "getctime")
_OF_ACCESSOR = ("mkdir", "rmdir", "unlink", "rename", "replace", "symlink", "link")
# The parameter that is text, and no path that is gone to.
_TARGET = {"create_symlink": 2}
# Where `FakeFileOpen.call` has it; no other function has so many parameters.
_OPENER = 8
# In bytes.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {"fspath": os.fspath, "utime": posix.utime, "stat": posix.stat}


def name_paths(fs: FakeFilesystem, fake_os: Any) -> None:
    """Have the errors of a fake file system name their paths as Linux does."""
    _keep_what_a_rename_cannot_replace()
    _refuse_links_to_nothing()
    if not _names_path_of_times():
        _name_no_path_of_times()
    places: Sequence[tuple[Any, Sequence[str], Sequence[int]]] = (
        (FakeFilesystem, _OF_FILE_SYSTEM, (1,)),
        (FakeFilesystem, ("rename", "create_link"), (1, 2)),
        # Its first parameter is the new path, and that of os.symlink the target.
        (FakeFilesystem, ("create_symlink",), (2, 1)),
        (FakeFileOpen, ("call",), (1,)),
        (fake_os, _OF_OS, (0,)),
        (fake_os.path, _OF_PATHS, (0,)),
    )
    # The `pathlib` of Python 3.10 has a copy of each function.
    for name in _OF_ACCESSOR if hasattr(fake_pathlib, "_FakeAccessor") else ():
        setattr(fake_pathlib._FakeAccessor, name, _calling(fake_os, name))
    for place, names, positions in places:
        for name in names:
            setattr(place, name, naming(fs, getattr(place, name), positions))
    fake_os._path_with_dir_fd = _keeping_what_was_given(fake_os._path_with_dir_fd)


def _calling(fake_os: Any, name: str) -> Any:
    return staticmethod(lambda *args, **names: getattr(fake_os, name)(*args, **names))


class _InFolder(str):
    """A path in a folder that a descriptor was given of, and what was given beside it."""

    given: Any


def _keeping_what_was_given(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def path_of(path: Any, function: Any, dir_fd: Any, **names: Any) -> Any:
        whole = original(path, function, dir_fd, **names)
        if dir_fd is None or not isinstance(whole, str):
            return whole
        joined = _InFolder(whole)
        joined.given = path
        return joined

    return path_of


def _keep_what_a_rename_cannot_replace() -> None:
    """Let a rename to another file system fail before what is there is removed."""
    original = FakeFilesystem.rename

    @functools.wraps(original)
    def rename(fs: FakeFilesystem, old: Any, new: Any, *args: Any, **names: Any) -> None:
        texts = [_REAL["fspath"](one) for one in (old, new)]
        if any(one[-1:] in ("/", b"/") for one in texts) and fs.isfile(fs.absnormpath(old)):
            fs.raise_os_error(errno.ENOTDIR, old)
        folders = [fs.splitpath(fs.absnormpath(one))[0] for one in texts]
        if fs.exists(old, check_link=True) and all(map(fs.exists, folders)):
            first, second = (fs.resolve(one).st_dev for one in folders)
            if first != second:
                fs.raise_os_error(errno.EXDEV, old)
        original(fs, old, new, *args, **names)

    setattr(FakeFilesystem, "rename", rename)  # noqa: B010


def _refuse_links_to_nothing() -> None:
    original = FakeFilesystem.create_symlink

    @functools.wraps(original)
    def create_symlink(fs: FakeFilesystem, path: Any, target: Any, *args: Any, **names: Any) -> Any:
        if not target:
            fs.raise_os_error(errno.ENOENT, target)
        return original(fs, path, target, *args, **names)

    setattr(FakeFilesystem, "create_symlink", create_symlink)  # noqa: B010


def _names_path_of_times() -> bool:
    """Whether this Python names the path, since 3.13."""
    try:
        _REAL["utime"]("/dev/null/none")
    except OSError as error:
        return error.filename is not None
    return False


def _name_no_path_of_times() -> None:
    """Name none, for it may be the times that are wrong."""
    original = FakeFilesystem.utime

    @functools.wraps(original)
    def utime(*args: Any, **names: Any) -> None:
        try:
            original(*args, **names)
        except OSError as error:
            raise OSError(error.errno, error.strerror) from None

    setattr(FakeFilesystem, "utime", utime)  # noqa: B010


def naming(
    fs: FakeFilesystem, original: Callable[..., Any], positions: Sequence[int]
) -> Callable[..., Any]:
    """The function, whose errors name the arguments at these positions."""

    @functools.wraps(original)
    def function(*args: Any, **names: Any) -> Any:
        try:
            for position in set(positions) - {_TARGET.get(original.__name__)}:
                _check_length(original.__name__, *args[position : position + 1])
            return original(*args, **names)
        except OSError as error:
            nameless = error.filename is None and error.errno != errno.ENOENT
            # A function that opens the file names what it has opened.
            is_opened = names.get("opener") or any(args[_OPENER:])
            if nameless or len(args) <= max(positions) or is_opened:
                raise
            paths = [args[one] for one in positions]
            if any(isinstance(path, int) for path in paths):
                raise
            texts = [_REAL["fspath"](path) for path in paths]
            shown = [getattr(path, "given", text) for path, text in zip(paths, texts, strict=True)]
            number, message = error.errno, error.strerror
            if number == errno.ENOENT and any(_leads_through_a_file(fs, one) for one in texts):
                number, message = errno.ENOTDIR, os.strerror(errno.ENOTDIR)
            if number == errno.ENOTEMPTY and len(texts) > 1 and not fs.isdir(texts[0]):
                # A file can only replace a file.
                number, message = errno.EISDIR, os.strerror(errno.EISDIR)
            second = (None, shown[1]) if len(shown) > 1 else ()
            raise OSError(number, message, shown[0], *second) from None

    return function


def _check_length(function: str, path: Any = 0) -> None:
    """Raise what Linux raises for a path or a name that is too long, which pyfakefs takes."""
    if not isinstance(path, str | bytes | os.PathLike):
        return
    data = os.fsencode(path)
    if b"\0" in data and function == "call":
        raise ValueError("embedded null byte")
    if b"\0" in data:
        # Python itself says so.
        _REAL["stat"](path)
    if len(data) > _LONGEST_PATH or any(len(one) > _LONGEST_NAME for one in data.split(b"/")):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


def _leads_through_a_file(fs: FakeFilesystem, path: Any) -> bool:
    """Whether a folder of the path is a file."""
    folder = fs.absnormpath(path)
    if path.endswith(b"/" if isinstance(path, bytes) else "/") and fs.isfile(folder):
        return True
    while len(folder) > 1:
        folder, _ = fs.splitpath(folder)
        # Most often the file alone is missing, and each question takes long.
        if fs.isdir(folder):
            return False
        if fs.exists(folder):
            return True
    return False
