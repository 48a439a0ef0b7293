"""Judges outcomes by promises, which every step must keep; imports `cases` and below.

A promise is a module with a `Promise`, and a line in `harness.promises.all`. Its check gets the
contract, the case, its expectation and its outcome, and yields a `Breach` for each violation. Most
promises are checked in every case. Some have circumstances: they add cases to every suite, each
the usual case of the suite with a change.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from harness.cases.case import Case, Finding, Outcome, Severity
from harness.cases.expectation import Expectation
from harness.cases.trial import UsualRuns
from harness.contracts.contract import Contract


@dataclass(frozen=True)
class Evidence:
    """The input of a check; `usual` is set in a case of circumstances."""

    contract: Contract
    case: Case
    expected: Expectation
    outcome: Outcome
    usual: UsualRuns | None = None

    @property
    def as_expected(self) -> bool:
        """Whether the exit code is the expected one; output is judged only then."""
        return self.expected.accepts_exit_code(self.outcome.exit_code)


@dataclass(frozen=True)
class Breach:
    """A violation: a short key for grouping, the location, what was expected, what was found.

    One that `hurts` is an error at every level, whatever its promise is there.
    """

    key: str
    where: str
    expected: str
    got: str
    hurts: bool = False


@dataclass(frozen=True)
class NotProven:
    """A check could not decide, for this reason: no breach, and nothing that holds either."""

    reason: str


Check = Callable[[Evidence], Iterator[Breach | NotProven]]


def _as_usual(_contract: Contract, _case: Case, usual: Expectation) -> Expectation:
    return usual


@dataclass(frozen=True)
class Circumstance:
    """A change of the usual case, and of what it must do.

    Its case has the id `circumstance=NAME`.
    """

    name: str
    edit: Callable[[Contract, Case], Case]
    expect: Callable[[Contract, Case, Expectation], Expectation] = _as_usual


@dataclass(frozen=True)
class Promise:
    """Something that must hold for every step.

    A breach of severity `error` makes the case fail, a `warning` is only shown: `severity` is that
    at the level `strict`, `practical` at the level of that name. A promise with
    `circumstances` is checked in their cases only; breaches of other promises there, which the
    usual case does not have, are findings of this promise.
    """

    name: str
    sentence: str
    check: Check
    severity: Severity = "error"
    practical: Severity = "error"
    circumstances: tuple[Circumstance, ...] = field(default=())

    def explain(self) -> str:
        """A description for users: meaning, severity, cases, waiver."""
        found = inspect.cleandoc(self.check.__doc__ or "")
        lines = [self.name, self.sentence, f"Severity: {self.severity}", f"Found: {found}"]
        if self.circumstances:
            cases = ", ".join(circumstance_id(one) for one in self.circumstances)
            lines.append(
                f"Tried in: {cases}\nWhatever else is broken there and kept in the usual case is "
                "found as well."
            )
        lines.append(
            f"To waive it for a step, say why in its contract:\n\nwaivers:\n  {self.name}: …"
        )
        return "\n\n".join(lines)


def circumstance_id(one: Circumstance) -> str:
    """The id of the case of a circumstance."""
    return f"circumstance={one.name}"


def circumstances(contract: Contract) -> tuple[Circumstance, ...]:
    """The circumstances of all promises that the contract does not waive."""
    return tuple(
        one
        for promise in _all_promises()
        if promise.name not in contract.waivers
        for one in promise.circumstances
    )


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    """The findings of an outcome, in the order of `harness.promises.all`.

    Promises that the contract waives are not checked. In a case of circumstances, a script whose
    usual case does not end as expected has the findings of the usual case only.
    """
    case_id, usual = evidence.case.id, evidence.usual
    circumstance_promise = _promise_of_circumstance(evidence.case)
    if circumstance_promise is not None and usual is not None and not usual.as_expected:
        return tuple(replace(finding, case=case_id) for finding in usual.findings)
    findings = [
        Finding(
            promise.name,
            breach.key,
            case_id,
            breach.where,
            breach.expected,
            breach.got,
            promise.severity,
        )
        for promise in _all_promises()
        if promise.name not in evidence.contract.waivers
        and (not promise.circumstances or promise is circumstance_promise)
        for breach in promise.check(evidence)
        if isinstance(breach, Breach)
    ]
    if circumstance_promise is None or usual is None:
        return tuple(findings)
    usual_keys = {(finding.promise, finding.key) for finding in usual.findings}
    return tuple(
        finding
        if (finding.promise, finding.key) in usual_keys
        else _attributed_to(circumstance_promise, finding)
        for finding in findings
    )


def _attributed_to(circumstance_promise: Promise, finding: Finding) -> Finding:
    """The finding as one of the promise whose circumstance caused it."""
    if finding.promise == circumstance_promise.name:
        return finding
    key = f"{finding.promise}/{finding.key}"
    return replace(
        finding, promise=circumstance_promise.name, key=key, severity=circumstance_promise.severity
    )


def _promise_of_circumstance(case: Case) -> Promise | None:
    name = case.choices.get("circumstance")
    for promise in _all_promises():
        if any(one.name == name for one in promise.circumstances):
            return promise
    return None


def _all_promises() -> tuple[Promise, ...]:
    from harness.promises.all import PROMISES

    return PROMISES
