"""SageMaker pipeline definitions: the JSON of the SDK's `Pipeline.definition()`.

Each Processing and Training step that runs a script becomes a contract with the inputs, outputs,
arguments and variables of the job; steps in a Condition's branches and a ForEach's body too. Steps
of other types are ignored, and so are keys that do not concern the script.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts.beside import contract_beside, described
from harness.contracts.contract import (
    Contract,
    Environment,
    JobSettings,
    Unresolved,
)
from harness.contracts.definition import (
    Part,
    Processing,
    Training,
    inputs_and_outputs,
    instance_count,
    job_values,
)
from harness.contracts.expressions import parameters, resolve
from harness.contracts.job_limits import refused
from harness.contracts.launch import Launch, NoScript, processing_launch, training_launch
from harness.contracts.reading import Options, StepInFile, module_file
from harness.errors import WrongContract, WrongUse
from harness.files import json_file
from harness.files.json_file import JsonFile
from harness.files.models import KeyPath

SUFFIX = ".json"
_NESTED = ("IfSteps", "ElseSteps", "ForEachBody", "Steps")
# This form says nothing about failures: any code will do.
_EXIT_CODES = {0: "the step did its work"}


class _Step(Part):
    name: str
    type: str
    arguments: Mapping[str, Any] = {}


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
    folder = path.parent if options.code is None else options.code
    try:
        launch = _launch(file, job_step, folder)
    except NoScript as error:
        raise file.error(job_step.where, str(error), "name a step that runs one") from None
    where = (*job_step.where, "Arguments")
    defaults = parameters(file)
    script = launch.script or (module_file(folder, launch.module) if launch.module else "")
    script = script or _find_script(file, job_step, launch, folder, options.script)
    # The training toolkit runs it from the folder of all code.
    script_in = posixpath.dirname(script) if launch.profile == "training" else ""
    with file.errors() as errors:
        environment: dict[str, str | Unresolved] = {}
        with errors.collected():
            environment = _environment(file, where, defaults)
        inputs, outputs = inputs_and_outputs(file, job_step.step.type, where, defaults)
        errors.found.extend(refused(file, job_step.step.type, where, defaults))
    settings = JobSettings(
        profile=launch.profile,
        arguments=launch.arguments,
        environment=environment,
        hyperparameters=launch.hyperparameters,
        code=launch.code,
        script_in=script_in,
        values=job_values(file, job_step.step.type, where, defaults),
    )
    code = _mount_of_code(launch, script, [one.mounts[0] for one in inputs.values()])
    inputs = {
        name: one
        for name, one in inputs.items()
        if one.mounts[0] != code and not launch.is_code(one.mounts[0])
    }
    inputs, outputs = described(inputs, outputs, contract_beside(folder / script))
    return Contract(
        name=job_step.step.name,
        entry_point=Path(script).name,
        inputs=inputs,
        module=launch.module,
        outputs=outputs,
        sink=not outputs,
        instance_count=instance_count(file, job_step.step.type, where, defaults),
        arguments=launch.argument_sources,
        environment=Environment(
            optional={
                name: "" if isinstance(value, Unresolved) else value
                for name, value in settings.environment.items()
            }
        ),
        exit_codes=_EXIT_CODES,
        folder=Path() if script_in else Path(script).parent,
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


def _mount_of_code(launch: Launch, script: str, mounts: Sequence[str]) -> str:
    """Where the script is mounted, by an input that is no data then; "" where that is not known."""
    path = posixpath.join(launch.code or "", script)
    return max((one for one in mounts if path.startswith(f"{one}/")), key=len, default="")


def _step_in_file(file: JsonFile, job_step: _JobStep) -> StepInFile:
    try:
        _launch(file, job_step, file.path.parent)
    except NoScript as error:
        return StepInFile(job_step.step.name, f"{file.location(job_step.where)}: {error}")
    except WrongContract as error:
        return StepInFile(job_step.step.name, error=error)
    return StepInFile(job_step.step.name)


def _launch(file: JsonFile, job_step: _JobStep, folder: Path) -> Launch:
    """How the step starts its script, which lies in `folder`; raises `NoScript`."""

    def has_module(module: str) -> bool:
        top = folder / module.partition(".")[0]
        return top.is_dir() or top.with_suffix(".py").is_file()

    where = (*job_step.where, "Arguments")
    defaults = parameters(file)
    if job_step.step.type == "Training":
        training = file.validate(Training, where)
        channels = tuple(one.channel_name for one in training.input_data_config or ())
        hyperparameters = {
            name: resolve(file, (*where, "HyperParameters", name), defaults, name)
            for name in training.hyper_parameters or ()
        }
        return training_launch(
            _command_words(file, (*where, "AlgorithmSpecification"), defaults),
            channels,
            hyperparameters,
            has_module,
        )
    file.validate(Processing, where)
    words = _command_words(file, (*where, "AppSpecification"), defaults)
    return processing_launch(words, has_module)


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
