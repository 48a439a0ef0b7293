"""Digests of values: whether two are the same, in whichever process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

_MODELS_KNOWN = 64
_models: dict[int, tuple[BaseModel, bytes]] = {}


class NoDigest(TypeError):
    """A value that nobody can tell whether it is the same as another: a function, an object."""


def digest(*values: object) -> str:
    """The SHA-256 of plain values: texts, numbers, bytes, paths, and what is made of them.

    Mappings count with their order, sets without; of dataclasses and models all fields count.
    Raises `NoDigest` for anything else.
    """
    state = hashlib.sha256()
    _add(values, state.update)
    return state.hexdigest()


def _add(value: Any, add: Callable[[bytes], object]) -> None:
    """Add bytes that no other value has: everything begins with what it is, and how much of it."""
    kind: Any = type(value)
    if kind is str:
        text = value.encode("utf-8", "surrogatepass")
        add(b"str %d:%b" % (len(text), text))
    elif kind is bytes:
        add(b"bytes %d:" % len(value))
        add(value)
    elif value is None or kind in (bool, int, float):
        add(f"{kind.__name__} {value!r};".encode())
    elif kind is tuple or kind is list:
        add(b"%b %d:" % (kind.__name__.encode(), len(value)))
        for one in value:
            _add(one, add)
    elif isinstance(value, Mapping):
        # Whatever kind of mapping it is: what is in it counts.
        add(b"mapping %d:" % len(value))
        for key, one in value.items():
            _add(key, add)
            _add(one, add)
    elif (names := _fields(kind)) is not None:
        add(b"%b:" % kind.__name__.encode())
        for name in names:
            _add(getattr(value, name), add)
    elif isinstance(value, BaseModel):
        add(_of_model(value))
    else:
        _add((kind.__name__, _plain(value)), add)


@lru_cache(maxsize=64)
def _fields(kind: type) -> tuple[str, ...] | None:
    """The names of a dataclass's fields; None for another class."""
    return tuple(one.name for one in fields(kind)) if is_dataclass(kind) else None


def _of_model(value: BaseModel) -> bytes:
    """The digest of a model that cannot be changed, such as a job, which many cases share."""
    known = _models.get(id(value))
    if known is None:
        if len(_models) == _MODELS_KNOWN:
            _models.clear()
        # Keeping the model keeps its number from becoming another one's.
        known = _models[id(value)] = value, digest(type(value).__name__, _held(value)).encode()
    return known[1]


def _held(value: BaseModel) -> dict[str, object]:
    """The fields of a model, and nothing of what it has worked out from them."""
    return {name: getattr(value, name) for name in type(value).model_fields}


def _plain(value: Any) -> object:
    """What tells one value of a rarer kind from another."""
    if isinstance(value, (str, PurePath)):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (set, frozenset)):
        return sorted(digest(one) for one in value)
    if isinstance(value, (tuple, list)):
        return tuple(value)
    raise NoDigest(f"a {type(value).__name__} has no digest")
