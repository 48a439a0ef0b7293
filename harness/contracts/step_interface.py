"""Step interfaces, `NAME.step.yaml`: their section `contract:`.

Other sections are ignored. An unknown key in the section is a warning only, since these files also
serve other programs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.contracts.arguments import DeclaredValue, from_value
from harness.contracts.checks import find_errors
from harness.contracts.contract import (
    AbsolutePath,
    Contract,
    EntryPoint,
    Environment,
    Input,
    Sigterm,
    Timeout,
)
from harness.contracts.limits import is_training, refused
from harness.contracts.outputs import OutputContent
from harness.contracts.reading import Options
from harness.contracts.waivers import DeclaredWaiver
from harness.files import yaml_file
from harness.files.models import KeyPath, fields_of, unknown_key

SUFFIX = ".step.yaml"
_SECTION = "contract"
# The keys of the parts that `find_errors` names.
_KEYS: Mapping[int | str, str] = {"environment": "env_vars"}
# This form says nothing about failures: any code will do.
_EXIT_CODES = {0: "the step did its work"}

# The public loader also takes lists and mappings, which say more of a value than the harness needs.
Value = Any
# For the required key that is missing, so that the other keys can be checked.
_DEFAULTS: Mapping[str, Any] = {"entry_point": "x.py"}
_TRAINING_CHANNELS = "/opt/ml/input/data"


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True, strict=True)


class _Input(_Part):
    path: AbsolutePath
    required: bool = True
    channels: str | list[str] | dict[str, object] = []


class _Output(_Part):
    path: AbsolutePath
    content: OutputContent = OutputContent()


class _JobArgument(_Part):
    flag: str
    source: str = "the job"


class _Variables(_Part):
    required: tuple[str, ...] = Field(default=(), strict=False)
    optional: Mapping[str, Value] = {}


class _Section(_Part):
    """The section `contract:`.

    A `source_dir` is the folder of the entry point, or true when that is the interface's own.
    `computed_env_paths` are variables that the pipeline sets to paths, `runtime_requires` packages.
    """

    entry_point: EntryPoint
    source_dir: str | bool | None = None
    description: str = ""
    inputs: Mapping[str, _Input] = {}
    at_least_one: tuple[str, ...] = Field(default=(), strict=False)
    outputs: Mapping[str, _Output] = {}
    sink: bool = False
    arguments: Mapping[str, DeclaredValue] = {}
    job_arguments: tuple[_JobArgument, ...] = Field(default=(), strict=False)
    env_vars: _Variables = _Variables()
    computed_env_paths: Mapping[str, Value] | list[Value] = {}
    framework_requirements: Mapping[str, Value] | list[str] = {}
    runtime_requires: Mapping[str, Value] | list[Value] | str | None = None
    waivers: Mapping[str, DeclaredWaiver] = {}
    timeout: Timeout | None = None
    sigterm: Sigterm = Sigterm()
    scratch: tuple[AbsolutePath, ...] = Field(default=(), strict=False)


def matches(path: Path) -> bool:
    """Whether the file is a step interface."""
    return path.name.endswith(SUFFIX)


def read(path: Path, options: Options) -> Contract:
    """Read the contract of a step interface; raises `WrongContract`."""
    document = yaml_file.read(path)
    if not isinstance(document.get(_SECTION), dict):
        what = unknown_key(_SECTION, [str(key) for key in document], "is required and missing")
        raise yaml_file.error_at(path, document, (_SECTION,), what)

    def errors(section: _Section) -> Iterator[tuple[KeyPath, str]]:
        contract = _contract(path, section, document)
        for where, what in find_errors(contract, options.promises, path.parent):
            if where[0] == "outputs" and len(where) > 1:
                where = (*where[:2], "content", *where[2:])
            yield (_KEYS.get(where[0], where[0]), *where[1:]), what

    section = yaml_file.validate(
        _Section, path, document, (_SECTION,), checks=errors, defaults=_DEFAULTS
    )
    contract = _contract(path, section, document)
    warnings = [
        yaml_file.error_at(path, document, (_SECTION, *where), what).what
        for where, what in (
            *_unknown_keys(section),
            *_other_mounts(section),
            *_refused(contract, section),
        )
    ]
    return contract.model_copy(update={"warnings": tuple(warnings)})


def _refused(contract: Contract, section: _Section) -> Iterator[tuple[KeyPath, str]]:
    """What the service does not take of the job that runs the step."""
    for where, what in refused(contract, training=is_training(contract)):
        if where[0] == "inputs" and len(where) > 1:
            # One with channels has become several.
            names = [one for one in section.inputs if f"{where[1]}.".startswith(f"{one}.")]
            where = ("inputs", names[0] if names else where[1], "path")
        yield (_KEYS.get(where[0], where[0]), *where[1:]), what


def _contract(path: Path, section: _Section, document: Any) -> Contract:
    flags = {one.flag: f"from {one.source}" for one in section.job_arguments}
    source_dir = section.source_dir if isinstance(section.source_dir, str) else "."
    return Contract(
        name=path.name.removesuffix(SUFFIX),
        description=section.description,
        entry_point=Path(section.entry_point).name,
        inputs=dict(_inputs(section)),
        at_least_one=section.at_least_one,
        outputs={name: one.content.at(one.path) for name, one in section.outputs.items()},
        sink=not section.outputs and _is_sink(section, document),
        arguments={**{name: from_value(one) for name, one in section.arguments.items()}, **flags},
        environment=Environment(
            required=section.env_vars.required,
            optional={name: _to_text(one) for name, one in section.env_vars.optional.items()},
            always=dict(_computed_variables(section)),
        ),
        exit_codes=_EXIT_CODES,
        framework_requirements={
            **_packages(section.runtime_requires),
            **_packages(section.framework_requirements),
        },
        waivers=section.waivers,
        timeout=section.timeout,
        sigterm=section.sigterm,
        scratch=section.scratch,
        folder=Path(source_dir) / Path(section.entry_point).parent,
    )


def _is_sink(section: _Section, document: Mapping[str, object]) -> bool:
    """Whether the step has no outputs by intention: the contract says so, or another section."""
    others = [document, *(one for one in document.values() if isinstance(one, dict))]
    return section.sink or any(one.get("sink") is True for one in others)


def _inputs(section: _Section) -> Iterator[tuple[str, Input]]:
    """The inputs; one with channels becomes an input for each channel."""
    for name, one in section.inputs.items():
        channels = _channels(one)
        if not channels:
            yield name, Input(required=one.required, mounts=(one.path,))
        for channel in channels:
            mount = one.path.rstrip("/")
            if not _is_channel_itself(one, channel):
                mount = f"{mount}/{channel}"
            yield f"{name}.{channel}", Input(required=one.required, mounts=(mount,))


def _channels(one: _Input) -> tuple[str, ...]:
    return (one.channels,) if isinstance(one.channels, str) else tuple(one.channels)


def _is_channel_itself(one: _Input, channel: str) -> bool:
    """Whether the path of an input is the folder of its channel, and not the one around it.

    It is where it ends in the channel's name, and where it is the folder of one channel alone.
    """
    folder = PurePosixPath(one.path)
    is_one_channel = len(_channels(one)) == 1 and str(folder.parent) == _TRAINING_CHANNELS
    return folder.name == channel or is_one_channel


def _other_mounts(section: _Section) -> Iterator[tuple[KeyPath, str]]:
    """Each channel that the service mounts at another path than the interface says."""
    for name, one in section.inputs.items():
        folder = PurePosixPath(one.path)
        for channel in _channels(one):
            if _is_channel_itself(one, channel) and folder.name != channel:
                what = f"the service mounts the channel {channel} at {_TRAINING_CHANNELS}/{channel}"
                yield ("inputs", name, "path"), what


def _computed_variables(section: _Section) -> Iterator[tuple[str, str]]:
    """The variables that the pipeline sets: name → path, "" for one that only a run knows.

    A value is the path, or the name of the input or output whose path it is.
    """
    paths = {name: one.path for name, one in section.inputs.items()}
    paths.update((name, one.path) for name, one in section.outputs.items())
    computed = section.computed_env_paths
    pairs = computed.items() if isinstance(computed, Mapping) else (_pair(one) for one in computed)
    for name, value in pairs:
        if isinstance(value, Mapping):
            value = next((one for one in value.values() if isinstance(one, str)), "")
        text = _to_text(value)
        yield name, text if text.startswith("/") else paths.get(text.rpartition(".")[2], "")


def _pair(listed: Value) -> tuple[str, Value]:
    """The name and the value of a listed variable or package."""
    if not isinstance(listed, Mapping):
        return _to_text(listed), None
    named = [value for key, value in listed.items() if key == "name"]
    others = [value for key, value in listed.items() if key != "name"]
    if named:
        return _to_text(named[0]), others[0] if others else None
    return next(((str(key), value) for key, value in listed.items()), ("", None))


def _packages(named: Mapping[str, Value] | list[Value] | list[str] | str | None) -> dict[str, str]:
    """Packages as name → version; a listed one has its version behind the name."""
    if isinstance(named, Mapping):
        return {str(name): _to_text(one) for name, one in named.items()}
    listed = [named] if isinstance(named, str) else named or []
    return {name: _to_text(value) for name, value in (_pair(one) for one in listed)}


def _unknown_keys(part: _Part, where: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    for name in part.model_extra or {}:
        known = [one for one in fields_of(type(part)) if one not in part.model_fields_set]
        yield (*where, name), unknown_key(name, known, "is not known here")
    for name in type(part).model_fields:
        yield from _unknown_keys_in(getattr(part, name), (*where, name))


def _unknown_keys_in(value: object, where: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, _Part):
        yield from _unknown_keys(value, where)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _unknown_keys_in(one, (*where, str(key)))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _unknown_keys_in(one, (*where, number))


def _to_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else str(value)
