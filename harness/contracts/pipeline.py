"""SageMaker pipeline definitions: the JSON of the SDK's `Pipeline.definition()`.

Each Processing and Training step that runs a script is a contract: its inputs, outputs, arguments
and variables are what the job has. Steps of other types are passed over, and so are keys that say
nothing about the script; steps in a Condition's branches and a ForEach's body count too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from harness.contracts.contract import Contract, Environment, Given, Input, Open, Output
from harness.contracts.expressions import Where, parameters, resolved
from harness.contracts.launch import Launch, NoScript, of_processing, of_training
from harness.contracts.reading import Options, StepInFile
from harness.errors import WrongContract, WrongUse
from harness.files import json_file
from harness.files.json_file import JsonFile

SUFFIX = ".json"
_TRAINING_INPUTS = "/opt/ml/input/data"
_NESTED = ("IfSteps", "ElseSteps", "ForEachBody", "Steps")
_EXIT_CODES = {0: "the step did its work", 1: "the step failed"}


class _Part(BaseModel):
    """A part of a definition; keys that are not named here are the service's affair."""

    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_pascal)


class _Step(_Part):
    name: str
    type: str
    arguments: dict[str, Any] = {}


class _Local(_Part):
    local_path: Any


class _ProcessingInput(_Part):
    input_name: str
    s3_input: _Local | None = None
    dataset_definition: _Local | None = None


class _ProcessingOutput(_Part):
    output_name: str
    s3_output: _Local | None = None


class _Outputs(_Part):
    outputs: list[_ProcessingOutput]


class _AppSpecification(_Part):
    container_entrypoint: list[Any] | None = None
    container_arguments: list[Any] | None = None


class _Processing(_Part):
    app_specification: _AppSpecification
    processing_inputs: list[_ProcessingInput] | None = None
    processing_output_config: _Outputs
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
class _Found:
    """A step of a definition and where it is."""

    step: _Step
    where: Where


def matches(path: Path) -> bool:
    """Whether the file may be one of these."""
    return path.suffix == SUFFIX


def steps(path: Path) -> tuple[StepInFile, ...]:
    """The Processing and Training steps of a definition; raises `WrongContract`."""
    file = json_file.read(path)
    return tuple(_step_in_file(file, found) for found in _jobs(file))


def read(path: Path, options: Options) -> Contract:
    """Read the step that is asked for, or the only one; raises `WrongContract` or `WrongUse`."""
    file = json_file.read(path)
    found = _picked(file, options.step)
    try:
        launch = _launch(file, found)
    except NoScript as error:
        raise file.wrong(found.where, str(error), "name a step that runs one") from None
    where = (*found.where, "Arguments")
    known = parameters(file)
    folder = path.parent if options.code is None else options.code
    script = launch.script or _script_beside(file, found, launch, folder, options.script)
    inputs, outputs = _places(file, found, known)
    given = Given(
        profile=launch.profile,
        arguments=launch.arguments,
        environment=_environment(file, where, known),
        hyperparameters=launch.hyperparameters,
        code=launch.code,
    )
    return Contract(
        name=found.step.name,
        entry_point=Path(script).name,
        inputs={name: one for name, one in inputs.items() if not launch.is_code(one.mounts[0])},
        outputs=outputs,
        arguments=launch.declared,
        environment=Environment(
            optional={
                name: "" if isinstance(value, Open) else value
                for name, value in given.environment.items()
            }
        ),
        exit_codes=_EXIT_CODES,
        folder=Path(script).parent,
        warnings=tuple(_left_open(file, found, given)),
        given=given,
    )


def _jobs(file: JsonFile) -> list[_Found]:
    if not isinstance(file.content.get("Steps"), list):
        raise file.wrong(("Steps",), "a pipeline definition has a list of steps here, and this not")
    found = [one for one in _walk(file, ("Steps",)) if one.step.type in ("Processing", "Training")]
    names = [one.step.name for one in found]
    for one in found:
        if names.count(one.step.name) > 1:
            raise file.wrong((*one.where, "Name"), f"two steps are named {one.step.name}")
    return found


def _walk(file: JsonFile, where: Where) -> Iterator[_Found]:
    listed: Any = file.content
    for key in where:
        listed = listed[key]
    for number, _ in enumerate(listed):
        at = (*where, number)
        step = file.validated(_Step, at)
        yield _Found(step, at)
        for key in _NESTED:
            if isinstance(step.arguments.get(key), list):
                yield from _walk(file, (*at, "Arguments", key))


def _picked(file: JsonFile, name: str | None) -> _Found:
    jobs = _jobs(file)
    if name is not None:
        for one in jobs:
            if one.step.name == name:
                return one
        names = ", ".join(one.step.name for one in jobs) or "none"
        raise WrongUse(f"{file.path} has no step {name!r} that is a job", f"it has: {names}")
    fit = [one for one in jobs if not _step_in_file(file, one).unfit]
    if len(fit) == 1:
        return fit[0]
    if not jobs:
        raise file.wrong(("Steps",), "none of them is a Processing or a Training step")
    if not fit:
        raise WrongContract(
            _step_in_file(file, jobs[0]).unfit, "name a definition with a step that does"
        )
    names = ", ".join(one.step.name for one in fit)
    raise WrongUse(f"{file.path} has several steps: {names}", "pick one with --step NAME")


