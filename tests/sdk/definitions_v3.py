"""A pipeline definition of the SageMaker Python SDK 3; needs no account, no network.

Imported by `local_runs.py`, in the environment of the SDK.
"""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

from local_runs import REGION, ROLE
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.workflow.conditions import ConditionGreaterThan
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep, TrainingStep
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode

IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/step:latest"
INSTANCE = "ml.m5.xlarge"


def session() -> PipelineSession:
    """A session that uploads nothing and reports nothing."""
    boto = MagicMock(region_name=REGION)
    boto.client.return_value.get_role.return_value = {"Role": {"Arn": ROLE}}
    no_telemetry = {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}
    result = PipelineSession(
        boto_session=boto,
        sagemaker_client=MagicMock(),
        default_bucket="bucket",
        sagemaker_config={"SchemaVersion": "1.0", "SageMaker": no_telemetry},
    )
    result.upload_data = MagicMock(return_value="s3://bucket/code")
    result.upload_string_as_file_body = MagicMock(return_value="s3://bucket/runproc.sh")
    return result


def processing_input(name: str, source: object) -> ProcessingInput:
    """An input of a processing job."""
    return ProcessingInput(
        input_name=name,
        s3_input=ProcessingS3Input(
            s3_uri=source,
            local_path=f"/opt/ml/processing/input/{name}",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
        ),
    )


def processing_output(name: str) -> ProcessingOutput:
    """An output of a processing job."""
    return ProcessingOutput(
        output_name=name,
        s3_output=ProcessingS3Output(
            s3_uri=f"s3://bucket/{name}",
            local_path=f"/opt/ml/processing/output/{name}",
            s3_upload_mode="EndOfJob",
        ),
    )


def definition(code: Path) -> str:
    """A pipeline of a ScriptProcessor, a FrameworkProcessor and two ModelTrainers."""
    pipeline_session = session()
    processor = {
        "role": ROLE,
        "image_uri": IMAGE,
        "command": ["python3"],
        "instance_count": 1,
        "instance_type": INSTANCE,
        "sagemaker_session": pipeline_session,
    }
    trainer = {
        "role": ROLE,
        "training_image": IMAGE,
        "compute": Compute(instance_type=INSTANCE, instance_count=1, volume_size_in_gb=30),
        "output_data_config": OutputDataConfig(s3_output_path="s3://bucket/model"),
        "sagemaker_session": pipeline_session,
    }
    epochs = ParameterInteger("Epochs", default_value=3)
    bucket = ParameterString("Bucket", default_value="bucket")
    level = ParameterString("Level")
    prepare = ProcessingStep(
        "Prepare",
        step_args=ScriptProcessor(env={"UNIT": "words", "LEVEL": level}, **processor).run(
            code=str(code / "prepare.py"),
            inputs=[processing_input("raw", Join(on="/", values=["s3:/", bucket, "raw"]))],
            outputs=[processing_output("clean")],
            arguments=["--unit", "words", "--execution", ExecutionVariables.PIPELINE_EXECUTION_ID],
        ),
    )
    clean = prepare.properties.ProcessingOutputConfig.Outputs["clean"].S3Output.S3Uri
    train = TrainingStep(
        "Train",
        step_args=ModelTrainer(
            source_code=SourceCode(source_dir=str(code), entry_script="train.py"),
            hyperparameters={"epochs": epochs, "optimizer": "adam", "batch-size": 8},
            environment={"SEED": "7"},
            **trainer,
        ).train(input_data_config=[InputData(channel_name="train", data_source=clean)]),
    )
    model = train.properties.ModelArtifacts.S3ModelArtifacts
    evaluate = ProcessingStep(
        "Evaluate",
        step_args=FrameworkProcessor(**processor).run(
            code="evaluate.py",
            source_dir=str(code),
            inputs=[processing_input("model", model)],
            outputs=[processing_output("report")],
            arguments=["--threshold", Join(on="", values=["0.", epochs])],
        ),
    )
    built_in = TrainingStep(
        "BuiltIn",
        step_args=ModelTrainer(**trainer).train(
            input_data_config=[InputData(channel_name="train", data_source="s3://bucket/train")]
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
        sagemaker_session=pipeline_session,
    ).definition()
