"""The module `fcntl` on fake files: locks, which exclude one another in one process too, and flags.

pyfakefs's functions do nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from typing import Any, NoReturn

from pyfakefs.fake_file import FakeFileWrapper, StandardStreamWrapper
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_io import FakeFcntlModule

# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"fcntl": fcntl.fcntl}
_DUPLICATING = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)
_OF_LOCKS = tuple(
    getattr(fcntl, name)
    for name in ("F_GETLK", "F_SETLK", "F_SETLKW", "F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW")
    if hasattr(fcntl, name)
)


class Locks:
    """The locks of one process; those of a file that is closed are gone."""

    def __init__(self, fs: FakeFilesystem) -> None:
        """Begin without any."""
        self._fs = fs
        # Descriptor → the open file and the file that it had, and the kind of lock. A reference to
        # an open file would keep it from being closed.
        self._held: dict[int, tuple[int, int, int]] = {}

    def install(self, on_refusal: Callable[[str], NoReturn]) -> None:
        """Install the functions; `on_refusal(what)` is called where a script would have to wait.

        So it is for what only a real file can do.
        """
        self._on_refusal = on_refusal
        fake: Any = FakeFcntlModule
        fake.flock = lambda _module, file, operation: self.flock(file, operation)
        fake.fcntl = lambda _module, file, command, arg=0: self.fcntl(file, command, arg)
        fake.ioctl = lambda _module, file, *_rest: self.ioctl(file)

    def fcntl(self, file: Any, command: int, arg: Any) -> int | bytes:
        """The flags of an open file, and of its descriptor; locks are never in the way."""
        number = file if isinstance(file, int) else file.fileno()
        handle: Any = self._fs.get_open_file(number)
        if isinstance(handle, StandardStreamWrapper):
            return int(_REAL["fcntl"](number, command, arg))
        if command in _DUPLICATING:
            self._on_refusal("duplicates a file descriptor (fcntl.F_DUPFD)")
        if command in (fcntl.F_SETFD, fcntl.F_SETFL):
            handle._flags = {**getattr(handle, "_flags", {}), command: int(arg)}
            return 0
        flags = getattr(handle, "_flags", {})
        if command == fcntl.F_GETFD:
            return int(flags.get(fcntl.F_SETFD, fcntl.FD_CLOEXEC))
        if command == fcntl.F_GETFL:
            return _mode_of(handle) | int(flags.get(fcntl.F_SETFL, 0)) & ~os.O_ACCMODE
        if command not in _OF_LOCKS:
            self._on_refusal(f"asks for what only a real file has (fcntl command {command})")
        return arg if isinstance(arg, bytes) else 0

    def ioctl(self, file: Any) -> NoReturn:
        """Raise ENOTTY: a file is no device, and the standard streams are pipes."""
        self._fs.get_open_file(file if isinstance(file, int) else file.fileno())
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def flock(self, file: Any, operation: int) -> None:
        """Lock an open file, or unlock it."""
        number = file if isinstance(file, int) else file.fileno()
        handle: Any = self._fs.get_open_file(number)
        kind = operation & ~fcntl.LOCK_NB
        if kind == fcntl.LOCK_UN:
            self._held.pop(number, None)
            return
        node = id(handle.file_object)
        if any(fcntl.LOCK_EX in (kind, one) for one in self._kinds_beside(number, node)):
            if not operation & fcntl.LOCK_NB:
                self._on_refusal("waits for a lock on a file that it has locked itself")
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._held[number] = id(handle), node, kind

    def _kinds_beside(self, number: int, node: int) -> list[int]:
        """The kinds of the locks on a file that other descriptors hold."""
        found = []
        for other, (handle, locked, kind) in self._held.items():
            handles = self._fs.open_files[other]
            is_open = bool(handles) and any(id(one) == handle for one in handles or ())
            if is_open and locked == node and other != number:
                found.append(kind)
        return found


def _mode_of(handle: Any) -> int:
    """How a file was opened, as flags of `os.open`."""
    if not isinstance(handle, FakeFileWrapper):
        return os.O_RDONLY | os.O_DIRECTORY
    modes = handle.open_modes
    writing = os.O_RDWR if modes.can_read else os.O_WRONLY
    return (writing if modes.can_write else os.O_RDONLY) | (os.O_APPEND if modes.append else 0)
