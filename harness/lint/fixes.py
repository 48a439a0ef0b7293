"""Mends problems whose change is mechanical."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.lint.problem import Edit, Problem


def mend(problems: Iterable[Problem]) -> int:
    """Make the changes that mend problems; gives how many were made.

    A file is changed from its end to its beginning, so that lines stay where they are.
    """
    edits = {one.edit for one in problems if one.edit is not None}
    by_file: dict[Path, list[Edit]] = {}
    for edit in sorted(edits, key=lambda one: (str(one.file), one.line, one.new)):
        by_file.setdefault(edit.file, []).append(edit)
    return sum(_change(file, found) for file, found in by_file.items())


def _change(file: Path, edits: list[Edit]) -> int:
    text = file.read_bytes().decode("utf-8")
    lines = text.splitlines(keepends=True)
    made = 0
    for edit in reversed(edits):
        at = edit.line - 1
        if not 0 <= at < len(lines):
            continue
        if not edit.old:
            end = "\r\n" if lines[at].endswith("\r\n") else "\n"
            lines[at] = lines[at].rstrip("\r\n") + end
            lines.insert(at + 1, f"{edit.new}{end}")
            made += 1
        elif lines[at].count(edit.old) == 1:
            lines[at] = lines[at].replace(edit.old, edit.new)
            made += 1
    if made:
        file.write_bytes("".join(lines).encode("utf-8"))
    return made
