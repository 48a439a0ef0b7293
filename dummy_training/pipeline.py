"""The step in a pipeline of the SageMaker Python SDK, version 2 or 3 (extra `sdk`).

    step = DummyTrainingStepBuilder(config, sagemaker_session=session).create_step()
    step.properties.ProcessingOutputConfig.Outputs["model_output"].S3Output.S3Uri

Without an input the step is a SOURCE: nothing is mounted, and the model lies in the source folder.
An input comes from the configuration, or, of another step, as a property of it (INTERNAL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MODEL_INPUT = "model_artifacts_input"
HYPERPARAMETERS_INPUT = "hyperparameters_s3_uri"
OUTPUT = "model_output"
INPUTS = (MODEL_INPUT, HYPERPARAMETERS_INPUT)

_INPUT_FOLDER = "/opt/ml/processing/input"
_OUTPUT_FOLDER = "/opt/ml/processing/output/model"
_FILES = {MODEL_INPUT: "model.tar.gz", HYPERPARAMETERS_INPUT: "hyperparameters.json"}
# Where the step looks for its model in the source folder.
_MODELS = ("models/model.tar.gz", "model.tar.gz")
_FRAMEWORK = "sklearn"
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/\S+")
_INSTANCE = re.compile(r"ml(\.[a-z0-9-]+){2}|local(_gpu)?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class DummyTrainingConfig(BaseModel):
    """What the job of the step needs.

    `pretrained_model_path` and `hyperparameters_path` are folders of this machine or S3 URIs; they
    become inputs. `image_uri` is the image of the job, or else that of a `framework_version` of
    scikit-learn. `volume_size` is in GB. Raises `pydantic.ValidationError` for each wrong value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    pretrained_model_path: str | None = None
    hyperparameters_path: str | None = None
    instance_type: str = "ml.m5.xlarge"
    volume_size: int = Field(default=30, ge=1, le=16384, strict=True)
    image_uri: str | None = Field(default=None, min_length=1)
    framework_version: str | None = None
    source_dir: Path = Path(__file__).parent
    entry_point: str = "dummy_training.py"
    name: str = Field(default="DummyTraining", pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,255}$")

    @field_validator("role")
    @classmethod
    def _check_role(cls, role: str) -> str:
        if not _ROLE.fullmatch(role):
            raise ValueError(f"{role!r} is not the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME")
        return role

    @field_validator("instance_type")
    @classmethod
    def _check_instance(cls, instance: str) -> str:
        if not _INSTANCE.fullmatch(instance):
            raise ValueError(f"{instance!r} is not an instance type such as ml.m5.xlarge")
        return instance

    @field_validator("framework_version")
    @classmethod
    def _check_version(cls, number: str | None) -> str | None:
        if number is not None and not re.fullmatch(r"\d+\.\d+-\d+", number):
            raise ValueError(f"{number!r} is not a version of the framework such as 1.2-1")
        return number

    @model_validator(mode="after")
    def _check_parts(self) -> DummyTrainingConfig:
        if (self.image_uri is None) == (self.framework_version is None):
            raise ValueError("name either image_uri or framework_version")
        if not (self.source_dir / self.entry_point).is_file():
            raise ValueError(f"source_dir: there is no {self.entry_point} in {self.source_dir}")
        for key, name in (
            ("pretrained_model_path", MODEL_INPUT),
            ("hyperparameters_path", HYPERPARAMETERS_INPUT),
        ):
            if (location := getattr(self, key)) is not None:
                _check_location(key, location, _FILES[name])
        return self

    @property
    def inputs(self) -> Mapping[str, str]:
        """The inputs that the configuration itself names: name → location."""
        named = {
            MODEL_INPUT: self.pretrained_model_path,
            HYPERPARAMETERS_INPUT: self.hyperparameters_path,
        }
        return {name: location for name, location in named.items() if location is not None}


def _check_location(key: str, location: str, file: str) -> None:
    """Raise `ValueError` unless it is a local folder that holds the file, or an S3 URI."""
    parts = urlparse(location)
    if parts.scheme == "s3":
        if not _BUCKET.fullmatch(parts.netloc) or not parts.path.strip("/"):
            raise ValueError(f"{key}: {location!r} is not an S3 URI, s3://BUCKET/PREFIX")
    elif parts.scheme:
        raise ValueError(f"{key}: {location!r} is neither a local folder nor an S3 URI")
    elif not Path(location).is_dir():
        raise ValueError(f"{key}: there is no folder {location!r}")
    elif not (Path(location) / file).is_file():
        raise ValueError(f"{key}: there is no {file} in {location!r}")


