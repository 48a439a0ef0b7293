"""What a script sees as a job of each type, in local mode, and a definition of the same jobs.

Imported by `local_runs.py`, in the environment of an SDK.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import boto3
from local_pipeline import given, made
from local_runs import BUCKET, HERE, REGION, ROLE, VERSION

if VERSION == 2:
    from sagemaker.estimator import Estimator
    from sagemaker.inputs import TrainingInput
    from sagemaker.local import LocalSession
    from sagemaker.processing import FrameworkProcessor, ScriptProcessor
    from sagemaker.sklearn import SKLearn
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.steps import ProcessingStep, TrainingStep

    FRAMEWORK: dict[str, Any] = {"estimator_cls": SKLearn, "framework_version": "1.2-1"}
else:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.local import LocalSession
    from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import ProcessingStep, TrainingStep
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode
    from sagemaker.train.model_trainer import Mode

    FRAMEWORK = {}

# As in the harness.
JOB = "step-under-test"
INSTANCE = "ml.m5.xlarge"
ENVIRONMENT = {"SEED": "7"}
# All kinds of values that a training job passes on in ways of its own.
HYPERPARAMETERS = {
    "epochs": 3,
    "optimizer": "adam",
    "batch-size": 8,
    "eta": 0.001,
    "flag": True,
    "nothing": None,
    "layers": [1, 2],
    "x": "1",
    "options": {"b": 2, "a": 1},
}
SCRIPT = HERE / "steps" / "world.py"


class Jobs:
    """The jobs of a script, each to be run in local mode and to be written into a definition."""

    def __init__(self, folder: Path, image: str, toolkit: str) -> None:
        self.image, self.toolkit = image, toolkit
        self.root = folder / "root-worlds"
        self.root.mkdir()
        self.source = folder / "source-worlds"
        self.source.mkdir()
        (self.source / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
        self.s3 = boto3.client("s3")
        for name in ("rows", "extra"):
            self.s3.put_object(Bucket=BUCKET, Key=f"{name}/{name}.csv", Body=b"a\n1\n")
        self.session = LocalSession(boto3.Session(region_name=REGION), default_bucket=BUCKET)
        self.configure(local_code=False)

    def configure(self, *, local_code: bool) -> None:
        """Choose where training jobs have their code from; processing jobs refuse local code."""
        local = {"container_root": str(self.root), "local_code": local_code}
        self.session.config = {"local": local}

    def instance(self, session: Any) -> str:
        """The type of instances: that of local mode makes any session a local one."""
        return "local" if session is self.session else INSTANCE

    def processing(self, kind: str, session: Any) -> tuple[Any, dict[str, Any]]:
        """A processor, and what its job is started with."""
        shared = {
            "image_uri": self.image,
            "command": ["python3"],
            "role": ROLE,
            "instance_count": 1,
            "instance_type": self.instance(session),
            "sagemaker_session": session,
            "env": ENVIRONMENT,
        }
        request = {
            "inputs": [given("rows", f"s3://{BUCKET}/rows")],
            "outputs": [made("copy", kind)],
            "arguments": ["--unit", "words"],
        }
        if kind == "processing":
            return ScriptProcessor(**shared), {"code": str(SCRIPT), **request}
        code = {"code": SCRIPT.name, "source_dir": str(self.source)}
        return FrameworkProcessor(**FRAMEWORK, **shared), {**code, **request}

    def processed(self, kind: str) -> Any:
        """What the script of a processing job tells."""
        processor, request = self.processing(kind, self.session)
        # Else the SDK 3 waits ten seconds for a job that is over.
        processor.run(**request, wait=VERSION == 2, job_name=JOB)
        body = self.s3.get_object(Bucket=BUCKET, Key=f"{kind}/copy/world.json")["Body"].read()
        return json.loads(body)

    def estimator(self, session: Any) -> tuple[Any, dict[str, Any]]:
        """An estimator, whose image has the training toolkit, and the channels of its job."""
        estimator = Estimator(
            image_uri=self.toolkit,
            role=ROLE,
            instance_count=1,
            instance_type=self.instance(session),
            entry_point=SCRIPT.name,
            source_dir=str(self.source),
            output_path=f"s3://{BUCKET}/model",
            hyperparameters=HYPERPARAMETERS,
            environment=ENVIRONMENT,
            sagemaker_session=session,
        )
        return estimator, {
            "rows": TrainingInput(f"s3://{BUCKET}/rows", content_type="text/csv"),
            "extra": TrainingInput(f"s3://{BUCKET}/extra"),
        }

    def trainer(self, session: Any, **how: Any) -> tuple[Any, list[Any]]:
        """A trainer, and the channels of its job."""
        trainer = ModelTrainer(
            training_image=self.toolkit,
            role=ROLE,
            source_code=SourceCode(source_dir=str(self.source), entry_script=SCRIPT.name),
            compute=Compute(instance_type=INSTANCE, instance_count=1, volume_size_in_gb=30),
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/model"),
            hyperparameters=HYPERPARAMETERS,
            environment=ENVIRONMENT,
            sagemaker_session=session,
            **how,
        )
        return trainer, [
            InputData(
                channel_name="rows", data_source=f"s3://{BUCKET}/rows", content_type="text/csv"
            ),
            InputData(channel_name="extra", data_source=f"s3://{BUCKET}/extra"),
        ]

    def trained(self) -> Any:
        """What the script of a training job tells: of an estimator's, or of a trainer's."""
        if VERSION == 2:
            # Else the toolkit fetches the source from S3, which no container reaches here.
            self.configure(local_code=True)
            estimator, channels = self.estimator(self.session)
            estimator.fit(channels, job_name=JOB)
            key = estimator.model_data.partition(f"{BUCKET}/")[2]
            packed = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        else:
            session = Session(boto3.Session(region_name=REGION), default_bucket=BUCKET)
            trainer, channels = self.trainer(
                session,
                training_mode=Mode.LOCAL_CONTAINER,
                local_container_root=str(self.root),
                base_job_name=JOB,
            )
            trainer.train(input_data_config=channels)
            (archive,) = self.root.rglob("model.tar.gz")
            packed = archive.read_bytes()
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            member = tar.extractfile("world.json")
            assert member
            return json.loads(member.read())

    def definition(self) -> str:
        """The same jobs as the steps of a pipeline."""
        session = importlib.import_module(f"definitions_v{VERSION}").session()
        steps = []
        for kind in ("processing", "framework-processing"):
            processor, request = self.processing(kind, session)
            steps.append(ProcessingStep(kind, step_args=processor.run(**request)))
        if VERSION == 2:
            estimator, channels = self.estimator(session)
            steps.append(TrainingStep("training", step_args=estimator.fit(channels)))
        else:
            trainer, given_channels = self.trainer(session)
            arguments = trainer.train(input_data_config=given_channels)
            steps.append(TrainingStep("model-trainer", step_args=arguments))
        return str(Pipeline("worlds", steps=steps, sagemaker_session=session).definition())


def worlds_of(folder: Path, image: str, toolkit: str) -> dict[str, Any]:
    """Name of the job's type → what `steps/world.py` tells; AWS is that of moto already.

    Without an image that has the toolkit there are no training jobs. The definition of the jobs is
    written to the folder.
    """
    jobs = Jobs(folder, image, toolkit)
    with contextlib.redirect_stdout(sys.stderr):
        worlds = {one: jobs.processed(one) for one in ("processing", "framework-processing")}
        if toolkit:
            worlds["training" if VERSION == 2 else "model-trainer"] = jobs.trained()
        (folder / "worlds-steps.json").write_text(jobs.definition())
    return worlds
