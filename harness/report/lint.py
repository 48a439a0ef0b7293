"""Renders the problems that lint found: for people, programs, code scanning, GitHub."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from harness.files.shown import shown, shown_line
from harness.lint.codes import CODES, describe_code, section
from harness.lint.problem import Problem

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def render(problems: Sequence[Problem], format_name: str, page: str | None = None) -> str:
    """The problems in a format, a key of `FORMATS`; the text ends with a newline.

    `page` is the address of the page of the codes, where it is published.
    """
    return FORMATS[format_name](problems, page)


def _relative(file: Path) -> Path:
    """The path relative to the working directory if it is below it, as code scanning needs it."""
    absolute, working_directory = file.absolute(), Path.cwd()
    is_below = absolute.is_relative_to(working_directory)
    return absolute.relative_to(working_directory) if is_below else file


def _printable_path(problem: Problem) -> str:
    # A name that is not UTF-8 cannot be printed unchanged.
    name = os.fsencode(_relative(problem.file)).decode(errors="backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in name
    )


def _uri(problem: Problem) -> str:
    file = _relative(problem.file)
    return file.as_uri() if file.is_absolute() else quote(os.fsencode(file.as_posix()))


def _text(problems: Sequence[Problem], _page: str | None) -> str:
    lines = [
        f"{shown_line(_printable_path(one))}:{one.line}:{one.column}: {one.code} "
        f"{shown(one.message)}\n    {shown(one.fix)}\n"
        for one in problems
    ]
    count = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
    return "".join([*lines, f"{count if problems else 'no problems'}\n"])


def _json(problems: Sequence[Problem], page: str | None) -> str:
    documents = [
        {
            "code": one.code,
            "message": one.message,
            "fix": one.fix,
            "file": _printable_path(one),
            "line": one.line,
            "column": one.column,
            "end_line": one.end[0],
            "end_column": one.end[1],
            "severity": one.severity,
            "url": _address(page, one.code) if page else one.url,
            "fixable": one.edit is not None,
        }
        for one in problems
    ]
    return json.dumps(documents, indent=2) + "\n"


def _sarif(problems: Sequence[Problem], page: str | None) -> str:
    results = [
        {
            "ruleId": one.code,
            "level": one.severity,
            "message": {"text": f"{one.message}: {one.fix}"},
            "partialFingerprints": {"harnessLint/v1": _fingerprint(one)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(one)},
                        "region": {
                            "startLine": one.line,
                            "startColumn": one.column,
                            "endLine": one.end[0],
                            "endColumn": one.end[1],
                        },
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
            # Without such an address the page only lies in the package.
            **({"helpUri": _address(page, code)} if page else {}),
            "help": {"text": describe_code(code), "markdown": section(code)},
            "defaultConfiguration": {"level": one.severity},
        }
        for code, one in CODES.items()
    ]
    driver = {"name": "harness lint", "version": version("step-harness"), "rules": rules}
    # The default of `columnKind` is UTF-16 code units.
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _address(page: str, code: str) -> str:
    return f"{page.partition('#')[0]}#{code.lower()}"


def _fingerprint(problem: Problem) -> str:
    """What stays the same of a problem when lines before it are added or taken out."""
    parts = (problem.code, _relative(problem.file).as_posix(), problem.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _github(problems: Sequence[Problem], _page: str | None) -> str:
    return "".join(
        f"::{one.severity} file={_escape_property(_printable_path(one))},line={one.line},"
        f"col={one.column},title={one.code}::{_escape_data(f'{one.message}: {one.fix}')}\n"
        for one in problems
    )


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: Mapping[str, Callable[[Sequence[Problem], str | None], str]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}
