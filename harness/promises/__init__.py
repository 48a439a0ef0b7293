"""Promises: what must hold for every step, each a small function from an outcome to findings.

A promise is a module with a `Promise`, and one line in `harness.promises.all`. Its check sees the
contract, the case, what the case must do, and what the script did; it yields nothing when the
promise holds. Most are judged in every case. Some need circumstances of their own: such a promise
brings cases of its own to every suite, each the suite's usual case under other circumstances.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from harness.cases.case import Case, Finding, Outcome, Severity
from harness.cases.expectation import Expectation
from harness.cases.trial import Usual
from harness.contracts.contract import Contract


@dataclass(frozen=True)
class Evidence:
    """All that a promise may look at; `usual` is there in a case of circumstances."""

    contract: Contract
    case: Case
    expected: Expectation
    outcome: Outcome
    usual: Usual | None = None

    @property
    def as_expected(self) -> bool:
        """Whether the script ended as it must; what it wrote and said is judged only then."""
        return self.expected.is_end(self.outcome.exit_code)


@dataclass(frozen=True)
class Breach:
    """What a check found: a short key for grouping, where, what was expected, what was there."""

    key: str
    where: str
    expected: str
    got: str


Check = Callable[[Evidence], Iterator[Breach]]


def _as_usual(_contract: Contract, _case: Case, usual: Expectation) -> Expectation:
    return usual


@dataclass(frozen=True)
class Circumstance:
    """The usual case under other circumstances: how it differs, and what it must do then.

    Its case has the id `circumstance=NAME`.
    """

    name: str
    edit: Callable[[Contract, Case], Case]
    expect: Callable[[Contract, Case, Expectation], Expectation] = _as_usual


@dataclass(frozen=True)
class Promise:
    """Something that must hold for every step.

    A broken one of severity `error` makes its case fail, a `warning` is only shown. With
    `circumstances`, the check is made in their cases alone, and whatever other promise is broken
    there that the usual case keeps is a finding of this one.
    """

    name: str
    sentence: str
    check: Check
    severity: Severity = "error"
    circumstances: tuple[Circumstance, ...] = field(default=())

    def explained(self) -> str:
        """What it means and what is found when it is broken, for people."""
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
    """The id of its case."""
    return f"circumstance={one.name}"


def circumstances(contract: Contract) -> tuple[Circumstance, ...]:
    """The circumstances that a step's usual case is tried under: those of promises not waived."""
    return tuple(
        one
        for promise in _promises()
        if promise.name not in contract.waivers
        for one in promise.circumstances
    )


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    """Every promise that the outcome breaks, in the order of `harness.promises.all`.

    Promises that the contract waives are not looked at. In a case of circumstances, a script that
    fails already in the usual case is found with that, and no more.
    """
    case_id, usual = evidence.case.id, evidence.usual
    own = _promise_of(evidence.case)
    if own is not None and usual is not None and not usual.as_expected:
        return tuple(replace(finding, case=case_id) for finding in usual.findings)
    findings = [
        Finding(promise.name, d.key, case_id, d.where, d.expected, d.got, promise.severity)
        for promise in _promises()
        if promise.name not in evidence.contract.waivers
        and (not promise.circumstances or promise is own)
        for d in promise.check(evidence)
    ]
    if own is None or usual is None:
        return tuple(findings)
    known = {(finding.promise, finding.key) for finding in usual.findings}
    return tuple(
        finding if (finding.promise, finding.key) in known else _under(own, finding)
        for finding in findings
    )


def _under(own: Promise, finding: Finding) -> Finding:
    """A finding of whichever promise, as one of the promise whose circumstances show it."""
    if finding.promise == own.name:
        return finding
    key = f"{finding.promise}/{finding.key}"
    return replace(finding, promise=own.name, key=key, severity=own.severity)


def _promise_of(case: Case) -> Promise | None:
    name = case.choices.get("circumstance")
    for promise in _promises():
        if any(one.name == name for one in promise.circumstances):
            return promise
    return None


def _promises() -> tuple[Promise, ...]:
    from harness.promises.all import PROMISES

    return PROMISES
