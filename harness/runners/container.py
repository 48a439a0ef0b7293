"""The container runner: the script in a real container, a fresh one for every case.

Needs a Docker engine that answers, here or anywhere: the tree goes in and out as a tar, nothing is
mounted from this machine. The image needs `python3` (3.8 or newer) and nothing of the harness. The
container has no network, runs as root as SageMaker's do, and is removed whatever happens; the
script itself runs as the user that the case says.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import platform
import tarfile
import uuid
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners import agent, mounts, real
from harness.signals import undisturbed

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

_LABEL = "step-harness"
_SESSION = f"{_LABEL}.session"
_HOST = f"{_LABEL}.host"
_PROCESS = f"{_LABEL}.process"
_JOB = "/harness-job.pyz"
# For folders that are read-only: the agent may mount, the script may not.
_MAY_MOUNT = {"cap_add": ["SYS_ADMIN"], "security_opt": ["apparmor=unconfined"]}
# What a container may take beside the script itself, in seconds.
_GRACE = 60.0


@dataclass(frozen=True)
class ContainerRunner:
    """Runs cases in containers of `image`; `session` marks the containers of this run."""

    image: str
    name: str = "container"
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: int = field(default_factory=os.getpid)

    def prepare(self) -> None:
        """Find the engine and the image, and remove what a dead run has left behind."""
        import docker.errors

        with _engine() as client:
            try:
                client.images.get(self.image)
            except docker.errors.ImageNotFound:
                self._pull(client)
            for container in _labelled(client, _LABEL):
                if _is_orphan(container):
                    _remove(container)

    def _pull(self, client: docker.DockerClient) -> None:
        import docker.errors

        try:
            client.images.pull(self.image)
        except docker.errors.DockerException as error:
            raise RunnerUnavailable(
                f"the image {self.image!r} is not here and cannot be pulled: {_reason(error)}",
                "name another with --image or HARNESS_IMAGE; `make image` makes one",
            ) from None

    def run(self, case: Case) -> Outcome:
        """Run one case in a container of its own; raises `RunnerCannot`."""
        return real.run(case, partial(self._in_container, case))

    def close(self) -> None:
        """Remove every container of this run."""
        with contextlib.suppress(RunnerUnavailable), _engine() as client:
            for container in _labelled(client, f"{_SESSION}={self.session}"):
                _remove(container)

    def _in_container(self, case: Case, interrupt: str | None) -> real.Answer:
        import docker.errors

        try:
            return self._ask(case, interrupt)
        except docker.errors.DockerException as error:
            raise RunnerCannot(
                f"the Docker engine failed in case {case.id!r}: {_reason(error)}",
                "look at `docker info` and the engine's log, then run it again",
            ) from None

    def _ask(self, case: Case, interrupt: str | None) -> real.Answer:
        import requests.exceptions
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        # Its helper image may be out of reach; the labels do its work.
        testcontainers_config.ryuk_disabled = True
        one = (
            DockerContainer(self.image)
            .with_command(["python3", _JOB])
            .with_copy_into_container(_pack(real.Errand.of(case, interrupt)), _JOB)
            .with_kwargs(
                entrypoint="",
                user="0",
                working_dir="/",
                network_mode="none",
                labels={
                    _LABEL: "",
                    _SESSION: self.session,
                    _HOST: platform.node(),
                    _PROCESS: str(self.process),
                },
                **(_MAY_MOUNT if case.read_only else {}),
            )
        )
        for mount in case.mounts:
            one.with_tmpfs_mount(mount.path, real.mount_options(case, mount))
        with contextlib.ExitStack() as stack:
            with undisturbed():
                # A container whose making is broken off may come to life later.
                started = stack.enter_context(one)
            container = started.get_wrapped_container()
            try:
                container.wait(timeout=case.timeout + _GRACE)
            except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
                container.kill()
            return _collect(container, case)


def _pack(errand: real.Errand) -> bytes:
    """The errand as one file that `python3` runs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, source in {**_sources(), **errand.helpers}.items():
            packed.writestr(name, source)
        packed.writestr("job.json", json.dumps(errand.job))
        packed.writestr("tree.tar", errand.tree)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _sources() -> dict[str, bytes]:
    """The agent as a zip file has it: it finds its own modules where it finds them here."""
    return {
        "__main__.py": Path(str(agent.__file__)).read_bytes(),
        "harness/__init__.py": b"",
        "harness/runners/__init__.py": b"",
        "harness/runners/mounts.py": Path(str(mounts.__file__)).read_bytes(),
    }


def _collect(container: Container, case: Case) -> real.Answer:
    """Read the agent's answer out of a container that has ended."""
    import docker.errors

    try:
        chunks, _ = container.get_archive(agent.ANSWER)
    except docker.errors.NotFound:
        said = container.logs().decode("utf-8", "replace").strip()
        raise RunnerCannot(
            f"the container of case {case.id!r} ended without an answer: {said or 'silence'}",
            f"the image needs python3, 3.8 or newer: {container.image}",
        ) from None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as outer:
        data = outer.extractfile("outcome.tar")
        assert data is not None
        return real.Answer.from_tar(data.read())


@contextlib.contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    """A connection to the engine; raises `RunnerUnavailable` when none answers."""
    try:
        import docker.errors
        import testcontainers.core.container  # noqa: F401
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
    client = docker.from_env()
    try:
        yield client
    finally:
        client.close()


def _silence() -> str:
    """Why no engine answers; empty when one does."""
    import docker.errors

    reason = ""
    with warnings.catch_warnings():
        # The client library leaves its socket open when nobody listens.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            docker.from_env().close()
        except docker.errors.DockerException as error:
            reason = _reason(error)
        if reason:
            gc.collect()
    return reason


def _reason(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)


def _labelled(client: docker.DockerClient, label: str) -> list[Container]:
    # Others may end while the list is made.
    return client.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _is_orphan(container: Container) -> bool:
    """Whether the run that made the container on this machine is no longer alive."""
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


def _remove(container: Container) -> None:
    import docker.errors

    # Somebody else may be faster.
    with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
        container.remove(force=True, v=True)
