"""HTML: one file without network, with the matrix as a grid and a section for each defect."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from harness.files.shown import shown
from harness.report import Defect, Plan, Run, Summary, defects
from harness.report.forms.grid import Grid, choices, grids
from harness.report.forms.sides import Comparison, comparisons
from harness.report.places import excerpt_of

# More than that nobody reads, and a browser takes long to show.
_MAX_DEFECTS = 200
_MAX_CASES = 50
_SLOWEST = 10
_MAX_FOLLOWED = 200
_MAX_FOLLOWING = 20


@dataclass(frozen=True)
class DefectView:
    """A defect as it is shown."""

    defect: Defect
    id: str
    comparisons: tuple[Comparison, ...]
    replay: str
    excerpt: str

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases that are listed."""
        return self.defect.cases[:_MAX_CASES]

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices of its cases, `AXIS=CHOICE`."""
        return _choices(self.defect.cases)


@dataclass(frozen=True)
class Followed:
    """A case that was run, and how many follow from it, with the ids of some."""

    case: str
    number: int
    following: tuple[str, ...]


@dataclass(frozen=True)
class Promised:
    """How a promise was kept that was not, or need not be: the verdict, why, and the defect."""

    name: str
    verdict: str
    text: str
    defect: str = ""


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
    source_of: dict[str, str]

    @property
    def errors(self) -> int:
        """The number of defects that make cases fail, as far as they are shown."""
        return sum(one.defect.is_error for one in self.defects)

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices that defects can be filtered by, `AXIS=CHOICE`."""
        return _choices(self.summary.plan.ids)

    @property
    def followed(self) -> tuple[Followed, ...]:
        """The cases that others follow from, those of most others first."""
        groups: dict[str, list[str]] = {}
        for case, source in self.source_of.items():
            groups.setdefault(source, []).append(case)
        by_number = sorted(groups.items(), key=lambda one: -len(one[1]))
        return tuple(
            Followed(source, len(cases), tuple(cases[:_MAX_FOLLOWING]))
            for source, cases in by_number[:_MAX_FOLLOWED]
        )

    @property
    def held(self) -> tuple[Promised, ...]:
        """The promises that were broken or are waived."""
        found: dict[str, list[DefectView]] = {}
        for view in self.defects:
            for name in (view.defect.head.promise, *view.defect.other_promises):
                found.setdefault(name, []).append(view)
        told = tuple(_promised(name, views) for name, views in found.items())
        waived = self.summary.plan.waivers.items()
        return (*told, *(Promised(name, "waived", why) for name, why in waived))

    @property
    def kept(self) -> tuple[str, ...]:
        """The promises of which nothing was found."""
        told = {one.name for one in self.held}
        return tuple(one for one in self.summary.plan.promises if one not in told)

    @property
    def promises(self) -> tuple[str, ...]:
        """The promises that its defects break."""
        names = (
            name
            for one in self.defects
            for name in (one.defect.head.promise, *one.defect.other_promises)
        )
        return tuple(dict.fromkeys(names))


def html(run: Run) -> str:
    """The document."""
    # No other report needs it, and each command that runs cases has all forms.
    from jinja2 import Environment, PackageLoader, StrictUndefined

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
    defects_of: dict[str, list[str]] = {}
    for view in views:
        for case in view.defect.cases:
            defects_of.setdefault(case, []).append(view.id)
    source_of = {one.case: one.follows for one in summary.results if one.follows}
    by_time = sorted(summary.results, key=lambda one: -one.seconds)[:_SLOWEST]
    return StepView(
        summary,
        name,
        tuple(grids(summary, defects_of)),
        tuple(views),
        len(found) - len(views),
        {case: found[0] for case, found in defects_of.items()},
        tuple((one.case, one.seconds) for one in by_time),
        source_of,
    )


def _defect(name: str, defect: Defect, plan: Plan) -> DefectView:
    return DefectView(
        defect,
        name,
        comparisons(defect),
        shlex.join([*plan.replay_command, defect.head.case]),
        "\n".join(excerpt_of(defect, plan)),
    )


def _promised(name: str, views: Sequence[DefectView]) -> Promised:
    """How a promise was kept that the defects break; the first of them is the worst."""
    number = len({case for one in views for case in one.defect.cases})
    verdict = "broken" if views[0].defect.is_error else "warning"
    return Promised(name, verdict, f"{number} case{'s' * (number != 1)}", views[0].id)


def _choices(cases: Sequence[str]) -> tuple[str, ...]:
    def each() -> Iterator[str]:
        for case in cases:
            pairs = choices(case)
            yield from (f"{axis}={choice}" for axis, choice in pairs)
            if not pairs:
                yield case

    return tuple(dict.fromkeys(each()))
