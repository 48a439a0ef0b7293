"""The built image under compose: it writes archives, and a failure leaves nothing."""

from __future__ import annotations

import tarfile
from pathlib import Path

import docker
from docker.models.images import Image

from tests.smoke.conftest import EMBEDDED, MODEL, OLDER, PROVIDED, FinishedService
from tests.unit.gated import PATIENCE


def contents(path: Path) -> dict[str, bytes | None]:
    """Name → bytes (None for a folder) of the members that a stream reader finds."""
    found: dict[str, bytes | None] = {}
    with tarfile.open(path, "r|gz") as archive:
        for info in archive:
            content = archive.extractfile(info) if info.isreg() else None
            found[info.name] = content.read() if content else None
    return found


def test_a_training_job_injects_the_provided_hyperparameters(
    finished_services: dict[str, FinishedService],
) -> None:
    training = finished_services["training"]
    assert training.exit_code == 0, training.log
    assert contents(training.output / "model.tar.gz") == {
        **MODEL,
        "hyperparameters.json": PROVIDED,
    }
    assert "HYPERPARAMETERS NOT IN MODEL" in training.log


def test_a_processing_job_keeps_the_embedded_hyperparameters(
    finished_services: dict[str, FinishedService],
) -> None:
    processing = finished_services["processing"]
    assert processing.exit_code == 0, processing.log
    assert contents(processing.output / "model.tar.gz") == {
        **MODEL,
        "hyperparameters.json": EMBEDDED,
    }
    assert "HYPERPARAMETERS ALREADY IN MODEL" in processing.log


def test_a_broken_model_fails_and_leaves_the_older_output(
    finished_services: dict[str, FinishedService],
) -> None:
    failing = finished_services["failing"]
    assert failing.exit_code == 1
    assert "ERROR_CODE: INVALID_ARCHIVE" in failing.log
    assert (failing.output / "model.tar.gz").read_bytes() == OLDER


def test_nothing_else_is_in_the_output_folders(
    finished_services: dict[str, FinishedService],
) -> None:
    for service in finished_services.values():
        assert [path.name for path in service.output.iterdir()] == ["model.tar.gz"]


def test_any_user_can_run_the_step(image: Image, client: docker.DockerClient) -> None:
    config = image.attrs["Config"]
    assert (config["User"], config["WorkingDir"]) == ("", "/opt/ml/code")
    container = client.containers.run(image.tags[0], user="65534", network_mode="none", detach=True)
    try:
        assert container.wait(timeout=PATIENCE)["StatusCode"] == 1
        log = container.logs().decode()
    finally:
        container.remove(force=True)
    assert "/opt/ml/code/models/model.tar.gz" in log
    assert "Traceback (most recent call last):" in log
