"""A warm process in a container, beside the process of the container that runs cases cold."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping

from harness.cases.case import BASE_ENVIRONMENT
from harness.runners.inside import frames, relay, serve
from harness.runners.real import exchange
from harness.runners.real.attached import Frame
from harness.runners.real.warm import WarmFailed, WarmProcess
from harness.runners.real.warm_program import OUTERMOST, program

# How long it may take to start one.
_SECONDS = 60.0
# Sends frames to the container, and returns its response; raises `WarmFailed`.
Ask = Callable[[list[tuple[bytes, bytes]], float], Frame]


class ContainerProcess(WarmProcess):
    """A warm process in a container, and the connection to it."""

    def __init__(self, ask: Ask, environment: Mapping[str, str]) -> None:
        """Start it with these variables and those of the container, without any modules."""
        super().__init__(environment)
        self._ask_container = ask
        settings = {
            "helpers": {name: data.decode() for name, data in exchange.helpers().items()},
        }
        request = {
            "defaults": dict(BASE_ENVIRONMENT),
            "variables": {
                name: value
                for name, value in environment.items()
                if BASE_ENVIRONMENT.get(name) != value
            },
            "outermost": OUTERMOST,
            "program": program("in_container", settings).decode(),
        }
        self._name = os.urandom(relay.NAME)
        self._send(relay.START, self._name + json.dumps(request).encode(), _SECONDS)

    def _exchange(self, requests: list[tuple[bytes, bytes]], seconds: float) -> tuple[bytes, bytes]:
        data = b"".join(frames.HEAD.pack(kind, len(data)) + data for kind, data in requests)
        answer = self._send(relay.ASK, self._name + data, seconds)
        return answer[:1], answer[1:]

    def _send(self, kind: bytes, data: bytes, seconds: float) -> bytes:
        response = self._ask_container([(kind, data)], seconds)
        if response.kind != serve.RESULT:
            raise WarmFailed(response.text)
        return response.data

    def disconnect(self) -> None:
        """Do nothing: the connection is that of the container."""

    def close(self) -> None:
        """End it, unless its container has ended."""
        with contextlib.suppress(WarmFailed):
            self._send(relay.END, self._name, _SECONDS)
