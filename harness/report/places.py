"""Where a defect stands in the step's script, for reports that point at lines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.report import Defect, Plan

# As `last_failure` in `harness.promises.tracebacks` writes it.
_RAISED_AT = re.compile(r" at (?P<file>[^\n]+):(?P<line>\d+)$")
# A line of a traceback.
_FRAME = re.compile(r'^ +File "[^"\n]*?(?P<file>[^/"\n]+)", line (?P<line>\d+)\b', re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A line, from 1, of a file of the host."""

    file: Path
    line: int

    @property
    def shown(self) -> str:
        """The file relative to the working directory if it is below it."""
        return os.fsencode(self._relative).decode(errors="backslashreplace")

    @property
    def uri(self) -> str:
        """The file as code scanning wants it: relative to the repository where it can be."""
        file = self._relative
        return file.as_uri() if file.is_absolute() else quote(os.fsencode(file.as_posix()))

    @property
    def _relative(self) -> Path:
        absolute, folder = self.file.absolute(), Path.cwd()
        return absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute


def place_of(defect: Defect, plan: Plan) -> Place | None:
    """The line that raised the exception of a defect, else the first line of the script.

    Of a failure whose exception is not the cause it is the script's last line in the traceback.
    None when the plan does not name its script, as in reports of older versions.
    """
    if not plan.script:
        return None
    script = Path(plan.script)
    raised = _RAISED_AT.search(defect.head.cause)
    if raised is None:
        frames = _FRAME.finditer(defect.first.stderr_tail)
        lines = [int(one["line"]) for one in frames if one["file"] == plan.entry_point]
        known = len(_lines(Place(script, 1)))
        return Place(script, lines[-1] if lines and lines[-1] <= known else 1)
    is_script = raised["file"] == plan.entry_point
    file = script if is_script else script.parent / raised["file"]
    return Place(file, int(raised["line"])) if file.is_file() else Place(script, 1)


def excerpt_of(defect: Defect, plan: Plan) -> list[str]:
    """The line of a file that raised a defect's exception, between those before and after it.

    Empty where nothing was raised, or where the file cannot be read.
    """
    place = place_of(defect, plan)
    raised = _RAISED_AT.search(defect.head.cause)
    if place is None or raised is None or int(raised["line"]) != place.line:
        return []
    lines = _lines(place)
    numbers = range(max(place.line - 1, 1), min(place.line + 1, len(lines)) + 1)
    if place.line not in numbers:
        return []
    width = len(str(numbers[-1]))
    found = [
        f"{'>' if one == place.line else ' '} {one:{width}} | {lines[one - 1]}".rstrip()
        for one in numbers
    ]
    return [f"{place.shown}:{place.line}", *found]


def source_line(place: Place) -> str:
    """The text of a line, without indentation; "" if it cannot be read."""
    lines = _lines(place)
    return lines[place.line - 1].strip() if place.line <= len(lines) else ""


def _lines(place: Place) -> list[str]:
    try:
        return place.file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
