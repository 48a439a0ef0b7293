"""Promises: what must hold in every case, each a small function from an outcome to findings.

A promise is a module with a `PROMISE`, and one line here. Its check sees the contract, the case,
what the case must do, and what the script did; it yields nothing when the promise holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.case import Case, Finding, Outcome
from harness.contract import Contract
from harness.expectation import Expectation


@dataclass(frozen=True)
class Evidence:
    """All that a promise may look at."""

    contract: Contract
    case: Case
    expected: Expectation
    outcome: Outcome

    @property
    def as_expected(self) -> bool:
        """Whether the script ended as it must; what it wrote and said is judged only then."""
        return self.expected.is_end(self.outcome.exit_code)


@dataclass(frozen=True)
class Difference:
    """What a check found: a short key for grouping, where, what was expected, what was there."""

    key: str
    where: str
    expected: str
    got: str


@dataclass(frozen=True)
class Promise:
    """Something that must hold in every case."""

    name: str
    sentence: str
    check: Callable[[Evidence], Iterator[Difference]]

    def explained(self) -> str:
        """What it means and what is found when it is broken, for people."""
        found = inspect.cleandoc(self.check.__doc__ or "")
        waiver = f"To waive it for a step, say why in its contract:\n\nwaivers:\n  {self.name}: …"
        return f"{self.name}\n\n{self.sentence}\n\nFound: {found}\n\n{waiver}"


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    """Every promise that the outcome breaks, in the order of `harness.promises.all`.

    Promises that the contract waives are not looked at.
    """
    from harness.promises.all import PROMISES

    return tuple(
        Finding(promise.name, d.key, evidence.case.id, d.where, d.expected, d.got)
        for promise in PROMISES
        if promise.name not in evidence.contract.waivers
        for d in promise.check(evidence)
    )
