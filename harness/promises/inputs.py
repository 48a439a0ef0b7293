"""Inputs: their bytes, names, modes, owners and dates never change."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.contracts.outputs import Output
from harness.promises import Breach, Evidence, Promise
from harness.worlds.tree import Entry, is_under

# In seconds.
_TIME_TOLERANCE = 1e-3


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each input, file or folder, that is not as it was, and that no output may write to."""
    after = evidence.outcome.after
    if after is None:
        return
    folders = input_folders(evidence.contract, evidence.case)
    shared = shared_outputs(evidence.contract, evidence.case)
    for path, entry in evidence.outcome.before:
        if not any(is_under(path, folder) for folder in folders):
            continue
        if any(_may_change(path, entry, one) for one in shared):
            continue
        now = after.get(path)
        if now is None:
            yield Breach("removed", path, "as it was before", "nothing")
            continue
        for attribute, old, new in _changes(entry, now):
            yield Breach(f"{attribute}-changed", path, f"{attribute} {old}", f"{attribute} {new}")


def shared_outputs(contract: Contract, case: Case) -> tuple[Output, ...]:
    """The outputs whose folder is that of an input too, or lies in it, as checkpoints do."""
    folders = input_folders(contract, case)
    return tuple(
        output
        for output in contract.outputs.values()
        if any(is_under(output.path, folder) for folder in folders)
    )


def _may_change(path: str, entry: Entry, output: Output) -> bool:
    if entry.kind == "directory":
        # Its date changes with what is in it.
        return output.may_make(path) or is_under(output.path, path)
    return output.may_write(path)


def input_folders(contract: Contract, case: Case) -> tuple[str, ...]:
    """Every folder that may hold an input, and the script's folder."""
    script = case.script_folder
    folders = [script]
    for one in contract.inputs.values():
        folders += one.mounts
        folders += [source.replace("{script_dir}", script) for source in one.source]
    return tuple(dict.fromkeys(folders))


def _changes(old: Entry, new: Entry) -> Iterator[tuple[str, object, object]]:
    if old.kind != new.kind:
        yield "type", old.kind, new.kind
    if old.data != new.data:
        yield "content", f"of {len(old.data)} bytes", f"of {len(new.data)} bytes"
    if old.target != new.target:
        yield "target", old.target, new.target
    if old.mode != new.mode:
        yield "mode", f"{old.mode:04o}", f"{new.mode:04o}"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield "owner", f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"
    if abs(old.mtime - new.mtime) > _TIME_TOLERANCE:
        yield "mtime", f"{old.mtime:f}", f"{new.mtime:f}"


PROMISE = Promise(
    "inputs-unchanged",
    "The inputs are as they were before: bytes, names, modes, owners and dates.",
    check,
    by_path=True,
)
