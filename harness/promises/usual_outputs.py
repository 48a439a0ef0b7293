"""Compares the outputs of a case with those of the usual case, for promises with circumstances."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cases.case import Outcome
from harness.promises import Breach, Evidence
from harness.worlds.archives.content import content
from harness.worlds.tree import Entry, is_under


def check_same(evidence: Evidence) -> Iterator[Breach]:
    """Each output that is not what the usual case leaves, archives compared by content.

    What is not the same from run to run of the usual case itself is left to `repeatable`.
    """
    usual = evidence.usual
    if usual is None or not evidence.as_expected or evidence.outcome.exit_code != 0:
        return
    first, second = (outputs(evidence, one) for one in usual.outcomes)
    unstable = {path for path, _, _ in changed(first, second)}
    for path, old, new in changed(first, outputs(evidence, evidence.outcome)):
        if path not in unstable:
            yield Breach("other-output", path, f"{_describe(old)}, as usual", _describe(new))


def outputs(evidence: Evidence, outcome: Outcome) -> dict[str, Entry]:
    """The contents of the declared output folders after a run: path → entry."""
    folders = evidence.contract.output_folders
    return {
        path: entry
        for path, entry in outcome.after or ()
        if any(is_under(path, folder) for folder in folders) and entry.kind != "directory"
    }


def changed(
    old: dict[str, Entry], new: dict[str, Entry]
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """The paths whose entries differ, with both entries."""
    for path in sorted({*old, *new}):
        first_entry, second_entry = old.get(path), new.get(path)
        if first_entry is None or second_entry is None or not same(first_entry, second_entry):
            yield path, first_entry, second_entry


def same(first_entry: Entry, second_entry: Entry) -> bool:
    """Whether two entries have the same content; archives are compared by their members."""
    if first_entry.same_content(second_entry):
        return True
    both_files = first_entry.kind == second_entry.kind == "file"
    return both_files and content(first_entry.data) == content(second_entry.data)


def _describe(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"a {entry.kind}" + (f" of {len(entry.data)} bytes" if entry.kind == "file" else "")
