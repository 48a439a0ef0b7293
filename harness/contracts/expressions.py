"""Expressions in pipeline definitions: a parameter's default, a join of parts, or left open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from harness.contracts.contract import Open
from harness.files.json_file import JsonFile

Where = tuple[int | str, ...]
Scalar = str | int | float | bool | None
_PARAMETERS = "Parameters."


class _Parameter(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_pascal)

    name: str
    default_value: Scalar = None


def parameters(file: JsonFile) -> dict[str, str | None]:
    """The pipeline's parameters: name → default, None where there is none."""
    listed = file.content.get("Parameters", [])
    if not isinstance(listed, list):
        raise file.wrong(("Parameters",), "is not a list")
    every = [file.validated(_Parameter, ("Parameters", number)) for number, _ in enumerate(listed)]
    return {
        one.name: None if one.default_value is None else _text(one.default_value) for one in every
    }


def resolved(
    file: JsonFile, where: Where, known: Mapping[str, str | None], name: str
) -> str | Open:
    """The text of the value at the keys `where`, or `Open` when only a run knows it.

    `name` is what the samples call it. Raises `WrongContract` when it is neither a value nor an
    expression, or names a parameter that is not there.
    """
    value: Any = file.content
    for key in where:
        value = value[key]
    text = _resolved(file, where, value, known)
    return Open(name=name, expression=json.dumps(value)) if text is None else text


def _resolved(
    file: JsonFile, where: Where, value: Any, known: Mapping[str, str | None]
) -> str | None:
    if isinstance(value, str | int | float):
        return _text(value)
    if not isinstance(value, dict) or len(value) != 1:
        raise file.wrong(where, f"is neither a text nor an expression, but {value!r:.60}")
    ((operator, operand),) = value.items()
    if operator == "Get" and isinstance(operand, str) and operand.startswith(_PARAMETERS):
        parameter = operand.removeprefix(_PARAMETERS)
        if parameter not in known:
            raise file.wrong(where, f"there is no parameter {parameter}")
        return known[parameter]
    if operator == "Std:Join":
        return _joined(file, (*where, operator), operand, known)
    if operator == "Get" or operator.startswith("Std:"):
        return None
    raise file.wrong(where, f"{operator} is no expression of a pipeline definition")


def _joined(
    file: JsonFile, where: Where, operand: Any, known: Mapping[str, str | None]
) -> str | None:
    if not isinstance(operand, dict) or not isinstance(operand.get("Values"), list):
        raise file.wrong((*where, "Values"), "is required and missing")
    parts = [
        _resolved(file, (*where, "Values", number), one, known)
        for number, one in enumerate(operand["Values"])
    ]
    whole = [part for part in parts if part is not None]
    return str(operand.get("On", "")).join(whole) if len(whole) == len(parts) else None


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)
