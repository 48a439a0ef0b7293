"""A suite from a contract alone: what can be tried on a step that nobody has written one for.

Each input is absent, empty or present; each required variable set or not, each optional one not set
or at its default. What is present comes from the samples beside the contract:

- `samples/INPUT/`: the files of an input; a `model.tar.gz` is generated where none is given
- `samples/code/`: files that lie beside the script, other than the modules that it imports
- `samples/environment.json`: values of the required variables
- `samples/arguments.json`: values of the arguments, which are given in every case

The samples of a step in a pipeline definition are in `samples/STEP`, and what the definition itself
gives, arguments and variables, is given in every case.

The step must succeed with all that is required and then leave something in every output; without it
must fail, and name what is missing. A case that lacks a sample is not proven, and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness.cases.case import Case
from harness.cases.code_beside import source_folder
from harness.cases.expectation import Expectation, Matches
from harness.cases.matrix import Axis, Edit, Suite, as_it_is
from harness.contracts.contract import Contract, Input, Open
from harness.errors import WrongContract, WrongUse
from harness.worlds import jobs
from harness.worlds.archives import PYTORCH, model_archive
from harness.worlds.jobs import PROCESSING, TRAINING, Job, Request
from harness.worlds.tree import Tree, is_under

_MODEL = "model.tar.gz"
_NAMES_A_MODEL = re.compile(r"model(_artifacts?)?(_input)?")
_NOT_SAMPLES = ("__pycache__", ".gitkeep", ".DS_Store")


def derived(contract: Contract, script: bytes, profile: Job | None = None) -> Suite:
    """The suite of a step that is run as this type of job, or as the one that its mounts tell.

    Raises `WrongContract` when a file of samples cannot be read, and `WrongUse` when the job cannot
    mount an input.
    """
    job = profile or _job(contract)
    if profile is not None:
        _must_mount(job, contract)
    samples = contract.samples
    values = _values(samples / "environment.json")
    request, unknown = _request(job, contract, values)
    code = contract.given.code if contract.given and contract.given.code else job.code
    tree = Tree.for_job(job, contract.output_folders, request)
    start = Case(
        tree=tree.with_code(source_folder(contract, script), at=code),
        script=f"{code}/{contract.entry_point}",
        cwd=job.working_directory,
        arguments=job.arguments(request),
    )
    files = {name: _files(samples, name, one) for name, one in contract.inputs.items()}
    inputs = [
        _input_axis(job, name, one, files[name] or {}) for name, one in contract.inputs.items()
    ]
    always = _always_set(job, contract, request)
    required = [name for name in contract.environment.required if name not in always]
    variables = [
        *(_variable(name, "unset", "set", values.get(name, "")) for name in required),
        *(
            _variable(name, "unset", "default", default)
            for name, default in contract.environment.optional.items()
            if name not in always
        ),
    ]

    def unproven(choices: Mapping[str, str]) -> str:
        for name, found in files.items():
            if choices[name] == "present" and found is None:
                return f"put files into {samples / name}/"
        for name in required:
            if choices[name] == "set" and name not in values:
                return f"give {name} a value in {samples / 'environment.json'}"
        return unknown

    # Where nothing varies there is one case all the same.
    alone = Axis("step", {"as-it-is": as_it_is})
    return Suite(
        start,
        (*inputs, *variables) or (alone,),
        lambda case: _expected(contract, case.choices),
        unproven=unproven,
    )


def _always_set(job: Job, contract: Contract, request: Request) -> frozenset[str]:
    """The variables that this job sets by itself, such as SM_MODEL_DIR in a training job."""
    mounts = (mount for one in contract.inputs.values() for mount in one.mounts)
    channels = tuple(Path(mount).name for mount in mounts if is_under(mount, job.channels))
    given = frozenset(contract.given.environment) if contract.given else frozenset()
    return given | frozenset(job.variables(replace(request, channels=channels)))


def _request(job: Job, contract: Contract, values: Mapping[str, str]) -> tuple[Request, str]:
    """What the job is asked for, and which sample is missing that it would take, "" if none is."""
    samples = contract.samples
    arguments = _values(samples / "arguments.json")
    given = contract.given
    if given is None:
        named = dict(_named(contract, arguments))
        if job.arguments_from != "job":
            return Request(script=contract.entry_point, hyperparameters=named), ""
        words = [word for name, one in named.items() for word in (f"--{name}", one)]
        return Request(script=contract.entry_point, arguments=tuple(words)), ""
    missing: list[str] = []

    def known(value: str | Open, of: Mapping[str, str], file: str) -> str:
        if isinstance(value, str):
            return value
        if value.name not in of:
            missing.append(f"give {value.name} a value in {samples / file}: {value.expression}")
        return of.get(value.name, "")

    request = Request(
        script=contract.entry_point,
        arguments=tuple(known(word, arguments, "arguments.json") for word in given.arguments),
        environment={
            name: known(one, values, "environment.json") for name, one in given.environment.items()
        },
        hyperparameters={
            name: known(one, arguments, "arguments.json")
            for name, one in given.hyperparameters.items()
        },
    )
    return request, missing[0] if missing else ""


def _expected(contract: Contract, choices: Mapping[str, str]) -> Expectation:
    missing = [
        says
        for name, one in contract.inputs.items()
        if one.required and choices[name] != "present"
        for says in (name, *one.mounts, *(Path(mount).name for mount in one.mounts), one.file)
        if says
    ]
    missing += [name for name in contract.environment.required if choices.get(name) == "unset"]
    if not missing:
        holds = tuple(output.path for output in contract.outputs.values() if output.required)
        return Expectation(holds=holds, explained=False)
    names = " or ".join(dict.fromkeys(missing))
    pattern = "|".join(re.escape(name) for name in dict.fromkeys(missing))
    named = Matches("missing-part", pattern, f"names what is missing: {names}")
    return Expectation(exit_code=None, error=(named,), explained=False)


def _job(contract: Contract) -> Job:
    if contract.given is not None:
        return jobs.profile(contract.given.profile)
    mounts = [mount for one in contract.inputs.values() for mount in one.mounts]
    trained = [mount.startswith(f"{TRAINING.channels}/") for mount in mounts]
    return TRAINING if trained and all(trained) else PROCESSING


def _must_mount(job: Job, contract: Contract) -> None:
    """Raise `WrongUse` when an input lies where only other jobs mount any."""
    others = {jobs.profile(name).mounts for name in jobs.built_in()} - {job.mounts}
    for name, one in contract.inputs.items():
        fits = any(is_under(mount, job.mounts) for mount in one.mounts)
        elsewhere = any(is_under(mount, other) for mount in one.mounts for other in others)
        if elsewhere and not fits:
            raise WrongUse(
                f"a {job.name} job mounts inputs below {job.mounts}; the mounts of {name} are "
                f"{', '.join(one.mounts)}",
                "name another --profile, or add the mount to the contract",
            )


def _input_axis(job: Job, name: str, one: Input, files: Mapping[str, bytes]) -> Axis:
    mount = next((m for m in one.mounts if m.startswith(f"{job.channels}/")), one.mounts[0])

    def holding(found: Mapping[str, bytes]) -> Edit:
        def edit(case: Case) -> Case:
            folder, _, channel = mount.rpartition("/")
            if folder == job.channels:
                return case.with_tree(case.tree.with_channel(channel, found))
            return case.with_tree(case.tree.with_files(mount, found))

        return edit

    return Axis(name, {"absent": as_it_is, "empty": holding({}), "present": holding(files)})


def _variable(name: str, without: str, within: str, value: str) -> Axis:
    def edit(case: Case) -> Case:
        environment = {**case.tree.request.environment, name: value}
        tree = case.tree.asked(environment=environment)
        return replace(case, tree=tree, variables={**case.variables, name: value})

    return Axis(name, {without: as_it_is, within: edit})


def _files(samples: Path, name: str, one: Input) -> Mapping[str, bytes] | None:
    """The files of an input, by relative name; None where there are none."""
    folder = samples / name
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not set(path.relative_to(folder).parts) & set(_NOT_SAMPLES)
    }
    is_model = one.file == _MODEL or (one.file is None and _NAMES_A_MODEL.fullmatch(name))
    if not found and is_model:
        return {_MODEL: model_archive(PYTORCH)}
    return found or None


def _values(path: Path) -> Mapping[str, str]:
    """A flat JSON object of texts; an empty one where there is no such file."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongContract(f"{path}: cannot be read: {error}", "mend it") from None
    if not isinstance(values, dict) or not all(isinstance(one, str) for one in values.values()):
        raise WrongContract(f"{path}: is not an object of texts", 'as in: {"NAME": "value"}')
    return values


def _named(contract: Contract, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The declared arguments that have a sample: name without dashes, value."""
    for name in contract.arguments:
        for spelled in (name, name.lstrip("-")):
            if spelled in given:
                yield name.lstrip("-"), given[spelled]
                break
