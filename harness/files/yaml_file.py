"""YAML files; every error names the file, the line and the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.errors import WrongContract

M = TypeVar("M", bound=BaseModel)

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


def read_text(path: Path) -> str:
    """Read a file in UTF-8, with or without a byte order mark; raises `WrongContract`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongContract(f"{path}: cannot be read: {error.strerror}", "name a file") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WrongContract(f"{path}:{line}: is not UTF-8: {error.reason}", "save it so") from None


def read(path: Path) -> Any:
    """Read a file that holds a mapping; its nodes know their lines. Raises `WrongContract`."""
    text = read_text(path)
    try:
        document = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = str(error.problem or error.context).splitlines()[0]
        raise WrongContract(f"{path}:{line}: is not YAML: {problem}", "mend that line") from None
    except (YAMLError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        # The error about a character that YAML does not allow has a position and no mark.
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise WrongContract(f"{path}:{line}: is not YAML: {first}", "mend the file") from None
    if not isinstance(document, dict):
        kinds = {type(None): "nothing", str: "a text"}
        content = "a list" if isinstance(document, list) else kinds.get(type(document), "one value")
        raise WrongContract(
            f"{path}:1: holds {content}, and not a mapping, `key: value`", "see the README"
        )
    return document


def validate(model: type[M], path: Path, document: Any, keys: Sequence[str] = ()) -> M:
    """Parse the part of the document at `keys` as a model; raises `WrongContract`."""
    part = document
    for key in keys:
        part = part[key]
    try:
        return model.model_validate(part)
    except ValidationError as error:
        first = error.errors()[0]
        raise error_at(path, document, (*keys, *first["loc"]), describe_error(first)) from None


def error_at(path: Path, document: Any, keys: Sequence[int | str], what: str) -> WrongContract:
    """An error about the value at `keys`."""
    dotted = ".".join(str(key) for key in keys if key != KEY)
    message = f"{path}:{line_of(document, keys)}: {dotted}: {what}"
    return WrongContract(message, "mend that key; the README lists them")


def line_of(document: Any, keys: Sequence[int | str]) -> int:
    """The line of the value at `keys`, or of the innermost part that exists."""
    line, node = 1, document
    for key in keys:
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


def describe_error(error: Any) -> str:
    """Pydantic's error about one value, in the words of YAML."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return "is not a key that is known here"
    if kind == "missing":
        return "is required and missing"
    got = f", got {error['input']!r:.60}"
    if kind in _SHOULD_BE:
        expectation = f"should be {_SHOULD_BE[kind]}"
    else:
        expectation = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    return f"as a key, {expectation}{got}" if KEY in error["loc"] else f"{expectation}{got}"
