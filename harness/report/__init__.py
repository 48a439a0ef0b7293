"""Reports: consumers of a session's results. One module each: terminal, JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.cases.case import Finding, Result
from harness.cases.shard import Shard


@dataclass(frozen=True)
class Selection:
    """What the options say of which cases are run: `-k`, `--case`, `--pairwise`, `--profile`."""

    expression: str | None = None
    cases: tuple[str, ...] = ()
    pairwise: bool = False
    profile: str | None = None

    @property
    def as_options(self) -> str:
        """The same as options of the command line."""
        words = [
            *(("-k", self.expression) if self.expression is not None else ()),
            *(word for one in self.cases for word in ("--case", one)),
            *(("--pairwise",) if self.pairwise else ()),
            *(("--profile", self.profile) if self.profile else ()),
        ]
        return shlex.join(words) or "all cases"


@dataclass(frozen=True)
class Plan:
    """What is about to be run: `ids` of so many cases of the step's `total`, through a runner."""

    step: str
    runner: str
    ids: tuple[str, ...]
    total: int
    # The words of a command that replays a case, up to the case's id.
    replay: tuple[str, ...]
    # The cases that cannot be run for want of something, and what would have to be given.
    unproven: Mapping[str, str] = field(default_factory=dict)
    # The promises that the step need not keep, and why.
    waivers: Mapping[str, str] = field(default_factory=dict)
    # The image that the runner has its containers of, if it is one that has any.
    image: str | None = None
    # That of the step's files: `harness.runs.step.digest`.
    digest: str = ""
    # The names of all steps of the whole run.
    campaign: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    # The part of the selected cases that is run here, and the ids of all of them.
    shard: Shard | None = None
    selected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """How a run ended: the results in order, and seconds on the clock."""

    plan: Plan
    results: tuple[Result, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results with findings that are errors."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def conforms(self) -> bool:
        """Whether every case that was asked for was run, and passed."""
        return not self.failed and not self.plan.unproven

    @property
    def complete(self) -> bool:
        """Whether every planned case was run."""
        return len(self.results) == len(self.plan.ids)


class Report(Protocol):
    """Something that is told of a run as it goes on."""

    def started(self, plan: Plan) -> None:
        """The run begins."""
        ...

    def finished(self, result: Result) -> None:
        """One case has its verdict."""
        ...

    def ended(self, summary: Summary) -> None:
        """The run of one step is over."""
        ...

    def stopped(self) -> None:
        """Nothing more is run, whether all is done or not."""
        ...

    def closed(self, summaries: Sequence[Summary]) -> None:
        """All is done."""
        ...


def replay_to(summaries: Sequence[Summary], reports: Sequence[Report]) -> None:
    """Tell the reports of runs that are over already."""
    for summary in summaries:
        for report in reports:
            report.started(summary.plan)
            for result in summary.results:
                report.finished(result)
            report.ended(summary)
    for report in reports:
        report.stopped()
        report.closed(summaries)


@dataclass(frozen=True)
class Defect:
    """Findings that are one defect: the same promise broken in the same way."""

    findings: tuple[Finding, ...]
    first: Result

    @property
    def is_error(self) -> bool:
        """Whether it makes its cases fail."""
        return self.findings[0].severity == "error"

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases it was found in."""
        return tuple(dict.fromkeys(finding.case for finding in self.findings))


def defects(results: Sequence[Result]) -> list[Defect]:
    """The findings of all results: errors before warnings, the one found in most cases first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    by_case = {result.case: result for result in results}
    for result in results:
        for finding in result.findings:
            groups.setdefault((finding.promise, finding.key), []).append(finding)
    found = [Defect(tuple(findings), by_case[findings[0].case]) for findings in groups.values()]
    return sorted(found, key=lambda one: (not one.is_error, -len(one.cases)))
