"""Files of the interpreter, which the fake file system does not have and a script may read.

Python reads its time zones and the metadata of packages, and packages their own data files. Where
the fake file system has no such file, the real one is read. It is never written.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import posix
import stat
import sysconfig
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_open import FakeFileOpen

# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {
    "open": io.open,
    "stat": posix.stat,
    "listdir": posix.listdir,
    "scandir": posix.scandir,
    "access": posix.access,
    "fspath": posix.fspath,
}


# Those that pyfakefs lets be opened.
_DEVICES = ("/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")
# Beside its own folders, what the interpreter and the C library read.
_SYSTEM_FILES = (
    *("/usr/lib", "/lib", "/usr/lib64", "/lib64", "/usr/share/zoneinfo", "/etc/localtime"),
    *("/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"),
    *("/usr/share/locale", "/sys/devices/system/cpu"),
    *("/dev/null", *_DEVICES),
)


# The fake file system has none of their files.
_SYSTEM_FOLDERS = ("/etc/", "/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/proc/", "/sys/")


class OwnFiles:
    """The folders of this interpreter's library, packages and time zones."""

    def __init__(self) -> None:
        """Find them, before the fake file system is set up."""
        names = ("stdlib", "platstdlib", "purelib", "platlib")
        zones = sysconfig.get_config_var("TZPATH") or ""
        folders = {*(sysconfig.get_path(name) for name in names), *zones.split(":")}
        self._folders = tuple(f"{folder}/" for folder in sorted(folders) if folder)
        libraries = [sysconfig.get_path(name) for name in names]
        both = dict.fromkeys([*libraries, *map(os.path.realpath, libraries)])
        self._imported = tuple(f"{folder}/" for folder in both)

    @property
    def readable(self) -> tuple[str, ...]:
        """The real paths at or below which this process may read."""
        folders = (one.rstrip("/") for one in self._folders)
        return tuple(dict.fromkeys(os.path.realpath(one) for one in (*folders, *_SYSTEM_FILES)))

    def contain(self, path: str) -> bool:
        """Whether a path is at or below a folder that Python imports its own modules from."""
        return f"{path}/".startswith(self._imported) and "/.." not in path

    def serve(self, fake_os: Any, on_refusal: Callable[[str], NoReturn]) -> None:
        """Have every function that looks for a file, or reads it, look there too.

        `on_refusal(what)` is called when a script reads another file of the system, which a
        container has too.
        """
        self._on_refusal = on_refusal
        # Where a function is, its name, the position of the path, and what answers instead.
        functions: Sequence[tuple[Any, str, int, Callable[..., Any]]] = (
            (FakeFilesystem, "exists", 1, lambda _fs, path, *_, **_n: _mode(path) != 0),
            (FakeFilesystem, "isdir", 1, lambda _fs, path, *_, **_n: stat.S_ISDIR(_mode(path))),
            (
                FakeFilesystem,
                "isfile",
                1,
                lambda _fs, path, *_, **_n: stat.S_ISREG(_mode(path)),
            ),
            (FakeFilesystem, "stat", 1, lambda _fs, path, *_, **_n: _REAL["stat"](path)),
            (FakeFilesystem, "listdir", 1, lambda _fs, path: _REAL["listdir"](path)),
            (FakeFileOpen, "call", 1, lambda _opening, *args, **_names: _open(*args)),
            (fake_os, "access", 0, lambda *args, **names: _REAL["access"](*args, **names)),
            (fake_os, "scandir", 0, lambda path: _REAL["scandir"](path)),
            (fake_os.path, "getsize", 0, lambda path: _REAL["stat"](path).st_size),
            (fake_os.path, "getmtime", 0, lambda path: _REAL["stat"](path).st_mtime),
        )
        for place, name, position, real in functions:
            setattr(place, name, self._serving(getattr(place, name), position, real))

    def _serving(
        self, original: Callable[..., Any], position: int, real: Callable[..., Any]
    ) -> Callable[..., Any]:
        @functools.wraps(original)
        def function(*args: Any, **names: Any) -> Any:
            try:
                answer = original(*args, **names)
            except FileNotFoundError:
                if len(args) > position and self._has(args[position]):
                    return real(*args, **names)
                if original.__name__ == "call" and _is_of_system(args[position], stat.S_ISREG):
                    self._on_refusal(f"reads {args[position]!r}, a file of the system")
                lists = original.__name__ in ("listdir", "scandir") and len(args) > position
                if lists and _is_of_system(args[position], stat.S_ISDIR):
                    self._on_refusal(f"lists {args[position]!r}, a folder of the system")
                raise
            if answer is False and len(args) > position and self._has(args[position]):
                return real(*args, **names)
            return answer

        return function

    def _has(self, path: Any) -> bool:
        if isinstance(path, int):
            return False
        text = os.fsdecode(_REAL["fspath"](path))
        is_own = f"{text}/".startswith(self._folders) or text in _DEVICES
        return is_own and _mode(text) != 0


def _open(path: Any, mode: str = "r", *args: Any) -> Any:
    """Open a real file for reading."""
    if set(mode) & set("wax+"):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
    return _REAL["open"](path, mode, *args)


def _is_of_system(path: Any, is_kind: Callable[[int], bool]) -> bool:
    """Whether what a script looks for is one of the system's, and of a kind, in reality."""
    if isinstance(path, int):
        return False
    text = os.fsdecode(_REAL["fspath"](path))
    return f"{text}/".startswith(_SYSTEM_FOLDERS) and is_kind(_mode(text))


def _mode(path: Any) -> int:
    """The mode of a real file, 0 if there is none."""
    try:
        return int(_REAL["stat"](path).st_mode)
    except OSError:
        return 0
