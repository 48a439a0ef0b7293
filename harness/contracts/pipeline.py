"""SageMaker pipeline definitions: the JSON of the SDK's `Pipeline.definition()`.

Each Processing and Training step that runs a script becomes a contract with the inputs, outputs,
arguments and variables of the job; steps in a Condition's branches and a ForEach's body too. Steps
of other types are ignored, and so are keys that do not concern the script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from harness.contracts.contract import Contract, Environment, Input, JobSettings, Output, Unresolved
from harness.contracts.expressions import parameters, resolve
from harness.contracts.launch import Launch, NoScript, processing_launch, training_launch
from harness.contracts.reading import Options, StepInFile
from harness.errors import WrongContract, WrongUse
from harness.files import json_file
from harness.files.json_file import JsonFile
from harness.files.models import KeyPath

SUFFIX = ".json"
_TRAINING_INPUTS = "/opt/ml/input/data"
_NESTED = ("IfSteps", "ElseSteps", "ForEachBody", "Steps")
# This form says nothing about failures: any code will do.
_EXIT_CODES = {0: "the step did its work"}


class _Part(BaseModel):
    """A part of a definition; keys without a field here are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_pascal)


class _Step(_Part):
    name: str
    type: str
    arguments: dict[str, Any] = {}


class _S3Location(_Part):
    local_path: Any


class _ProcessingInput(_Part):
    input_name: str
    s3_input: _S3Location | None = None
    dataset_definition: _S3Location | None = None


class _ProcessingOutput(_Part):
    output_name: str
    s3_output: _S3Location | None = None


class _Outputs(_Part):
    outputs: list[_ProcessingOutput]


class _AppSpecification(_Part):
    container_entrypoint: list[Any] | None = None
    container_arguments: list[Any] | None = None


class _Processing(_Part):
    app_specification: _AppSpecification
    processing_inputs: list[_ProcessingInput] | None = None
    processing_output_config: _Outputs | None = None
    environment: dict[str, Any] | None = None


class _Channel(_Part):
    channel_name: str


class _OutputDataConfig(_Part):
    s3_output_path: Any


class _Training(_Part):
    algorithm_specification: _AppSpecification
    input_data_config: list[_Channel] | None = None
    output_data_config: _OutputDataConfig
    hyper_parameters: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    checkpoint_config: dict[str, Any] | None = None


@dataclass(frozen=True)
class _JobStep:
    """A Processing or Training step of a definition, and its keys."""

    step: _Step
    where: KeyPath


def matches(path: Path) -> bool:
    """Whether the file may be a pipeline definition."""
    return path.suffix == SUFFIX


def steps(path: Path) -> tuple[StepInFile, ...]:
    """The Processing and Training steps of a definition; raises `WrongContract`."""
    file = json_file.read(path)
    jobs, errors = _job_steps(file)
    return (
        *(_step_in_file(file, job_step) for job_step in jobs),
        *(StepInFile("", error=error) for error in errors),
    )


def read(path: Path, options: Options) -> Contract:
    """Read the step of `options`, or the only one; raises `WrongContract` or `WrongUse`."""
    file = json_file.read(path)
    job_step = _select_step(file, options.step)
    try:
        launch = _launch(file, job_step)
    except NoScript as error:
        raise file.error(job_step.where, str(error), "name a step that runs one") from None
    where = (*job_step.where, "Arguments")
    defaults = parameters(file)
    folder = path.parent if options.code is None else options.code
    script = launch.script or _find_script(file, job_step, launch, folder, options.script)
    with file.errors() as errors:
        environment: dict[str, str | Unresolved] = {}
        with errors.collected():
            environment = _environment(file, where, defaults)
        inputs, outputs = _inputs_and_outputs(file, job_step, defaults)
    settings = JobSettings(
        profile=launch.profile,
        arguments=launch.arguments,
        environment=environment,
        hyperparameters=launch.hyperparameters,
        code=launch.code,
    )
    return Contract(
        name=job_step.step.name,
        entry_point=Path(script).name,
        inputs={name: one for name, one in inputs.items() if not launch.is_code(one.mounts[0])},
        outputs=outputs,
        sink=not outputs,
        arguments=launch.argument_sources,
        environment=Environment(
            optional={
                name: "" if isinstance(value, Unresolved) else value
                for name, value in settings.environment.items()
            }
        ),
        exit_codes=_EXIT_CODES,
        folder=Path(script).parent,
        warnings=tuple(_unresolved_warnings(file, job_step, settings)),
        job=settings,
    )


