"""The warm processes of a container: starts them, and passes requests on to them.

Runs on Python 3.8 and newer with the standard library alone, in the process of a container that
runs cases in namespaces of their own; see `serve`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import tempfile
import traceback
from functools import partial
from typing import Any, Dict, NamedTuple, NoReturn, Tuple

from harness.runners.inside import frames, launch, mounts, overlay, world
from harness.runners.inside.mounts import MS_PRIVATE, MS_REC

# Requests: start a warm process (JSON), pass on (frames), end one. Each begins with its name, of
# so many bytes, which no other has, not even in another container. The answer to the second is that
# of the warm process: its kind, a byte, and its data.
NAME = 8
START, ASK, END = b"S", b"A", b"Q"
_RESULT, _ERROR = b"R", b"E"


class _Process(NamedTuple):
    pid: int
    connection: socket.socket


class Relay:
    """The warm processes of a container, by name."""

    def __init__(self, client: int) -> None:
        """The descriptor `client` has something to read when the client has gone."""
        self._client = client
        self._processes: Dict[bytes, _Process] = {}

    def answer(self, kind: bytes, data: bytes) -> Tuple[bytes, bytes]:
        """The answer to a request: its kind and its data."""
        try:
            if kind == START:
                self._start(data[:NAME], json.loads(data[NAME:]))
                return _RESULT, b""
            if kind == ASK:
                return _RESULT, self._ask(data[:NAME], data[NAME:])
            self._end(data[:NAME])
            return _RESULT, b""
        except (EOFError, OSError, KeyError) as error:
            return _ERROR, repr(error).encode("utf-8", "backslashreplace")

    def _start(self, name: bytes, request: Dict[str, Any]) -> None:
        environment = {**request["defaults"], **os.environ, **request["variables"]}
        more = {
            "environment": environment,
            "inherited": dict(os.environ),
            "mounted": overlay.mount_points(),
        }
        text = "MORE = {!r}\n{}".format(more, request["program"])
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile(dir="/dev/shm") as program, theirs:
            program.write(text.encode())
            program.seek(0)
            child = os.fork()
            if child == 0:
                _enter(request["outermost"], environment, theirs.fileno(), program.fileno())
        self._processes[name] = _Process(child, ours)

    def _ask(self, name: bytes, requests: bytes) -> bytes:
        connection = self._processes[name].connection
        frames.write(connection.fileno(), requests)
        if self._client in select.select([connection.fileno(), self._client], [], [])[0]:
            # The client sends nothing before it has its answer: it has gone.
            os._exit(0)
        kind, data = frames.receive(connection.fileno())
        return kind + data

    def _end(self, name: bytes) -> None:
        process = self._processes.pop(name)
        process.connection.close()
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)


def _enter(outermost: str, environment: Dict[str, str], connection: int, program: int) -> NoReturn:
    """Start a warm process in namespaces of its own, in this process, which was forked."""
    try:
        world.enter_namespaces(partial(mounts.call_libc, "unshare", overlay.NAMESPACES))
        mounts.mount("", "/", flags=MS_REC | MS_PRIVATE)
        mounts.mount("proc", "/proc", "proc", world.MS_RESTRICTED)
        for folder in launch.WRITABLE:
            if os.path.isdir(folder):
                mounts.mount("tmpfs", folder, "tmpfs", options="mode=1777")
        launch.execute(sys.executable, outermost, environment, connection, program)
    except BaseException as error:
        message = "".join(traceback.format_exception_only(type(error), error))
        frames.send(connection, _ERROR, message.encode("utf-8", "backslashreplace"))
    finally:
        os._exit(70)
    raise AssertionError
