"""Errors of the fake file system as Linux words them.

Linux names the path that a function was given, and both paths of a rename or a link. pyfakefs names
a parent folder or another form of the path. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen

# Functions of one path, their first argument. Those that call others, such as `makedirs`, are not
# among them: their errors are those of the inner calls.
_OF_FILE_SYSTEM = ("stat", "chmod", "readlink", "makedir", "remove", "rmdir", "listdir")
_OF_OS = ("chdir", "truncate", "scandir")
_OF_PATHS = ("getsize", "getatime", "getmtime", "getctime")
# The parameter that is text, and no path that is gone to.
_TARGET = {"create_symlink": 2}
# In bytes.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {"fspath": os.fspath}


def name_paths(fs: FakeFilesystem, fake_os: Any) -> None:
    """Have the errors of a fake file system name their paths as Linux does."""
    _keep_what_a_rename_cannot_replace()
    places: Sequence[tuple[Any, Sequence[str], Sequence[int]]] = (
        (FakeFilesystem, _OF_FILE_SYSTEM, (1,)),
        (FakeFilesystem, ("rename", "create_link"), (1, 2)),
        # Its first parameter is the new path, and that of os.symlink the target.
        (FakeFilesystem, ("create_symlink",), (2, 1)),
        (FakeFileOpen, ("call",), (1,)),
        (fake_os, _OF_OS, (0,)),
        (fake_os.path, _OF_PATHS, (0,)),
    )
    for place, names, positions in places:
        for name in names:
            setattr(place, name, _naming(fs, getattr(place, name), positions))


def _keep_what_a_rename_cannot_replace() -> None:
    """Let a rename to another file system fail before what is there is removed."""
    original = FakeFilesystem.rename

    @functools.wraps(original)
    def rename(fs: FakeFilesystem, old: Any, new: Any, *args: Any, **names: Any) -> None:
        folders = [fs.splitpath(fs.absnormpath(_REAL["fspath"](one)))[0] for one in (old, new)]
        if fs.exists(old, check_link=True) and all(map(fs.exists, folders)):
            first, second = (fs.resolve(one).st_dev for one in folders)
            if first != second:
                fs.raise_os_error(errno.EXDEV, old)
        original(fs, old, new, *args, **names)

    setattr(FakeFilesystem, "rename", rename)  # noqa: B010


def _naming(
    fs: FakeFilesystem, original: Callable[..., Any], positions: Sequence[int]
) -> Callable[..., Any]:
    """The function, whose errors name the arguments at these positions."""

    @functools.wraps(original)
    def function(*args: Any, **names: Any) -> Any:
        try:
            for position in set(positions) - {_TARGET.get(original.__name__)}:
                _check_length(*args[position : position + 1])
            return original(*args, **names)
        except OSError as error:
            nameless = error.filename is None and error.errno != errno.ENOENT
            if nameless or len(args) <= max(positions):
                raise
            paths = [args[one] for one in positions]
            if any(isinstance(path, int) for path in paths):
                raise
            texts = [_REAL["fspath"](path) for path in paths]
            number, message = error.errno, error.strerror
            if number == errno.ENOENT and any(_leads_through_a_file(fs, one) for one in texts):
                number, message = errno.ENOTDIR, os.strerror(errno.ENOTDIR)
            if number == errno.ENOTEMPTY and len(texts) > 1 and not fs.isdir(texts[0]):
                # A file can only replace a file.
                number, message = errno.EISDIR, os.strerror(errno.EISDIR)
            second = (None, texts[1]) if len(texts) > 1 else ()
            raise OSError(number, message, texts[0], *second) from None

    return function


def _check_length(path: Any = 0) -> None:
    """Raise what Linux raises for a path or a name that is too long, which pyfakefs takes."""
    if not isinstance(path, str | bytes | os.PathLike):
        return
    data = os.fsencode(path)
    if b"\0" in data:
        raise ValueError("embedded null byte")
    if len(data) > _LONGEST_PATH or any(len(one) > _LONGEST_NAME for one in data.split(b"/")):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


def _leads_through_a_file(fs: FakeFilesystem, path: Any) -> bool:
    """Whether a folder of the path is a file."""
    folder = fs.absnormpath(path)
    while len(folder) > 1:
        folder, _ = fs.splitpath(folder)
        # Most often the file alone is missing, and each question takes long.
        if fs.isdir(folder):
            return False
        if fs.exists(folder):
            return True
    return False
