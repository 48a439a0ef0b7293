"""Step interfaces, `NAME.step.yaml`: their section `contract:`.

Other sections are ignored. An unknown key in the section is a warning only, since these files also
serve other programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.contracts.checks import KeyPath, find_errors
from harness.contracts.contract import (
    AbsolutePath,
    Contract,
    EntryPoint,
    Environment,
    Input,
    Output,
    Reason,
)
from harness.contracts.reading import Options
from harness.files import yaml_file

SUFFIX = ".step.yaml"
_SECTION = "contract"
# The keys of the parts that `find_errors` names.
_KEYS: Mapping[int | str, str] = {"environment": "env_vars"}
_EXIT_CODES = {0: "the step did its work", 1: "the step failed"}

Scalar = str | int | float | bool | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class _Input(_Part):
    path: AbsolutePath
    required: bool
    channels: list[str] | dict[str, object] = []


class _Output(_Part):
    path: AbsolutePath


class _JobArgument(_Part):
    flag: str
    source: str


class _Variables(_Part):
    required: tuple[str, ...] = Field(default=(), strict=False)
    optional: Mapping[str, Scalar] = {}


class _Section(_Part):
    entry_point: EntryPoint
    source_dir: str | None = None
    description: str = ""
    inputs: Mapping[str, _Input] = {}
    outputs: Mapping[str, _Output] = Field(min_length=1)
    arguments: Mapping[str, Scalar] = {}
    job_arguments: tuple[_JobArgument, ...] = Field(default=(), strict=False)
    env_vars: _Variables = _Variables()
    framework_requirements: Mapping[str, Scalar] = {}
    waivers: Mapping[str, Reason] = {}


def matches(path: Path) -> bool:
    """Whether the file is a step interface."""
    return path.name.endswith(SUFFIX)


def read(path: Path, options: Options) -> Contract:
    """Read the contract of a step interface; raises `WrongContract`."""
    document = yaml_file.read(path)
    if not isinstance(document.get(_SECTION), dict):
        raise yaml_file.error_at(path, document, (_SECTION,), "is required and missing")
    section = yaml_file.validate(_Section, path, document, (_SECTION,))
    warnings = tuple(
        yaml_file.error_at(path, document, where, "is not known here").what
        for where in _unknown_keys(section, (_SECTION,))
    )
    contract = _contract(path, section, warnings)
    for where, what in find_errors(contract, options.promises):
        raise yaml_file.error_at(
            path, document, (_SECTION, _KEYS.get(where[0], where[0]), *where[1:]), what
        )
    return contract


def _contract(path: Path, section: _Section, warnings: tuple[str, ...]) -> Contract:
    flags = {one.flag: f"from {one.source}" for one in section.job_arguments}
    return Contract(
        name=path.name.removesuffix(SUFFIX),
        description=section.description,
        entry_point=Path(section.entry_point).name,
        inputs=dict(_inputs(section)),
        outputs={name: Output(path=one.path) for name, one in section.outputs.items()},
        arguments={**{name: _to_text(one) for name, one in section.arguments.items()}, **flags},
        environment=Environment(
            required=section.env_vars.required,
            optional={name: _to_text(one) for name, one in section.env_vars.optional.items()},
        ),
        exit_codes=_EXIT_CODES,
        framework_requirements={
            name: _to_text(one) for name, one in section.framework_requirements.items()
        },
        waivers=section.waivers,
        folder=Path(section.source_dir or ".") / Path(section.entry_point).parent,
        warnings=warnings,
    )


def _inputs(section: _Section) -> Iterator[tuple[str, Input]]:
    """The inputs; one with channels becomes an input for each channel."""
    for name, one in section.inputs.items():
        if not one.channels:
            yield name, Input(required=one.required, mounts=(one.path,))
        for channel in one.channels:
            mounts = (f"{one.path.rstrip('/')}/{channel}",)
            yield f"{name}.{channel}", Input(required=one.required, mounts=mounts)


def _unknown_keys(part: _Part, where: KeyPath) -> Iterator[KeyPath]:
    for name in part.model_extra or {}:
        yield (*where, name)
    for name in type(part).model_fields:
        yield from _unknown_keys_in(getattr(part, name), (*where, name))


def _unknown_keys_in(value: object, where: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, _Part):
        yield from _unknown_keys(value, where)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _unknown_keys_in(one, (*where, str(key)))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _unknown_keys_in(one, (*where, number))


def _to_text(value: Scalar) -> str:
    return "" if value is None else str(value)
