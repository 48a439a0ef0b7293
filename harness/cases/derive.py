"""Derives a suite from a contract, for a step without a `conformance.py`.

Each input is absent, empty or present, or holds what else the contract allows. Each required
variable is set or not, each optional one is not set or has its default or its sample. The content
comes from the samples in the contract's folder:

- `samples/INPUT/`: the files of an input; a `model.tar.gz` is generated where there is none
- `samples/code/`: files of the source folder other than the modules that the script imports
- `samples/environment.json`: values of the required variables
- `samples/arguments.json`: values of the arguments; `true` or "" for a flag

The samples of a step in a pipeline definition are in `samples/STEP`. The arguments and variables
that the definition sets are set in every case.

With all required parts the step must succeed and write a file to every required output; else it
must fail and name a missing part. A case that lacks a sample is not proven.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.cases.archive_kinds import of_every_kind
from harness.cases.argument_axes import Arguments, Value
from harness.cases.case import Case
from harness.cases.edits import Variable
from harness.cases.expectation import Expectation, Matches
from harness.cases.hosts import for_each_host
from harness.cases.input_axes import InputSamples, channel_of
from harness.cases.matrix import Axis, Edit, Suite, as_it_is
from harness.cases.naming import names_of_input, names_of_variable
from harness.cases.other_values import OTHER, is_switch, other_text
from harness.cases.product import id_of
from harness.cases.start import start_case
from harness.contracts.contract import Contract, Distribution, Unresolved
from harness.contracts.contract_yaml import FILE_NAME
from harness.contracts.limits import argument_refusal, refused, variable_refusal
from harness.errors import WrongContract, WrongUse
from harness.files import json_file, yaml_file
from harness.worlds import jobs
from harness.worlds.job_type import job_type
from harness.worlds.jobs import TRAINING, Job, Request
from harness.worlds.tree import Tree, is_under

_REFUSED = "change it: the service creates no job with it"
# Choices of an input that is not there, or holds nothing.
_MISSING = ("absent", "empty")


def derive_suite(contract: Contract, script: bytes, profile: Job | None = None) -> Suite:
    """The suite of a step, run as this type of job, or as the type that its mounts imply.

    Raises `WrongContract` when a file of samples cannot be read, and `WrongUse` when the job cannot
    mount an input.
    """
    job = profile or job_type(contract)
    if profile is not None:
        _check_mounts(job, contract)
    samples = contract.samples
    training = job.mounts == TRAINING.mounts
    if job.name in jobs.built_in():
        _check_limits(contract, training=training)
    values = _read_texts(samples / "environment.json")
    _check_samples(samples / "environment.json", values, training, variable_refusal)
    passed_values = _read_values(samples / "arguments.json")
    _check_samples(samples / "arguments.json", passed_values, training, argument_refusal)
    arguments = Arguments(job, contract, passed_values)
    request, missing_sample = _job_request(job, contract, values, arguments)
    code = contract.job.code if contract.job else None
    hosts = contract.host_names
    request = replace(
        request,
        hosts=hosts,
        host=hosts[0],
        distributions=_distributions(job, contract),
        values=contract.job.values if contract.job else {},
        content_types={
            channel_of(job, name, one): one.content_type
            for name, one in contract.inputs.items()
            if one.content_type
        },
        input_modes={
            channel_of(job, name, one): one.input_mode
            for name, one in contract.inputs.items()
            if one.input_mode != "File"
        },
    )
    tree = Tree.for_job(job, contract.folders_by_output, request)
    start = replace(start_case(contract, script, job, tree, code), arguments=job.arguments(request))
    inputs = [InputSamples(job, name, one, samples, hosts) for name, one in contract.inputs.items()]
    set_by_job = _variables_set_by_job(job, contract, request)
    required = [name for name in contract.environment.required if name not in set_by_job]
    variables = [
        *(_variable_axis(name, "unset", "set", values.get(name, "")) for name in required),
        *(
            _variable_axis(name, "unset", "default", default, values.get(name))
            for name, default in contract.environment.optional.items()
            if name not in set_by_job
        ),
    ]

    def unproven(choices: Mapping[str, str]) -> str:
        for one in inputs:
            if reason := one.unproven(choices[one.name]):
                return reason
        for name in required:
            if choices[name] == "set" and name not in values:
                return f"give {name} a value in {samples / 'environment.json'}"
        return missing_sample

    # Arguments that the job itself sets are the same in every case.
    passed = () if contract.job else tuple(arguments.axes())
    # Without anything that varies there is one case.
    axes = (*(one.axis() for one in inputs), *variables, *passed) or (
        Axis("step", {"as-it-is": as_it_is}),
    )
    usual = {axis.name: list(axis.choices)[-1] for axis in axes}
    usual |= {one.name: one.usual for one in inputs}
    left_out = [one.name for one in inputs if one.usual in _MISSING]

    def in_usual_world(edit: Edit) -> Edit:
        def edit_usual(case: Case) -> Case:
            for axis in axes:
                case = axis.choices[usual[axis.name]](case)
            return edit(case)

        return edit_usual

    names = {name: tuple(names_of_input(job, name, one)) for name, one in contract.inputs.items()}

    def expect(case: Case) -> Expectation:
        expected = _expected(contract, case.choices, names)
        if expected.exit_code != 0:
            return expected
        others = (name for name, choice in usual.items() if case.choices[name] != choice)
        if len([*itertools.islice(others, 2)]) != 1:
            return expected
        in_part = [part for one in inputs if (part := one.in_part(case.choices[one.name]))]
        missing = _varied(contract, case.choices, left_out)
        varied = (*in_part, *missing, *arguments.varied(case.choices))
        same = (*arguments.same(case.choices), *_same(contract, case.choices))
        expected = replace(expected, varies=next(iter(varied), ""))
        if in_part:
            # The contract does not say what the step makes of other parts, nor how many it needs.
            failure = Expectation(exit_code=None, explained=False, partial=True)
            expected = replace(expected, holds=(), partial=True, otherwise=failure)
            for one in inputs:
                choice, is_same = one.compared(case.choices[one.name])
                if choice:
                    other = id_of({**case.choices, one.name: choice})
                    if is_same:
                        return replace(expected, same_in=other)
                    return replace(expected, other_in=other)
            return expected
        own = arguments.own_value(case.choices), _own_variable(contract, case.choices)
        for kind, value in zip(("argument", "variable"), own, strict=True):
            if value is not None:
                # It may be one that is not allowed. Many numbers change nothing by intention.
                refusal = Expectation(None, explained=False, lacks=(kind,), own_value=True)
                expected = replace(expected, own_value=not is_switch(value), otherwise=refusal)
        for axis, choice, default in same:
            other = id_of({**case.choices, axis: choice})
            expected = replace(expected, same_as=other, default=default)
        return expected

    wrong = () if contract.job else tuple(arguments.wrong())
    damaged = (special for one in inputs for special in one.damaged())
    settings = (special for one in inputs for special in one.changed_settings())
    members = of_every_kind(contract, inputs, _expected(contract, usual, names))
    special = [
        replace(one, edit=in_usual_world(one.edit), unproven=unproven(usual))
        for one in (*damaged, *settings, *members, *wrong)
    ]
    is_known = left_out and not unproven(usual) and not _expected(contract, usual, names).lacks
    suite = Suite(
        start,
        axes,
        expect,
        special,
        unproven=unproven,
        usual=id_of(usual) if is_known else "",
        refusal=lambda case: _refusal(contract, case.choices, names),
    )
    return for_each_host(contract, suite, {one.name: one.files for one in inputs})


def _distributions(job: Job, contract: Contract) -> Mapping[str, Distribution]:
    """How the files of each channel come to the hosts."""
    return {
        channel_of(job, name, one): one.distribution
        for name, one in contract.inputs.items()
        if one.distribution != "FullyReplicated"
    }


def _variables_set_by_job(job: Job, contract: Contract, request: Request) -> frozenset[str]:
    """The variables that the job sets in every case, such as SM_MODEL_DIR in a training job."""
    mounts = (mount for one in contract.inputs.values() for mount in one.mounts)
    channels = tuple(Path(mount).name for mount in mounts if is_under(mount, job.channels))
    defined = frozenset(contract.job.environment) if contract.job else frozenset()
    return defined | frozenset(job.variables(replace(request, channels=channels)))


def _job_request(
    job: Job, contract: Contract, values: Mapping[str, str], arguments: Arguments
) -> tuple[Request, str]:
    """The parameters of the job, and which sample they lack, "" when none."""
    samples = contract.samples
    settings = contract.job
    if settings is None:
        always = {
            name: one or values.get(name, "") for name, one in contract.environment.always.items()
        }
        lacks = [
            f"give {name} a value in {samples / 'environment.json'}"
            for name, one in always.items()
            if not one and name not in values
        ]
        if name := arguments.missing_sample:
            lacks.append(f"give {name} a value in {samples / 'arguments.json'}")
        request = Request(script=contract.code_path, environment=always)
        if job.arguments_from != "job":
            request = replace(request, hyperparameters=arguments.hyperparameters())
        else:
            request = replace(request, arguments=arguments.words())
        return request, lacks[0] if lacks else ""
    sampled = _read_texts(samples / "arguments.json")
    missing: list[str] = []

    def resolve(value: str | Unresolved, values: Mapping[str, str], file: str) -> str:
        if isinstance(value, str):
            return value
        if value.name not in values:
            missing.append(f"give {value.name} a value in {samples / file}: {value.expression}")
        return values.get(value.name, "")

    request = Request(
        script=contract.code_path,
        arguments=tuple(resolve(word, sampled, "arguments.json") for word in settings.arguments),
        environment={
            name: resolve(one, values, "environment.json")
            for name, one in settings.environment.items()
        },
        hyperparameters={
            name: resolve(one, sampled, "arguments.json")
            for name, one in settings.hyperparameters.items()
        },
    )
    return request, missing[0] if missing else ""


def _expected(
    contract: Contract, choices: Mapping[str, str], names: Mapping[str, Sequence[str]]
) -> Expectation:
    """What the contract says of these choices; `names` maps an input to all that names it."""
    inputs = [
        name for name, one in contract.inputs.items() if one.required and choices[name] in _MISSING
    ]
    if contract.at_least_one and all(choices[one] in _MISSING for one in contract.at_least_one):
        inputs += contract.at_least_one
    variables = [name for name in contract.environment.required if choices.get(name) == "unset"]
    if not inputs and not variables:
        holds = tuple(output.path for output in contract.outputs.values() if output.required)
        return Expectation(holds=holds, explained=False)
    patterns = [*_of_all(inputs, names), *map(names_of_variable, variables)]
    kinds = (*(("input",) if inputs else ()), *(("variable",) if variables else ()))
    return _failure(kinds, (*inputs, *variables), patterns)


def _refusal(
    contract: Contract, choices: Mapping[str, str], names: Mapping[str, Sequence[str]]
) -> Expectation | None:
    """The failure for want of what an optional input holds, where one is mounted and empty.

    The contract does not say what that means.
    """
    empty = [name for name in contract.inputs if choices[name] == "empty"]
    return _failure(("input",), empty, _of_all(empty, names)) if empty else None


def _of_all(inputs: Sequence[str], names: Mapping[str, Sequence[str]]) -> list[str]:
    return [one for name in inputs for one in names[name]]


def _varied(
    contract: Contract, choices: Mapping[str, str], left_out: Collection[str]
) -> Iterator[str]:
    """The inputs that are missing, and the variables with another value.

    An input that is `left_out` of the usual case is missing there too.
    """
    for name in contract.inputs:
        if choices[name] in _MISSING and name not in left_out:
            yield name
    for name in contract.environment.optional:
        if choices.get(name) in ("sample", OTHER):
            yield name


def _own_variable(contract: Contract, choices: Mapping[str, str]) -> str | None:
    """The value of a variable that neither the contract nor a sample names."""
    optional = contract.environment.optional.items()
    return next((other_text(one) for name, one in optional if choices.get(name) == OTHER), None)


def _same(contract: Contract, choices: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each variable that is unset, where another case has its default; "" may be no default."""
    for name, default in contract.environment.optional.items():
        if default and choices.get(name) == "unset":
            yield name, "default", f"{default!r} for the variable {name}"


