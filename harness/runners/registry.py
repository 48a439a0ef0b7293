"""The registry of runners: one line for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from harness.errors import WrongUse
from harness.files.plugins import added
from harness.runners import Runner

DEFAULT_IMAGE = "python:3.12-slim"
# The lifetime of a container: that of its worker, or one case.
ISOLATIONS = ("worker", "case")


def _fake(_image: str, _isolation: str) -> Runner:
    from harness.runners.fake.runner import FakeRunner

    return FakeRunner()


def _sandbox(_image: str, _isolation: str) -> Runner:
    from harness.runners.real.sandbox import SandboxRunner

    python = os.environ.get("HARNESS_PYTHON")
    return SandboxRunner(python) if python else SandboxRunner()


def _container(image: str, isolation: str) -> Runner:
    from harness.runners.real.container import ContainerRunner

    return ContainerRunner(image=image, isolation=isolation)


def _local_mode(image: str, _isolation: str) -> Runner:
    from harness.runners.real.local_mode import LocalModeRunner

    return LocalModeRunner(image)


RUNNERS: Mapping[str, Callable[[str, str], Runner]] = {
    "fake": _fake,
    "sandbox": _sandbox,
    "container": _container,
    "local-mode": _local_mode,
}


def open_runner(name: str, image: str | None = None, isolation: str | None = None) -> Runner:
    """The runner with this name; raises `WrongUse` for an unknown name or isolation.

    `image` and `isolation` are for the container runner; see `resolve_image` and `ISOLATIONS`,
    whose first value is the default.
    """
    others: Mapping[str, Callable[[str, str], Runner]] = {}
    if name not in RUNNERS:
        others = added("runners", Callable, tuple(RUNNERS))
    runners = {**RUNNERS, **others}
    if name not in runners:
        raise WrongUse(f"there is no runner {name!r}", f"the runners are: {', '.join(runners)}")
    if isolation not in (None, *ISOLATIONS):
        raise WrongUse(
            f"there is no isolation {isolation!r}", f"it is one of: {', '.join(ISOLATIONS)}"
        )
    return runners[name](resolve_image(image), isolation or ISOLATIONS[0])


def resolve_image(image: str | None) -> str:
    """The given image, else the one that HARNESS_IMAGE names, else `DEFAULT_IMAGE`."""
    return image or os.environ.get("HARNESS_IMAGE") or DEFAULT_IMAGE
