"""Renders the problems that lint found: for people, programs, code scanning, GitHub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from harness.lint.problem import CODES, Problem

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def render(problems: Sequence[Problem], form: str) -> str:
    """The problems as text that ends with a line end; `form` is a key of `FORMS`."""
    return FORMS[form](problems)


def _file(problem: Problem) -> str:
    path = str(problem.file)
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


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
                        "artifactLocation": {"uri": _file(one).replace(os.sep, "/")},
                        "region": {"startLine": one.line, "startColumn": one.column},
                    }
                }
            ],
        }
        for one in problems
    ]
    rules = [{"id": code, "shortDescription": {"text": text}} for code, text in CODES.items()]
    driver = {"name": "harness lint", "version": version("step-harness"), "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
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
