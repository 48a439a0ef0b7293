"""The parts of a job in a pipeline definition: its inputs, its outputs and its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from harness.contracts.contract import Distribution, Input, InputMode, Output, Unresolved
from harness.contracts.expressions import resolve
from harness.files.json_file import JsonFile
from harness.files.models import KeyPath

_TRAINING_INPUTS = "/opt/ml/input/data"
Defaults = Mapping[str, "str | None"]


# Where a training job, and a processing job, says what it runs on.
_RESOURCES = (("ResourceConfig",), ("ProcessingResources", "ClusterConfig"))


class Part(BaseModel):
    """A part of a definition; keys without a field here are ignored."""

    model_config = ConfigDict(defer_build=True, frozen=True, strict=True, alias_generator=to_pascal)


def _mode(value: Any) -> Any:
    if value == "Pipe":
        what = "gives the script no files but a pipe, which the harness cannot make"
        raise PydanticCustomError("input_mode", what)
    # Where only a run of the pipeline knows it, files it is.
    return value if value == "FastFile" else None


_Mode = Annotated[InputMode | None, BeforeValidator(_mode)]


class _S3Location(Part):
    local_path: Any
    s3_input_mode: _Mode = None
    s3_data_distribution_type: Any = None


class _S3Data(Part):
    s3_data_distribution_type: Any = None


class _DataSource(Part):
    s3_data_source: _S3Data | None = None


class _ProcessingInput(Part):
    input_name: str
    s3_input: _S3Location | None = None
    dataset_definition: _S3Location | None = None


class _ProcessingOutput(Part):
    output_name: str
    s3_output: _S3Location | None = None
    feature_store_output: dict[str, Any] | None = None


class _Outputs(Part):
    outputs: list[_ProcessingOutput]


class _AppSpecification(Part):
    container_entrypoint: list[Any] | None = None
    container_arguments: list[Any] | None = None


class Processing(Part):
    """The arguments of a Processing step."""

    app_specification: _AppSpecification
    processing_inputs: list[_ProcessingInput] | None = None
    processing_output_config: _Outputs | None = None
    environment: dict[str, Any] | None = None


class _AlgorithmSpecification(_AppSpecification):
    training_input_mode: _Mode = None


class _Channel(Part):
    channel_name: str
    content_type: str | None = None
    input_mode: _Mode = None
    data_source: _DataSource | None = None


class _OutputDataConfig(Part):
    s3_output_path: Any


class Training(Part):
    """The arguments of a Training step."""

    algorithm_specification: _AlgorithmSpecification
    input_data_config: list[_Channel] | None = None
    output_data_config: _OutputDataConfig
    hyper_parameters: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    checkpoint_config: dict[str, Any] | None = None


def _channels(training: Training) -> dict[str, Input]:
    return {
        one.channel_name: Input(
            required=True,
            mounts=(f"{_TRAINING_INPUTS}/{one.channel_name}",),
            distribution=_distribution(one.data_source.s3_data_source if one.data_source else None),
            content_type=one.content_type or "",
            input_mode=one.input_mode
            or training.algorithm_specification.training_input_mode
            or "File",
        )
        for one in training.input_data_config or ()
    }


def _distribution(location: _S3Location | _S3Data | None) -> Distribution:
    sharded = location is not None and location.s3_data_distribution_type == "ShardedByS3Key"
    return "ShardedByS3Key" if sharded else "FullyReplicated"


def instance_count(file: JsonFile, kind: str, where: KeyPath, defaults: Defaults) -> int:
    """The number of hosts; 1 where only a run of the pipeline knows it."""
    count = _known(file, where, (*_RESOURCES[kind == "Processing"], "InstanceCount"), defaults)
    return int(count) if count.isdecimal() and int(count) else 1


def job_values(file: JsonFile, kind: str, where: KeyPath, defaults: Defaults) -> Mapping[str, str]:
    """The image and the type of instances that the job asks for, where they are known."""
    is_processing = kind == "Processing"
    image = ("AppSpecification", "ImageUri")
    places = {
        "image": image if is_processing else ("AlgorithmSpecification", "TrainingImage"),
        "instance_type": (*_RESOURCES[is_processing], "InstanceType"),
    }
    found = {name: _known(file, where, keys, defaults) for name, keys in places.items()}
    return {name: value for name, value in found.items() if value}


def _known(file: JsonFile, where: KeyPath, keys: tuple[str, ...], defaults: Defaults) -> str:
    """The text of a key of a job; "" where there is none, or where only a run knows it."""
    part: Any = file.content
    for key in where:
        part = part[key]
    for name in keys:
        part = part.get(name) if isinstance(part, dict) else None
    if part is None:
        return ""
    value = resolve(file, (*where, *keys), defaults, keys[-1])
    return value if isinstance(value, str) else ""


def _training_outputs(training: Training) -> dict[str, Output]:
    outputs = {
        "model": Output(path="/opt/ml/model"),
        "output_data": Output(path="/opt/ml/output/data", required=False),
    }
    if training.checkpoint_config is not None:
        local = training.checkpoint_config.get("LocalPath") or "/opt/ml/checkpoints"
        outputs["checkpoints"] = Output(path=str(local), required=False)
    return outputs


def inputs_and_outputs(
    file: JsonFile, kind: str, where: KeyPath, defaults: Defaults
) -> tuple[dict[str, Input], dict[str, Output]]:
    """The inputs, those for code included, and the outputs of the job."""
    if kind == "Training":
        training = file.validate(Training, where)
        return _channels(training), _training_outputs(training)
    processing = file.validate(Processing, where)

    def local_path_at(at: KeyPath) -> str:
        path = resolve(file, at, defaults, "LocalPath")
        if isinstance(path, Unresolved) or not path.startswith("/"):
            raise file.error(at, "is not an absolute path that is known before the pipeline runs")
        return path.rstrip("/")

    def add_input(number: int, one: _ProcessingInput) -> None:
        at = (*where, "ProcessingInputs", number)
        if one.input_name in inputs:
            raise file.error((*at, "InputName"), f"two inputs are named {one.input_name}")
        key = "DatasetDefinition" if one.dataset_definition else "S3Input"
        if one.s3_input is None and one.dataset_definition is None:
            raise file.error((*at, key), "is required and missing")
        # A wrong input is an input as well, of whose name there is no second.
        inputs[one.input_name] = Input(required=True, mounts=("/",))
        mount = local_path_at((*at, key, "LocalPath"))
        inputs[one.input_name] = Input(
            required=True, mounts=(mount,), distribution=_distribution(one.s3_input)
        )

    def add_output(number: int, one: _ProcessingOutput) -> None:
        at = (*where, "ProcessingOutputConfig", "Outputs", number)
        if one.s3_output is None and one.feature_store_output is not None:
            # It has no folder: the container itself writes to the store.
            return
        if one.s3_output is None:
            raise file.error((*at, "S3Output"), "is required and missing")
        if one.output_name in outputs:
            raise file.error((*at, "OutputName"), f"two outputs are named {one.output_name}")
        outputs[one.output_name] = Output(path=local_path_at((*at, "S3Output", "LocalPath")))

    inputs: dict[str, Input] = {}
    outputs: dict[str, Output] = {}
    configured = processing.processing_output_config
    with file.errors() as errors:
        for number, one in enumerate(processing.processing_inputs or ()):
            with errors.collected():
                add_input(number, one)
        for number, output in enumerate(configured.outputs if configured else ()):
            with errors.collected():
                add_output(number, output)
    return inputs, outputs
