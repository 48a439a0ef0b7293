"""Problems of scripts and of their contracts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.files.shown import shown_line
from harness.lint.codes import CODES, Severity

PAGE = Path(__file__).absolute().parents[1] / "docs" / "codes.md"
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
        """Where the page of the codes, which comes with the package, describes the code."""
        return f"{PAGE.as_uri()}#{self.code.lower()}"


def problem_of(code: str, message: str, fix: str, file: Path, line: int, column: int) -> Problem:
    """A problem with the severity of its code."""
    severity = CODES[code].severity
    return Problem(code, printable(message), printable(fix), file, line, column, severity=severity)


def printable(text: str) -> str:
    """The text on one line as `shown_line` escapes it, cut off after 300 characters."""
    shown = shown_line(text)
    return shown if len(shown) <= _MAX_LENGTH else f"{shown[:_MAX_LENGTH]}…"
