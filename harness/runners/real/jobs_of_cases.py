"""Cases as requests for jobs: what a job of the service can express of a case, and what not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cases.case import Case
from harness.worlds.tree import Tree, is_under

_PROCESSING_CONFIG = "/opt/ml/config/processingjobconfig.json"
_CONFIG_FOLDERS = ("/opt/ml/config", "/opt/ml/input/config")
_TRAINING_CODE = "/opt/ml/code"
_CHECKPOINTS = "/opt/ml/checkpoints"
_USUAL_UMASK = 0o022
_IN_EVERY_IMAGE = ("/", "/tmp")
# Starts a program in a folder, as the first process.
_IN_FOLDER = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')
_CLUSTER = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}


@dataclass(frozen=True)
class LocalJob:
    """A job of local mode.

    `asked` are the operation and its request, `root` the folder of the SDK's files, `folders` those
    that are mounted: path in the container → folder here. `collected` is where the SDK puts what a
    training job leaves.
    """

    asked: Mapping[str, Any]
    root: Path
    folders: Mapping[str, Path]
    collected: Path


def reason_against(case: Case) -> str:
    """Why no job can make this case, "" when one can."""
    job = case.tree.job
    is_processing = _PROCESSING_CONFIG in case.tree
    for is_so, reason in (
        (job is None, "it has no type of job"),
        (case.call is not None, "it calls a function"),
        (case.interrupt is not None, "it is interrupted"),
        (case.fault is not None, "a file operation in it fails"),
        (bool(case.user) or case.umask != _USUAL_UMASK, "it has another user or umask"),
        (bool(case.read_only), "something is read-only"),
        (any(one.size is not None for one in case.mounts), "it has a full disk"),
        (case.reversed_listing, "folders list their entries in another order"),
        (case.is_other_program, "its script is not in Python"),
        (not case.relative and not _has_folder(case, case.cwd), "no such folder"),
        (
            not is_processing and case.script_folder != _TRAINING_CODE,
            f"the code of a training job is in {_TRAINING_CODE}",
        ),
        (not is_processing and _CHECKPOINTS in case.tree, "the local mode keeps no checkpoints"),
    ):
        if is_so:
            return reason
    return _reason_against_tree(case)


def _has_folder(case: Case, folder: str) -> bool:
    """Whether the container of a job has a folder: of its image, or within what is mounted."""
    mounted = (*_given(case).values(), *case.tree.request.outputs) if case.tree.job else ()
    return folder in _IN_EVERY_IMAGE or (
        folder in case.tree and any(is_under(folder, one) for one in mounted)
    )


def _reason_against_tree(case: Case) -> str:
    """What is somewhere in the tree where no job can put it."""
    job = case.tree.job
    assert job is not None
    given = _given(case)
    outputs = case.tree.request.outputs
    own = Tree.for_job(job, outputs, case.tree.request)
    for path, entry in case.tree:
        within = [one for one in given.values() if is_under(path, one)]
        if entry.kind == "directory":
            # An input of S3 holds no folder without a file.
            empty = not any(other != path and is_under(other, path) for other, _ in case.tree)
            if within and empty and path not in given.values():
                return "a folder without files"
            if not within and empty and path not in own and path not in outputs:
                return "a folder where no input is mounted"
        elif any(is_under(path, one) for one in (*_CONFIG_FOLDERS, *map(str, job.files))):
            continue
        elif entry.kind != "file" or entry.uid or entry.mode != 0o644:
            return "a file that S3 does not have"
        elif not within or any(is_under(path, one) for one in outputs):
            return "a file where no input is mounted"
    if any(
        is_under(one, other) for one in given.values() for other in given.values() if one != other
    ):
        return "an input within another"
    return ""


def _given(case: Case) -> Mapping[str, str]:
    """The inputs, code included: name → where it is mounted."""
    tree = case.tree
    assert tree.job is not None
    request = tree.request
    mounts = {name: request.mounts.get(name) or tree.job.mount(name) for name in request.channels}
    return {**mounts, "code": case.import_folder}


def job_of(case: Case, image: str, top: Path) -> LocalJob:
    """The job of a case, whose files are put below the folder `top`."""
    root, collected = top / "root", top / "collected"
    root.mkdir()
    collected.mkdir()
    folders = {}
    for number, at in enumerate(_given(case).values()):
        folders[at] = top / f"input-{number}"
        _write(folders[at], case.tree, at)
    if _PROCESSING_CONFIG in case.tree:
        for number, at in enumerate(case.tree.request.outputs):
            folders[at] = top / f"output-{number}"
        asked = _processing(case, image, folders)
    else:
        asked = _training(case, image, folders, collected)
    return LocalJob(asked, root, folders, collected)


def _command(case: Case) -> list[str]:
    folder = case.script_folder if case.relative else case.cwd
    script = ["-m", case.module] if case.module else [case.script]
    if case.relative:
        script = [Path(case.script).name]
    return [*_IN_FOLDER, folder, "python3", *script]


def _processing(case: Case, image: str, folders: Mapping[str, Path]) -> Mapping[str, Any]:
    request = case.tree.request
    names = request.output_names or [f"output-{n}" for n, _ in enumerate(request.outputs, 1)]
    kind = {"S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {
        "operation": "create_processing_job",
        "request": {
            "ProcessingJobName": "step-under-test",
            "AppSpecification": {
                "ImageUri": image,
                "ContainerEntrypoint": _command(case),
                "ContainerArguments": list(case.arguments),
            },
            "ProcessingResources": {"ClusterConfig": {**_CLUSTER, "VolumeSizeInGB": 30}},
            "Environment": {**request.environment, **case.variables},
            "ProcessingInputs": [
                {
                    "InputName": name,
                    "S3Input": {"S3Uri": f"file://{folders[at]}", "LocalPath": at, **kind},
                }
                for name, at in _given(case).items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": name,
                        "S3Output": {
                            "S3Uri": f"file://{folders[at]}",
                            "LocalPath": at,
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for name, at in zip(names, request.outputs, strict=True)
                ]
            },
        },
    }


def _training(
    case: Case, image: str, folders: Mapping[str, Path], collected: Path
) -> Mapping[str, Any]:
    request = case.tree.request
    given = _given(case)
    submitted = {
        "sagemaker_submit_directory": f"file://{folders[given['code']]}",
        "sagemaker_program": case.script_folder,
    }
    return {
        "operation": "create_training_job",
        "request": {
            "TrainingJobName": "step-under-test",
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": _command(case),
                "ContainerArguments": list(case.arguments),
            },
            "OutputDataConfig": {"S3OutputPath": f"file://{collected}"},
            "ResourceConfig": _CLUSTER,
            # The image has no toolkit, which would set the variables.
            "Environment": {**case.tree.environment, **case.variables},
            "InputDataConfig": [
                {
                    "ChannelName": name,
                    "DataSource": {
                        "S3DataSource": {"S3Uri": f"file://{folders[at]}", "S3DataType": "S3Prefix"}
                    },
                }
                for name, at in given.items()
                if name != "code"
            ],
            "HyperParameters": {
                **request.hyperparameters,
                **{name: json.dumps(value) for name, value in submitted.items()},
            },
        },
    }


def _write(folder: Path, tree: Tree, at: str) -> None:
    """Write a part of a tree to a folder."""
    folder.mkdir()
    entries = [(path, entry) for path, entry in tree if is_under(path, at)]
    for path, entry in entries:
        place = folder / path[len(at) :].lstrip("/")
        if entry.kind == "directory":
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(entry.data)
        place.chmod(entry.mode)
    for path, entry in reversed(entries):
        os.utime(folder / path[len(at) :].lstrip("/"), (entry.mtime, entry.mtime))
