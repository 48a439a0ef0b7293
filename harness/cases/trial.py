"""The record of running a case: the case, its outcome, its findings.

`runs` creates these values, `report` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.cases.case import Case, Finding, Outcome, Result, Severity
from harness.cases.expectation import Expectation
from harness.worlds.listing import listing

_TAIL_LINES = 12


@dataclass(frozen=True)
class UsualRuns:
    """Two runs of the usual case: the outcomes, and the findings of the first.

    The runs differ in time and in the order of sets.
    """

    outcomes: tuple[Outcome, Outcome]
    findings: tuple[Finding, ...]
    # Whether the exit code of the first is the expected one.
    as_expected: bool


@dataclass(frozen=True)
class Verdict:
    """What was found in a case; `unproven` says why it could not be decided, "" if it could.

    That makes the run fail only where a breach would have been an error (`unproven_severity`).
    """

    findings: tuple[Finding, ...] = ()
    unproven: str = ""
    unproven_severity: Severity = "error"

    def of(self, case_id: str) -> Verdict:
        """The same verdict on the case of this id."""
        return replace(self, findings=tuple(replace(one, case=case_id) for one in self.findings))


@dataclass(frozen=True)
class Trial:
    """A case that was run; a case of circumstances also has the runs of the usual case."""

    case: Case
    expected: Expectation
    outcome: Outcome
    verdict: Verdict
    usual: UsualRuns | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the verdict."""
        return self.verdict.findings

    @property
    def result(self) -> Result:
        """The result, with the last lines of standard error when there are findings."""
        lines = self.outcome.stderr.splitlines() if self.findings else []
        after = self.outcome.after if self.findings else None
        return Result(
            self.case.id,
            self.findings,
            self.outcome.exit_code,
            self.outcome.seconds,
            "\n".join(lines[-_TAIL_LINES:]),
            unproven=self.verdict.unproven,
            unproven_severity=self.verdict.unproven_severity,
            follows=self.outcome.follows,
            world=() if after is None else listing(self.outcome.before, after),
        )


@dataclass(frozen=True)
class Difference:
    """A difference between runners: the case, the subject, and its value in each runner."""

    case: str
    what: str
    got: tuple[str, ...]
