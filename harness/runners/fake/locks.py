"""Locks on open files (`fcntl.flock`), which exclude one another in one process too."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from typing import Any, NoReturn

from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_io import FakeFcntlModule


class Locks:
    """The locks of one process; those of a file that is closed are gone."""

    def __init__(self, fs: FakeFilesystem) -> None:
        """Begin without any."""
        self._fs = fs
        # Descriptor → the open file and the file that it had, and the kind of lock. A reference to
        # an open file would keep it from being closed.
        self._held: dict[int, tuple[int, int, int]] = {}

    def install(self, on_refusal: Callable[[str], NoReturn]) -> None:
        """Install `flock`; `on_refusal(what)` is called where a script would have to wait."""
        self._on_refusal = on_refusal
        fake: Any = FakeFcntlModule
        fake.flock = lambda _module, file, operation: self.flock(file, operation)

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
