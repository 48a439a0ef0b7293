"""What came of running a case: what was run, what it did, what is wrong with it.

Runs make these values, reports show them.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.cases.case import Case, Finding, Outcome, Result
from harness.cases.expectation import Expectation

_TAIL_LINES = 12


@dataclass(frozen=True)
class Usual:
    """What the script did in the usual case, run twice: outcomes, and findings of the first.

    Between the two runs the clock and the order of sets have moved on.
    """

    outcomes: tuple[Outcome, Outcome]
    findings: tuple[Finding, ...]
    # Whether the first ended as it must.
    as_expected: bool


@dataclass(frozen=True)
class Trial:
    """One case from beginning to end; one of circumstances has what was usual, too."""

    case: Case
    expected: Expectation
    outcome: Outcome
    findings: tuple[Finding, ...]
    usual: Usual | None = None

    @property
    def result(self) -> Result:
        """The verdict, with the end of what the script said."""
        lines = self.outcome.stderr.splitlines() if self.findings else []
        return Result(
            self.case.id,
            self.findings,
            self.outcome.exit_code,
            self.outcome.seconds,
            "\n".join(lines[-_TAIL_LINES:]),
        )


@dataclass(frozen=True)
class Difference:
    """Something that runners do not agree on: which case, what, and what it was in each of them."""

    case: str
    what: str
    got: tuple[str, ...]
