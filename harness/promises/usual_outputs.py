"""Compares the outputs of a case with those of the usual case, for promises with circumstances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.cases.case import Outcome
from harness.cases.trial import UsualRuns
from harness.contracts.contract import Contract
from harness.contracts.patterns import matches
from harness.files import volatile
from harness.files.difference import describe
from harness.files.formats import MissingLibrary
from harness.promises import Breach, Evidence, NotProven
from harness.worlds.archives.content import content
from harness.worlds.tree import Entry

# The key of a breach.
OTHER_OUTPUT = "other-output"


def check_same(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output that is not what the usual case leaves, archives compared by content.

    What is not the same from run to run of the usual case itself is left to `repeatable`, what the
    contract calls volatile is left out.
    """
    usual = evidence.usual
    if usual is None or not evidence.as_expected or evidence.outcome.exit_code != 0:
        return
    try:
        for path, old, new in changed_by_case(evidence, usual):
            yield Breach(OTHER_OUTPUT, path, *difference(path, old, new, "as usual"))
    except MissingLibrary as error:
        yield NotProven(str(error))


def changed_by_case(
    evidence: Evidence, runs: UsualRuns
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """The outputs that are others than in two runs, with both entries, and the same in these two.

    Raises `MissingLibrary`.
    """
    first, second, now = (outputs(evidence, one) for one in (*runs.outcomes, evidence.outcome))
    unstable = {path for path, _, _ in changed(first, second)}
    for path, old, new in changed(first, now):
        if path not in unstable:
            yield path, old, new


def outputs(
    evidence: Evidence, outcome: Outcome, *, with_volatile: bool = False
) -> dict[str, Entry]:
    """The contents of the declared output folders after a run: path → entry.

    What the contract calls volatile is left out, unless it is `with_volatile`. Raises
    `MissingLibrary` when that cannot be done.
    """
    after = outcome.after and outcome.after.under(*evidence.contract.output_folders)
    found = {path: entry for path, entry in after or () if entry.kind != "directory"}
    if with_volatile:
        return found
    kept = ((path, stable(evidence.contract, path, entry)) for path, entry in found.items())
    return {path: entry for path, entry in kept if entry is not None}


def is_volatile(contract: Contract, path: str) -> bool:
    """Whether the contract says that this output, or a part of it, may differ from run to run."""
    return any(True for _ in _volatile_parts(contract, path))


def stable(contract: Contract, path: str, entry: Entry) -> Entry | None:
    """What of an output may not differ from run to run; None when all of it may.

    Raises `MissingLibrary`.
    """
    parts = list(_volatile_parts(contract, path))
    if "" in parts:
        return None
    if not parts or entry.kind != "file":
        return entry
    return replace(entry, data=volatile.without(path, entry.data, parts))


def _volatile_parts(contract: Contract, path: str) -> Iterator[str]:
    for output in contract.outputs.values():
        relative = output.relative(path)
        for one in output.volatile:
            name, _, part = one.partition("#")
            if relative is not None and matches(relative, name):
                yield part


def difference(path: str, old: Entry | None, new: Entry | None, wanted: str) -> tuple[str, str]:
    """What to expect and what was found, of an output that is not as `wanted`."""
    expected = f"{_describe(old)}, {wanted}"
    if old is None or new is None or old.kind != "file" or new.kind != "file":
        return expected, _describe(new)
    lines = describe(path, old.data, new.data)
    return expected, f"{_describe(new)}:\n{lines}" if lines else _describe(new)


def writes_nothing(contract: Contract, outcome: Outcome) -> bool:
    """Whether a run has neither written nor replaced a file in an output folder of the contract.

    Not so when there is no such folder, or when it is not known.
    """
    if outcome.after is None or not contract.output_folders:
        return False
    return not any(
        entry.kind != "directory" and entry != outcome.before.get(path)
        for folder in contract.output_folders
        for path, entry in outcome.after.under(folder)
    )


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
