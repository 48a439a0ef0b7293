"""What was expected and what is there, side by side: lines of text, or rows of single changes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.cases.case import Finding
from harness.report import Defect

# Between an archive and its member, and between what a value was and is.
_ARROW = " → "
# As `harness.files.difference` writes a change: of a value or a cell, and of an archive's member.
_CHANGE = re.compile(r"(?P<name>.+?): (?P<old>.*) → (?P<new>.*)")
_MEMBER = re.compile(r"member (?P<name>.+?): (?P<change>gone|new|.* → .*)")
# The line that begins a part of a unified diff.
_HUNK = "@@"


@dataclass(frozen=True)
class Line:
    """A line of what was expected or found, and whether the other side lacks it."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Row:
    """A single change: of a member of an archive, of a value in JSON, or of a cell of a table."""

    name: str
    expected: str
    got: str


@dataclass(frozen=True)
class Comparison:
    """What was expected at one place, and what is there: texts, and the changes that are rows."""

    where: str
    expected: tuple[Line, ...]
    got: tuple[Line, ...]
    rows: tuple[Row, ...]
    is_archive: bool = False


def comparisons(defect: Defect) -> tuple[Comparison, ...]:
    """How each place differs in the case that shows the defect; that of its head first."""
    head = defect.head
    found = [head, *(one for one in defect.findings if one.case == head.case and one != head)]
    members: dict[str, list[Row]] = {}
    for one in (*found, *(one for one in defect.first.findings if one not in found)):
        archive, is_member, name = one.where.partition(_ARROW)
        if is_member and (archive in members or one in found):
            members.setdefault(archive, []).append(Row(name, one.expected, one.got))
    places = list(dict.fromkeys(one.where.partition(_ARROW)[0] for one in found))
    by_place = {one.where: one for one in reversed(found)}
    return tuple(
        Comparison(place, (), (), tuple(members[place]), is_archive=True)
        if place in members
        else _compared(by_place[place])
        for place in places
    )


def _compared(finding: Finding) -> Comparison:
    lines = finding.got.splitlines() or [""]
    if any(line.startswith(_HUNK) for line in lines):
        return Comparison(finding.where, *_of_unified_diff(lines), ())
    members = [_MEMBER.fullmatch(line) for line in lines]
    if any(members):
        rows = tuple(_member(one["name"], one["change"]) for one in members if one)
        left = [line for line, one in zip(lines, members, strict=True) if not one]
        return Comparison(finding.where, *_lines(finding.expected, left), rows, is_archive=True)
    changes = [_CHANGE.fullmatch(line) for line in lines]
    rows = tuple(Row(one["name"], one["old"], one["new"]) for one in changes if one)
    left = [line for line, one in zip(lines, changes, strict=True) if not one]
    return Comparison(finding.where, *_lines(finding.expected, left), rows)


def _member(name: str, change: str) -> Row:
    if change in ("gone", "new"):
        sides = ("there", "nothing")
        return Row(name, *(sides if change == "gone" else reversed(sides)))
    old, _, new = change.partition(_ARROW)
    return Row(name, old, new)


def _of_unified_diff(lines: Sequence[str]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Both sides of a unified diff; of lines that stand for lines left out there is `…` in both."""
    body = ["  …" if line.startswith((_HUNK, "…")) else line for line in lines]
    if body[0] == "  …":
        del body[0]
    return (
        tuple(Line(one[1:], one[0] == "-") for one in body if one[:1] not in ("+", "")),
        tuple(Line(one[1:], one[0] == "+") for one in body if one[:1] not in ("-", "")),
    )


def _lines(expected: str, left: Sequence[str]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The lines of both texts, marked where one side has what the other lacks.

    Of single lines that have nothing in common nothing is marked: all of it differs.
    """
    first, second = expected.splitlines() or [""], list(left)
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    same = [block for block in matcher.get_matching_blocks() if block.size]
    first_same = {block.a + at for block in same for at in range(block.size)}
    second_same = {block.b + at for block in same for at in range(block.size)}
    return (
        tuple(Line(one, bool(same) and at not in first_same) for at, one in enumerate(first)),
        tuple(Line(one, bool(same) and at not in second_same) for at, one in enumerate(second)),
    )
