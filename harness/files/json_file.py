"""JSON files; every error names the file, the line and the key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness.errors import WrongContract
from harness.files import yaml_file
from harness.files.models import Located, dotted, find_errors, wrong_contract

M = TypeVar("M", bound=BaseModel)


class ErrorList:
    """The errors of several parts of a file."""

    def __init__(self) -> None:
        """Begin without errors."""
        self.found: list[WrongContract] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """A part whose error is kept, and does not keep the others from being read."""
        try:
            yield
        except WrongContract as error:
            self.found.append(error)


@dataclass(frozen=True)
class JsonFile:
    """The JSON object of a file, and its text, from which the lines of values are found."""

    path: Path
    text: str
    content: dict[str, Any]

    def location(self, keys: Sequence[int | str]) -> str:
        """The location of the value at `keys`, as `FILE:LINE: KEY.KEY`."""
        return f"{self.path}:{_line_of(self.text, keys)}: {dotted(keys)}"

    def error(self, keys: Sequence[int | str], what: str, hint: str = "") -> WrongContract:
        """An error about the value at `keys`."""
        return WrongContract(f"{self.location(keys)}: {what}", hint or "mend that key")

    @contextmanager
    def errors(self) -> Iterator[ErrorList]:
        """A list that errors are collected in; they are raised as one at the end of the context."""
        listed = ErrorList()
        with listed.collected():
            yield listed
        if listed.found:
            raise self._joined(listed.found)

    def _joined(self, errors: Sequence[WrongContract]) -> WrongContract:
        """One error for several, a line each, in the order of the file; the hint is the first's."""
        start = len(f"{self.path}:")
        located = [
            Located(int(text[start:].partition(":")[0]), text)
            for error in errors
            for text in error.what.splitlines()
        ]
        return wrong_contract(located, errors[0].hint)

    def validate(self, model: type[M], keys: Sequence[int | str] = ()) -> M:
        """Parse the value at `keys` as a model; raises `WrongContract`."""
        part: Any = self.content
        for key in keys:
            part = part[key]
        try:
            return model.model_validate(part)
        except ValidationError as error:
            found = [
                Located(_line_of(self.text, where), f"{self.location(where)}: {what}")
                for part_keys, what in find_errors(model, error, part)
                for where in ((*keys, *part_keys),)
            ]
            raise wrong_contract(found, yaml_file.HINT) from None


def read(path: Path) -> JsonFile:
    """Read a file that holds a JSON object; raises `WrongContract`."""
    text = yaml_file.read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise WrongContract(
            f"{path}:{error.lineno}: is not JSON: {error.msg} (column {error.colno})",
            "mend that line",
        ) from None
    except _DuplicateKey as error:
        raise WrongContract(
            f"{path}:{_line_of_duplicate(text)}: {error}: is there twice", "remove one of them"
        ) from None
    except RecursionError:
        raise WrongContract(f"{path}:1: is nested too deeply", "mend the file") from None
    except ValueError as error:
        # A number of thousands of digits.
        raise WrongContract(f"{path}:1: is no JSON of a contract: {error}", "mend it") from None
    if not isinstance(content, dict):
        raise WrongContract(f"{path}:1: holds no JSON object", "it begins with {")
    return JsonFile(path, text, content)


class _DuplicateKey(ValueError):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise _DuplicateKey(key)
        content[key] = value
    return content


@lru_cache(maxsize=2)
def _parsed_with_lines(text: str) -> Any:
    # JSON is YAML, except for tabs between tokens. JSON strings hold no literal tabs.
    return YAML().load(text.replace("\t", " "))


def _line_of(text: str, keys: Sequence[int | str]) -> int:
    try:
        return yaml_file.line_of(_parsed_with_lines(text), keys)
    except YAMLError:
        return 1


def _line_of_duplicate(text: str) -> int:
    try:
        _parsed_with_lines(text)
    except MarkedYAMLError as error:
        return error.problem_mark.line + 1 if error.problem_mark else 1
    except YAMLError:
        pass
    return 1
