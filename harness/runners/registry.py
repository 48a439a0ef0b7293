"""The register of runners: one line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from harness.errors import WrongUse
from harness.runners import Runner

DEFAULT_IMAGE = "python:3.12-slim"
# How long a container lives: as long as its worker, or for one case.
ISOLATIONS = ("worker", "case")


def _fake(_image: str, _isolation: str) -> Runner:
    from harness.runners.fake.runner import FakeRunner

    return FakeRunner()


def _sandbox(_image: str, _isolation: str) -> Runner:
    from harness.runners.real.sandbox import SandboxRunner

    named = os.environ.get("HARNESS_PYTHON")
    return SandboxRunner(named) if named else SandboxRunner()


def _container(image: str, isolation: str) -> Runner:
    from harness.runners.real.container import ContainerRunner

    return ContainerRunner(image=image, isolation=isolation)


RUNNERS: Mapping[str, Callable[[str, str], Runner]] = {
    "fake": _fake,
    "sandbox": _sandbox,
    "container": _container,
}


def open_runner(name: str, image: str | None = None, isolation: str | None = None) -> Runner:
    """The runner with this name.

    `image` is the container runner's, else HARNESS_IMAGE's; `isolation` tells how long its
    containers live: for a worker (the default) or for a case.
    """
    if name not in RUNNERS:
        raise WrongUse(f"there is no runner {name!r}", f"the runners are: {', '.join(RUNNERS)}")
    if isolation not in (None, *ISOLATIONS):
        raise WrongUse(
            f"there is no isolation {isolation!r}", f"it is one of: {', '.join(ISOLATIONS)}"
        )
    return RUNNERS[name](image_named(image), isolation or ISOLATIONS[0])


def image_named(image: str | None) -> str:
    """The image that is meant when this one is named, or none."""
    return image or os.environ.get("HARNESS_IMAGE") or DEFAULT_IMAGE