def _failure(kinds: tuple[str, ...], names: Sequence[str], patterns: Sequence[str]) -> Expectation:
    """The failure for want of what has these names, which an error with such a pattern names."""
    error = Matches(
        "missing-part",
        "|".join(dict.fromkeys(patterns)),
        f"names what is missing: {' or '.join(names)}, its file or its folder",
    )
    return Expectation(exit_code=None, error=(error,), explained=False, lacks=kinds)


def _check_limits(contract: Contract, *, training: bool) -> None:
    """Raise `WrongContract` for a job that the service does not create."""
    if contract.origin.name != FILE_NAME:
        # Other forms are told so when they are read.
        return
    if errors := list(refused(contract, training=training)):
        document = yaml_file.read(contract.origin)
        raise yaml_file.errors_at(contract.origin, document, errors, _REFUSED)


def _check_samples(
    path: Path, values: Mapping[str, Value], training: bool, refusal: Callable[..., str]
) -> None:
    """Raise `WrongContract` for values that the service does not take; "" is one of a flag."""
    for name, value in values.items():
        is_flag = value == "" and refusal is argument_refusal
        if isinstance(value, str) and not is_flag and (why := refusal(value, training=training)):
            raise json_file.read(path).error((name,), why, _REFUSED)


def _check_mounts(job: Job, contract: Contract) -> None:
    """Raise `WrongUse` when only other types of job mount one of the inputs."""
    others = {jobs.profile(name).mounts for name in jobs.built_in()} - {job.mounts}
    for name, one in contract.inputs.items():
        can_mount = any(is_under(mount, job.mounts) for mount in one.mounts)
        mounted_by_others = any(is_under(mount, other) for mount in one.mounts for other in others)
        if mounted_by_others and not can_mount:
            raise WrongUse(
                f"a {job.name} job mounts inputs below {job.mounts}; the mounts of {name} are "
                f"{', '.join(one.mounts)}",
                "name another --profile, or add the mount to the contract",
            )


