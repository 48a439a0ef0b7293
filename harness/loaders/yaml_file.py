"""YAML files, read so that every complaint names the file, the line and the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.errors import WrongContract

M = TypeVar("M", bound=BaseModel)


def read(path: Path) -> Any:
    """The mapping that a file holds; its parts know their lines. Raises `WrongContract`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongContract(f"{path}: cannot be read: {error}") from error
    try:
        document = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise WrongContract(
            f"{path}:{line}: is not YAML: {error.problem or error.context}", "mend that line"
        ) from None
    except YAMLError as error:
        raise WrongContract(f"{path}: is not YAML: {error}", "mend the file") from None
    if not isinstance(document, dict):
        raise WrongContract(f"{path}:1: a contract is a mapping, `key: value`", "see the README")
    return document


def validated(model: type[M], path: Path, document: Any, below: Sequence[str] = ()) -> M:
    """What the part of the document at the keys `below` says; raises `WrongContract`."""
    part = document
    for key in below:
        part = part[key]
    try:
        return model.model_validate(part)
    except ValidationError as error:
        first = error.errors()[0]
        raise wrong(path, document, (*below, *first["loc"]), _sentence(first)) from None


def wrong(path: Path, document: Any, where: Sequence[int | str], what: str) -> WrongContract:
    """The error about the value at the keys `where`."""
    dotted = ".".join(str(key) for key in where)
    message = f"{path}:{line_of(document, where)}: {dotted}: {what}"
    return WrongContract(message, "mend that key; the README lists them")


def line_of(document: Any, where: Sequence[int | str]) -> int:
    """The line of the value at the keys `where`, or of the nearest that is there."""
    line, node = 1, document
    for key in where:
        position = getattr(node, "lc", None)
        try:
            if isinstance(node, dict):
                line = position.key(key)[0] + 1 if position else line
            elif isinstance(node, list):
                line = position.item(key)[0] + 1 if position else line
            node = node[key]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a key of a contract"
    if error["type"] == "missing":
        return "is required and missing"
    got = repr(error["input"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {got[:60]}"
