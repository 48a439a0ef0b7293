"""Functions of `os` on descriptors that pyfakefs lacks.

The real ones know nothing of a fake descriptor: they fail, or reach what the harness has open.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import stat
from collections.abc import Callable, Sequence
from typing import Any

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"pathconf": os.pathconf}

# What functions of `os.path` tell of the status of a file.
_OF_STATUS: dict[str, Callable[[Any], Any]] = {
    "getsize": operator.attrgetter("st_size"),
    "getatime": operator.attrgetter("st_atime"),
    "getmtime": operator.attrgetter("st_mtime"),
    "getctime": operator.attrgetter("st_ctime"),
    "isfile": lambda found: stat.S_ISREG(found.st_mode),
    "isdir": lambda found: stat.S_ISDIR(found.st_mode),
}


class Descriptors:
    """Functions that are added to one fake `os` module."""

    def __init__(self, fake_os: FakeOsModule, fs: FakeFilesystem) -> None:
        """Call the other functions of `fake_os`."""
        self._os: Any = fake_os
        self._fs = fs
        self._fake_fsync = fake_os.fsync

    def install(self) -> None:
        """Install those of the functions that this system has."""
        for name in (
            *("closerange", "fchdir", "fpathconf", "preadv", "pwritev"),
            *("get_blocking", "set_blocking", "get_inheritable", "set_inheritable"),
            *("fsync", "fdatasync"),
        ):
            if hasattr(os, name):
                setattr(self._os, name, getattr(self, name))
        for name, answer in _OF_STATUS.items():
            setattr(self._os.path, name, self._of_descriptors(name, answer))

    def _of_descriptors(self, name: str, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function of `os.path`, which is given a descriptor too."""
        original = getattr(self._os.path, name)

        @functools.wraps(original)
        def function(path: Any) -> Any:
            return answer(self._os.fstat(path)) if isinstance(path, int) else original(path)

        return function

    def closerange(self, fd_low: int, fd_high: int, /) -> None:
        """Close the descriptors from one to before the other, as far as they are open."""
        for fd in range(max(fd_low, 0), min(fd_high, len(self._fs.open_files))):
            with contextlib.suppress(OSError):
                self._os.close(fd)

    def fsync(self, fd: Any) -> None:
        """Do nothing to a file, which may be given itself."""
        self._fake_fsync(fd if isinstance(fd, int) else fd.fileno())

    def fdatasync(self, fd: Any) -> None:
        """Do nothing to a file, which may be given itself."""
        self.fsync(fd)

    def fchdir(self, fd: int) -> None:
        """Change to a folder that is open."""
        self._os.chdir(fd)

    def fpathconf(self, fd: int, name: int | str, /) -> int:
        """A limit of the file system: that of the real one."""
        self._fs.get_open_file(fd)
        return int(_REAL["pathconf"]("/", name))

    def preadv(self, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0, /) -> int:
        """Read into several buffers at an offset."""
        total = 0
        for buffer in buffers:
            data = self._os.pread(fd, len(buffer), offset + total)
            buffer[: len(data)] = data
            total += len(data)
        return total

    def pwritev(self, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0, /) -> int:
        """Write several buffers at an offset."""
        return int(self._os.pwrite(fd, b"".join(map(bytes, buffers)), offset))

    def get_blocking(self, fd: int, /) -> bool:
        """Whether operations wait: on a file they do."""
        self._fs.get_open_file(fd)
        return True

    def set_blocking(self, fd: int, blocking: bool, /) -> None:
        """Do nothing: on a file it has no effect."""
        self._fs.get_open_file(fd)

    def get_inheritable(self, fd: int, /) -> bool:
        """Whether other programs get the descriptor: none is started."""
        self._fs.get_open_file(fd)
        return False

    def set_inheritable(self, fd: int, inheritable: bool, /) -> None:
        """Do nothing: no other program is started."""
        self._fs.get_open_file(fd)
