"""The reference of `contract.yaml` in Markdown: every key, its values and its meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from harness.contracts.contract import LOADER_FIELDS, Contract
from harness.contracts.meanings import meanings
from harness.files.models import fields_of, models_in

_TYPES: Mapping[Any, str] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    Any: "any value",
}
_HEAD = "| key | value | |\n|---|---|---|"


def markdown() -> str:
    """A table of the keys of a contract, and one of each of its parts."""
    tables = _tables(Contract, "", set())
    return "\n".join(f"{title}\n\n{_HEAD}\n{rows}\n" for title, rows in tables)


def table(model: type[BaseModel]) -> str:
    """A table of the keys of any model."""
    rows = _rows(model, fields_of(model))
    return "\n".join((_HEAD, *rows))


def _tables(
    model: type[BaseModel], where: str, shown: set[type[BaseModel]]
) -> Iterator[tuple[str, str]]:
    """The title and the rows of a part, then those of the parts within it, each part once."""
    shown.add(model)
    fields = {key: one for key, one in fields_of(model).items() if key not in LOADER_FIELDS}
    title = f"Keys of `{where}`:" if where else "Keys of `contract.yaml`:"
    yield title, "\n".join(_rows(model, fields))
    for key, field in fields.items():
        for part in () if _has_own_form(field) else models_in(field.annotation):
            if part not in shown:
                place = f"{where}.{key}".lstrip(".") + _within(field.annotation)
                yield from _tables(part, place, shown)


def _rows(model: type[BaseModel], fields: Mapping[str, FieldInfo]) -> list[str]:
    texts = meanings(model)
    return [_row(key, field, texts[key]) for key, field in fields.items()]


def _row(key: str, field: FieldInfo, meaning: str) -> str:
    default = "required" if field.is_required() else _default(field)
    words = "text or mapping" if _has_own_form(field) else _words(field.annotation)
    value = ", ".join(one for one in (words, default) if one)
    return f"| `{key}` | {value} | {' '.join(meaning.split())} |"


def _has_own_form(field: FieldInfo) -> bool:
    """Whether it is written in a form of its own, which its sentence describes."""
    return any(isinstance(one, WithJsonSchema) for one in field.metadata)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"default `{str(value).lower()}`"
    return f"default `{value}`" if isinstance(value, str | int | float) and value != "" else ""


def _within(annotation: Any) -> str:
    """How the keys of a model in a mapping or in a list follow its own key."""
    if any(_is_mapping(one) for one in _with_parts(annotation)):
        return ".NAME"
    return ".N" if any(get_origin(one) in (tuple, list) for one in _with_parts(annotation)) else ""


def _with_parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for one in get_args(annotation):
        yield from _with_parts(one)


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _words(annotation: Any) -> str:
    """A type in the words of YAML."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin in (Union, UnionType):
        words = (_words(one) for one in arguments if one is not NoneType)
        return " or ".join(dict.fromkeys(words))
    if _is_mapping(annotation):
        return f"mapping of {_words(arguments[0])} to {_words(arguments[1])}"
    if origin in (tuple, list):
        return f"list of {_words(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "the keys below"
    return _TYPES.get(annotation) or "text"
