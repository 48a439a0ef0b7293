"""Reports of runs, cases, comparisons and problems; imports cases, and of lint only `problem`."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.cases.case import Finding, Result
from harness.cases.fault import is_fault, point_of
from harness.cases.results import number_of, where
from harness.cases.shard import Shard
from harness.contracts.contract import Level
from harness.errors import HarnessError


@dataclass(frozen=True)
class Selection:
    """The options that select cases, and how they are judged: `-k`, `--case`, `--level` …"""

    expression: str | None = None
    cases: tuple[str, ...] = ()
    pairwise: bool = False
    profile: str | None = None
    level: str | None = None
    faults: bool = False
    every_fault: bool = False

    @property
    def as_options(self) -> str:
        """The options as they are written on the command line."""
        words = [
            *(("-k", self.expression) if self.expression is not None else ()),
            *(word for one in self.cases for word in ("--case", one)),
            *(("--pairwise",) if self.pairwise else ()),
            *(("--profile", self.profile) if self.profile else ()),
            *(("--level", self.level) if self.level else ()),
            *(("--every-fault",) if self.every_fault else ("--faults",) if self.faults else ()),
        ]
        return shlex.join(words) or "all cases"


@dataclass(frozen=True)
class Plan:
    """What is to be run of a step: the cases `ids`, of `total` in its matrix, through a runner."""

    step: str
    runner: str
    ids: Sequence[str]
    total: int
    # The words of a command that replays a case, without the case's id.
    replay_command: tuple[str, ...]
    # The ids of the cases that cannot be run, and why: what would have to be provided.
    unproven: Mapping[str, str] = field(default_factory=dict)
    # The names of the promises that the step need not keep, and the reasons.
    waivers: Mapping[str, str] = field(default_factory=dict)
    # The names of all promises; () if they are not known.
    promises: tuple[str, ...] = ()
    # How strictly the step is judged.
    level: Level = "strict"
    # The image of the runner's containers; None for other runners.
    image: str | None = None
    # The path of the script on this machine, and its name in the job; "" if they are not known.
    script: str = ""
    entry_point: str = ""
    # `harness.runs.step.fingerprint` of the step; "" when no report needs it.
    digest: str = ""
    # The names of all steps of the whole run.
    steps: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    # The shard that is run, and the ids of the selected cases of all shards.
    shard: Shard | None = None
    selected: Sequence[str] = ()

    def with_runner(self, name: str, image: str | None) -> Plan:
        """The same with another runner, with which cases are replayed too."""
        words = (*self.replay_command, "--runner", name)
        return replace(self, runner=name, image=image, replay_command=words)


@dataclass(frozen=True)
class Summary:
    """The results of a step's run in order, and how long it took, in seconds."""

    plan: Plan
    results: Sequence[Result]
    seconds: float

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results with findings that are errors."""
        return tuple(where(self.results, lambda one: one.failed))

    @property
    def passed(self) -> tuple[Result, ...]:
        """The results that were decided, without such findings."""
        return tuple(where(self.results, lambda one: one.passed))

    @property
    def number_passed(self) -> int:
        """How many results were decided, without such findings."""
        return number_of(self.results, lambda one: one.passed)

    @property
    def number_failed(self) -> int:
        """How many results have findings that are errors."""
        return number_of(self.results, lambda one: one.failed)

    @property
    def unproven(self) -> Mapping[str, str]:
        """The ids of the cases that were not decided, run or not, and why."""
        found = where(self.results, lambda one: bool(one.unproven))
        undecided = {one.case: one.unproven for one in found}
        return {**self.plan.unproven, **undecided}

    @property
    def faults(self) -> str:
        """How many faults were tried at how many points, and survived; "" if none was."""
        if not any(map(is_fault, self.plan.ids)):
            return ""
        tried = [one for one in self.results if is_fault(one.case)]
        if not tried:
            return ""
        points = {point_of(one.case) for one in tried}
        survived = sum(one.passed and not one.findings for one in tried)
        count = f"{len(tried)} fault{'s' * (len(tried) != 1)}"
        return f"{count} at {len(points)} point{'s' * (len(points) != 1)}: {survived} survived"

    @property
    def conforms(self) -> bool:
        """Whether every selected case was decided as far as it matters, and none failed."""
        undecided = number_of(
            self.results, lambda one: bool(one.unproven) and one.unproven_severity == "error"
        )
        return not self.number_failed and not self.plan.unproven and not undecided

    @property
    def complete(self) -> bool:
        """Whether every planned case was run."""
        return len(self.results) == len(self.plan.ids)


@dataclass(frozen=True)
class Run:
    """A run of one or more steps, and why the others could not be proved."""

    summaries: tuple[Summary, ...]
    errors: tuple[HarnessError, ...] = ()

    @property
    def conforms(self) -> bool:
        """Whether every step was proved, and conforms."""
        return not self.errors and all(one.conforms for one in self.summaries)


class Report(Protocol):
    """A consumer of the events of a run."""

    def step_started(self, plan: Plan) -> None:
        """The run of one step begins."""
        ...

    def case_finished(self, result: Result) -> None:
        """One case has been run and judged."""
        ...

    def cases_judged(self, number: int, failed: int) -> None:
        """So many cases have been judged so far; each of them is told of when all have been."""
        ...

    def runner_changed(self, note: str) -> None:
        """Another runner runs the cases that follow, or the same one in another way."""
        ...

    def step_finished(self, summary: Summary) -> None:
        """The run of one step is over."""
        ...

    def run_stopped(self) -> None:
        """No more cases will be run, also after an error or an interrupt."""
        ...

    def run_finished(self, run: Run) -> None:
        """The run ended; its `errors` are those of steps."""
        ...


def replay_to(summaries: Sequence[Summary], reports: Sequence[Report]) -> None:
    """Send the events of a finished run to reports."""
    for summary in summaries:
        for report in reports:
            report.step_started(summary.plan)
            for result in summary.results:
                report.case_finished(result)
            report.step_finished(summary)
    for report in reports:
        report.run_stopped()
        report.run_finished(Run(tuple(summaries)))


# The line that a cause ends with.
_LINE = re.compile(r":\d+$")
# The promise about how a script ends: what else is wrong follows from that.
_ENDS = "exit-code"
# The promises about what a failing script says.
_MESSAGES = "error-"


@dataclass(frozen=True)
class Defect:
    """Findings with one cause; `first` is the result of the case that shows it."""

    findings: tuple[Finding, ...]
    first: Result

    @property
    def head(self) -> Finding:
        """The finding that stands for the defect: how the script ended, else the first error."""
        return min(self.findings, key=lambda one: (one.severity, one.promise != _ENDS))

    @property
    def is_error(self) -> bool:
        """Whether it makes its cases fail."""
        return self.head.severity == "error"

    @property
    def is_minor(self) -> bool:
        """Whether it is counted, and not told."""
        return all(one.minor and one.severity == "warning" for one in self.findings)

    @property
    def cases(self) -> tuple[str, ...]:
        """The ids of the cases it was found in, that of `head` first."""
        return tuple(dict.fromkeys((self.head.case, *(one.case for one in self.findings))))

    @property
    def identity(self) -> tuple[str, ...]:
        """What it has in common with the same defect in another run, whatever lines have moved."""
        return identity(self.head)

    @property
    def other_promises(self) -> tuple[str, ...]:
        """The other promises that it breaks."""
        names = dict.fromkeys(one.promise for one in self.findings)
        return tuple(name for name in names if name != self.head.promise)


def identity(finding: Finding) -> tuple[str, ...]:
    """What findings of one defect have in common, in this run and in others."""
    cause = _LINE.sub("", finding.cause)
    return (cause,) if cause else (finding.promise, finding.key)


class WorldsShown:
    """What the worlds of the results so far have shown."""

    def __init__(self) -> None:
        """Nothing was shown."""
        self._shown: set[tuple[str, ...]] = set()

    def without(self, result: Result) -> Result:
        """The next result, without its world where those before it have shown the same."""
        found = {(one.promise, one.severity, *identity(one)) for one in result.findings}
        is_known = found <= self._shown
        self._shown |= found
        return replace(result, world=()) if is_known and result.world else result


def without_known_worlds(results: Iterable[Result]) -> Iterator[Result]:
    """The results, each without its world where those before it have shown the same."""
    return map(WorldsShown().without, results)


def defects(results: Sequence[Result]) -> list[Defect]:
    """The findings grouped by cause: errors before warnings, those in most cases first.

    Paths that one case alone has differ by chance, as the names of temporary files do: those of one
    folder are one defect.
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    found_in = tuple(where(results, lambda one: bool(one.findings)))
    by_case = {result.case: result for result in found_in}
    for result in found_in:
        for finding in result.findings:
            same = (finding.cause,) if finding.cause else (finding.promise, finding.key)
            groups.setdefault(same, []).append(finding)
    groups = _with_names_of_chance_together(groups)
    groups = _without_what_is_said_in_any_case(groups, by_case)
    found = [Defect(tuple(findings), by_case[findings[0].case]) for findings in groups.values()]
    found = [replace(one, first=by_case[one.head.case]) for one in found]
    return sorted(found, key=lambda one: (not one.is_error, -len(one.cases)))


