"""The contracts that the recorded definitions of both SDK versions must become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.contracts import loaders
from harness.contracts.contract import Contract, Input, JobSettings, Output, Unresolved

HERE = Path(__file__).parent
STEPS = HERE / "steps"
VERSIONS = ("v2", "v3")

_EXECUTION = Unresolved(name="execution", expression='{"Get": "Execution.PipelineExecutionId"}')
_LEVEL = Unresolved(name="LEVEL", expression='{"Get": "Parameters.Level"}')
_VALUES = {
    "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/step:latest",
    "instance_type": "ml.m5.xlarge",
}
_TRAINING: Mapping[str, JobSettings] = {
    "v2": JobSettings(
        profile="training",
        environment={"SEED": "7"},
        hyperparameters={
            "epochs": "3",
            "optimizer": '"adam"',
            "batch-size": "8",
            "sagemaker_program": '"train.py"',
            "sagemaker_container_log_level": "20",
            "sagemaker_region": '"eu-west-1"',
        },
        values=_VALUES,
    ),
    "v3": JobSettings(
        profile="model-trainer",
        environment={"SEED": "7"},
        hyperparameters={"epochs": "3", "optimizer": "adam", "batch-size": "8"},
        values=_VALUES,
    ),
}


def job_settings(version: str) -> Mapping[str, JobSettings]:
    """What the job of each step sets."""
    return {
        "Prepare": JobSettings(
            profile="processing",
            arguments=("--unit", "words", "--execution", _EXECUTION),
            environment={"UNIT": "words", "LEVEL": _LEVEL},
            values=_VALUES,
        ),
        "Train": _TRAINING[version],
        "Evaluate": JobSettings(
            profile="framework-processing", arguments=("--threshold", "0.3"), values=_VALUES
        ),
    }


def assert_contracts(definition: Path, version: str) -> None:
    """The definition's steps are the expected contracts."""
    found = {name: loaders.load(definition, STEPS, name) for name in job_settings(version)}
    assert [one.step for one in loaders.find_steps(definition) if not one.unfit] == list(found)
    assert {name: _comparable_settings(one) for name, one in found.items()} == job_settings(version)
    prepare, train, evaluate = found.values()
    assert prepare.inputs == {"raw": _mounted("/opt/ml/processing/input/raw")}
    assert train.inputs == {"train": _mounted("/opt/ml/input/data/train")}
    assert evaluate.inputs == {"model": _mounted("/opt/ml/processing/input/model")}
    assert prepare.outputs == {"clean": Output(path="/opt/ml/processing/output/clean")}
    assert train.outputs == {
        "model": Output(path="/opt/ml/model"),
        "output_data": Output(path="/opt/ml/output/data", required=False),
    }
    assert evaluate.outputs == {"report": Output(path="/opt/ml/processing/output/report")}
    for name, one in found.items():
        assert one.script == STEPS / f"{name.lower()}.py"


def _mounted(path: str) -> Input:
    return Input(required=True, mounts=(path,))


def _comparable_settings(contract: Contract) -> JobSettings:
    """The job settings without the location of the code on S3, which differs between runs."""
    assert contract.job is not None
    hyperparameters = dict(contract.job.hyperparameters)
    hyperparameters.pop("sagemaker_submit_directory", None)
    return contract.job.model_copy(update={"hyperparameters": hyperparameters})
