"""SHA-256 digests of Python values, the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

_MAX_MODEL_DIGESTS = 64
_model_digests: dict[int, tuple[BaseModel, bytes]] = {}


class NoDigest(TypeError):
    """The value has no canonical form: a function, an arbitrary object."""


def digest(*values: object) -> str:
    """The SHA-256 of values, as hexadecimal digits.

    Takes str, numbers, bytes, paths, dataclasses, pydantic models and containers of these. The
    order of mappings counts, that of sets does not. Raises `NoDigest` for anything else.
    """
    state = hashlib.sha256()
    _add(values, state.update)
    return state.hexdigest()


def _add(value: Any, add: Callable[[bytes], object]) -> None:
    """Add an unambiguous encoding of a value: its type and its length come first."""
    value_type: Any = type(value)
    if value_type is str:
        text = value.encode("utf-8", "surrogatepass")
        add(b"str %d:%b" % (len(text), text))
    elif value_type is bytes:
        add(b"bytes %d:" % len(value))
        add(value)
    elif value is None or value_type in (bool, int, float):
        add(f"{value_type.__name__} {value!r};".encode())
    elif value_type is tuple or value_type is list:
        add(b"%b %d:" % (value_type.__name__.encode(), len(value)))
        for one in value:
            _add(one, add)
    elif isinstance(value, Mapping):
        # The type of the mapping does not count, only its items.
        add(b"mapping %d:" % len(value))
        for key, one in value.items():
            _add(key, add)
            _add(one, add)
    elif (names := _dataclass_fields(value_type)) is not None:
        add(b"%b:" % value_type.__name__.encode())
        for name in names:
            _add(getattr(value, name), add)
    elif isinstance(value, BaseModel):
        add(_model_digest(value))
    else:
        _add((value_type.__name__, _primitive(value)), add)


@lru_cache(maxsize=64)
def _dataclass_fields(value_type: type) -> tuple[str, ...] | None:
    """The names of a dataclass's fields; None for another class."""
    return tuple(one.name for one in fields(value_type)) if is_dataclass(value_type) else None


def _model_digest(value: BaseModel) -> bytes:
    """The digest of a frozen model; cached, since many cases share one, such as their job."""
    cached = _model_digests.get(id(value))
    if cached is None:
        if len(_model_digests) == _MAX_MODEL_DIGESTS:
            _model_digests.clear()
        # A reference to the model keeps its id from being reused.
        cached = _model_digests[id(value)] = (
            value,
            digest(type(value).__name__, _model_fields(value)).encode(),
        )
    return cached[1]


def _model_fields(value: BaseModel) -> dict[str, object]:
    """The fields of a model, without its cached properties."""
    return {name: getattr(value, name) for name in type(value).model_fields}


def _primitive(value: Any) -> object:
    """A simpler value that identifies one of a less common type; raises `NoDigest`."""
    if isinstance(value, (str, PurePath)):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (set, frozenset)):
        return sorted(digest(one) for one in value)
    if isinstance(value, (tuple, list)):
        return tuple(value)
    raise NoDigest(f"a {type(value).__name__} has no digest")
