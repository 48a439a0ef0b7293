"""Faults: a signal, a full disk, an unwritable folder; a clear error, no partial output."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from harness.cases.case import Case, Interrupt, Mount
from harness.cases.expectation import Expectation, Matches
from harness.contracts.contract import Contract
from harness.promises import Breach, Circumstance, Evidence, Promise, is_kept_when_stopped
from harness.promises.inputs import input_folders
from harness.promises.usual_outputs import changed, outputs
from harness.promises.whole import what_is_lacking
from harness.worlds.tree import is_under

_KILLED = 128 + signal.SIGKILL
_SIGTERM_MOMENTS = (0.25, 0.5, 0.75)


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each output that is neither as it was before nor whole.

    Whole is what is as in the usual case. Where two usual runs differ, and in a folder that is an
    input too, it is also what has the form that its suffix says and all that two usual runs have
    in common, and is no beginning of a usual one; so it is where the script has come to its end
    after SIGTERM, since a model that was trained for less is whole too. The outputs that the
    contract names under `sigterm: may_write` may hold anything after it, and those with
    `on_failure` after a failure.
    """
    usual = evidence.usual
    if usual is None or evidence.outcome.after is None:
        return
    if evidence.outcome.exit_code == 0 and not (evidence.expected.whole and evidence.as_expected):
        return
    free = [*_written_on_sigterm(evidence), *_written_on_failure(evidence)]
    ended_early = evidence.outcome.exit_code == 0 and _is_stopped(evidence.case)
    # What no output may hold is told once.
    tells_undeclared = "nothing-undeclared" not in evidence.contract.waivers
    before = outputs(
        evidence, replace(evidence.outcome, after=evidence.outcome.before), with_volatile=True
    )
    runs = [outputs(evidence, one, with_volatile=True) for one in usual.outcomes]
    now = outputs(evidence, evidence.outcome, with_volatile=True)
    for path, old, new in changed(before, now):
        minor = not is_kept_when_stopped(path)
        if any(is_under(path, folder) for folder in free):
            continue
        if new is not None and tells_undeclared and not evidence.contract.may_write(path):
            continue
        if new is None:
            if any(path in run for run in runs):
                yield Breach("older-output-gone", path, "as it was before", "nothing", minor=minor)
        elif lacking := what_is_lacking(evidence, path, new, runs, is_other=ended_early):
            wanted = "as it was before" if old is not None else "nothing, or the whole output"
            got = f"a {new.kind} of {len(new.data)} bytes: {lacking}"
            yield Breach("partial-output", path, wanted, got, minor=minor)


def _written_on_sigterm(evidence: Evidence) -> list[str]:
    """The output folders that may hold anything after the signal of this case."""
    if not _is_stopped(evidence.case):
        return []
    outputs_by_name = evidence.contract.outputs
    return [outputs_by_name[name].path for name in evidence.contract.sigterm.may_write]


def _is_stopped(case: Case) -> bool:
    """Whether the script of a case gets SIGTERM."""
    return case.interrupt is not None or (case.fault is not None and case.fault.effect == "SIGTERM")


def _written_on_failure(evidence: Evidence) -> list[str]:
    """The output folders that may hold anything where the script has failed."""
    if evidence.outcome.exit_code == 0:
        return []
    return [one.path for one in evidence.contract.outputs.values() if one.on_failure]


def stopped(contract: Contract, _case: Case, usual: Expectation) -> Expectation:
    """An end with one of the exit codes that SIGTERM has in the contract.

    Where it says nothing of SIGTERM, a derived suite asks for no handler: without one the script is
    killed when its grace period is over.
    """
    codes = contract.sigterm.exit_codes
    if not usual.explained and not _says_sigterm(contract):
        codes = (*codes, _KILLED)
    expected = None
    for code in reversed(codes):
        expected = Expectation(code, explained=usual.explained, whole=True, otherwise=expected)
    assert expected is not None
    return expected


