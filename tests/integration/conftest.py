"""What tests with a Docker engine share."""

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

    def of(session: str) -> list[Container]:
        label = f"step-harness.runs.session={session}"
        return client.containers.list(all=True, filters={"label": label}, ignore_removed=True)

    return of