def _variable_axis(
    name: str, without_choice: str, with_choice: str, value: str, other_value: str | None = None
) -> Axis:
    """A variable with a value or without; another value is tried alone, a sample's if any."""
    others: dict[str, Edit] = {}
    if other_value not in (None, value):
        others["sample"] = Variable(name, str(other_value))
    elif with_choice == "default" and (other := other_text(value)) is not None:
        others[OTHER] = Variable(name, other)
    return Axis(name, {without_choice: as_it_is, with_choice: Variable(name, value)}, others)


def _read_texts(path: Path) -> Mapping[str, str]:
    """Read a flat JSON object of texts; empty when there is no such file."""
    values = _read_object(path)
    if not all(isinstance(one, str) for one in values.values()):
        raise WrongContract(f"{path}: is not an object of texts", 'as in: {"NAME": "value"}')
    return values


def _read_values(path: Path) -> Mapping[str, Value]:
    """Read a flat JSON object of texts, numbers and flags; empty when there is no such file."""
    values = _read_object(path)
    if not all(isinstance(one, str | int | float) for one in values.values()):
        raise WrongContract(
            f"{path}: is not an object of texts, numbers, true and false",
            'as in: {"NAME": "value", "FLAG": true}',
        )
    return {name: one if isinstance(one, bool) else str(one) for name, one in values.items()}


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongContract(f"{path}: cannot be read: {error}", "mend it") from None
    if not isinstance(values, dict):
        raise WrongContract(f"{path}: is not an object of texts", 'as in: {"NAME": "value"}')
    return values
