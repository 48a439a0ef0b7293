"""What a SageMaker job puts into its container: mounts, config files, environment.

Source: the service's API reference and the training toolkit. A training job mounts its channels
below `/opt/ml/input/data` and describes them in `/opt/ml/input/config` and `SM_*` variables. A
processing job mounts everything below `/opt/ml/processing`, describes it in `/opt/ml/config`, and
sets no variable of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_REGION = "arn:aws:sagemaker:eu-west-1:123456789012"
_HOST = "algo-1"
_INSTANCE = "ml.m5.xlarge"

Config = Mapping[str, object]


@dataclass(frozen=True)
class Job:
    """One type of job.

    `channels` is the folder that holds one folder per channel, `folders` are there before the
    script starts, `config` gives path → JSON value and `environment` the variables, both for the
    channels and output folders that the job has.
    """

    name: str
    channels: str
    folders: tuple[str, ...]
    config: Callable[[Sequence[str], Sequence[str]], Config]
    environment: Callable[[Sequence[str]], Mapping[str, str]]
    # Whether the service makes the declared output folders before the script starts.
    makes_outputs: bool

    def mount(self, channel: str) -> str:
        """Where the job mounts a channel."""
        return f"{self.channels}/{channel}"


def _training_config(channels: Sequence[str], _outputs: Sequence[str]) -> Config:
    described = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    return {
        "/opt/ml/input/config/hyperparameters.json": {},
        "/opt/ml/input/config/inputdataconfig.json": dict.fromkeys(channels, described),
        "/opt/ml/input/config/resourceconfig.json": {
            "current_host": _HOST,
            "hosts": [_HOST],
            "network_interface_name": "eth0",
            "current_instance_type": _INSTANCE,
            "current_group_name": "homogeneousCluster",
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": _INSTANCE,
                    "hosts": [_HOST],
                }
            ],
        },
    }


def _training_environment(channels: Sequence[str]) -> Mapping[str, str]:
    variables = {
        "TRAINING_JOB_NAME": "step-under-test",
        "TRAINING_JOB_ARN": f"{_REGION}:training-job/step-under-test",
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_CHANNELS": json.dumps(list(channels)),
        "SM_HPS": "{}",
        "SM_HOSTS": json.dumps([_HOST]),
        "SM_CURRENT_HOST": _HOST,
        "SM_NUM_CPUS": "4",
        "SM_NUM_GPUS": "0",
    }
    for name in channels:
        variables[f"SM_CHANNEL_{name.upper()}"] = TRAINING.mount(name)
    return variables


def _processing_config(channels: Sequence[str], outputs: Sequence[str]) -> Config:
    def s3(name: str, path: str, mode: str) -> Config:
        return {"S3Uri": f"s3://bucket/{name}", "LocalPath": path, "S3UploadMode": mode}

    return {
        "/opt/ml/config/processingjobconfig.json": {
            "ProcessingJobArn": f"{_REGION}:processing-job/step-under-test",
            "ProcessingJobName": "step-under-test",
            "AppSpecification": {"ImageUri": "step:latest", "ContainerEntrypoint": ["python3"]},
            "Environment": {},
            "ProcessingInputs": [
                {"InputName": name, "S3Input": s3(name, PROCESSING.mount(name), "File")}
                for name in channels
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": f"output-{n}", "S3Output": s3(f"output-{n}", path, "EndOfJob")}
                    for n, path in enumerate(outputs, 1)
                ]
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": _INSTANCE,
                    "VolumeSizeInGB": 30,
                    "VolumeKmsKeyId": None,
                }
            },
            "RoleArn": "arn:aws:iam::123456789012:role/step",
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        },
        "/opt/ml/config/resourceconfig.json": {"current_host": _HOST, "hosts": [_HOST]},
    }


TRAINING = Job(
    name="training",
    channels="/opt/ml/input/data",
    folders=("/opt/ml/code", "/opt/ml/input/data", "/opt/ml/model", "/opt/ml/output/data"),
    config=_training_config,
    environment=_training_environment,
    makes_outputs=False,
)

PROCESSING = Job(
    name="processing",
    channels="/opt/ml/processing/input",
    folders=("/opt/ml/processing/input", "/opt/ml/output"),
    config=_processing_config,
    environment=lambda _channels: {},
    makes_outputs=True,
)
