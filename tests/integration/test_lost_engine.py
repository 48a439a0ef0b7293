"""An engine that disappears or has an invalid address: an error message, never a traceback."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from testcontainers.core.config import testcontainers_config

from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.real.container import ContainerRunner
from harness.runners.registry import ISOLATIONS
from tests.integration.conftest import Containers
from tests.unit.gated import wait_until
from tests.unit.worlds import case_of

ENGINE = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")


class Proxy:
    """A proxy of the engine whose connections can be closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client_socket, engine_socket = self._listening.accept()[0], _to_engine()
                self._open += [client_socket, engine_socket]
                for one, other in ((client_socket, engine_socket), (engine_socket, client_socket)):
                    threading.Thread(target=_copy, args=(one, other), daemon=True).start()

    def close(self) -> None:
        """Close all connections, and accept no more."""
        self._path.unlink(missing_ok=True)
        for one in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _to_engine() -> socket.socket:
    if ENGINE.hostname:
        return socket.create_connection((ENGINE.hostname, ENGINE.port or 2375))
    one = socket.socket(socket.AF_UNIX)
    one.connect(ENGINE.path)
    return one


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    path = tmp_path / "engine.sock"
    proxy = Proxy(path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield proxy
    proxy.close()


def _wait_until_removed(containers: Containers, session: str) -> None:
    wait_until(lambda: not containers(session))


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_losing_the_engine_between_cases_is_reported(
    containers: Containers, proxy: Proxy, engine: str, isolation: str
) -> None:
    runner = ContainerRunner(engine, isolation)
    runner.prepare()
    assert runner.run(case_of("print(1)")).stdout == "1\n"
    proxy.close()
    with pytest.raises(RunnerCannot, match="the Docker engine failed in case 'sample'"):
        runner.run(case_of("print(2)"))
    runner.close()
    _wait_until_removed(containers, runner.session)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_losing_the_engine_during_a_case_is_reported(
    containers: Containers, proxy: Proxy, engine: str, isolation: str
) -> None:
    """The container ends, although the runner cannot remove it."""
    runner = ContainerRunner(engine, isolation)
    runner.prepare()
    threading.Timer(2, proxy.close).start()
    with pytest.raises(RunnerCannot, match=r"(in|of) case 'sample'"):
        runner.run(case_of("import time; time.sleep(3600)", timeout=3600))
    runner.close()
    _wait_until_removed(containers, runner.session)


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:1", "garbage", "unix:///nowhere", "tcp://localhost:99999", "tcp://[::1"],
)
def test_an_address_without_an_engine_is_reported(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(RunnerUnavailable, match=r"no Docker engine answers: .+"):
        ContainerRunner("x").prepare()


def test_the_runner_checks_the_engine_that_starts_its_containers(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """testcontainers starts the containers, and has its own settings."""
    monkeypatch.setenv("DOCKER_HOST", os.environ.get("DOCKER_HOST", ""))
    monkeypatch.setitem(testcontainers_config.tc_properties, "tc.host", "unix:///nowhere")
    with pytest.raises(RunnerUnavailable, match="no Docker engine answers"):
        ContainerRunner(engine).prepare()
