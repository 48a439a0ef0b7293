"""Whether the outputs of a case are those of the usual case: for promises with circumstances."""

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
    """What lies in the declared output folders after a run: path → entry."""
    folders = evidence.contract.output_folders
    return {
        path: entry
        for path, entry in outcome.after or ()
        if any(is_under(path, folder) for folder in folders) and entry.kind != "directory"
    }


def changed(
    old: dict[str, Entry], new: dict[str, Entry]
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """The paths that do not hold the same, with what is there in each."""
    for path in sorted({*old, *new}):
        one, two = old.get(path), new.get(path)
        if one is None or two is None or not same(one, two):
            yield path, one, two


def same(one: Entry, two: Entry) -> bool:
    """Whether two entries hold the same."""
    if one.same_content(two):
        return True
    both_files = one.kind == two.kind == "file"
    return both_files and content(one.data) == content(two.data)


def _describe(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"a {entry.kind}" + (f" of {len(entry.data)} bytes" if entry.kind == "file" else "")