def _says_sigterm(contract: Contract) -> bool:
    return "sigterm" in contract.model_fields_set or 128 + signal.SIGTERM in contract.exit_codes


def _stop(contract: Contract, moment: float) -> Interrupt:
    """The signal for the first process of a container, which the script is, or stands for.

    A script that may end with 0 is taken to be at its end before the grace period is.
    """
    unhandled: Literal["ignored", "kills"] = (
        "ignored" if 0 in contract.sigterm.exit_codes else "kills"
    )
    return Interrupt(signal.SIGTERM, moment, unhandled)


def _sigterm_at(moment: float) -> Circumstance:
    return Circumstance(
        f"sigterm-at-{moment * 100:.0f}-percent",
        lambda contract, case: replace(case, interrupt=_stop(contract, moment)),
        stopped,
    )


def _full_disk(contract: Contract, case: Case) -> Case:
    tree = case.tree.with_directory(*contract.output_folders)
    others = tuple(one for one in case.mounts if one.path not in contract.output_folders)
    full_mounts = tuple(Mount(folder, size=0) for folder in contract.output_folders)
    return replace(case, tree=tree, mounts=(*others, *full_mounts))


def _without_output_folders(contract: Contract, case: Case) -> Case:
    tree = case.tree
    inputs = input_folders(contract, case)
    for folder in contract.output_folders:
        # What is an input too is there.
        tree = tree if folder in inputs else tree.without(folder)
    return case.with_tree(tree)


def _read_only_outputs(contract: Contract, case: Case) -> Case:
    tree = case.tree.with_directory(*contract.output_folders)
    return replace(case, tree=tree, read_only=contract.output_folders)


def failure(contract: Contract, usual: Expectation, error: Matches) -> Expectation:
    """A failure with this error; with the contract's exit code when the suite is not derived."""
    codes = contract.failure_codes
    return Expectation(
        exit_code=codes[0] if usual.explained and len(codes) == 1 else None,
        error=(error,),
        explained=usual.explained,
        whole=True,
    )


def _no_space(contract: Contract, _case: Case, usual: Expectation) -> Expectation:
    error = Matches("no-space", r"space|full|ENOSPC|quota|disk", "says that there is no space")
    return failure(contract, usual, error)


def _names_folder(contract: Contract) -> Matches:
    names = "|".join(re.escape(folder) for folder in contract.output_folders)
    return Matches("output-folder", names, "names the output folder")


def _not_writable(contract: Contract, _case: Case, usual: Expectation) -> Expectation:
    return failure(contract, usual, _names_folder(contract))


def _created_or_named(contract: Contract, _case: Case, usual: Expectation) -> Expectation:
    return replace(usual, otherwise=failure(contract, usual, _names_folder(contract)))


SIGTERM = Promise(
    "sigterm",
    "SIGTERM in mid-run ends the script with exit code 143, and leaves nothing behind.",
    check,
    practical="warning",
    fault=True,
    circumstances=tuple(_sigterm_at(moment) for moment in _SIGTERM_MOMENTS),
)
FULL_DISK = Promise(
    "full-disk",
    "A full disk under the outputs gives a clear error and no partial output.",
    check,
    practical="warning",
    minor=True,
    fault=True,
    circumstances=(Circumstance("full-disk", _full_disk, _no_space),),
    needs_outputs=True,
)
MISSING = Promise(
    "output-folder-missing",
    "An output folder that is not there is made, or named in a clear error.",
    check,
    practical="warning",
    minor=True,
    fault=True,
    circumstances=(
        Circumstance("output-folder-missing", _without_output_folders, _created_or_named),
    ),
    needs_outputs=True,
)
READ_ONLY = Promise(
    "output-folder-read-only",
    "An output folder that cannot be written to is named in a clear error.",
    check,
    practical="warning",
    minor=True,
    fault=True,
    circumstances=(Circumstance("output-folder-read-only", _read_only_outputs, _not_writable),),
    needs_outputs=True,
)
