"""A training job gets the members too, all of them or none; a processing job does not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.unit.step.packing import (
    GIVEN,
    HYPERPARAMETERS,
    folder,
    hardlink,
    member,
    put,
    step,
    symlink,
    targz,
    tree,
)

MEMBERS = (
    member("./model.pth", b"weights", mode=0o640, mtime=1_500_000_000),
    folder("./code", mode=0o500),
    member("./code/run.py", b"run()"),
    symlink("./latest", "model.pth"),
    hardlink("./same.pth", "./model.pth"),
)
NAMES = ["code", "code/run.py", HYPERPARAMETERS, "latest", "model.pth", "same.pth"]


@pytest.fixture(autouse=True)
def _not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step._Run, "commits", False)


def run(at: Path) -> Path:
    """Run the step as in a training job; returns the folder that the job collects."""
    put(at / "model" / "model.tar.gz", targz(*MEMBERS))
    put(at / "given" / HYPERPARAMETERS, GIVEN)
    inputs = {"model_artifacts_input": at / "model", "hyperparameters_s3_uri": at / "given"}
    step.main(inputs, {"model_output": at / "out", "model_dir": at / "collected"}, {})
    return at / "collected"


def test_all_members_and_the_hyperparameters_are_there(tmp_path: Path) -> None:
    collected = run(tmp_path)
    assert tree(collected) == sorted(NAMES)
    assert (collected / HYPERPARAMETERS).read_bytes() == GIVEN
    assert (collected / "model.pth").stat().st_mode & 0o777 == 0o640
    assert (collected / "code").stat().st_mode & 0o777 == 0o500
    assert (collected / "latest").readlink() == Path("model.pth")
    assert (collected / "same.pth").samefile(collected / "model.pth")
    assert tree(tmp_path / "out") == ["model.tar.gz"]


def test_what_is_there_already_is_merged_or_replaced(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "run.py", b"mine")
    put(tmp_path / "collected" / "other.txt", b"other")
    put(tmp_path / "collected" / "code" / "more.py", b"more")
    put(tmp_path / "collected" / "model.pth", b"older")
    (tmp_path / "collected" / "latest").symlink_to(outside)
    collected = run(tmp_path)
    assert tree(collected) == sorted([*NAMES, "other.txt", "code/more.py"])
    assert (collected / "model.pth").read_bytes() == b"weights"
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize("at", range(1, 6))
def test_a_failure_leaves_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    put(tmp_path / "collected" / "model.pth", b"older")
    rename, calls = Path.rename, []

    def failing(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match=r"while writing.*collected"):
        run(tmp_path)
    assert tree(tmp_path / "collected") == ["model.pth"]
    assert (tmp_path / "collected" / "model.pth").read_bytes() == b"older"


def test_a_full_disk_leaves_the_older_archive_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = put(tmp_path / "out" / "model.tar.gz", b"older")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(step, "_set_attributes", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path)
    assert older.read_bytes() == b"older"
    assert tree(tmp_path / "collected") == []


@pytest.mark.parametrize(
    ("training", "processing", "expected"),
    [(True, False, True), (True, True, False), (False, True, False), (False, False, False)],
)
def test_the_kind_of_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    training: bool,
    processing: bool,
    expected: bool,
) -> None:
    for name, is_there in (("TRAINING_CONFIG", training), ("PROCESSING_CONFIG", processing)):
        monkeypatch.setattr(step, name, str(tmp_path / name))
        if is_there:
            put(tmp_path / name, b"{}")
    assert ("model_dir" in step._output_paths()) is expected


def test_absent_keys_are_absent_inputs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Model file"):
        step.main({}, {"model_output": tmp_path / "out"}, {})
    put(tmp_path / "model.tar.gz", targz(*MEMBERS))
    with pytest.raises(FileNotFoundError, match="Hyperparameters not found"):
        step.main({"model_artifacts_input": str(tmp_path)}, {"model_output": tmp_path / "out"}, {})
    assert step.find_model_file({}) is None
    assert step.find_hyperparams_file({}) is None
