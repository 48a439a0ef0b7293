"""Runs the step, a packaging and a payload step as a pipeline in the local mode of an SDK.

Imported by `local_runs.py`, in the environment of an SDK. S3 and all else of AWS are those of moto,
in this process; containers need none of it.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import boto3
from local_runs import BUCKET, HERE, REGION, ROLE, VERSION
from pipeline import DummyTrainingConfig, DummyTrainingStepBuilder

if VERSION == 2:
    from sagemaker.local import LocalSession
    from sagemaker.processing import (
        ProcessingInput,
        ProcessingOutput,
        Processor,
        ScriptProcessor,
    )
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.pipeline_context import LocalPipelineSession
    from sagemaker.workflow.steps import ProcessingStep
else:
    from sagemaker.core.processing import ScriptProcessor
    from sagemaker.core.shapes import (
        ProcessingInput,
        ProcessingOutput,
        ProcessingS3Input,
        ProcessingS3Output,
    )

    # This session defers run(), and that of sagemaker.mlops.local creates and starts a pipeline.
    from sagemaker.core.workflow.pipeline_context import LocalPipelineSession
    from sagemaker.mlops.local import LocalPipelineSession as Executor
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep


def given(name: str, location: Any) -> Any:
    at = f"/opt/ml/processing/input/{name}"
    if VERSION == 2:
        return ProcessingInput(source=location, destination=at, input_name=name)
    place = {"s3_uri": location, "local_path": at}
    return ProcessingInput(
        input_name=name,
        s3_input=ProcessingS3Input(**place, s3_data_type="S3Prefix", s3_input_mode="File"),
    )


def made(name: str, run: str) -> Any:
    at, to = f"/opt/ml/processing/output/{name}", f"s3://{BUCKET}/{run}/{name}"
    if VERSION == 2:
        return ProcessingOutput(source=at, destination=to, output_name=name)
    place = {"s3_uri": to, "local_path": at}
    return ProcessingOutput(
        output_name=name, s3_output=ProcessingS3Output(**place, s3_upload_mode="EndOfJob")
    )


def uri(step: Any, output: str) -> Any:
    """Where an output of a step will be, of which only a run knows."""
    return step.properties.ProcessingOutputConfig.Outputs[output].S3Output.S3Uri


def model() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for member, data in (("model.pth", b"\0" * 4096), ("code/inference.py", b"pass\n")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def pipeline_of(run: str, source: Path, image: str, session: Any) -> Any:
    config = DummyTrainingConfig(
        role=ROLE, instance_type="local", image_uri=image, source_dir=source
    )
    builder = DummyTrainingStepBuilder(config, session)
    shared = {
        "image_uri": image,
        "command": ["python3"],
        "role": ROLE,
        "instance_count": 1,
        "instance_type": "local",
        "sagemaker_session": session,
    }

    def small_step(name: str, script: str, inputs: dict[str, Any], output: str) -> Any:
        arguments = ScriptProcessor(**shared).run(
            code=str(HERE / "steps" / script),
            inputs=[given(*one) for one in inputs.items()],
            outputs=[made(output, run)],
        )
        return ProcessingStep(name, step_args=arguments)

    first, inputs = [], None
    if run == "INTERNAL":
        first = [small_step("Pretrain", "pretrain.py", {}, "trained")]
        inputs = {
            "model_artifacts_input": uri(first[0], "trained"),
            "hyperparameters_s3_uri": f"s3://{BUCKET}/given",
        }
    train = builder.create_step(inputs=inputs, dependencies=first)
    package = small_step("Package", "package.py", {"model": uri(train, "model_output")}, "packaged")
    payload = small_step(
        "Payload", "payload.py", {"packaged_model": uri(package, "packaged")}, "payload"
    )
    steps = [*first, train, package, payload]
    return Pipeline(f"steps-{run.lower()}", steps=steps, sagemaker_session=session)


def execute(pipeline: Any, session: Any) -> Any:
    if VERSION == 2:
        pipeline.create(role_arn=ROLE, description="local")
        return pipeline.start()
    executor = Executor(boto3.Session(region_name=REGION), default_bucket=BUCKET)
    executor.create_pipeline(pipeline, "local")
    return executor.start_pipeline_execution(pipeline.name)


def run(kind: str, folder: Path, source: Path, image: str) -> dict[str, Any]:
    root = folder / f"root-{kind}"
    root.mkdir()
    session = LocalPipelineSession(boto3.Session(region_name=REGION), default_bucket=BUCKET)
    session.config = {"local": {"container_root": str(root)}}
    started = time.monotonic()
    pipeline = pipeline_of(kind, source, image, session)
    (folder / f"{kind}.json").write_text(pipeline.definition())
    execution = execute(pipeline, session)
    told = execution.describe()
    objects = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{kind}/payload/")
    (one,) = objects.get("Contents", [{}]) or [{}]
    payload = None
    if one:
        body = boto3.client("s3").get_object(Bucket=BUCKET, Key=one["Key"])["Body"]
        payload = json.loads(body.read())
    return {
        "sdk": VERSION,
        "kind": kind,
        "status": told.get("PipelineExecutionStatus"),
        "reason": told.get("FailureReason"),
        "payload": payload,
        "seconds": round(time.monotonic() - started, 1),
    }


def run_of_image(folder: Path, image: str) -> list[str]:
    """The members that a job of the step's own image writes, with SDK 2."""
    root = folder / "root-image"
    root.mkdir()
    session = LocalSession(boto3.Session(region_name=REGION), default_bucket=BUCKET)
    session.config = {"local": {"container_root": str(root)}}
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="model/model.tar.gz", Body=model())
    processor = Processor(
        image_uri=image,
        role=ROLE,
        instance_count=1,
        instance_type="local",
        sagemaker_session=session,
    )
    processor.run(
        inputs=[
            given("model_artifacts_input", f"s3://{BUCKET}/model"),
            given("hyperparameters_s3_uri", f"s3://{BUCKET}/given"),
        ],
        outputs=[made("model", "image")],
    )
    written = s3.get_object(Bucket=BUCKET, Key="image/model/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(written)) as tar:
        return tar.getnames()


def runs_of(folder: Path, image: str, script: Path) -> list[dict[str, Any]]:
    """The runs of both pipelines, whose definitions are written to the folder; AWS is moto's."""
    sources = {"SOURCE": folder / "source", "INTERNAL": folder / "internal"}
    for source in sources.values():
        source.mkdir(parents=True)
        (source / script.name).write_bytes(script.read_bytes())
    (sources["SOURCE"] / "models").mkdir()
    (sources["SOURCE"] / "models" / "model.tar.gz").write_bytes(model())
    (sources["SOURCE"] / "hyperparams").mkdir()
    (sources["SOURCE"] / "hyperparams" / "hyperparameters.json").write_text('{"from": "SOURCE"}')
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="given/hyperparameters.json", Body=b'{"from": "INTERNAL"}')
    return [run(kind, folder, source, image) for kind, source in sources.items()]
