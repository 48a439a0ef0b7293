"""The register of runners: one line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from harness.errors import WrongUse
from harness.runners import Runner

DEFAULT_IMAGE = "python:3.12-slim"


def _fake(_image: str) -> Runner:
    from harness.runners.fake import FakeRunner

    return FakeRunner()


def _sandbox(_image: str) -> Runner:
    from harness.runners.sandbox import SandboxRunner

    named = os.environ.get("HARNESS_PYTHON")
    return SandboxRunner(named) if named else SandboxRunner()


def _container(image: str) -> Runner:
    from harness.runners.container import ContainerRunner

    return ContainerRunner(image=image)


RUNNERS: Mapping[str, Callable[[str], Runner]] = {
    "fake": _fake,
    "sandbox": _sandbox,
    "container": _container,
}


def open_runner(name: str, image: str | None = None) -> Runner:
    """The runner with this name; `image` is the container runner's, else HARNESS_IMAGE's."""
    if name not in RUNNERS:
        raise WrongUse(f"there is no runner {name!r}", f"the runners are: {', '.join(RUNNERS)}")
    return RUNNERS[name](image or os.environ.get("HARNESS_IMAGE") or DEFAULT_IMAGE)