def _step_in_file(file: JsonFile, found: _Found) -> StepInFile:
    try:
        _launch(file, found)
    except NoScript as error:
        return StepInFile(found.step.name, f"{file.at(found.where)}: {error}")
    return StepInFile(found.step.name)


def _launch(file: JsonFile, found: _Found) -> Launch:
    """How the step starts its script; raises `NoScript`."""
    where = (*found.where, "Arguments")
    known = parameters(file)
    if found.step.type == "Training":
        training = file.validated(_Training, where)
        channels = tuple(one.channel_name for one in training.input_data_config or ())
        hyperparameters = {
            name: resolved(file, (*where, "HyperParameters", name), known, name)
            for name in training.hyper_parameters or ()
        }
        return of_training(
            _words(file, (*where, "AlgorithmSpecification"), known), channels, hyperparameters
        )
    file.validated(_Processing, where)
    return of_processing(_words(file, (*where, "AppSpecification"), known))


def _words(
    file: JsonFile, where: Where, known: Mapping[str, str | None]
) -> tuple[tuple[str | Open, ...], tuple[str | Open, ...]]:
    """The words of the container's entry point, and those of its arguments."""
    part: Any = file.content
    for key in where:
        part = part[key]
    found: list[tuple[str | Open, ...]] = []
    for key in ("ContainerEntrypoint", "ContainerArguments"):
        words: list[str | Open] = []
        for number, _ in enumerate(part.get(key) or ()):
            before = words[-1] if words else ""
            flag = before if isinstance(before, str) and before.startswith("-") else ""
            name = flag.lstrip("-") or str(number + 1)
            words.append(resolved(file, (*where, key, number), known, name))
        found.append(tuple(words))
    return found[0], found[1]


def _environment(
    file: JsonFile, where: Where, known: Mapping[str, str | None]
) -> dict[str, str | Open]:
    part: Any = file.content
    for key in where:
        part = part[key]
    return {
        name: resolved(file, (*where, "Environment", name), known, name)
        for name in part.get("Environment") or {}
    }


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


def _places(
    file: JsonFile, found: _Found, known: Mapping[str, str | None]
) -> tuple[dict[str, Input], dict[str, Output]]:
    """What the job mounts, its code too, and what it takes away."""
    where = (*found.where, "Arguments")
    if found.step.type == "Training":
        training = file.validated(_Training, where)
        return _channels(training), _training_outputs(training)
    processing = file.validated(_Processing, where)

    def place(at: Where) -> str:
        path = resolved(file, at, known, "LocalPath")
        if isinstance(path, Open) or not path.startswith("/"):
            raise file.wrong(at, "is not an absolute path that is known before the pipeline runs")
        return path.rstrip("/")

    inputs: dict[str, Input] = {}
    for number, one in enumerate(processing.processing_inputs or ()):
        at = (*where, "ProcessingInputs", number)
        if one.input_name in inputs:
            raise file.wrong((*at, "InputName"), f"two inputs are named {one.input_name}")
        key = "DatasetDefinition" if one.dataset_definition else "S3Input"
        if one.s3_input is None and one.dataset_definition is None:
            raise file.wrong((*at, key), "is required and missing")
        inputs[one.input_name] = Input(required=True, mounts=(place((*at, key, "LocalPath")),))
    outputs: dict[str, Output] = {}
    for number, output in enumerate(processing.processing_output_config.outputs):
        at = (*where, "ProcessingOutputConfig", "Outputs", number)
        if output.s3_output is None:
            raise file.wrong((*at, "S3Output"), "is required and missing")
        if output.output_name in outputs:
            raise file.wrong((*at, "OutputName"), f"two outputs are named {output.output_name}")
        outputs[output.output_name] = Output(path=place((*at, "S3Output", "LocalPath")))
    if not outputs:
        raise file.wrong(
            (*where, "ProcessingOutputConfig", "Outputs"),
            "there is none, so that nothing can be proved of the step",
        )
    return inputs, outputs


def _script_beside(
    file: JsonFile, found: _Found, launch: Launch, folder: Path, script: Path | None
) -> str:
    """The script's file name where only a shell script on S3 says it."""
    if script is not None:
        return script.name
    beside = sorted(path.name for path in folder.glob("*.py"))
    alike = [one for one in beside if _plain(Path(one).stem) == _plain(found.step.name)]
    for few in (beside, alike):
        if len(few) == 1:
            return few[0]
    raise file.wrong(
        (*found.where, "Arguments"),
        f"{launch.starter} starts a script that the definition does not name",
        f"name it with --script FILE; or let it be the only Python file in {folder}",
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _left_open(file: JsonFile, found: _Found, given: Given) -> Iterator[str]:
    where = (*found.where, "Arguments")
    groups: Mapping[str, tuple[str | Open, ...]] = {
        "argument": given.arguments,
        "variable": tuple(given.environment.values()),
        "hyperparameter": tuple(given.hyperparameters.values()),
    }
    for kind, values in groups.items():
        for value in values:
            if isinstance(value, Open):
                yield (
                    f"{file.at(where)}: the {kind} {value.name} is known only when the pipeline "
                    f"runs: {value.expression}"
                )
