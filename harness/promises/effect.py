"""Effect: whatever a job may give a step changes something that the step does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.cases.case import Outcome
from harness.promises import Breach, Evidence, Promise
from harness.promises.argument_use import is_key_read, is_read
from harness.promises.usual_outputs import changed, outputs

_TIMES = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?|\b\d\d:\d\d:\d\d([.,]\d+)?")
# So many lines at most tell the value that the script was given.
_TELLS_A_VALUE = 2


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when an input, a variable or an argument changes nothing.

    Its case has another value than the usual one in nothing else, both succeed, every output is the
    same, and as much is printed. A line or two that differ, but for times, are no effect: many
    scripts print the values that they were given. A file that is volatile as a whole counts as what
    is printed does; what has no lines may be another for any reason, and nothing is told. Of a
    number that the harness has made up, since neither contract nor samples have another than the
    default, that is told only where the script does not read the argument: many change nothing by
    intention. So it is with the keys of settings, JSON or YAML, of which the script reads others.
    Where neither case leaves anything in the outputs, though some output is required, what changes
    is elsewhere: that is told already.
    """
    usual, varied = evidence.usual_outcome, evidence.expected.varies
    if not varied or usual is None or not evidence.as_expected or evidence.outcome.after is None:
        return
    same_outputs = not any(changed(outputs(evidence, usual), outputs(evidence, evidence.outcome)))
    # That rows are lost is told already, where the contract says how many there are.
    is_told = evidence.expected.partial and evidence.usual_lacks_rows
    # So is that nothing is written where it should be.
    is_told = is_told or all(_lacks_outputs(evidence, one) for one in (usual, evidence.outcome))
    if is_told or not _is_borne_out(evidence, usual):
        return
    settings = evidence.expected.settings
    case = evidence.case
    is_argument = varied in evidence.contract.arguments
    if settings:
        is_used = is_key_read(case, varied)
    else:
        is_used = evidence.expected.own_value and is_read(case, varied, is_argument=is_argument)
    if is_used:
        return
    if settings and not any(is_key_read(case, one, printed=True) for one in settings):
        # It may read them all in a loop.
        return
    if same_outputs and not _may_be_elsewhere(evidence, usual):
        yield Breach(
            "key" if settings else varied,
            "",
            f"another output or text with another value of {varied}, on these samples",
            "the same as usual",
        )


def _lacks_outputs(evidence: Evidence, outcome: Outcome) -> bool:
    """Whether some output is required, and none of them holds anything."""
    is_required = any(one.required for one in evidence.contract.outputs.values())
    return is_required and not outputs(evidence, outcome, with_volatile=True)


def _is_borne_out(evidence: Evidence, usual: Outcome) -> bool:
    """Whether the case that the expectation names shows it too, if there is one."""
    expected, beside = evidence.expected, evidence.beside
    if not expected.same_in and not expected.other_in:
        return True
    if beside is None or beside.exit_code != 0 or beside.after is None:
        return False
    is_other = any(changed(outputs(evidence, usual), outputs(evidence, beside)))
    return is_other == bool(expected.other_in)


def _may_be_elsewhere(evidence: Evidence, usual: Outcome) -> bool:
    """Whether more is printed, or a file that is volatile as a whole may show the other value."""
    if _says_more(*(f"{one.stdout}\n{one.stderr}" for one in (usual, evidence.outcome))):
        return True
    old, new = (outputs(evidence, one, with_volatile=True) for one in (usual, evidence.outcome))
    compared = outputs(evidence, usual)
    for path, first, second in changed(old, new):
        if path in compared:
            continue
        if first is None or second is None:
            return True
        try:
            texts = [one.data.decode() for one in (first, second)]
        except UnicodeDecodeError:
            return True
        if _says_more(*texts):
            return True
    return False


def _says_more(usual: str, other: str) -> bool:
    """Whether there are more or fewer lines, or more of them differ than tell a value."""
    first, second = (_TIMES.sub("…", one).splitlines() for one in (usual, other))
    if len(first) != len(second):
        return True
    return sum(old != new for old, new in zip(first, second, strict=True)) > _TELLS_A_VALUE


PROMISE = Promise(
    "effect",
    "Each optional input, variable and argument changes an output, or how much is printed.",
    check,
    severity="warning",
    practical="warning",
)
