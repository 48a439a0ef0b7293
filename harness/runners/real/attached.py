"""A container whose agent is talked to over its standard input and output.

It lives as long as somebody is attached to it: when this process ends, however it ends, the agent
reads the end of its input and ends too, and the engine removes the container.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from docker.models.containers import Container
from docker.types import LogConfig
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.transferable import build_transfer_tar

from harness.runners.inside import agent, mounts, serve, stamps, world
from harness.runners.real import engine, exchange
from harness.signals import undisturbed

_AGENT = "/harness-agent.pyz"
# How the engine sends two streams through one connection: which, and how many bytes of it follow.
_CHUNK = struct.Struct(">BxxxL")
_STDERR = 2


class Ended(Exception):
    """The container has ended without an answer; the message is what it said last."""


class Silent(Exception):
    """The container has not answered in time."""


@dataclass(frozen=True)
class Reply:
    """What the agent answers: the kind of the frame, one of those in `serve`, and its data."""

    kind: bytes
    data: bytes

    @property
    def text(self) -> str:
        """The data of an answer that says what went wrong."""
        return self.data.decode("utf-8", "replace")


class Attached:
    """A container that runs, and the connection to its agent."""

    def __init__(
        self, image: str, mode: str, labels: Mapping[str, str], options: Mapping[str, Any]
    ) -> None:
        """Start a container of `image`, its agent in a mode of `serve`.

        `options` are those of docker-py beside what every container here has. Raises what the
        engine's client raises.
        """
        # Its helper image may be out of reach; labels and the connection do its work.
        testcontainers_config.ryuk_disabled = True
        self._engine = DockerClient()
        self._socket: Any = None
        self._ready = False
        self._unread = b""
        self.said = b""
        with undisturbed(), contextlib.ExitStack() as broken_off:
            # A container whose making is broken off may come to life later.
            broken_off.callback(self._engine.client.close)
            self._container: Container = self._engine.create(
                image,
                # Whatever the image does when its Python starts, and whatever its language is.
                ["python3", "-I", "-S", "-X", "utf8", _AGENT, mode],
                entrypoint="",
                user="0",
                working_dir="/",
                network="none",
                labels=dict(labels),
                stdin_open=True,
                auto_remove=True,
                # Nothing else runs in it.
                init=False,
                healthcheck={"test": ["NONE"]},
                # What the agent says is for us; nobody else keeps it.
                log_config=LogConfig(type="none"),
                **options,
            )
            broken_off.callback(engine.remove, self._container)
            self._container.put_archive("/", build_transfer_tar(_packed(), _AGENT, 0o644))
            streams = dict.fromkeys(("stdin", "stdout", "stderr", "stream"), 1)
            self._raw = self._container.attach_socket(params=streams)
            self._socket = getattr(self._raw, "_sock", self._raw)
            broken_off.callback(self._hang_up)
            self._engine.start(self._container)
            broken_off.pop_all()

    def ask(self, task: exchange.Task, seconds: float) -> Reply:
        """Have the agent do a task; raises `Ended`, and `Silent` when the time is over."""
        deadline = time.monotonic() + seconds
        job = json.dumps(task.job).encode()
        try:
            for kind, data in ((serve.JOB, job), (serve.TREE, task.tree)):
                self._socket.settimeout(_left(deadline))
                self._socket.sendall(serve.HEAD.pack(kind, len(data)) + data)
        except TimeoutError:
            raise Silent from None
        except OSError:
            # It has gone; what it said last is still to be read.
            pass
        if not self._ready:
            self._pass_over_greeting(deadline)
        kind, size = serve.HEAD.unpack(self._answered(serve.HEAD.size, deadline))
        return Reply(kind, self._answered(size, deadline))

    def _answered(self, size: int, deadline: float) -> bytes:
        """The next bytes that the agent writes to its standard output."""
        parts = [self._unread]
        there = len(self._unread)
        while there < size:
            parts.append(self._written(deadline))
            there += len(parts[-1])
        data = b"".join(parts)
        self._unread = data[size:]
        return data[:size]

    def _pass_over_greeting(self, deadline: float) -> None:
        """Leave out what the image's own `python3` says before the agent runs."""
        while serve.READY not in self._unread:
            self._unread += self._written(deadline)
        self._unread = self._unread.partition(serve.READY)[2]
        self._ready = True

    def _written(self, deadline: float) -> bytes:
        """Something that is written to standard output."""
        while True:
            stream, length = _CHUNK.unpack(self._received(_CHUNK.size, deadline))
            part = self._received(length, deadline)
            if stream != _STDERR:
                return part
            self.said += part

    def _received(self, size: int, deadline: float) -> bytes:
        buffer = bytearray(size)
        left = memoryview(buffer)
        while left:
            self._socket.settimeout(_left(deadline))
            try:
                count = self._socket.recv_into(left)
            except TimeoutError:
                raise Silent from None
            except OSError:
                count = 0
            if not count:
                raise Ended(self.said.decode("utf-8", "replace").strip())
            left = left[count:]
        return bytes(buffer)

    def close(self) -> None:
        """Remove the container and end the connection."""
        engine.remove(self._container)
        self._hang_up()
        self._engine.client.close()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._raw.close()
        self._socket.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Silent
    return left


@lru_cache(maxsize=1)
def _packed() -> bytes:
    """The agent as one file that `python3` runs, with what it needs of the harness."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("__main__.py", Path(str(serve.__file__)).read_bytes())
        for folder in ("harness", "harness/runners", "harness/runners/inside"):
            packed.writestr(f"{folder}/__init__.py", b"")
        for module in (agent, mounts, stamps, world):
            source = Path(str(module.__file__))
            packed.writestr(f"harness/runners/inside/{source.name}", source.read_bytes())
        for name, data in exchange.helpers().items():
            packed.writestr(serve.HELPERS + name, data)
    return buffer.getvalue()
