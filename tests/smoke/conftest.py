"""The step's image, built here and run by pytest-docker under compose, with folders on disk."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.models.images import Image

from tests.unit.gated import PATIENCE

ROOT = Path(__file__).parents[2]
SERVICES = ("training", "processing", "failing")
MODEL = {"model.pth": b"\x00\x01weights" * 5_000, "code/inference.py": b"run()\n", "empty": None}
EMBEDDED = b'{"trained": true}\n'
PROVIDED = b'{ "epochs":3 }'
OLDER = b"an older model.tar.gz"
# The user of the step, which is never root.
USER = os.getuid() or 1000


@dataclass(frozen=True)
class FinishedService:
    """A service that has ended."""

    exit_code: int
    log: str
    output: Path


def model(extra: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {**MODEL, **extra}.items():
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o750
            else:
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data or b""))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def client(engine: str) -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: str, client: docker.DockerClient) -> Iterator[Image]:
    tag = f"dummy-training:smoke-{uuid.uuid4().hex[:12]}"
    image, _ = client.images.build(
        path=str(ROOT / "dummy_training"),
        dockerfile=str(ROOT / "docker" / "Dockerfile"),
        buildargs={"BASE_IMAGE": engine},
        tag=tag,
        rm=True,
    )
    yield image
    client.images.remove(tag, force=True)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    inputs = {
        "training/input/model_artifacts_input/model.tar.gz": model({}),
        "training/input/hyperparameters_s3_uri/hyperparameters.json": PROVIDED,
        "processing/input/model_artifacts_input/model.tar.gz": model(
            {"./hyperparameters.json": EMBEDDED}
        ),
        "failing/input/model_artifacts_input/model.tar.gz": model({})[:-30],
        "failing/output/model.tar.gz": OLDER,
    }
    for name, data in inputs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for service in SERVICES:
        output = folder / service / "output"
        output.mkdir(exist_ok=True)
        if os.getuid() == 0:
            os.chown(output, USER, USER)
    # Other users cannot read pytest's folders.
    for parent in (folder, *list(folder.parents)[:2]):
        parent.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return "docker compose"
    if shutil.which("docker-compose"):
        return "docker-compose"
    pytest.skip("neither `docker compose` nor docker-compose is installed")


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(ROOT / "docker" / "compose.yaml")


@pytest.fixture(scope="session")
def docker_setup(image: Image, data_folder: Path) -> Iterator[list[str]]:
    # Without --wait, which fails when a service ends, and which old versions of compose
    # lack, although they exit with 0.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEP_IMAGE", image.tags[0])
        patch.setenv("STEP_USER", f"{USER}:{USER}")
        patch.setenv("SMOKE", str(data_folder))
        yield ["up --no-color --detach"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 1"]


@pytest.fixture(scope="session")
def finished_services(
    docker_services: object,
    docker_compose_project_name: str,
    client: docker.DockerClient,
    data_folder: Path,
) -> dict[str, FinishedService]:
    found: dict[str, FinishedService] = {}
    for service in SERVICES:
        labels = [
            f"com.docker.compose.project={docker_compose_project_name}",
            f"com.docker.compose.service={service}",
        ]
        (container,) = client.containers.list(all=True, filters={"label": labels})
        code = container.wait(timeout=PATIENCE)["StatusCode"]
        log = container.logs(stdout=False).decode()
        found[service] = FinishedService(code, log, data_folder / service / "output")
    return found
