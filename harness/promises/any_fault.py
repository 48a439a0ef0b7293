"""Any fault: whichever file operation fails, and whenever the script is killed, nothing is lost.

The usual case, in which each input and output is a mount of its own, is run with one fault. Its
operations are counted first, in the runner that is to be used; see `harness.runs.faults`.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.cases.case import Case
from harness.cases.expectation import Expectation, Matches
from harness.cases.fault import FRESH, OLDER, SHORT, Fault, Operation
from harness.contracts.contract import Contract
from harness.promises import Breach, Circumstance, Evidence, NotProven, Promise, faults, own_mounts
from harness.promises.inputs import input_folders, shared_outputs
from harness.promises.scratch import SCRATCH
from harness.promises.usual_outputs import changed_by_case, difference, is_volatile, outputs
from harness.worlds.tree import is_under

# How each operation may fail. EINTR is there where Python does not try again by itself (PEP 475).
ERRORS: Mapping[str, tuple[str, ...]] = {
    "open": ("EIO", "EACCES", "EMFILE"),
    "create": ("ENOSPC", "EIO", "EACCES", "EMFILE"),
    "read": ("EIO",),
    "write": ("ENOSPC", "EIO", SHORT),
    "copy": ("ENOSPC", "EIO"),
    # What was written, and not yet synchronised, is lost then.
    "close": ("EIO",),
    "sync": ("EIO", "ENOSPC"),
    "truncate": ("EIO",),
    "rename": ("EIO", "EACCES", "ENOSPC", "EINTR"),
    "link": ("EIO", "EACCES", "ENOSPC"),
    "remove": ("EIO", "EACCES", "EINTR"),
    "mkdir": ("ENOSPC", "EIO", "EACCES", "EINTR"),
    "list": ("EIO", "EACCES", "EMFILE"),
    "stat": ("EIO",),
    "chmod": ("EIO", "EPERM"),
    "utime": ("EIO", "EPERM"),
}
# No script can handle a signal between the call that creates something and the `try` that removes
# it again.
_CREATIONS = ("create", "mkdir", "link")
_OLDER_BYTES = b"an older output"


def circumstance(name: str) -> Circumstance | None:
    """The circumstance of a fault, whose name is `fault/…` or `older-fault/…`.

    Without the name of a fault, it is that in which the operations are counted.
    """
    kind, _, text = name.partition("/")
    fault = Fault.parse(text) if text else Fault(())
    if kind not in (FRESH, OLDER) or fault is None:
        return None
    effect = fault.effect

    def edit(contract: Contract, case: Case) -> Case:
        if "own-mounts" not in contract.waivers:
            case = own_mounts.with_mounts(contract, case)
        if kind == OLDER:
            case = _with_older_outputs(contract, case)
        return replace(case, fault=replace(fault, folders=_folders(contract, case)))

    def expect(contract: Contract, case: Case, usual: Expectation) -> Expectation:
        if not effect:
            return usual
        if effect == "SIGKILL":
            return Expectation(128 + signal.SIGKILL, explained=False, whole=True, dies=True)
        whole = replace(usual, whole=True)
        if effect == "SIGTERM":
            expected = _at_last(faults.stopped(contract, case, usual), whole)
        else:
            expected = replace(whole, otherwise=_failure(contract, usual, fault))
        return _without_cleaning(expected) if _is_removal(fault) else expected

    return Circumstance(name, edit, expect)


def effects(operation: Operation) -> Iterator[str]:
    """What may happen at an operation: errors by name, and signals before it.

    SIGTERM comes only where the script handles it: elsewhere it is as SIGKILL, or nothing.
    """
    yield from ERRORS.get(operation.name, ())
    yield "SIGKILL"
    if operation.handles and operation.name not in _CREATIONS:
        yield "SIGTERM"


def has_older_outputs(contract: Contract, case: Case) -> bool:
    """Whether the contract says which files an older run may have left."""
    return _with_older_outputs(contract, case) is not case


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output that a success has not as usual, or that a failure leaves in part.

    A failed operation may be no failure of the script, if its outputs are whole all the same. After
    SIGKILL outputs are absent, as they were before, or whole; what else is left then, or could not
    be removed, does not count.
    """
    usual, outcome = evidence.usual, evidence.outcome
    if usual is None or outcome.after is None or not evidence.as_expected:
        return
    told = set()
    if outcome.exit_code == 0:
        for breach in _lacking(evidence):
            told.add(breach.where)
            yield breach
    known = {path for run in usual.outcomes for path in outputs(evidence, run, with_volatile=True)}
    for breach in faults.check(evidence):
        left_over = breach.where not in known and breach.where not in outcome.before
        if breach.where not in told and not (evidence.expected.dies and left_over):
            yield replace(breach, hurts=outcome.exit_code == 0)


