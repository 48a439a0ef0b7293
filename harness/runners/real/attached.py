"""A container whose agent is connected through its standard input and output.

It runs only while this process is attached to it: when this process ends, in any way, the agent
reads the end of its input and exits, and the engine removes the container.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from docker.models.containers import Container
from docker.types import LogConfig
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from harness.runners.inside import frames, relay, serve
from harness.runners.real import engine, exchange, sent
from harness.signals import defer_stop_signals

# Of a response, in bytes: more than an agent sends.
_MAX_SIZE = 2 << 30
# The text of the option -c: it reads the other text, of so many bytes, and runs the agent.
_BEGIN = """
import os, sys
text = b""
while len(text) < int(sys.argv[2]):
    text += os.read(0, int(sys.argv[2]) - len(text)) or sys.exit()
exec(text)
del text
serve.main(helpers)
"""
_AGENT = """
exec({modules!r}, {{}})
from harness.runners.inside import serve
helpers = {helpers!r}
"""
# How the engine multiplexes two streams: the header with the stream and the size of a chunk.
_CHUNK_HEADER = struct.Struct(">BxxxL")
_STDERR = 2


class ContainerEnded(Exception):
    """The container has ended without a response; the message is its standard error."""


class ResponseTimeout(Exception):
    """The container has not responded in time."""


@dataclass(frozen=True)
class Frame:
    """The response of an agent: its kind, one of those in `serve`, and its data."""

    kind: bytes
    data: bytes

    @property
    def text(self) -> str:
        """The data of an error message."""
        return self.data.decode("utf-8", "replace")


class AttachedContainer:
    """A running container, and the connection to its agent."""

    def __init__(
        self, image: str, mode: str, labels: Mapping[str, str], options: Mapping[str, Any]
    ) -> None:
        """Start a container of `image` whose agent runs in a mode of `serve`.

        `options` are further options for docker-py. Raises `engine.failures()`.
        """
        # The image of Ryuk may be unavailable; labels and the connection replace it.
        testcontainers_config.ryuk_disabled = True
        self._engine = DockerClient()
        self._socket: Any = None
        self._ready = False
        self._unread = b""
        self.stderr = b""
        with defer_stop_signals(), contextlib.ExitStack() as on_failure:
            # An interrupted creation could still complete, and leave a container behind.
            on_failure.callback(self._engine.client.close)
            self._container: Container = self._engine.create(
                image,
                # Ignore the start-up files of the image's Python, and its locale.
                ["python3", "-I", "-S", "-X", "utf8", "-c", _BEGIN, mode, str(len(_agent_text()))],
                entrypoint="",
                user="0",
                working_dir="/",
                network="none",
                labels=dict(labels),
                stdin_open=True,
                auto_remove=True,
                # The agent is the only process.
                init=False,
                healthcheck={"test": ["NONE"]},
                # The engine need not keep the output of the agent.
                log_config=LogConfig(type="none"),
                **options,
            )
            on_failure.callback(engine.remove, self._container)
            streams = dict.fromkeys(("stdin", "stdout", "stderr", "stream"), 1)
            self._raw = self._container.attach_socket(params=streams)
            self._socket = getattr(self._raw, "_sock", self._raw)
            on_failure.callback(self._disconnect)
            self._engine.start(self._container)
            on_failure.pop_all()

    def send(self, task: exchange.Task, seconds: float) -> Frame:
        """Send a task to the agent, and return the response.

        Raises `ContainerEnded`, and `ResponseTimeout` after `seconds`.
        """
        job = json.dumps(task.job).encode()
        return self.ask([(serve.JOB, job), (serve.TREE, task.tree)], seconds)

    def ask(self, requests: Sequence[tuple[bytes, bytes]], seconds: float) -> Frame:
        """Send frames to the process of the container, and return its response; as `send` does."""
        deadline = time.monotonic() + seconds
        parts = [frames.HEAD.pack(kind, len(data)) + data for kind, data in requests]
        try:
            for part in parts if self._ready else (_agent_text(), *parts):
                self._socket.settimeout(_remaining(deadline))
                self._socket.sendall(part)
        except TimeoutError:
            raise ResponseTimeout from None
        except OSError:
            # The agent has ended; its last output is still to be read.
            pass
        if not self._ready:
            self._skip_greeting(deadline)
        kind, size = frames.HEAD.unpack(self._read_stdout(frames.HEAD.size, deadline))
        if size > _MAX_SIZE:
            raise ContainerEnded(f"it announces an answer of {size} bytes")
        return Frame(kind, self._read_stdout(size, deadline))

    def _read_stdout(self, size: int, deadline: float) -> bytes:
        """The next `size` bytes of standard output."""
        parts = [self._unread]
        available = len(self._unread)
        while available < size:
            parts.append(self._next_stdout_chunk(deadline))
            available += len(parts[-1])
        data = b"".join(parts)
        self._unread = data[size:]
        return data[:size]

    def _skip_greeting(self, deadline: float) -> None:
        """Skip what the image's `python3` prints before the agent starts."""
        while serve.READY not in self._unread:
            self._unread += self._next_stdout_chunk(deadline)
        self._unread = self._unread.partition(serve.READY)[2]
        self._ready = True

    def _next_stdout_chunk(self, deadline: float) -> bytes:
        """The next chunk of standard output."""
        while True:
            stream, length = _CHUNK_HEADER.unpack(self._receive(_CHUNK_HEADER.size, deadline))
            part = self._receive(length, deadline)
            if stream != _STDERR:
                return part
            self.stderr += part

    def _receive(self, size: int, deadline: float) -> bytes:
        buffer = bytearray(size)
        left = memoryview(buffer)
        while left:
            self._socket.settimeout(_remaining(deadline))
            try:
                count = self._socket.recv_into(left)
            except TimeoutError:
                raise ResponseTimeout from None
            except OSError:
                count = 0
            if not count:
                raise ContainerEnded(self.stderr.decode("utf-8", "replace").strip())
            left = left[count:]
        return bytes(buffer)

    def close(self) -> None:
        """Remove the container and end the connection."""
        engine.remove(self._container)
        self._disconnect()
        self._engine.client.close()

    def _disconnect(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._raw.close()
        self._socket.close()


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ResponseTimeout
    return left


@lru_cache(maxsize=1)
def _agent_text() -> bytes:
    """The text that loads the agent."""
    modules = sent.text_of((*sent.AGENT, relay, serve))
    return _AGENT.format(modules=modules, helpers=dict(exchange.helpers())).encode()
