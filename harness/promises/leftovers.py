"""Leftovers: a failure leaves no part of an output, which a job may upload as if it were whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.promises import Breach, Evidence, Promise
from harness.promises.usual_outputs import changed, outputs
from harness.promises.whole import what_is_lacking


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each part of an output that a step leaves when it fails as it must, in a derived suite.

    Left may be what is whole: as in the usual case, or of the form that its suffix says, with all
    that the usual one has and no beginning of it. What a failure may leave is said in the contract,
    `on_failure: true` of an output. Beside an exit code of 0 that is told as a wrong exit code.
    """
    usual, code = evidence.usual_outcome, evidence.outcome.exit_code
    is_judged = not evidence.expected.explained and evidence.usual is None
    if not is_judged or usual is None or not evidence.as_expected or code == 0:
        return
    before = replace(evidence.outcome, after=evidence.outcome.before)
    run = outputs(evidence, usual, with_volatile=True)
    earlier = outputs(evidence, before, with_volatile=True)
    now = outputs(evidence, evidence.outcome, with_volatile=True)
    for path, old, new in changed(earlier, now):
        declared = [one for one in evidence.contract.outputs.values() if one.may_write(path)]
        if new is None or not declared or any(one.on_failure for one in declared):
            continue
        if lacking := what_is_lacking(evidence, path, new, [run]):
            wanted = "as it was before" if old is not None else "nothing, or the whole output"
            yield Breach("left", path, wanted, f"a {new.kind} of {len(new.data)} bytes: {lacking}")


PROMISE = Promise(
    "leftovers",
    "A failure leaves no part of an output behind.",
    check,
    practical="warning",
)
