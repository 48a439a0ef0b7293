"""An engine that goes away, or is named in an odd way: told in a sentence, never by a traceback."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from testcontainers.core.config import testcontainers_config

from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.real.container import ContainerRunner
from harness.runners.registry import ISOLATIONS
from tests.integration.conftest import Containers
from tests.unit.worlds import case_of

ENGINE = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")


class Way:
    """A way to the engine that can be cut."""

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
                near, far = self._listening.accept()[0], _to_engine()
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_hand_on, args=(one, other), daemon=True).start()

    def cut(self) -> None:
        """Let nobody reach the engine any more."""
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


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def way(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    path = tmp_path / "engine.sock"
    way = Way(path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield way
    way.cut()


def _wait_for_none(containers: Containers, session: str) -> None:
    deadline = time.monotonic() + 60
    while containers(session):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.05)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_an_engine_that_is_lost_between_cases_is_told(
    containers: Containers, way: Way, engine: str, isolation: str
) -> None:
    runner = ContainerRunner(engine, isolation)
    runner.prepare()
    assert runner.run(case_of("print(1)")).stdout == "1\n"
    way.cut()
    with pytest.raises(RunnerCannot, match="the Docker engine failed in case 'sample'"):
        runner.run(case_of("print(2)"))
    runner.close()
    _wait_for_none(containers, runner.session)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_an_engine_that_is_lost_in_mid_case_is_told(
    containers: Containers, way: Way, engine: str, isolation: str
) -> None:
    """And the container ends, though nobody can remove it."""
    runner = ContainerRunner(engine, isolation)
    runner.prepare()
    threading.Timer(2, way.cut).start()
    with pytest.raises(RunnerCannot, match=r"(in|of) case 'sample'"):
        runner.run(case_of("import time; time.sleep(300)", timeout=300))
    runner.close()
    _wait_for_none(containers, runner.session)


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:1", "garbage", "unix:///nowhere", "tcp://localhost:99999", "tcp://[::1"],
)
def test_an_address_without_an_engine_is_told(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(RunnerUnavailable, match=r"no Docker engine answers: .+"):
        ContainerRunner("x").prepare()


def test_there_is_one_engine_for_everything(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers are started by testcontainers, which has settings of its own."""
    monkeypatch.setenv("DOCKER_HOST", os.environ.get("DOCKER_HOST", ""))
    monkeypatch.setitem(testcontainers_config.tc_properties, "tc.host", "unix:///nowhere")
    with pytest.raises(RunnerUnavailable, match="no Docker engine answers"):
        ContainerRunner(engine).prepare()
