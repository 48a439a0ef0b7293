"""Judges outcomes by promises, which every step must keep; imports `cases` and below.

A promise is a module with a `Promise`, and a line in `harness.promises.all`. Its check gets the
contract, the case, its expectation and its outcome, and yields a `Breach` for each violation. Most
promises are checked in every case. Some have circumstances: they add cases to every suite, each
the usual case of the suite with a change.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from harness.cases.case import Case, Finding, Outcome, Severity
from harness.cases.expectation import Expectation
from harness.cases.trial import UsualRuns, Verdict
from harness.contracts.contract import Contract, Level
from harness.worlds.tree import is_under


@dataclass(frozen=True)
class Evidence:
    """The input of a check; `usual` is set in a case of circumstances.

    `usual_outcome` is what the usual case did, where it ended as expected: in a case of
    circumstances, and in cases of derived suites that are judged by comparison with it.
    `same_as` are two runs of the case that must leave the same outputs, where this one did not.
    `beside` is what the case that the expectation names did, `same_in` or `other_in`.
    `usual_lacks_rows` says that the usual case has other rows than the contract says.
    `is_usual` says whether this is the usual case itself.
    """

    contract: Contract
    case: Case
    expected: Expectation
    outcome: Outcome
    usual: UsualRuns | None = None
    usual_outcome: Outcome | None = None
    same_as: UsualRuns | None = None
    beside: Outcome | None = None
    usual_lacks_rows: bool = False
    is_usual: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether the exit code is the expected one; output is judged only then."""
        return self.expected.accepts_exit_code(self.outcome.exit_code)

    @property
    def succeeded(self) -> bool:
        """Whether the step succeeded as it must, and whole inputs let its outputs hold something.

        What it makes of a damaged input is left to the promise `damaged-input`, and what it makes
        of a part of an input's files to `effect`.
        """
        ended = self.as_expected and self.outcome.exit_code == 0
        is_whole = not self.expected.damaged and not self.expected.partial
        return self.outcome.after is not None and ended and is_whole


@dataclass(frozen=True)
class Breach:
    """A violation: a short key for grouping, the location, what was expected, what was found.

    One that `hurts` is an error at every level, whatever its promise is there. A `minor` one is
    counted only at the level practical.
    """

    key: str
    where: str
    expected: str
    got: str
    hurts: bool = False
    minor: bool = False


@dataclass(frozen=True)
class NotProven:
    """A check could not decide, for this reason: no breach, and nothing that holds either."""

    reason: str


# The cause of all that a script leaves behind when a signal comes.
_LEFT = "what is left when the script is stopped"
# The promise about how a script ends, which no fault is an excuse for.
_ENDS = "exit-code"
_SECRETS = "no-secrets"
_KEPT_WHEN_STOPPED = ("/opt/ml/model", "/opt/ml/checkpoints", "/opt/ml/output")

