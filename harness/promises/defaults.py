"""Defaults: what is left out counts as what the contract says it defaults to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.cases.case import Outcome
from harness.files.formats import MissingLibrary
from harness.promises import Breach, Evidence, NotProven, Promise
from harness.promises.usual_outputs import changed, changed_by_case, difference, outputs
from harness.worlds.tree import Entry

# A default need not be written as the script's own is: 1 and 1.0 are one number.
_NO_FRACTION = re.compile(rb"(?<![\d.])(\d+)\.0+(?![\d.])")


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output that is another without an argument or variable than with its stated default.

    What is not the same from run to run is left to `repeatable`, what the contract calls volatile
    is left out. A variable whose default is "" has none that could be told.
    """
    runs = evidence.same_as
    if runs is None or not evidence.as_expected or evidence.outcome.exit_code != 0:
        return
    wanted = f"as with the default that the contract states, {evidence.expected.default}"
    try:
        for path, old, new in changed_by_case(evidence, runs):
            if not _is_same_number(old, new):
                key = evidence.expected.default.rpartition(" ")[2]
                yield Breach(key, path, *difference(path, old, new, wanted))
    except MissingLibrary as error:
        yield NotProven(str(error))


def leaves_other_outputs(evidence: Evidence, outcome: Outcome) -> bool:
    """Whether another run has left other outputs, or it cannot be known."""
    try:
        return any(changed(outputs(evidence, outcome), outputs(evidence, evidence.outcome)))
    except MissingLibrary:
        return True


def _is_same_number(old: Entry | None, new: Entry | None) -> bool:
    if old is None or new is None or old.kind != "file" or new.kind != "file":
        return False
    first, second = (_NO_FRACTION.sub(rb"\1", one.data) for one in (old, new))
    return first == second


PROMISE = Promise(
    "defaults",
    "What is left out counts as the default that the contract states.",
    check,
)