def _lacking(evidence: Evidence) -> Iterator[Breach]:
    """What a success lacks of the usual outputs."""
    assert evidence.usual is not None
    shared = shared_outputs(evidence.contract, evidence.case)
    now = outputs(evidence, evidence.outcome, with_volatile=True)
    first, second = (outputs(evidence, one, with_volatile=True) for one in evidence.usual.outcomes)
    missing = [path for path in first if path in second and path not in now]
    for path in missing:
        if not is_volatile(evidence.contract, path):
            expected, got = difference(path, first[path], None, "as usual")
            yield Breach("less-than-usual", path, expected, got, hurts=True)
    for path, old, new in changed_by_case(evidence, evidence.usual):
        may_differ = any(one.may_write(path) for one in shared)
        if old is not None and new is not None and not may_differ:
            expected, got = difference(path, old, new, "as usual")
            yield Breach("less-than-usual", path, expected, got, hurts=True)


def _folders(contract: Contract, case: Case) -> tuple[str, ...]:
    """The folders whose files count: inputs, outputs and scratch."""
    scratch = [*SCRATCH, *contract.scratch]
    if own := case.environment.get("TMPDIR"):
        scratch.append(own)
    # Python's own reading of the script and its modules is none of its operations.
    inputs = [one for one in input_folders(contract, case) if one != case.script_folder]
    return tuple(dict.fromkeys((*inputs, *contract.output_folders, *scratch)))


def _with_older_outputs(contract: Contract, case: Case) -> Case:
    """The case with an older output for every file that the contract names."""
    tree, shared = case.tree, shared_outputs(contract, case)
    for output in contract.outputs.values():
        for name in () if output in shared else output.files:
            path = f"{output.path}/{name}"
            if not re.search(r"[*?\[{]", name) and path not in tree.entries:
                tree = tree.with_file(path, _OLDER_BYTES)
    return case if tree is case.tree else case.with_tree(tree)


def _failure(contract: Contract, usual: Expectation, fault: Fault) -> Expectation:
    """A failure that says what has failed, with the contract's exit code unless it is derived."""
    names = [*fault.folders, *contract.output_folders]
    names += [one for input_ in contract.inputs.values() for one in input_.mounts]
    # Libraries beneath Python tell only which call has failed.
    words = [fault.effect, rf"\b{fault.operation}", *map(re.escape, (fault.error_text, *names))]
    error = Matches("reason", "|".join(words), "says what has failed")
    failed = faults.failure(contract, usual, error)
    # A short write is no error.
    return failed if fault.error else replace(failed, error=())


def _is_removal(fault: Fault) -> bool:
    """Whether something may have to stay: a folder is listed to remove what is in it."""
    in_scratch = any(is_under(fault.place, folder) for folder in SCRATCH)
    return fault.operation == "remove" or (fault.operation == "list" and in_scratch)


def _without_cleaning(expected: Expectation) -> Expectation:
    """The same of a script that may leave behind what could not be removed."""
    otherwise = expected.otherwise and _without_cleaning(expected.otherwise)
    return replace(expected, dies=True, otherwise=otherwise)


def _at_last(expected: Expectation, last: Expectation) -> Expectation:
    """An expectation with one more alternative, after all others."""
    if expected.otherwise is None:
        return replace(expected, otherwise=last)
    return replace(expected, otherwise=_at_last(expected.otherwise, last))


PROMISE = Promise(
    "any-fault",
    "Whichever file operation fails, and whenever the script is killed, outputs are whole or not "
    "there (tried with --faults).",
    check,
    practical="warning",
    unlisted=circumstance,
    needs_outputs=True,
)
