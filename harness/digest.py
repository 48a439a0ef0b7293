"""Digests of values: whether two are the same, in whichever process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel


class NoDigest(TypeError):
    """A value that nobody can tell whether it is the same as another: a function, an object."""


def digest(*values: object) -> str:
    """The SHA-256 of plain values: texts, numbers, bytes, paths, and what is made of them.

    Mappings count with their order, sets without; of dataclasses and models all fields count.
    Raises `NoDigest` for anything else.
    """
    state = hashlib.sha256()
    for part in _parts(values):
        state.update(part)
    return state.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    """Bytes that no other value has: everything begins with what it is, and how much of it."""
    kind = type(value).__name__
    if isinstance(value, bytes):
        yield f"bytes {len(value)}:".encode()
        yield value
    elif isinstance(value, (str, PurePath)):
        text = str(value).encode("utf-8", "surrogatepass")
        yield f"{kind} {len(text)}:".encode()
        yield text
    elif value is None or isinstance(value, (bool, int, float)):
        yield f"{kind} {value!r};".encode()
    elif isinstance(value, (tuple, list)):
        yield f"{kind} {len(value)}:".encode()
        for one in value:
            yield from _parts(one)
    elif isinstance(value, Mapping):
        # Whatever kind of mapping it is: what is in it counts.
        yield f"mapping {len(value)}:".encode()
        for pair in value.items():
            yield from _parts(pair)
    elif isinstance(value, (set, frozenset)):
        yield from _parts((kind, sorted(digest(one) for one in value)))
    elif isinstance(value, BaseModel):
        yield from _parts((kind, value.__dict__))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _parts((kind, [(one.name, getattr(value, one.name)) for one in fields(value)]))
    else:
        raise NoDigest(f"a {kind} has no digest")
