"""Python tracebacks in what a script prints: where it failed, with what, and the lines around them.

A traceback is read as `traceback` and `logging` write it; the first line of an exception's message
counts as its message, since nothing marks where a longer one ends.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from harness.worlds.tree import is_under

HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<file>.*)", line (?P<line>\d+)(?:, in (?P<function>.*))?$')
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_LINKS: dict[str, Literal["during", "cause"]] = {
    "During handling of the above exception, another exception occurred:": "during",
    "The above exception was the direct cause of the following exception:": "cause",
}
# Underlines that newer Pythons draw below a line of code.
_MARKS = re.compile(r"^\s*[~^]+\s*$")


@dataclass(frozen=True)
class Frame:
    """One call in a traceback: file, line (from 1), function, and the text of that line."""

    file: str
    line: int
    function: str
    code: str


@dataclass(frozen=True)
class Traceback:
    """One traceback: calls from the outermost in, and the exception that ended them.

    `link` says how it came after the one before it: raised `during` its handling, or with it as the
    `cause`; "" when it stands alone.
    """

    frames: tuple[Frame, ...]
    exception: str
    message: str
    link: Literal["", "during", "cause"] = ""

    def frame_in(self, folder: str) -> Frame | None:
        """The innermost call of a file below `folder`."""
        inside = (one for one in reversed(self.frames) if is_under(one.file, folder))
        return next(inside, None)


@dataclass(frozen=True)
class Printed:
    """What a script prints: its tracebacks, and the lines that are in none, both in order."""

    tracebacks: tuple[Traceback, ...]
    lines: tuple[str, ...]
    # Whether the text ends with a traceback, as it does after an exception that nobody caught.
    ends_with_traceback: bool

    @property
    def messages(self) -> tuple[str, ...]:
        """The exceptions' own lines, `NAME: MESSAGE`, and every line outside tracebacks."""
        raised = (f"{one.exception}: {one.message}" for one in self.tracebacks)
        return (*raised, *self.lines)


# Of a text that is remembered, in characters: a script may write many millions.
_MAX_REMEMBERED = 10_000


def parse(text: str) -> Printed:
    """Split a text into tracebacks and other lines."""
    return _parse.__wrapped__(text) if len(text) > _MAX_REMEMBERED else _parse(text)


# Every promise about messages asks for it, and many cases say the same.
@lru_cache(maxsize=256)
def _parse(text: str) -> Printed:
    lines = text.splitlines()
    tracebacks: list[Traceback] = []
    others: list[str] = []
    link: Literal["", "during", "cause"] = ""
    at = 0
    ends = False
    while at < len(lines):
        line = lines[at]
        if not line.rstrip().endswith(HEADER):
            if line.strip() in _LINKS:
                link = _LINKS[line.strip()]
            elif line.strip():
                others.append(line)
                ends, link = False, ""
            at += 1
            continue
        before = line.rstrip().removesuffix(HEADER)
        if before.strip():
            others.append(before)
        found, at = _read(lines, at + 1, link)
        if found is not None:
            tracebacks.append(found)
            ends = True
        link = ""
    return Printed(tuple(tracebacks), tuple(others), ends)


def _read(
    lines: Sequence[str], at: int, link: Literal["", "during", "cause"]
) -> tuple[Traceback | None, int]:
    """The traceback whose first frame is at this line, and the line after it."""
    frames: list[Frame] = []
    while at < len(lines):
        if match := _FRAME.match(lines[at]):
            at += 1
            code = ""
            # Code is indented more than the line that names its file.
            while at < len(lines) and lines[at].startswith("    ") and not _FRAME.match(lines[at]):
                if not code and not _MARKS.match(lines[at]):
                    code = lines[at].strip()
                at += 1
            frames.append(Frame(match["file"], int(match["line"]), match["function"] or "", code))
        elif lines[at].startswith(" "):
            # `[Previous line repeated 994 more times]`
            at += 1
        else:
            break
    if not frames or at == len(lines):
        return None, at
    match = _EXCEPTION.match(lines[at])
    name, message = (match["name"], match["message"] or "") if match else ("", lines[at])
    return Traceback(tuple(frames), name, message, link), at + 1


def last_failure(text: str, folder: str) -> str:
    """Where a script in `folder` failed: `EXCEPTION at FILE:LINE`; "" without a traceback of it.

    Every error of the system is an `OSError` here: a call that fails for want of rights fails with
    another one where the file system is read-only. Of exceptions that were raised while others were
    handled, the first one is the failure.
    """
    chain: list[Traceback] = []
    for one in reversed(parse(text).tracebacks):
        chain.append(one)
        if not one.link:
            break
    for one in reversed(chain):
        if (frame := one.frame_in(folder)) is not None:
            name = frame.file.removeprefix(folder).lstrip("/")
            return f"{_family(one.exception)} at {name}:{frame.line}"
    return ""


def _family(exception: str) -> str:
    """What an exception is for the system: errors of one call differ by circumstance alone."""
    known = getattr(builtins, exception, None)
    is_system_error = isinstance(known, type) and issubclass(known, OSError)
    return "OSError" if is_system_error else exception
