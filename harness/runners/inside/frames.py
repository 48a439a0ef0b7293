"""Frames: how processes of the harness send one another messages, through pipes and sockets.

A frame is one byte for its kind, eight for the size of its data in bytes (big-endian), and the
data. Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import os
import select
import struct
from typing import Tuple

HEAD = struct.Struct(">cQ")
_CHUNK = 1 << 20


def receive(source: int) -> Tuple[bytes, bytes]:
    """The next frame: its kind and its data; raises `EOFError` at the end of input."""
    kind, size = HEAD.unpack(_read(source, HEAD.size))
    return kind, _read(source, size)


def send(target: int, kind: bytes, data: bytes) -> None:
    """Send a frame; raises `OSError`."""
    write(target, HEAD.pack(kind, len(data)) + data)


def write(target: int, data: bytes) -> None:
    """Write all of the data; raises `OSError`."""
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]


def _read(source: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(source, min(size, _CHUNK))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def wait_for_response(child: int, response_pipe: int, connection: int) -> Tuple[int, bytes]:
    """What a child process writes to its pipe, which is closed, and its exit code as in a shell.

    Ends this process when the harness disconnects: it sends nothing during a case.
    """
    parts = []
    while True:
        if connection in select.select([response_pipe, connection], [], [])[0]:
            os._exit(0)
        part = os.read(response_pipe, 1 << 20)
        if not part:
            break
        parts.append(part)
    os.close(response_pipe)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    return code, b"".join(parts)