def _job_steps(file: JsonFile) -> tuple[list[_JobStep], list[WrongContract]]:
    """The jobs of a definition, and the errors of those steps that cannot be read."""
    if not isinstance(file.content.get("Steps"), list):
        raise file.error(("Steps",), "a pipeline definition has a list of steps here, and this not")
    errors: list[WrongContract] = []
    steps = list(_walk_steps(file, ("Steps",), errors))
    jobs = [one for one in steps if one.step.type in ("Processing", "Training")]
    names = [one.step.name for one in jobs]
    duplicates = {name for name in names if names.count(name) > 1}
    for name in sorted(duplicates):
        where = next(one.where for one in jobs if one.step.name == name)
        errors.append(file.error((*where, "Name"), f"two steps are named {name}"))
    return [one for one in jobs if one.step.name not in duplicates], errors


def _walk_steps(file: JsonFile, where: KeyPath, errors: list[WrongContract]) -> Iterator[_JobStep]:
    listed: Any = file.content
    for key in where:
        listed = listed[key]
    for number, _ in enumerate(listed):
        at = (*where, number)
        try:
            step = file.validate(_Step, at)
        except WrongContract as error:
            errors.append(error)
            continue
        yield _JobStep(step, at)
        for key in _NESTED:
            if isinstance(step.arguments.get(key), list):
                yield from _walk_steps(file, (*at, "Arguments", key), errors)


def _select_step(file: JsonFile, name: str | None) -> _JobStep:
    jobs, errors = _job_steps(file)
    if name is not None:
        for one in jobs:
            if one.step.name == name:
                return one
    if errors:
        raise errors[0]
    if name is not None:
        names = ", ".join(one.step.name for one in jobs) or "none"
        raise WrongUse(f"{file.path} has no step {name!r} that is a job", f"it has: {names}")
    provable = [one for one in jobs if not _step_in_file(file, one).unfit]
    if len(provable) == 1:
        return provable[0]
    if not jobs:
        raise file.error(("Steps",), "none of them is a Processing or a Training step")
    if not provable:
        raise WrongContract(
            _step_in_file(file, jobs[0]).unfit, "name a definition with a step that does"
        )
    names = ", ".join(one.step.name for one in provable)
    raise WrongUse(f"{file.path} has several steps: {names}", "pick one with --step NAME")


def _step_in_file(file: JsonFile, job_step: _JobStep) -> StepInFile:
    try:
        _launch(file, job_step)
    except NoScript as error:
        return StepInFile(job_step.step.name, f"{file.location(job_step.where)}: {error}")
    except WrongContract as error:
        return StepInFile(job_step.step.name, error=error)
    return StepInFile(job_step.step.name)


def _launch(file: JsonFile, job_step: _JobStep) -> Launch:
    """How the step starts its script; raises `NoScript`."""
    where = (*job_step.where, "Arguments")
    defaults = parameters(file)
    if job_step.step.type == "Training":
        training = file.validate(_Training, where)
        channels = tuple(one.channel_name for one in training.input_data_config or ())
        hyperparameters = {
            name: resolve(file, (*where, "HyperParameters", name), defaults, name)
            for name in training.hyper_parameters or ()
        }
        return training_launch(
            _command_words(file, (*where, "AlgorithmSpecification"), defaults),
            channels,
            hyperparameters,
        )
    file.validate(_Processing, where)
    return processing_launch(_command_words(file, (*where, "AppSpecification"), defaults))


