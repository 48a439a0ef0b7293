"""What a script writes to a standard stream, through a pipe: its head, its tail, and their size.

Calls no `os`, whose functions the fake runner replaces. Runs on Python 3.8 and newer with the
standard library alone.
"""

from __future__ import annotations

import posix

# Of the head and of the tail, in bytes. Everything is kept of a stream that is not longer.
MAX_SIZE = 4 << 20
_CHUNK_SIZE = 1 << 16


class Capture:
    """The bytes that were read from a pipe; what is in the middle of too many is left out."""

    def __init__(self, source: int) -> None:
        """Read from the descriptor `source`, which does not block from now on."""
        posix.set_blocking(source, False)
        self.source = source
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def read(self) -> bool:
        """Read what is there now; False at the end of the pipe."""
        while True:
            try:
                chunk = posix.read(self.source, _CHUNK_SIZE)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._add(chunk)

    def _add(self, chunk: bytes) -> None:
        space = max(0, MAX_SIZE - len(self._head))
        self._head += chunk[:space]
        self._tail += chunk[space:]
        # Cut seldom: every cut moves the whole tail.
        if len(self._tail) > 2 * MAX_SIZE:
            self._cut()

    def _cut(self) -> None:
        excess = len(self._tail) - MAX_SIZE
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

    def content(self) -> bytes:
        """Head and tail, and between them how many bytes are left out, if any."""
        self._cut()
        middle = b"\n(%d bytes are left out here)\n" % self._left_out if self._left_out else b""
        return bytes(self._head) + middle + bytes(self._tail)
