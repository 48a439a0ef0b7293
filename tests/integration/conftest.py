"""Fixtures of the tests that need a Docker engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import docker
import pytest
from docker.models.containers import Container

Containers = Callable[[str], list[Container]]


@pytest.fixture
def client(engine: str) -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def containers(client: docker.DockerClient) -> Containers:
    """A function that lists the containers of a session, whatever their state."""

    def list_containers(session: str) -> list[Container]:
        label = f"step-harness.session={session}"
        return client.containers.list(all=True, filters={"label": label}, ignore_removed=True)

    return list_containers
