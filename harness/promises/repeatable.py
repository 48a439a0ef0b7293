"""Repeatable: the same input gives the same output every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.promises import Breach, Circumstance, Evidence, Promise
from harness.promises.usual_outputs import changed, outputs


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each output that is not the same from one run to the next, archives compared by content.

    The runs lie in different seconds, and sets have another order in each.
    """
    usual = evidence.usual
    if usual is None or not evidence.as_expected:
        return
    runs = [outputs(evidence, one) for one in (*usual.outcomes, evidence.outcome)]
    found = {path for run in runs[1:] for path, _, _ in changed(runs[0], run)}
    for path in sorted(found):
        yield Breach("differs", path, "the same in every run", "not the same in three runs")


def _again(_contract: Contract, case: Case) -> Case:
    return replace(case, variables={**case.variables, "PYTHONHASHSEED": "2"})


PROMISE = Promise(
    "repeatable",
    "The same input gives the same output twice; archives are compared by content.",
    check,
    circumstances=(Circumstance("again", _again),),
)