def _without_what_is_said_in_any_case(
    groups: Mapping[tuple[str, ...], list[Finding]], by_case: Mapping[str, Result]
) -> dict[tuple[str, ...], list[Finding]]:
    """The groups, of which those about a message are joined to the failure that it is the same of.

    A script that fails in the same way where it must succeed does not fail for want of what it
    ought to name.
    """
    ends = {
        _last_line(by_case[one.case]): same
        for same, findings in groups.items()
        for one in findings
        if one.promise == _ENDS and one.key.endswith("-for-0")
    }
    joined: dict[tuple[str, ...], list[Finding]] = {}
    for same, findings in groups.items():
        lines = {_last_line(by_case[one.case]) for one in findings}
        if all(one.promise.startswith(_MESSAGES) for one in findings):
            found = {ends.get(one) for one in lines if one}
            same = (found.pop() if len(found) == 1 else None) or same
        joined.setdefault(same, []).extend(findings)
    return joined


def _last_line(result: Result) -> str:
    return result.stderr_tail.rstrip().rpartition("\n")[2]


def _with_names_of_chance_together(
    groups: Mapping[tuple[str, ...], list[Finding]],
) -> dict[tuple[str, ...], list[Finding]]:
    together: dict[tuple[str, ...], list[Finding]] = {}
    for same, findings in groups.items():
        first = findings[0]
        is_path = first.cause.startswith(f"{first.key.rpartition('/')[2]} /")
        if is_path and len({one.case for one in findings}) == 1:
            same = (first.promise, first.key, posixpath.dirname(first.where))
        elif is_path:
            same = _beside(first.cause, groups) or same
        together.setdefault(same, []).extend(findings)
    return together


def _beside(cause: str, groups: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    """The group of the file to whose name that of this one only adds, as `x.db-journal` does.

    () where there is no such file.
    """
    for end in range(cause.rindex("/") + 2, len(cause)):
        if not cause[end].isalnum() and (cause[:end],) in groups:
            return (cause[:end],)
    return ()
