"""HTML: one file without network, with the matrix as a grid and a section for each defect."""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.files.shown import shown
from harness.report import Defect, Plan, Run, Summary, defects
from harness.report.forms.grid import Grid, grids
from harness.report.places import place_of, source_line

# More than that nobody reads, and a browser takes long to show.
_MAX_DEFECTS = 200
_MAX_CASES = 50
_SLOWEST = 10
# Between an archive and its member, and between what a value was and is.
_IN_ARCHIVE = " → "
_MEMBER_LINE = re.compile(r"member (.+?): (gone|new|.* → .*)")


@dataclass(frozen=True)
class Line:
    """A line of what was expected or found, and whether the other side lacks it."""

    text: str
    differs: bool


@dataclass(frozen=True)
class MemberView:
    """A member of an archive that is not as expected: what was expected, and what is there."""

    name: str
    expected: str
    got: str


@dataclass(frozen=True)
class DefectView:
    """A defect as it is shown."""

    defect: Defect
    id: str
    expected: tuple[Line, ...]
    got: tuple[Line, ...]
    members: tuple[MemberView, ...]
    replay: str
    place: str
    code: str

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases that are listed."""
        return self.defect.cases[:_MAX_CASES]


@dataclass(frozen=True)
class StepView:
    """A step as it is shown: `defect_of` has the id of the first defect of each case."""

    summary: Summary
    id: str
    grids: tuple[Grid, ...]
    defects: tuple[DefectView, ...]
    hidden_defects: int
    defect_of: dict[str, str]
    slowest: tuple[tuple[str, float], ...]

    @property
    def promises(self) -> tuple[str, ...]:
        """The promises that its defects break."""
        return tuple(dict.fromkeys(one.defect.head.promise for one in self.defects))


def html(run: Run) -> str:
    """The document."""
    environment = Environment(
        loader=PackageLoader("harness.report.forms", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    template = environment.get_template("report.html.jinja")
    return template.render(
        steps=[_step(number, one) for number, one in enumerate(run.summaries, 1)],
        errors=run.errors,
        conforms=run.conforms,
        version=version("step-harness"),
    )


def _step(number: int, summary: Summary) -> StepView:
    found = defects(summary.results)
    name = f"step-{number}"
    views = [
        _defect(f"{name}-defect-{at}", one, summary.plan)
        for at, one in enumerate(found[:_MAX_DEFECTS], 1)
    ]
    defect_of: dict[str, str] = {}
    for view in views:
        for case in view.defect.cases:
            defect_of.setdefault(case, view.id)
    by_time = sorted(summary.results, key=lambda one: -one.seconds)[:_SLOWEST]
    return StepView(
        summary,
        name,
        tuple(grids(summary)),
        tuple(views),
        len(found) - len(views),
        defect_of,
        tuple((one.case, one.seconds) for one in by_time),
    )


def _defect(name: str, defect: Defect, plan: Plan) -> DefectView:
    place = place_of(defect, plan)
    expected, got = _difference(defect.head.expected, defect.head.got)
    return DefectView(
        defect,
        name,
        expected,
        got,
        _members(defect),
        shlex.join([*plan.replay_command, defect.head.case]),
        "" if place is None else f"{place.shown}:{place.line}",
        "" if place is None or not defect.head.cause else source_line(place),
    )


def _members(defect: Defect) -> tuple[MemberView, ...]:
    """The members of the archive in which the defect shows, as they differ in its first case.

    They are told by findings of their own, or by the lines that compare two archives.
    """
    archive, is_member, _ = defect.head.where.partition(_IN_ARCHIVE)
    if not is_member:
        lines = (_MEMBER_LINE.fullmatch(one) for one in defect.head.got.splitlines())
        return tuple(_compared(one[1], one[2]) for one in lines if one)
    return tuple(
        MemberView(one.where.removeprefix(f"{archive}{_IN_ARCHIVE}"), one.expected, one.got)
        for one in defect.first.findings
        if one.where.startswith(f"{archive}{_IN_ARCHIVE}")
    )


def _compared(name: str, change: str) -> MemberView:
    """A member by the words of `harness.files.difference`."""
    if change in ("gone", "new"):
        sides = ("there", "nothing")
        return MemberView(name, *(sides if change == "gone" else reversed(sides)))
    old, _, new = change.partition(_IN_ARCHIVE)
    return MemberView(name, old, new)


def _difference(expected: str, got: str) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The lines of both texts, marked where one side has what the other lacks."""
    left, right = expected.splitlines() or [""], got.splitlines() or [""]
    is_text = len(left) > 1 or len(right) > 1
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    same = [block for block in matcher.get_matching_blocks() if block.size]
    left_same = {block.a + at for block in same for at in range(block.size)}
    right_same = {block.b + at for block in same for at in range(block.size)}
    return (
        tuple(Line(one, is_text and at not in left_same) for at, one in enumerate(left)),
        tuple(Line(one, is_text and at not in right_same) for at, one in enumerate(right)),
    )