# Promise → keys of breaches that are about an output which is not there.
_LACKING: Mapping[str, tuple[str, ...]] = {
    "output": ("empty", "missing"),
    "content": ("missing",),
}

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

    Warnings of a `minor` promise are about what jobs of the service have no use for: at the level
    practical they are counted, and not told. So is all that a `fault` brings about beside what its
    own promise and `exit-code` are about: files that a killed script had no time to remove, but for
    folders that a stopped training job keeps.
    """

    name: str
    sentence: str
    check: Check
    severity: Severity = "error"
    practical: Severity = "error"
    # Whether a breach is about the exception that the script fails with, or about a path.
    names_failure: bool = False
    by_path: bool = False
    minor: bool = False
    fault: bool = False
    circumstances: tuple[Circumstance, ...] = field(default=())
    # Circumstances beside these, which are tried only where they are named.
    unlisted: Callable[[str], Circumstance | None] | None = None
    # Whether the circumstances are those of output folders, which not every step has.
    needs_outputs: bool = False

    def circumstance(self, name: str) -> Circumstance | None:
        """Its circumstance of this name."""
        for one in self.circumstances:
            if one.name == name:
                return one
        return self.unlisted(name) if self.unlisted else None

    def severity_at(self, level: Level) -> Severity:
        """The severity of a breach at a level."""
        return self.practical if level == "practical" else self.severity

    def explain(self) -> str:
        """A description for users: meaning, severity, cases, waiver."""
        found = inspect.cleandoc(self.check.__doc__ or "")
        levels = f"Severity: {self.severity}; at the level practical: {self.practical}"
        lines = [self.name, self.sentence, levels, f"Found: {found}"]
        if self.circumstances:
            cases = ", ".join(circumstance_id(one) for one in self.circumstances)
            lines.append(
                f"Tried in: {cases}\nWhatever else is broken there and kept in the usual case is "
                "found as well."
            )
        if self.unlisted:
            lines.append(
                "Tried with --faults, in a case for each way in which a file operation can fail."
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
        if promise.name not in contract.waivers and (contract.outputs or not promise.needs_outputs)
        for one in promise.circumstances
    )


def unlisted(contract: Contract, name: str) -> Circumstance | None:
    """The circumstance of this name that is tried only where it is named."""
    for promise in _all_promises():
        if promise.unlisted and promise.name not in contract.waivers and contract.outputs:
            return promise.unlisted(name)
    return None


def judge(evidence: Evidence, level: Level = "strict") -> Verdict:
    """The verdict on an outcome; findings are in the order of `harness.promises.all`.

    Promises that the contract waives are not checked. In a case of circumstances, a script whose
    usual case does not end as expected has the findings of the usual case only.
    """
    usual, tried = evidence.usual, _promise_of_circumstance(evidence.case)
    if evidence.outcome.unproven:
        severity = tried.severity_at(level) if tried else "error"
        # What a run decides must not be a matter of chance.
        severity = severity if evidence.outcome.must_be_proven else "warning"
        return Verdict((), evidence.outcome.unproven, severity)
    if tried is not None and usual is not None and not usual.as_expected:
        return Verdict(tuple(replace(one, case=evidence.case.id) for one in usual.findings))
    usual_keys = {_key_of(one) for one in usual.findings} if usual else set()
    findings: list[Finding] = []
    undecided: list[tuple[str, Severity]] = []
    for promise in _all_promises():
        if promise.name in evidence.contract.waivers:
            continue
        if (promise.circumstances or promise.unlisted) and promise is not tried:
            continue
        told = promise.check(evidence)
        for found in _without_contents(evidence.outcome, told) if promise.by_path else told:
            if isinstance(found, NotProven):
                undecided.append((found.reason, promise.severity_at(level)))
                continue
            finding = _finding(evidence, promise, found, level)
            if tried is not None and _key_of(finding) not in usual_keys:
                finding = _attribute(finding, tried, found, level, evidence.case)
            findings.append(finding)
    # What fails the run comes first.
    reason, severity = min(undecided, key=lambda one: one[1], default=("", "error"))
    if evidence.expected.severity == "warning":
        findings = [replace(one, severity="warning") for one in findings]
        severity = "warning"
    return Verdict(tuple(findings), reason, severity)


def _key_of(finding: Finding) -> tuple[str, str, str]:
    """What a finding is known by in other cases; one about a path, by what was done to which."""
    by_path = any(one.by_path and one.name == finding.promise for one in _all_promises())
    return finding.promise, finding.key, finding.cause if by_path else ""


def _without_contents(
    outcome: Outcome, found: Iterator[Breach | NotProven]
) -> Iterator[Breach | NotProven]:
    """What was found, but of a whole folder that has come or gone only the folder itself."""
    told = list(found)
    if len(told) < 2:
        yield from told
        return
    whole = {
        (one.key, one.where)
        for one in told
        if isinstance(one, Breach) and _has_come_or_gone(outcome, one.where)
    }
    for one in told:
        if isinstance(one, NotProven) or not any(
            (one.key, str(parent)) in whole for parent in PurePosixPath(one.where).parents
        ):
            yield one


def _has_come_or_gone(outcome: Outcome, path: str) -> bool:
    return outcome.after is not None and (path in outcome.before) != (path in outcome.after)


def _finding(evidence: Evidence, promise: Promise, breach: Breach, level: Level) -> Finding:
    from harness.promises import causes

    cause = ""
    if promise.by_path:
        cause = causes.of_path(evidence, breach)
    elif promise.name == _SECRETS:
        # Whatever was told there, one line has told it.
        cause = f"secrets in {breach.where}"
    elif promise.names_failure:
        cause = causes.of_message(evidence)
    elif breach.key in _LACKING.get(promise.name, ()):
        cause = causes.of_missing(evidence, breach)
    elif breach.hurts or not evidence.as_expected:
        cause = causes.of_end(evidence)
    elif promise.name == "exit-code":
        cause = causes.of_wrong_code(evidence)
    return Finding(
        promise.name,
        breach.key,
        evidence.case.id,
        breach.where,
        breach.expected,
        breach.got,
        "error" if breach.hurts else promise.severity_at(level),
        cause,
        minor=level == "practical" and (promise.minor or breach.minor),
    )


def _attribute(
    finding: Finding, tried: Promise, breach: Breach, level: Level, case: Case
) -> Finding:
    """The finding as one of the promise whose circumstance it was found in."""
    if case.interrupt is not None and breach.where.startswith("/"):
        finding = replace(finding, cause=_LEFT)
    if finding.promise == tried.name:
        return finding
    is_beside = tried.fault and finding.promise != _ENDS and not is_kept_when_stopped(breach.where)
    return replace(
        finding,
        promise=tried.name,
        key=f"{finding.promise}/{finding.key}",
        severity="error" if breach.hurts else tried.severity_at(level),
        minor=finding.minor or (level == "practical" and (tried.minor or is_beside)),
    )


def is_kept_when_stopped(path: str) -> bool:
    """Whether a training job that is stopped keeps what it has written there so far."""
    return any(is_under(path, folder) for folder in _KEPT_WHEN_STOPPED)


def _promise_of_circumstance(case: Case) -> Promise | None:
    name = case.choices.get("circumstance", "")
    return next((one for one in _all_promises() if name and one.circumstance(name)), None)


def _all_promises() -> tuple[Promise, ...]:
    from harness.promises.all import PROMISES

    return PROMISES
