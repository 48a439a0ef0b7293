"""Tells what differs by chance from what differs by the case: other runs of both show it.

Outputs that differ from run to run may be the same in the few runs that `repeatable` compares.
Where they differ in another case then, that has one cause, and is no finding of that case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

from harness.cases.case import Finding, Outcome
from harness.cases.trial import Verdict
from harness.contracts.contract import Level
from harness.promises import Evidence, defaults, repeatable
from harness.promises.usual_outputs import OTHER_OUTPUT, changed, outputs


def is_compared(finding: Finding) -> bool:
    """Whether a finding is that outputs are others than those of another case."""
    return finding.key == OTHER_OUTPUT or finding.promise == defaults.PROMISE.name


def without_chance(
    evidence: Evidence,
    verdict: Verdict,
    level: Level,
    run_again: Callable[[], Iterable[Sequence[Outcome]]],
) -> Verdict:
    """The verdict with those outputs as not repeatable that are not the same in more runs.

    `run_again` runs the case that was compared with and this one, each a few times.
    """
    if not any(is_compared(one) for one in verdict.findings):
        return verdict
    unstable: set[str] = set()
    for outcomes in run_again():
        first, *others = (outputs(evidence, one) for one in outcomes)
        unstable.update(path for path, _, _ in chain(*(changed(first, one) for one in others)))
    promise = repeatable.PROMISE
    findings = [
        replace(
            one,
            promise=promise.name,
            key=repeatable.DIFFERS,
            severity=promise.severity_at(level),
            expected=repeatable.THE_SAME,
        )
        if is_compared(one) and one.where in unstable
        else one
        for one in verdict.findings
    ]
    if promise.name in evidence.contract.waivers:
        findings = [one for one in findings if one.promise != promise.name]
    return replace(verdict, findings=tuple(findings))
