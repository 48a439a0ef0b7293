"""Script contracts in Python: a module with an object that has the attributes of one.

The file is executed, since any object will do: a dataclass, a pydantic model, a plain class with
`entry_point`, `expected_input_paths`, `expected_output_paths` and, if it has them,
`expected_arguments`, `required_env_vars`, `optional_env_vars`, `framework_requirements` and
`description`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.contract import AbsolutePath, Contract, Environment, Input, Output
from harness.errors import WrongContract
from harness.modules import blaming, execute

_NEEDED = ("entry_point", "expected_input_paths", "expected_output_paths")
_EXIT_CODES = {0: "the step did its work", 1: "the step failed"}


class _Attributes(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    entry_point: str
    expected_input_paths: dict[str, AbsolutePath]
    expected_output_paths: dict[str, AbsolutePath] = Field(min_length=1)
    expected_arguments: dict[str, Any] = {}
    required_env_vars: tuple[str, ...] = Field(default=(), strict=False)
    optional_env_vars: dict[str, Any] = {}
    framework_requirements: dict[str, Any] = {}
    description: str = ""


def matches(path: Path) -> bool:
    """Whether the file may be one of these."""
    return path.suffix == ".py"


def read(path: Path) -> Contract:
    """Execute the file and read its one contract; raises `WrongContract`."""
    hint = "mend it, or run the harness where what it imports is installed"
    with blaming(path, "the script contract cannot be executed", hint):
        names = vars(execute(path))
    name, found = _the_one(path, names)
    values = {
        one: value
        for one in _Attributes.model_fields
        if (value := getattr(found, one, None)) is not None
    }
    try:
        attributes = _Attributes.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (name, *first["loc"]))
        raise WrongContract(
            f"{path}:{_line(path, name)}: {key}: {first['msg']}, got {first['input']!r:.60}",
            "mend that attribute",
        ) from None
    return Contract(
        name=path.stem,
        description=attributes.description,
        entry_point=Path(attributes.entry_point).name,
        inputs={
            one: Input(required=True, mounts=(mount,))
            for one, mount in attributes.expected_input_paths.items()
        },
        outputs={one: Output(path=at) for one, at in attributes.expected_output_paths.items()},
        arguments=_texts(attributes.expected_arguments),
        environment=Environment(
            required=attributes.required_env_vars, optional=_texts(attributes.optional_env_vars)
        ),
        exit_codes=_EXIT_CODES,
        framework_requirements=_texts(attributes.framework_requirements),
        folder=Path(attributes.entry_point).parent,
    )


def _the_one(path: Path, names: dict[str, Any]) -> tuple[str, Any]:
    found = {
        name: value
        for name, value in names.items()
        if not isinstance(value, type) and all(hasattr(value, one) for one in _NEEDED)
    }
    # The same object under two names is one contract, and the first is its name.
    one_each = {id(value): (name, value) for name, value in reversed(found.items())}
    if len(one_each) == 1:
        return next(iter(one_each.values()))
    if not found:
        raise WrongContract(
            f"{path}: holds no script contract", f"it needs an object with {', '.join(_NEEDED)}"
        )
    raise WrongContract(
        f"{path}: holds several script contracts: {', '.join(found)}", "keep each in a file"
    )


def _line(path: Path, name: str) -> int:
    """The line that assigns `name`."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith((f"{name} ", f"{name}=", f"{name}:")):
            return number
    return 1


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {str(name): "" if value is None else str(value) for name, value in values.items()}