class DummyTrainingStepBuilder:
    """Makes the processing step of a configuration."""

    def __init__(self, config: DummyTrainingConfig, sagemaker_session: Any = None) -> None:
        """Use this session, a `PipelineSession` or one for local mode; by default the SDK's own."""
        self.config = config
        self.sagemaker_session = sagemaker_session

    def create_step(
        self,
        inputs: Mapping[str, Any] | None = None,
        dependencies: Sequence[Any] | None = None,
    ) -> Any:
        """The `ProcessingStep`, after the `dependencies`.

        `inputs` maps the name of an input to its location: a folder, an S3 URI, or a property of
        another step; None is an input that is absent. They come before those of the configuration.
        Raises `ValueError` for an unknown name, and where no model is anywhere.
        """
        given = {**self.config.inputs, **self._checked(inputs or {})}
        given = {name: location for name, location in given.items() if location is not None}
        self._check_source(given)
        sdk = _sdk()
        session = self.sagemaker_session or sdk.pipeline_session()
        processor = sdk.processor(self.config, session)
        arguments = processor.run(
            code=self.config.entry_point,
            source_dir=str(self.config.source_dir),
            inputs=[sdk.input(name, location) for name, location in given.items()],
            outputs=[sdk.output(OUTPUT, _OUTPUT_FOLDER)],
        )
        return sdk.step(
            name=self.config.name, step_args=arguments, depends_on=list(dependencies or ()) or None
        )

    def _checked(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, location in inputs.items():
            if name not in INPUTS:
                raise ValueError(f"there is no input {name!r}; they are {', '.join(INPUTS)}")
            if isinstance(location, str | Path):
                _check_location(name, str(location), _FILES[name])
        return {
            name: str(location) if isinstance(location, Path) else location
            for name, location in inputs.items()
        }

    def _check_source(self, given: Mapping[str, Any]) -> None:
        source = self.config.source_dir
        if MODEL_INPUT not in given and not any((source / one).is_file() for one in _MODELS):
            raise ValueError(
                f"there is no model: put it into {source / _MODELS[0]}, or give the input "
                f"{MODEL_INPUT} or pretrained_model_path"
            )


class _Version2:
    """The names of the SDK 2."""

    def pipeline_session(self) -> Any:
        return import_module("sagemaker.workflow.pipeline_context").PipelineSession()

    def processor(self, config: DummyTrainingConfig, session: Any) -> Any:
        image = config.image_uri or _framework_image("sagemaker.image_uris", config, session)
        return import_module("sagemaker.processing").FrameworkProcessor(
            # Its image is not used, but the SDK asks for it.
            estimator_cls=import_module("sagemaker.sklearn").SKLearn,
            framework_version=config.framework_version or "1.2-1",
            **_processor_arguments(config, image, session),
        )

    def input(self, name: str, location: Any) -> Any:
        processing = import_module("sagemaker.processing")
        return processing.ProcessingInput(
            source=location, destination=f"{_INPUT_FOLDER}/{name}", input_name=name
        )

    def output(self, name: str, folder: str) -> Any:
        return import_module("sagemaker.processing").ProcessingOutput(
            output_name=name, source=folder
        )

    def step(self, **arguments: Any) -> Any:
        return import_module("sagemaker.workflow.steps").ProcessingStep(**arguments)


class _Version3:
    """The names of the SDK 3."""

    def pipeline_session(self) -> Any:
        return import_module("sagemaker.core.workflow.pipeline_context").PipelineSession()

    def processor(self, config: DummyTrainingConfig, session: Any) -> Any:
        image = config.image_uri or _framework_image("sagemaker.core.image_uris", config, session)
        return import_module("sagemaker.core.processing").FrameworkProcessor(
            **_processor_arguments(config, image, session)
        )

    def input(self, name: str, location: Any) -> Any:
        shapes = import_module("sagemaker.core.shapes")
        return shapes.ProcessingInput(
            input_name=name,
            s3_input=shapes.ProcessingS3Input(
                s3_uri=location,
                local_path=f"{_INPUT_FOLDER}/{name}",
                s3_data_type="S3Prefix",
                s3_input_mode="File",
            ),
        )

    def output(self, name: str, folder: str) -> Any:
        shapes = import_module("sagemaker.core.shapes")
        return shapes.ProcessingOutput(
            output_name=name,
            # The SDK makes the location in S3.
            s3_output=shapes.ProcessingS3Output(
                s3_uri="", local_path=folder, s3_upload_mode="EndOfJob"
            ),
        )

    def step(self, **arguments: Any) -> Any:
        return import_module("sagemaker.mlops.workflow.steps").ProcessingStep(**arguments)


def _processor_arguments(
    config: DummyTrainingConfig, image: str, session: Any
) -> Mapping[str, Any]:
    return {
        "role": config.role,
        "image_uri": image,
        "command": ["python3"],
        "instance_count": 1,
        "instance_type": config.instance_type,
        "volume_size_in_gb": config.volume_size,
        "sagemaker_session": session,
    }


def _framework_image(module: str, config: DummyTrainingConfig, session: Any) -> str:
    image: str = import_module(module).retrieve(
        _FRAMEWORK,
        session.boto_region_name,
        version=config.framework_version,
        py_version="py3",
        instance_type=config.instance_type,
        image_scope="training",
    )
    return image


@lru_cache(maxsize=1)
def _sdk() -> _Version2 | _Version3:
    try:
        major = int(version("sagemaker").partition(".")[0])
    except PackageNotFoundError:
        raise ImportError(
            "the SageMaker Python SDK is not installed: pip install 'sagemaker>=2.240,<4'"
        ) from None
    return _Version2() if major < 3 else _Version3()
