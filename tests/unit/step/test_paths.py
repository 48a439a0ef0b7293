"""Where the step looks for its inputs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from tests.unit.step.packing import step

MODEL = "model_artifacts_input"
GIVEN = "hyperparameters_s3_uri"
TRAINING = "/opt/ml/input/data"
PROCESSING = "/opt/ml/processing/input"
CODE = "/opt/ml/processing/input/code"


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize(
    ("folders", "expected", "mark"),
    [
        ([f"{TRAINING}/{MODEL}"], f"{TRAINING}/{MODEL}", "[Input Channel]"),
        ([f"{PROCESSING}/{MODEL}"], f"{PROCESSING}/{MODEL}", "[Input Channel]"),
        (
            [f"{PROCESSING}/{MODEL}", f"{TRAINING}/{MODEL}", "/opt/ml/code/models"],
            f"{TRAINING}/{MODEL}",
            "[Input Channel]",
        ),
        ([f"{CODE}/models", "/opt/ml/code/models"], "/opt/ml/code/models", "[SOURCE Fallback]"),
        ([f"{CODE}/models"], f"{CODE}/models", "[SOURCE Fallback]"),
        ([], "/opt/ml/code/models", "[SOURCE Fallback]"),
    ],
)
def test_model_folder(
    fs: FakeFilesystem,
    caplog: pytest.LogCaptureFixture,
    folders: list[str],
    expected: str,
    mark: str,
) -> None:
    for folder in folders:
        fs.create_dir(folder)
    assert step.assign_input_paths(Path(CODE))[MODEL] == expected
    (line,) = (one for one in caplog.messages if "model artifacts" in one)
    assert line.startswith(mark)
    assert line.endswith(expected)


@pytest.mark.parametrize(
    ("files", "expected", "mark"),
    [
        ([f"{TRAINING}/{GIVEN}/other"], f"{TRAINING}/{GIVEN}", "[Input Channel]"),
        ([f"{PROCESSING}/{GIVEN}/other"], f"{PROCESSING}/{GIVEN}", "[Input Channel]"),
        (
            ["/opt/ml/code/hyperparams/hyperparameters.json", f"{CODE}/hyperparameters.json"],
            "/opt/ml/code/hyperparams",
            "[SOURCE Fallback]",
        ),
        (
            ["/opt/ml/code/hyperparams/other", f"{CODE}/hyperparams/hyperparameters.json"],
            f"{CODE}/hyperparams",
            "[SOURCE Fallback]",
        ),
        ([f"{CODE}/hyperparameters.json"], CODE, "[SOURCE Fallback]"),
        ([f"{CODE}/hyperparams/other"], "/opt/ml/code/hyperparams", "[SOURCE Fallback]"),
    ],
)
def test_hyperparameters_folder(
    fs: FakeFilesystem, caplog: pytest.LogCaptureFixture, files: list[str], expected: str, mark: str
) -> None:
    for file in files:
        fs.create_file(file)
    assert step.assign_input_paths(Path(CODE))[GIVEN] == expected
    (line,) = (one for one in caplog.messages if "hyperparameters from" in one)
    assert line.startswith(mark)
    assert line.endswith(expected)


def test_a_channel_that_is_a_file_is_none(fs: FakeFilesystem) -> None:
    fs.create_file(f"{TRAINING}/{MODEL}")
    fs.create_dir(f"{PROCESSING}/{MODEL}")
    assert step.assign_input_paths(Path(CODE))[MODEL] == f"{PROCESSING}/{MODEL}"


def test_find_model_in_its_folder(fs: FakeFilesystem, caplog: pytest.LogCaptureFixture) -> None:
    fs.create_file("/m/model.tar.gz")
    fs.create_file(Path(step.__file__).parent / "model.tar.gz")
    assert step.find_model_file({MODEL: "/m"}) == Path("/m/model.tar.gz")
    assert "Found model file: /m/model.tar.gz" in caplog.messages


def test_find_model_beside_the_script(fs: FakeFilesystem, caplog: pytest.LogCaptureFixture) -> None:
    beside = Path(step.__file__).parent / "model.tar.gz"
    fs.create_file(beside)
    fs.create_file(beside.parent / "models" / "model.tar.gz")
    assert step.find_model_file({MODEL: "/m"}) == beside
    assert "Model file not found: /m/model.tar.gz" in caplog.messages


def test_find_no_model(fs: FakeFilesystem) -> None:
    fs.create_file("/opt/ml/code/models/model.tar.gz")
    fs.create_file("/m/model.tgz")
    assert step.find_model_file({MODEL: "/m"}) is None


def test_find_a_model_that_is_no_file(fs: FakeFilesystem) -> None:
    fs.create_dir("/m/model.tar.gz")
    assert step.find_model_file({MODEL: "/m"}) == Path("/m/model.tar.gz")


def test_find_hyperparameters(fs: FakeFilesystem, caplog: pytest.LogCaptureFixture) -> None:
    fs.create_file("/h/hyperparameters.json")
    assert step.find_hyperparams_file({GIVEN: "/h"}) == Path("/h/hyperparameters.json")
    assert "Found hyperparameters file: /h/hyperparameters.json" in caplog.messages


def test_find_hyperparameters_in_one_place_only(
    fs: FakeFilesystem, caplog: pytest.LogCaptureFixture
) -> None:
    fs.create_file("/opt/ml/code/hyperparams/hyperparameters.json")
    fs.create_file(Path(step.__file__).parent / "hyperparameters.json")
    assert step.find_hyperparams_file({GIVEN: "/h"}) is None
    assert "Hyperparameters file not found: /h/hyperparameters.json" in caplog.messages
