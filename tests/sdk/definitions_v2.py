"""A pipeline definition of the SageMaker Python SDK 2; needs no account, no network.

Imported by `local_runs.py`, in the environment of the SDK.
"""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

from local_runs import REGION, ROLE
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.processing import (
    FrameworkProcessor,
    ProcessingInput,
    ProcessingOutput,
    ScriptProcessor,
)
from sagemaker.pytorch import PyTorch
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThan
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.functions import Join
from sagemaker.workflow.parameters import ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import ProcessingStep, TrainingStep

IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/step:latest"
INSTANCE = "ml.m5.xlarge"


def session() -> PipelineSession:
    """A session that uploads nothing and reports nothing."""
    no_telemetry = {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}
    result = PipelineSession(
        boto_session=MagicMock(region_name=REGION),
        sagemaker_client=MagicMock(),
        default_bucket="bucket",
        sagemaker_config={"SchemaVersion": "1.0", "SageMaker": no_telemetry},
    )
    result.upload_data = MagicMock(return_value="s3://bucket/code")
    result.upload_string_as_file_body = MagicMock(return_value="s3://bucket/runproc.sh")
    return result


def definition(code: Path) -> str:
    """A pipeline of a ScriptProcessor, a FrameworkProcessor and two estimators."""
    shared = {
        "role": ROLE,
        "instance_count": 1,
        "instance_type": INSTANCE,
        "sagemaker_session": session(),
    }
    epochs = ParameterInteger("Epochs", default_value=3)
    bucket = ParameterString("Bucket", default_value="bucket")
    level = ParameterString("Level")
    prepare = ProcessingStep(
        "Prepare",
        step_args=ScriptProcessor(
            image_uri=IMAGE, command=["python3"], env={"UNIT": "words", "LEVEL": level}, **shared
        ).run(
            code=str(code / "prepare.py"),
            inputs=[
                ProcessingInput(
                    source=Join(on="/", values=["s3:/", bucket, "raw"]),
                    destination="/opt/ml/processing/input/raw",
                    input_name="raw",
                )
            ],
            outputs=[
                ProcessingOutput(output_name="clean", source="/opt/ml/processing/output/clean")
            ],
            arguments=["--unit", "words", "--execution", ExecutionVariables.PIPELINE_EXECUTION_ID],
        ),
    )
    clean = prepare.properties.ProcessingOutputConfig.Outputs["clean"].S3Output.S3Uri
    train = TrainingStep(
        "Train",
        step_args=PyTorch(
            entry_point="train.py",
            source_dir=str(code),
            image_uri=IMAGE,
            hyperparameters={"epochs": epochs, "optimizer": "adam", "batch-size": 8},
            environment={"SEED": "7"},
            output_path="s3://bucket/model",
            **shared,
        ).fit({"train": TrainingInput(clean)}),
    )
    evaluate = ProcessingStep(
        "Evaluate",
        step_args=FrameworkProcessor(
            estimator_cls=PyTorch,
            framework_version="2.0",
            py_version="py310",
            image_uri=IMAGE,
            command=["python3"],
            **shared,
        ).run(
            code="evaluate.py",
            source_dir=str(code),
            inputs=[
                ProcessingInput(
                    source=train.properties.ModelArtifacts.S3ModelArtifacts,
                    destination="/opt/ml/processing/input/model",
                    input_name="model",
                )
            ],
            outputs=[
                ProcessingOutput(output_name="report", source="/opt/ml/processing/output/report")
            ],
            arguments=["--threshold", Join(on="", values=["0.", epochs])],
        ),
    )
    built_in = TrainingStep(
        "BuiltIn",
        step_args=Estimator(image_uri=IMAGE, output_path="s3://bucket/model", **shared).fit(
            {"train": TrainingInput("s3://bucket/train")}
        ),
    )
    condition = ConditionStep(
        "Again",
        conditions=[ConditionGreaterThan(left=epochs, right=2)],
        if_steps=[evaluate],
        else_steps=[built_in],
    )
    return Pipeline(
        "steps",
        parameters=[epochs, bucket, level],
        steps=[prepare, train, condition],
        sagemaker_session=shared["sagemaker_session"],
    ).definition()
