"""Problems of scripts and of their contracts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.lint.codes import CODES, Severity

_MAX_LENGTH = 300


@dataclass(frozen=True)
class Edit:
    """A change that mends a problem: in `line` of `file`, `old` becomes `new`.

    Where `old` is "", `new` is put behind the line as lines of its own.
    """

    file: Path
    line: int
    old: str
    new: str


@dataclass(frozen=True)
class Problem:
    """A problem; lines and columns count from 1, columns in characters. The end is behind it."""

    code: str
    message: str
    fix: str
    file: Path
    line: int
    column: int
    end_line: int = 0
    end_column: int = 0
    severity: Severity = "error"
    edit: Edit | None = None

    @property
    def end(self) -> tuple[int, int]:
        """Line and column of the end; those of the beginning where it is not known."""
        return (self.end_line or self.line, self.end_column or self.column)

    @property
    def url(self) -> str:
        """Where the code is described."""
        return url_of(self.code)


def url_of(code: str) -> str:
    """The name of a code that is the same everywhere; `harness explain CODE` describes it."""
    return f"urn:step-harness:{code}"


def problem_of(code: str, message: str, fix: str, file: Path, line: int, column: int) -> Problem:
    """A problem with the severity of its code."""
    severity = CODES[code].severity
    return Problem(code, printable(message), printable(fix), file, line, column, severity=severity)


def printable(text: str) -> str:
    """The text with control characters escaped, cut off after 300 characters."""
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
    return shown if len(shown) <= _MAX_LENGTH else f"{shown[:_MAX_LENGTH]}…"
