"""The settings of a project: the table `[tool.harness]` of the nearest `pyproject.toml`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import WrongContract
from harness.files.models import describe_error

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "pyproject.toml"
_TABLE = "harness"


_Codes = Annotated[tuple[str, ...], Field(strict=False)]


class _Table(BaseModel):
    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


class LintSettings(_Table):
    """What a project sets for the linter: codes, or their beginnings; "ALL" is every code."""

    select: _Codes = ()
    extend_select: _Codes = ()
    ignore: _Codes = ()
    per_file_ignores: dict[str, _Codes] = {}
    severity: dict[str, Literal["error", "warning"]] = {}
    fail_on: Literal["error", "warning"] = "warning"


class Settings(_Table):
    """What a project sets for all of its steps; an option or a contract that says more wins.

    `level` is how strictly steps are judged, `timeout` how long a case may take, in seconds, and
    `lint` what the linter looks at.
    """

    level: Literal["strict", "practical"] | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None
    lint: LintSettings = LintSettings()


def settings(folder: Path) -> Settings:
    """Those of the nearest `pyproject.toml` in `folder` or above it; raises `WrongContract`."""
    for place in (folder.resolve(), *folder.resolve().parents):
        if (file := place / FILE_NAME).is_file():
            return read(file)
    return Settings()


def read(file: Path) -> Settings:
    """Those that a `pyproject.toml` holds, none where it has no such table.

    Raises `WrongContract` with file, line and key.
    """
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text).get("tool", {}).get(_TABLE, {})
        return Settings.model_validate(table)
    except (OSError, UnicodeDecodeError) as error:
        raise WrongContract(f"{file}: cannot be read: {error}", "mend it") from None
    except tomllib.TOMLDecodeError as error:
        raise WrongContract(f"{file}: is not TOML: {error}", "mend that line") from None
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(one) for one in first["loc"]]
        model = LintSettings if keys[:1] == ["lint"] and len(keys) > 1 else Settings
        known = ", ".join(one.replace("_", "-") for one in model.model_fields)
        table = _TABLE if model is Settings else f"{_TABLE}.lint"
        key = keys[0 if model is Settings else 1] if keys else ""
        where = f"tool.{table}{'.' * bool(key)}{key}"
        raise WrongContract(
            f"{file}:{_line(text, table, key)}: {where}: {describe_error(first)}",
            f"the keys are: {known}",
        ) from None


def _line(text: str, table: str, key: str) -> int:
    """The line of a key of a table, or of the table itself."""
    found = 1
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("["):
            inside = line.strip() == f"[tool.{table}]"
            found = number if inside else found
        elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return found
