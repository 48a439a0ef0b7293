"""Expressions in pipeline definitions: parameters, joins, and values that only a run knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from harness.contracts.contract import Unresolved
from harness.files.json_file import JsonFile
from harness.files.models import KeyPath

Scalar = str | int | float | bool | None
_PARAMETERS = "Parameters."


class _Parameter(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, strict=True, alias_generator=to_pascal)

    name: str
    default_value: Scalar = None


def parameters(file: JsonFile) -> dict[str, str | None]:
    """The pipeline's parameters: name → default, or None."""
    listed = file.content.get("Parameters", [])
    if not isinstance(listed, list):
        raise file.error(("Parameters",), "is not a list")
    found = [file.validate(_Parameter, ("Parameters", number)) for number, _ in enumerate(listed)]
    return {
        one.name: None if one.default_value is None else _to_text(one.default_value)
        for one in found
    }


def resolve(
    file: JsonFile, keys: KeyPath, defaults: Mapping[str, str | None], name: str
) -> str | Unresolved:
    """The text of the value at `keys`, or `Unresolved` when only a run knows it.

    `defaults` are those of the parameters, `name` is the key in the samples. Raises
    `WrongContract` for what is neither a value nor an expression, and for an unknown parameter.
    """
    value: Any = file.content
    for key in keys:
        value = value[key]
    text = _resolve_value(file, keys, value, defaults)
    return Unresolved(name=name, expression=json.dumps(value)) if text is None else text


def _resolve_value(
    file: JsonFile, keys: KeyPath, value: Any, defaults: Mapping[str, str | None]
) -> str | None:
    if isinstance(value, str | int | float):
        return _to_text(value)
    if not isinstance(value, dict) or len(value) != 1:
        raise file.error(keys, f"is neither a text nor an expression, but {value!r:.60}")
    ((operator, operand),) = value.items()
    if operator == "Get" and isinstance(operand, str) and operand.startswith(_PARAMETERS):
        parameter = operand.removeprefix(_PARAMETERS)
        if parameter not in defaults:
            raise file.error(keys, f"there is no parameter {parameter}")
        return defaults[parameter]
    if operator == "Std:Join":
        return _resolve_join(file, (*keys, operator), operand, defaults)
    if operator == "Get" or operator.startswith("Std:"):
        return None
    raise file.error(keys, f"{operator} is no expression of a pipeline definition")


def _resolve_join(
    file: JsonFile, keys: KeyPath, operand: Any, defaults: Mapping[str, str | None]
) -> str | None:
    if not isinstance(operand, dict) or not isinstance(operand.get("Values"), list):
        raise file.error((*keys, "Values"), "is required and missing")
    parts = [
        _resolve_value(file, (*keys, "Values", number), one, defaults)
        for number, one in enumerate(operand["Values"])
    ]
    known = [part for part in parts if part is not None]
    return str(operand.get("On", "")).join(known) if len(known) == len(parts) else None


def _to_text(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)