def _command_words(
    file: JsonFile, where: KeyPath, defaults: Mapping[str, str | None]
) -> tuple[tuple[str | Unresolved, ...], tuple[str | Unresolved, ...]]:
    """The words of the container's entry point, and those of its arguments."""
    part: Any = file.content
    for key in where:
        part = part[key]
    commands: list[tuple[str | Unresolved, ...]] = []
    for key in ("ContainerEntrypoint", "ContainerArguments"):
        words: list[str | Unresolved] = []
        for number, _ in enumerate(part.get(key) or ()):
            before = words[-1] if words else ""
            flag = before if isinstance(before, str) and before.startswith("-") else ""
            name = flag.lstrip("-") or str(number + 1)
            words.append(resolve(file, (*where, key, number), defaults, name))
        commands.append(tuple(words))
    return commands[0], commands[1]


def _environment(
    file: JsonFile, where: KeyPath, defaults: Mapping[str, str | None]
) -> dict[str, str | Unresolved]:
    part: Any = file.content
    for key in where:
        part = part[key]
    environment = {}
    with file.errors() as errors:
        for name in part.get("Environment") or {}:
            with errors.collected():
                environment[name] = resolve(file, (*where, "Environment", name), defaults, name)
    return environment


def _channels(training: _Training) -> dict[str, Input]:
    return {
        one.channel_name: Input(required=True, mounts=(f"{_TRAINING_INPUTS}/{one.channel_name}",))
        for one in training.input_data_config or ()
    }


def _training_outputs(training: _Training) -> dict[str, Output]:
    outputs = {
        "model": Output(path="/opt/ml/model"),
        "output_data": Output(path="/opt/ml/output/data", required=False),
    }
    if training.checkpoint_config is not None:
        local = training.checkpoint_config.get("LocalPath") or "/opt/ml/checkpoints"
        outputs["checkpoints"] = Output(path=str(local), required=False)
    return outputs


def _inputs_and_outputs(
    file: JsonFile, job_step: _JobStep, defaults: Mapping[str, str | None]
) -> tuple[dict[str, Input], dict[str, Output]]:
    """The inputs, those for code included, and the outputs of the job."""
    where = (*job_step.where, "Arguments")
    if job_step.step.type == "Training":
        training = file.validate(_Training, where)
        return _channels(training), _training_outputs(training)
    processing = file.validate(_Processing, where)

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
        inputs[one.input_name] = Input(required=True, mounts=(mount,))

    def add_output(number: int, one: _ProcessingOutput) -> None:
        at = (*where, "ProcessingOutputConfig", "Outputs", number)
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


def _find_script(
    file: JsonFile, job_step: _JobStep, launch: Launch, folder: Path, script: Path | None
) -> str:
    """The file name of a script that the definition does not name.

    It is the only Python file in `folder`, or the only one with the name of the step.
    """
    if script is not None:
        return script.name
    scripts = sorted(path.name for path in folder.glob("*.py"))
    name = _normalised(job_step.step.name)
    same_name = [one for one in scripts if _normalised(Path(one).stem) == name]
    for candidates in (scripts, same_name):
        if len(candidates) == 1:
            return candidates[0]
    raise file.error(
        (*job_step.where, "Arguments"),
        f"{launch.starter} starts a script that the definition does not name",
        f"name it with --script FILE; or let it be the only Python file in {folder}",
    )


def _normalised(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _unresolved_warnings(
    file: JsonFile, job_step: _JobStep, settings: JobSettings
) -> Iterator[str]:
    where = (*job_step.where, "Arguments")
    groups: Mapping[str, tuple[str | Unresolved, ...]] = {
        "argument": settings.arguments,
        "variable": tuple(settings.environment.values()),
        "hyperparameter": tuple(settings.hyperparameters.values()),
    }
    for kind, values in groups.items():
        for value in values:
            if isinstance(value, Unresolved):
                yield (
                    f"{file.location(where)}: the {kind} {value.name} is known only when the "
                    f"pipeline runs: {value.expression}"
                )
