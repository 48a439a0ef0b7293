"""The environments of both SDKs, which `make sdks` makes."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIRED = os.environ.get("HARNESS_REQUIRE_SDK") == "1"
IMAGE = os.environ.get("HARNESS_IMAGE", "step-base:local")
# That one with the training toolkit.
TOOLKIT_IMAGE = "step-toolkit:local"


def python_of(version: str) -> Path:
    """The Python of the SDK `v2` or `v3`; skips the test, or fails it where SDKs are required."""
    environment = ROOT / f".venv-sdk{version[1:]}"
    if not (environment / "ready").is_file():
        reason = f"the SageMaker SDK {version[1:]} is not in {environment.name}; run: make sdks"
        _missing(reason)
    return environment / "bin" / "python"


def need_engine(*, toolkit: bool = False) -> None:
    """Skip the test where no engine has the image, or fail it where SDKs are required."""
    for image, target in ((IMAGE, "base-image"), (TOOLKIT_IMAGE, "toolkit-image"))[: 1 + toolkit]:
        if not _has_image(image):
            _missing(f"no Docker engine has the image {image}; run: make {target}")


def _has_image(image: str) -> bool:
    command = ["docker", "image", "inspect", image]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _missing(reason: str) -> None:
    if REQUIRED:
        pytest.fail(f"{reason} (HARNESS_REQUIRE_SDK=1)")
    pytest.skip(reason)


def run_with_sdk(python: Path, script: str, *arguments: str, folder: Path) -> str:
    """What a script prints that runs with an SDK; its temporary files and containers are removed.

    The SDK keeps both in `folder`.
    """
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            [str(python), str(ROOT / "tests" / "sdk" / script), *arguments],
            env={**os.environ, "PATH": path, "TMPDIR": str(scratch), "HOME": str(folder)},
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )
    finally:
        remove_containers(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sdk_runs(version: str, temporary: pytest.TempPathFactory) -> Path:
    """The folder of all that one SDK has made, in one process for all tests: `local_runs.py`.

    What runs in containers is there where an engine has their images.
    """
    python = python_of(version)
    shared = temporary.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / f"sdk-{version}"
    done = folder / "done"
    with (shared / f"sdk-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            folder.mkdir()
            script = str(ROOT / "dummy_training" / "dummy_training.py")
            images = [one if _has_image(one) else "" for one in (IMAGE, TOOLKIT_IMAGE)]
            with _step_image() if images[0] else nullcontext("") as step_image:
                arguments = [str(folder), *images, step_image, script]
                done.write_text(run_with_sdk(python, "local_runs.py", *arguments, folder=folder))
    return folder


@contextmanager
def _step_image() -> Iterator[str]:
    """The image of `docker/`, built for as long as it is needed."""
    name = f"dummy-training:sdk-{os.getpid()}"
    command = ["docker", "build", "--quiet", "--build-arg", f"BASE_IMAGE={IMAGE}", "--tag", name]
    place = ["--file", str(ROOT / "docker" / "Dockerfile"), str(ROOT / "dummy_training")]
    subprocess.run(
        [*command, *place],
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        check=True,
    )
    try:
        yield name
    finally:
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)


def containers_of(folder: Path) -> list[str]:
    """The containers that the SDK's local mode has started, whose files are in `folder`."""
    label = "com.docker.compose.project.working_dir"
    listed = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label={label}"], capture_output=True, text=True
    ).stdout.split()
    found = []
    for one in listed:
        told = subprocess.run(["docker", "inspect", one], capture_output=True, text=True).stdout
        found += [
            one
            for info in json.loads(told or "[]")
            if info["Config"]["Labels"][label].startswith(str(folder))
        ]
    return found


def remove_containers(folder: Path) -> None:
    """Remove the containers that the SDK's local mode has left, whose files are in `folder`."""
    for one in containers_of(folder):
        subprocess.run(["docker", "rm", "-f", one], capture_output=True, check=False)
