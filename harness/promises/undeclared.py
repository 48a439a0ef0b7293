"""Undeclared changes: the script writes, changes and removes only the declared outputs."""

from __future__ import annotations

from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise
from harness.promises.collected import MODEL, may_leave_a_model
from harness.promises.inputs import describe, input_folders
from harness.promises.job_files import is_job_file
from harness.promises.scratch import is_scratch
from harness.worlds.tree import Entry, is_under


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each new, changed or missing path that is neither a declared output nor scratch."""
    before, after = evidence.outcome.before, evidence.outcome.after
    if after is None:
        return
    contract = evidence.contract
    judged_by_others = (*contract.output_folders, *input_folders(contract, evidence.case))
    for path, entry in sorted(after.added_or_changed(before)):
        if is_scratch(path, contract) or _is_allowed(evidence, path, entry):
            continue
        old = before.get(path)
        if old is None:
            yield Breach("written", path, "nothing", describe(entry))
        elif not _is_in(judged_by_others, path) and not entry.same_content(old):
            yield Breach("changed", path, describe(old), describe(entry))
    for path, entry in sorted(after.removed(before)):
        if is_scratch(path, contract) or _is_in(judged_by_others, path):
            continue
        yield Breach("removed", path, describe(entry), "nothing")


def _is_allowed(evidence: Evidence, path: str, entry: Entry) -> bool:
    """Whether the script may leave `entry` at `path`."""
    expected = evidence.expected
    if expected.dies and expected.whole:
        # It cannot clean up.
        return True
    if path in expected.writes or is_job_file(path, evidence):
        return True
    if is_under(path, MODEL) and may_leave_a_model(evidence):
        return True
    targets = (
        *expected.writes,
        *evidence.contract.output_folders,
        *evidence.contract.scratch,
    )
    if entry.kind == "directory" and any(is_under(target, path) for target in targets):
        # A parent of an output; even a failed run may have created it.
        return True
    for output in evidence.contract.outputs.values():
        if is_under(path, output.path):
            named = output.names(path) or (entry.kind == "directory" and output.may_make(path))
            if expected.dies:
                return not output.names(path)
            if expected.whole or not expected.explained:
                return named or not output.files
            return not output.files and expected.exit_code == 0
    return False


def _is_in(folders: tuple[str, ...], path: str) -> bool:
    return any(is_under(path, folder) for folder in folders)


PROMISE = Promise(
    "nothing-undeclared",
    "Nothing but the declared outputs is written, changed or removed.",
    check,
    by_path=True,
)
