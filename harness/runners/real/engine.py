"""The Docker engine: whether one answers, and the containers of the harness in it."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.errors import RunnerCannot, RunnerUnavailable

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

_LABEL = "step-harness"
_SESSION = f"{_LABEL}.session"
_HOST = f"{_LABEL}.host"
_PROCESS = f"{_LABEL}.process"
# Seconds within which the engine removes a container.
_REMOVAL = 30.0


def labels(session: str, host: str, process: int) -> Mapping[str, str]:
    """What marks a container of a run: its session, and the machine and process that it is of."""
    return {_LABEL: "", _SESSION: session, _HOST: host, _PROCESS: str(process)}


@contextlib.contextmanager
def connected() -> Iterator[docker.DockerClient]:
    """A connection to the engine; raises `RunnerUnavailable` when none answers."""
    try:
        import testcontainers.core.docker_client  # noqa: F401
    except ImportError as error:
        raise RunnerUnavailable(
            f"the container runner is not installed: {error}",
            "pip install 'step-harness[container]'",
        ) from None
    if reason := _silence():
        raise RunnerUnavailable(
            f"no Docker engine answers: {reason}",
            "start one (sudo systemctl start docker, or sudo dockerd), or point DOCKER_HOST at one",
        )
    client = _client()
    try:
        yield client
    except failures() as error:
        raise RunnerUnavailable(
            f"the Docker engine failed: {reason_of(error)}",
            "look at `docker info` and the engine's log, then run it again",
        ) from None
    finally:
        client.close()


def _client() -> docker.DockerClient:
    """A client of the engine that containers are started in, too, wherever it is named."""
    from testcontainers.core.docker_client import DockerClient

    return DockerClient().client


def failures() -> tuple[type[Exception], ...]:
    """What the client raises when the engine refuses something, fails or is gone."""
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    return (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
    )


def _silence() -> str:
    """Why no engine answers; empty when one does."""
    reason = ""
    # An address that is none is a ValueError.
    wrong: tuple[type[Exception], ...] = (*failures(), ValueError)
    with warnings.catch_warnings():
        # The client library leaves its socket open when nobody listens.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            _client().close()
        except wrong as error:
            reason = reason_of(error)
        if reason:
            gc.collect()
    return reason


def reason_of(error: Exception) -> str:
    """What the engine says of a failure, without the client's own words."""
    return str(getattr(error, "explanation", None) or error)


def find(client: docker.DockerClient, image: str) -> None:
    """Have an image here, pulled if need be; raises `RunnerUnavailable`."""
    import docker.errors

    try:
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            client.images.pull(image)
    except docker.errors.DockerException as error:
        raise RunnerUnavailable(
            f"the image {image!r} is not here and cannot be pulled: {reason_of(error)}",
            "name another with --image or HARNESS_IMAGE; `make image` makes one",
        ) from None


def describe(client: docker.DockerClient, image: str) -> tuple[object, ...]:
    """What the engine says of an image and of itself; raises `RunnerUnavailable` if it does not."""
    import docker.errors

    try:
        version = client.version()
        itself = [version.get(key) for key in ("Version", "KernelVersion", "Arch")]
        return client.images.get(image).id, itself
    except docker.errors.DockerException as error:
        raise RunnerUnavailable(
            f"the Docker engine does not tell of the image {image!r}: {reason_of(error)}",
            "look at `docker info` and the engine's log, then run it again",
        ) from None


def remove_orphans(client: docker.DockerClient) -> None:
    """Remove what runs of this machine have left behind that are no longer alive."""
    for container in _labelled(client, _LABEL):
        if _is_orphan(container):
            remove(container)


def remove_all(client: docker.DockerClient, session: str) -> None:
    """Remove every container of a run, and wait until none is left."""
    deadline = time.monotonic() + _REMOVAL
    while left := _labelled(client, f"{_SESSION}={session}"):
        for container in left:
            remove(container)
        if time.monotonic() > deadline:
            raise RunnerCannot(
                f"containers cannot be removed: {', '.join(one.short_id for one in left)}",
                "look at `docker ps --all` and the engine's log",
            )


def _labelled(client: docker.DockerClient, label: str) -> list[Container]:
    # Others may end while the list is made.
    return client.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _is_orphan(container: Container) -> bool:
    """Whether the run that made the container on this machine is no longer alive."""
    told = container.labels
    if told.get(_HOST) != platform.node():
        return False
    try:
        os.kill(int(told[_PROCESS]), 0)
    except (ProcessLookupError, KeyError, ValueError):
        return True
    except PermissionError:
        return False
    return False


def remove(container: Container) -> None:
    """Remove a container, if nobody else was faster.

    When the engine is gone the container ends by itself, and the engine removes it.
    """
    with contextlib.suppress(*failures()):
        container.remove(force=True, v=True)
