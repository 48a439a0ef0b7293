"""Renders the problems that lint found: for people, programs, code scanning, GitHub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from harness.lint.problem import CODES, Problem, explained

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def render(problems: Sequence[Problem], form: str) -> str:
    """The problems as text that ends with a line end; `form` is a key of `FORMS`."""
    return FORMS[form](problems)


def _relative(file: Path) -> Path:
    """The file as seen from here, if it is in here: where code scanning looks for it."""
    absolute, here = file.absolute(), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else file


def _file(problem: Problem) -> str:
    # A name that is not UTF-8 cannot be printed as it is.
    return os.fsencode(_relative(problem.file)).decode(errors="backslashreplace")


def _uri(problem: Problem) -> str:
    file = _relative(problem.file)
    return file.as_uri() if file.is_absolute() else quote(os.fsencode(file.as_posix()))


def _text(problems: Sequence[Problem]) -> str:
    lines = [
        f"{_file(one)}:{one.line}:{one.column}: {one.code} {one.message}\n    {one.fix}\n"
        for one in problems
    ]
    count = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
    return "".join([*lines, f"{count if problems else 'no problems'}\n"])


def _json(problems: Sequence[Problem]) -> str:
    documents = [
        {
            "code": one.code,
            "message": one.message,
            "fix": one.fix,
            "file": _file(one),
            "line": one.line,
            "column": one.column,
        }
        for one in problems
    ]
    return json.dumps(documents, indent=2) + "\n"


def _sarif(problems: Sequence[Problem]) -> str:
    results = [
        {
            "ruleId": one.code,
            "level": "error",
            "message": {"text": f"{one.message}: {one.fix}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(one)},
                        "region": {"startLine": one.line, "startColumn": one.column},
                    }
                }
            ],
        }
        for one in problems
    ]
    rules = [
        {
            "id": code,
            "shortDescription": {"text": one.meaning},
            "fullDescription": {"text": one.why},
            "help": {"text": explained(code)},
        }
        for code, one in CODES.items()
    ]
    driver = {"name": "harness lint", "version": version("step-harness"), "rules": rules}
    # Without a word on it columns would count units of UTF-16.
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _github(problems: Sequence[Problem]) -> str:
    return "".join(
        f"::error file={_property(_file(one))},line={one.line},col={one.column},"
        f"title={one.code}::{_data(f'{one.message}: {one.fix}')}\n"
        for one in problems
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMS: Mapping[str, Callable[[Sequence[Problem]], str]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}
