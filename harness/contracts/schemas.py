"""The schemas of output files: JSON Schema, types of columns, bounds of metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMN_TYPES = ("integer", "number", "string", "boolean", "date", "datetime")
_BOUND = re.compile(r"(>=|<=|>|<|==)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
_METRIC = re.compile(rf"(number|integer)((?:\s*(?:,|and)?\s*{_BOUND.pattern})*)\s*")
_KEYWORDS: Mapping[str, str] = {
    ">=": "minimum",
    "<=": "maximum",
    ">": "exclusiveMinimum",
    "<": "exclusiveMaximum",
    "==": "const",
}


def of_metric(text: str) -> dict[str, Any]:
    """The JSON Schema of `number >= 0, < 1` and the like; raises `ValueError`."""
    found = _METRIC.fullmatch(text)
    if found is None:
        raise ValueError("should be number or integer, and bounds such as >= 0 and <= 1")
    schema: dict[str, Any] = {"type": found[1]}
    for comparison, bound in _BOUND.findall(found[2]):
        schema[_KEYWORDS[comparison]] = json.loads(bound.lstrip("+"))
    return schema


def is_columns(schema: object) -> bool:
    """Whether this holds types of columns, and is no JSON Schema."""
    return (
        isinstance(schema, Mapping)
        and bool(schema)
        and all(isinstance(one, str) and one.rstrip("?") in COLUMN_TYPES for one in schema.values())
    )


def checked(value: Any) -> Any:
    """A schema in plain values: a path, types of columns, or a JSON Schema.

    Raises `ValueError` for what is none of these.
    """
    plain = _plain(value)
    if plain is None or (isinstance(plain, str) and plain):
        return plain
    if not isinstance(plain, dict) or not plain:
        raise ValueError("should be a JSON Schema, a file with one, or a mapping of columns")
    if not is_columns(plain) or set(plain) == {"type"}:
        _check_json_schema(plain)
    return plain


def read(path: Path) -> dict[str, Any]:
    """The JSON Schema in a file; raises `OSError` and `ValueError`."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(schema, dict):
        raise ValueError("it holds no JSON object")
    _check_json_schema(schema)
    return schema


def _check_json_schema(schema: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    validator = validator_for(schema, default=Draft202012Validator)
    try:
        validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(str(one) for one in error.absolute_path)
        raise ValueError(f"is no JSON Schema: {where}: {error.message:.120}") from None
    known = {*validator.VALIDATORS, "$ref", "$defs", "definitions"}
    if known.isdisjoint(schema):
        # Unknown keywords are allowed, and would let everything pass.
        types = ", ".join(COLUMN_TYPES)
        raise ValueError(f"has no keyword of JSON Schema, nor only types of columns: {types}")


def _plain(value: Any) -> Any:
    """The value without the types of a YAML reader."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    raise ValueError(f"should hold JSON values only, got a {type(value).__name__}")
