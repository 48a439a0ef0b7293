"""The Docker engine: connecting to it, its images, and the containers of the harness."""

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
# The time that the engine has to remove containers.
_REMOVAL_SECONDS = 30.0


def labels(session: str, host: str, process: int) -> Mapping[str, str]:
    """The labels for a container of a run: its session, and its host and process."""
    return {_LABEL: "", _SESSION: session, _HOST: host, _PROCESS: str(process)}


@contextlib.contextmanager
def connected() -> Iterator[docker.DockerClient]:
    """A connection to the engine; raises `RunnerUnavailable` when there is none or it fails."""
    try:
        import testcontainers.core.docker_client  # noqa: F401
    except ImportError as error:
        raise RunnerUnavailable(
            f"the container runner is not installed: {error}",
            "install it where the harness is: pip install 'testcontainers>=4.15'",
        ) from None
    if reason := _connection_failure():
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
    """A client of the engine that testcontainers is configured for, which starts the containers."""
    from testcontainers.core.docker_client import DockerClient

    return DockerClient().client


def failures() -> tuple[type[Exception], ...]:
    """The exceptions of the client when the engine refuses a request or cannot be reached."""
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    return (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
    )


def _connection_failure() -> str:
    """Why no engine can be reached; empty when one can."""
    reason = ""
    # An invalid address raises ValueError.
    expected: tuple[type[Exception], ...] = (*failures(), ValueError)
    with warnings.catch_warnings():
        # The client library leaves its socket open when it cannot connect.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            _client().close()
        except expected as error:
            reason = reason_of(error)
        if reason:
            gc.collect()
    return reason


def reason_of(error: Exception) -> str:
    """The engine's own explanation of a failure, else the client's."""
    return str(getattr(error, "explanation", None) or error)


def ensure_image(client: docker.DockerClient, image: str) -> None:
    """Pull an image unless the engine has it; raises `RunnerUnavailable`."""
    import docker.errors

    try:
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            client.images.pull(image)
    except docker.errors.DockerException as error:
        raise RunnerUnavailable(
            f"the image {image!r} is not here and cannot be pulled: {reason_of(error)}",
            "name another with --image or HARNESS_IMAGE: any with python3 will do, 3.8 or newer",
        ) from None


def describe(client: docker.DockerClient, image: str) -> tuple[object, ...]:
    """The id of an image, and the versions of the engine; raises `RunnerUnavailable`."""
    import docker.errors

    try:
        version = client.version()
        engine = [version.get(key) for key in ("Version", "KernelVersion", "Arch")]
        return client.images.get(image).id, engine
    except docker.errors.DockerException as error:
        raise RunnerUnavailable(
            f"the Docker engine cannot describe the image {image!r}: {reason_of(error)}",
            "look at `docker info` and the engine's log, then run it again",
        ) from None


def remove_orphans(client: docker.DockerClient) -> None:
    """Remove the containers of runs on this machine whose process has ended."""
    for container in _containers_with_label(client, _LABEL):
        if _is_orphan(container):
            remove(container)


def remove_all(client: docker.DockerClient, session: str) -> None:
    """Remove every container of a run; raises `RunnerCannot` if some cannot be removed."""
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while left := _containers_with_label(client, f"{_SESSION}={session}"):
        for container in left:
            remove(container)
        if time.monotonic() > deadline:
            raise RunnerCannot(
                f"containers cannot be removed: {', '.join(one.short_id for one in left)}",
                "look at `docker ps --all` and the engine's log",
            )


def _containers_with_label(client: docker.DockerClient, label: str) -> list[Container]:
    # Containers may end while the list is read.
    return client.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _is_orphan(container: Container) -> bool:
    """Whether the container belongs to a run on this machine whose process has ended."""
    labels = container.labels
    if labels.get(_HOST) != platform.node():
        return False
    try:
        os.kill(int(labels[_PROCESS]), 0)
    except (ProcessLookupError, KeyError, ValueError):
        return True
    except PermissionError:
        return False
    return False


def remove(container: Container) -> None:
    """Remove a container, if it still exists; ignores failures of the engine.

    A container whose engine cannot be reached ends by itself, and the engine removes it.
    """
    with contextlib.suppress(*failures()):
        container.remove(force=True, v=True)
