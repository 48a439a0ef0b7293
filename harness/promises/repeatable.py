"""Repeatable: the same input gives the same output every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.files.formats import MissingLibrary
from harness.promises import Breach, Circumstance, Evidence, NotProven, Promise
from harness.promises.usual_outputs import changed, difference, outputs

# The key of a breach, and what it expects.
DIFFERS = "differs"
THE_SAME = "the same in every run"


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output that is not the same from one run to the next, archives compared by content.

    The runs lie in different seconds, sets have another order in each, and in one the folders list
    their entries in the opposite order. What the contract calls volatile is left out.
    """
    usual = evidence.usual
    if usual is None or not evidence.as_expected:
        return
    try:
        runs = [outputs(evidence, one) for one in (*usual.outcomes, evidence.outcome)]
    except MissingLibrary as error:
        yield NotProven(str(error))
        return
    found: dict[str, str] = {}
    for run in runs[1:]:
        for path, old, new in changed(runs[0], run):
            found.setdefault(path, difference(path, old, new, "")[1])
    for path in sorted(found):
        got = f"not the same in three runs; in another {found[path]}"
        yield Breach(DIFFERS, path, THE_SAME, got)


def _again(_contract: Contract, case: Case) -> Case:
    variables = {**case.variables, "PYTHONHASHSEED": "2"}
    return replace(case, variables=variables, reversed_listing=True)


PROMISE = Promise(
    "repeatable",
    "The same input gives the same output twice; archives are compared by content.",
    check,
    circumstances=(Circumstance("again", _again),),
)
