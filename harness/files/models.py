"""What a pydantic model says of a file: the keys of each part, and every error in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from harness.errors import WrongContract

KeyPath = tuple[int | str, ...]

# How pydantic marks an error about a key itself; the types of values in the words of YAML.
KEY = "[key]"
_SHOULD_BE: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "a text",
    "tuple_type": "a list",
}
_UNKNOWN_KEY = "is not a key that is known here"
# More keys than that are not listed in an error.
_MAX_KEYS = 15


@dataclass(frozen=True)
class Located:
    """An error in a file: the line, and a text that names file, line and key."""

    line: int
    text: str


def wrong_contract(errors: Sequence[Located], hint: str) -> WrongContract:
    """One error that lists them all, a line each, in the order of the file."""
    texts = [one.text for one in sorted(errors, key=lambda one: one.line)]
    return WrongContract("\n".join(dict.fromkeys(texts)), hint)


def dotted(keys: Sequence[int | str]) -> str:
    """The keys as they are shown, `KEY.KEY`."""
    return ".".join(str(key) for key in keys if key != KEY)


def find_errors(
    model: type[BaseModel], error: ValidationError, document: Any
) -> Iterator[tuple[KeyPath, str]]:
    """Each value of a document that the model refuses: its keys, and what is wrong."""
    # One value can break every type of a union, and a wrong item leaves its list too short.
    first: dict[KeyPath, Any] = {}
    for one in error.errors():
        first.setdefault(_in_document(document, one), one)
    for where, one in first.items():
        if any(other[: len(where)] == where and other != where for other in first):
            continue
        what = describe_error(one, keys_at(model, where))
        if one["type"] == "extra_forbidden":
            given = _part(document, where[:-1])
            known = [key for key in keys_at(model, where[:-1]) if key not in given]
            what = unknown_key(str(where[-1]), known)
            if what == _UNKNOWN_KEY and 0 < len(known) <= _MAX_KEYS:
                what += f"; known: {', '.join(known)}"
        yield where, what


def describe_error(error: Any, keys: Sequence[str] = ()) -> str:
    """Pydantic's error about one value, in the words of YAML; `keys` are those that it may have."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return _UNKNOWN_KEY
    if kind == "missing":
        return "is required and missing"
    got = f", got {error['input']!r:.60}"
    if kind in _SHOULD_BE:
        expectation = f"should be {_SHOULD_BE[kind]}"
        if _SHOULD_BE[kind] == "a mapping" and 0 < len(keys) <= _MAX_KEYS:
            expectation += f" (known: {', '.join(keys)})"
    elif kind == "string_pattern_mismatch" and error["ctx"]["pattern"] == "^/":
        expectation = "should be an absolute path"
    else:
        expectation = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    return f"as a key, {expectation}{got}" if KEY in error["loc"] else f"{expectation}{got}"


def unknown_key(name: str, known: Sequence[str], what: str = _UNKNOWN_KEY) -> str:
    """That a key is not known, and the nearest of those that are."""
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"{what}; the nearest is {nearest[0]}" if nearest else what


def keys_at(model: type[BaseModel], where: Sequence[int | str]) -> tuple[str, ...]:
    """The keys that a document of this model may have in the part at `where`."""
    found = [key for part in _models_at(model, tuple(where)) for key in fields_of(part)]
    return tuple(dict.fromkeys(found))


def fields_of(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The fields of a model that a file may give, by their key."""
    return {
        field.alias or name: field
        for name, field in model.model_fields.items()
        if not field.exclude
    }


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a value of this type consists of, not those within them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from models_in(one)


def _models_at(annotation: Any, where: KeyPath) -> Iterator[type[BaseModel]]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models_at(arguments[0], where)
    elif origin in (Union, UnionType):
        for one in arguments:
            yield from _models_at(one, where)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not where:
            yield annotation
        elif field := fields_of(annotation).get(str(where[0])):
            yield from _models_at(field.annotation, where[1:])
    elif where and arguments:
        # A mapping's values, or a list's items.
        is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
        yield from _models_at(arguments[1 if is_mapping else 0], where[1:])


def sound_part(
    model: type[BaseModel], document: Any, defaults: Mapping[str, Any]
) -> BaseModel | None:
    """The document as a model, without what the model refuses; None when too little is left.

    `defaults` are values for the required keys that are missing then.
    """
    left: Any = _plain(document)
    if not isinstance(left, dict):
        return None
    # What is removed may leave an empty mapping, which is refused in the next round.
    for _ in range(4):
        try:
            return model.model_validate({**defaults, **left})
        except ValidationError as error:
            for one in error.errors():
                _remove(left, one["loc"])
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _remove(document: Any, where: KeyPath) -> None:
    """Remove the innermost entry of a mapping at `where`; a list is removed as a whole."""
    node, last = document, None
    for key in where:
        if not isinstance(node, dict) or key not in node:
            break
        last = (node, key)
        node = node[key]
    if last is not None:
        del last[0][last[1]]


def _in_document(document: Any, error: Any) -> KeyPath:
    """The keys of an error's value, without what pydantic adds for the types of a union."""
    where: KeyPath = error["loc"]
    if error["type"] in ("missing", "extra_forbidden"):
        return where
    node = document
    for number, key in enumerate(where):
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return (*where[:number], KEY) if KEY in where else where[:number] or where
    return where


def _part(document: Any, where: KeyPath) -> Any:
    for key in where:
        document = document[key]
    return document
