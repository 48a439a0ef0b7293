"""Trees: immutable, built by chaining, unchanged by a round trip through a tar."""

from __future__ import annotations

import json
import tarfile

import pytest

from harness.worlds.jobs import PROCESSING, TRAINING, Job
from harness.worlds.tree import Entry, Tree, is_under

CHANNEL = "model_artifacts_input"


def test_every_method_returns_a_new_tree() -> None:
    empty = Tree()
    first = empty.with_file("/opt/ml/code/a.py", b"a")
    second = first.with_file("/opt/ml/code/b.py", b"b")
    assert list(empty.entries) == []
    assert "/opt/ml/code/b.py" not in first
    assert "/opt/ml/code/a.py" in second


def test_parents_are_always_present() -> None:
    tree = Tree().with_file("/opt/ml/code/a.py", b"a")
    assert [path for path, entry in tree if entry.kind == "directory"] == [
        "/opt",
        "/opt/ml",
        "/opt/ml/code",
    ]


def test_an_existing_directory_keeps_its_mode() -> None:
    tree = Tree().with_directory("/tmp", mode=0o1777).with_directory("/tmp")
    assert tree.entries["/tmp"].mode == 0o1777


def test_only_absolute_paths() -> None:
    with pytest.raises(ValueError, match="absolute"):
        Tree().with_file("opt/ml/a", b"")


def test_without_removes_everything_below() -> None:
    tree = Tree().with_file("/opt/ml/code/a.py", b"").with_file("/opt/ml/codes", b"")
    assert [path for path, _ in tree.without("/opt/ml/code")] == [
        "/opt",
        "/opt/ml",
        "/opt/ml/codes",
    ]


def test_under_returns_a_folder_and_its_contents() -> None:
    tree = Tree().with_file("/opt/ml/code/a.py", b"").with_file("/opt/ml/codes", b"")
    assert list(tree.under("/opt/ml/code").entries) == ["/opt/ml/code", "/opt/ml/code/a.py"]


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/opt/ml", "/opt/ml", True),
        ("/opt/ml/x", "/opt/ml", True),
        ("/opt/mlx", "/opt/ml", False),
        ("/opt", "/", True),
        ("/opt/ml/x", "/opt/ml/", True),
    ],
)
def test_is_under(path: str, folder: str, expected: bool) -> None:
    assert is_under(path, folder) is expected


def test_a_tree_survives_a_round_trip_through_a_tar() -> None:
    tree = (
        Tree()
        .with_file("/opt/ml/code/run.sh", b"#!/bin/sh\n", mode=0o4755)
        .with_directory("/tmp", mode=0o1777)
        .with_symlink("/opt/ml/link", "code/run.sh")
        .with_fifo("/opt/ml/fifo")
        .with_device("/opt/ml/null")
        .with_entry("/opt/ml/dated", Entry("file", b"x", mtime=1_600_000_000.25, uid=7, gid=8))
        .with_file("/opt/ml/" + "long" * 60 + "/n\u00e4me \u6a21", b"deep")
        .with_file("/opt/ml/empty", b"")
    )
    assert Tree.from_tar(tree.to_tar()).entries == tree.entries


def test_a_truncated_tar_is_refused() -> None:
    data = Tree().with_file("/a", b"x" * 5000).to_tar()
    with pytest.raises(tarfile.TarError):
        Tree.from_tar(data[:2000])


@pytest.mark.parametrize(
    ("job", "mount"),
    [
        (TRAINING, f"/opt/ml/input/data/{CHANNEL}"),
        (PROCESSING, f"/opt/ml/processing/input/{CHANNEL}"),
    ],
)
def test_a_channel_is_mounted_in_the_folder_of_the_job(job: Job, mount: str) -> None:
    tree = Tree.for_job(job).with_channel(CHANNEL, {"model.tar.gz": b"x"})
    assert tree.entries[f"{mount}/model.tar.gz"].data == b"x"
    assert Tree.for_job(job).with_channel(CHANNEL).get(mount) is not None


def test_a_channel_needs_a_job() -> None:
    with pytest.raises(ValueError, match="for_job"):
        Tree().with_channel(CHANNEL)


def test_a_training_job_describes_its_channels() -> None:
    tree = Tree.for_job(TRAINING).with_channel(CHANNEL)
    config = json.loads(tree.entries["/opt/ml/input/config/inputdataconfig.json"].data)
    assert config[CHANNEL]["TrainingInputMode"] == "File"
    assert json.loads(tree.environment["SM_CHANNELS"]) == [CHANNEL]
    mount = tree.environment["SM_CHANNEL_MODEL_ARTIFACTS_INPUT"]
    assert mount == f"/opt/ml/input/data/{CHANNEL}"
    assert json.loads(Tree.for_job(TRAINING).environment["SM_CHANNELS"]) == []
    assert "/opt/ml/input/config/resourceconfig.json" in tree


def test_a_processing_job_describes_inputs_and_outputs_and_sets_no_variable() -> None:
    output = "/opt/ml/processing/output/model"
    tree = Tree.for_job(PROCESSING, (output,)).with_channel(CHANNEL)
    config = json.loads(tree.entries["/opt/ml/config/processingjobconfig.json"].data)
    inputs = [one["S3Input"]["LocalPath"] for one in config["ProcessingInputs"]]
    outputs = [one["S3Output"]["LocalPath"] for one in config["ProcessingOutputConfig"]["Outputs"]]
    assert inputs == [f"/opt/ml/processing/input/{CHANNEL}", "/opt/ml/processing/input/code"]
    assert outputs == [output]
    assert tree.environment == {}
    assert tree.entries[output].kind == "directory"


def test_output_folders_are_made_by_a_processing_job_only() -> None:
    output = "/opt/ml/processing/output/model"
    assert output not in Tree.for_job(TRAINING, (output,))
    assert "/opt/ml/model" in Tree.for_job(TRAINING, (output,))
