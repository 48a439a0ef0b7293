"""The settings of a project: `[tool.harness]` of a `pyproject.toml`, or a `harness.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import WrongContract
from harness.files.models import Located, dotted, find_errors, wrong_contract
from harness.files.toml_file import tomllib

OWN_FILE, SHARED_FILE = "harness.toml", "pyproject.toml"
_STANDARD_OUTPUT = "-"
_TABLE = "tool.harness"


_Codes = Annotated[tuple[str, ...], Field(strict=False)]


class _Table(BaseModel):
    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class LintSettings(_Table):
    """What a project sets for the linter: codes, or their beginnings; "ALL" is every code."""

    select: _Codes = Field(default=(), description="Only these codes.")
    extend_select: _Codes = Field(default=(), description="These codes too.")
    ignore: _Codes = Field(default=(), description="Not these codes.")
    per_file_ignores: dict[str, _Codes] = Field(
        default={}, description="Not these codes in such files."
    )
    severity: dict[str, Literal["error", "warning"]] = Field(
        default={}, description="The severity of a code."
    )
    fail_on: Literal["error", "warning"] = Field(
        default="warning", description="From which severity on the exit code is 1."
    )
    page: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Where `harness docs codes` is published: SARIF and JSON lead there.",
    )


class Settings(_Table):
    """What a project sets for all of its steps; an option or a contract that says more wins.

    Paths in the file are relative to its folder; those of a value that was read are absolute.
    """

    steps: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="The steps of commands that name none: paths, or patterns like `steps/*`.",
    )
    level: Literal["strict", "practical"] | None = Field(
        default=None, description="How strictly steps are judged whose contracts do not say it."
    )
    timeout: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="How long a case may take, in seconds."
    )
    runner: str | None = Field(default=None, description="As `--runner`.")
    image: str | None = Field(default=None, description="As `--image`.")
    jobs: Annotated[int, Field(ge=1)] | Literal["auto"] | None = Field(
        default=None, description="As `--jobs`."
    )
    reports: dict[str, str] = Field(
        default={}, description="As `--report`: a form, and the file to write."
    )
    baseline: str | None = Field(default=None, description="As `--baseline`.")
    lint: LintSettings = Field(default=LintSettings(), description="What the linter looks at.")

    def placed(self, folder: Path) -> Settings:
        """The same with paths that are relative to a folder made absolute."""
        return self.model_copy(
            update={
                "steps": tuple(str(folder / one) for one in self.steps),
                "baseline": self.baseline and str(folder / self.baseline),
                "reports": {
                    form: one if one == _STANDARD_OUTPUT else str(folder / one)
                    for form, one in self.reports.items()
                },
            }
        )


def settings(folder: Path) -> Settings:
    """Those that the nearest file in `folder` or above it holds; raises `WrongContract`."""
    for place in (folder.resolve(), *folder.resolve().parents):
        for name in (OWN_FILE, SHARED_FILE):
            if (file := place / name).is_file() and (found := _read(file, file.stat())) is not None:
                return found
    return Settings()


@lru_cache(maxsize=8)
def _read(file: Path, _state: Any) -> Settings | None:
    """The settings of a file in this state, None where it has no table of ours.

    Raises `WrongContract` that lists all errors with file, line and key.
    """
    try:
        text = file.read_text(encoding="utf-8")
        document: Any = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise WrongContract(f"{file}: cannot be read: {error}", "mend it") from None
    except tomllib.TOMLDecodeError as error:
        raise WrongContract(f"{file}: is not TOML: {error}", "mend that line") from None
    table = ""
    if file.name == SHARED_FILE:
        table = _TABLE
        for key in _TABLE.split("."):
            if not isinstance(document, Mapping) or key not in document:
                return None
            document = document[key]
    try:
        return Settings.model_validate(document).placed(file.parent)
    except ValidationError as error:
        found = [
            _located(file, text, table, where, what)
            for where, what in find_errors(Settings, error, document)
        ]
        raise wrong_contract(found, "`harness docs settings` lists the keys") from None


def _located(file: Path, text: str, table: str, where: Sequence[int | str], what: str) -> Located:
    """An error with file, line and key."""
    line = _line(text, table, where)
    key = dotted([*([table] if table else []), *where])
    return Located(line, f"{file}:{line}: {key}{': ' if key else ''}{what}")


def _line(text: str, table: str, where: Sequence[int | str]) -> int:
    """The line of a key, else that of the innermost table or key around it that is written."""
    wanted = [*table.split(".")] if table else []
    wanted += [str(one) for one in where]
    inside: list[str] = []
    best, line = 0, 1
    for number, content in enumerate(text.splitlines(), 1):
        if head := re.fullmatch(r"\[([^\[\]]+)\]\s*(#.*)?", content.strip()):
            inside = path = _keys(head[1])
        elif assigned := re.match(r"\s*([\w.\"'* -]+?)\s*=", content):
            path = [*inside, *_keys(assigned[1])]
        else:
            continue
        if path == wanted[: len(path)] and len(path) > best:
            best, line = len(path), number
    return line


def _keys(text: str) -> list[str]:
    return [one.strip().strip("\"'") for one in text.split(".")]
