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


class Settings(BaseModel):
    """What a project sets for all of its steps; an option or a contract that says more wins.

    `level` is how strictly steps are judged, `timeout` how long a case may take, in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    level: Literal["strict", "practical"] | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None


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
        key = str(first["loc"][0]) if first["loc"] else ""
        known = ", ".join(Settings.model_fields)
        where = f"tool.{_TABLE}{'.' * bool(key)}{key}"
        raise WrongContract(
            f"{file}:{_line(text, key)}: {where}: {describe_error(first)}", f"the keys are: {known}"
        ) from None


def _line(text: str, key: str) -> int:
    """The line of a key of the table, or of the table itself."""
    found = 1
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("["):
            inside = line.strip() == f"[tool.{_TABLE}]"
            found = number if inside else found
        elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return found
