"""Inputs: their bytes, names, modes, owners and dates never change."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from harness.cases.case import Case
from harness.contracts.contract import Contract
from harness.contracts.outputs import Output
from harness.files.difference import describe as differing_lines
from harness.promises import Breach, Evidence, Promise
from harness.worlds.tree import Entry, Tree, is_under

# In seconds.
_TIME_TOLERANCE = 1e-3


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each input, file or folder, that is not as it was, and that no output may write to.

    A date is told where nothing else shows the change: a folder's new date is told as what has come
    into it, and not at all where that which was in it has changed or gone.
    """
    before, after = evidence.outcome.before, evidence.outcome.after
    if after is None:
        return
    folders = input_folders(evidence.contract, evidence.case)
    shared = shared_outputs(evidence.contract, evidence.case)
    differing = {*dict(after.added_or_changed(before)), *dict(after.removed(before))}
    if not differing:
        return
    for path in sorted(differing):
        entry = before.get(path)
        if entry is None or not any(is_under(path, folder) for folder in folders):
            continue
        if any(_may_change(path, entry, one) for one in shared):
            continue
        now = after.get(path)
        if now is None:
            yield Breach("removed", path, "as it was before", "nothing")
            continue
        changes = list(_changes(entry, now))
        for attribute, old, new in changes:
            got = f"{attribute} {new}"
            if attribute == "content" and (lines := differing_lines(path, entry.data, now.data)):
                got = f"{got}:\n{lines}"
            yield Breach(f"{attribute}-changed", path, f"{attribute} {old}", got)
        if changes or not _has_other_date(entry, now):
            continue
        old_names, new_names = _held_by(path, before), _held_by(path, after)
        come = [(name, one) for name, one in new_names.items() if name not in old_names]
        for name, one in come:
            yield Breach("written", name, "nothing", describe(one))
        if not come and all(
            _is_as_before(one, new_names.get(name)) for name, one in old_names.items()
        ):
            yield Breach("mtime-changed", path, f"mtime {entry.mtime:f}", f"mtime {now.mtime:f}")


def _held_by(folder: str, tree: Tree) -> dict[str, Entry]:
    """What a folder holds, by path."""
    return {path: one for path, one in tree.under(folder) if posixpath.dirname(path) == folder}


def _is_as_before(old: Entry, new: Entry | None) -> bool:
    return new is not None and not [*_changes(old, new)] and not _has_other_date(old, new)


def _has_other_date(old: Entry, new: Entry) -> bool:
    """Whether the date is another one."""
    return abs(old.mtime - new.mtime) > _TIME_TOLERANCE


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


def describe(entry: Entry) -> str:
    """What an entry is, for people."""
    return f"a {entry.kind}" + (f" of {len(entry.data)} bytes" if entry.kind == "file" else "")


PROMISE = Promise(
    "inputs-unchanged",
    "The inputs are as they were before: bytes, names, modes, owners and dates.",
    check,
    by_path=True,
)
