"""Form: each output file has the form that its suffix says: JSON, a table, an archive, an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.contracts.contract import Contract
from harness.files import formats
from harness.promises import Breach, Evidence, NotProven, Promise
from harness.promises.inputs import input_folders
from harness.worlds.tree import Entry, Tree


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output file that is empty, or has not the form of its suffix, when the step succeeds.

    `.json` and `.jsonl` hold strict JSON, without NaN; the rows of `.csv` have the same number of
    fields; `.parquet` can be read; `.tar.gz` can be extracted safely; `.gz` and `.zip` are whole.
    An image, such as `.png` or `.jpg`, begins and ends as one.
    A file without a suffix may be empty, such as `_SUCCESS`, if the contract names it, or names no
    files and others beside it are not. What is written from a damaged input may be as damaged:
    `damaged-input` judges that it was accepted. Where an input is passed on as it is, a wrong form
    is that of the sample, and nothing is proven.
    """
    after = evidence.outcome.after
    if after is None or not evidence.succeeded:
        return
    for path, entry in sorted(after.added_or_changed(evidence.outcome.before)):
        if not evidence.contract.may_write(path) or path in evidence.expected.writes:
            # The suite says what the latter hold, to the byte.
            continue
        if _is_marker(evidence.contract, path, after):
            continue
        if (found := defect(path, entry)) and not _follows_an_empty_input(evidence, path, entry):
            suffix = formats.suffix(path)
            if entry.data and (given := _as_it_was(evidence, suffix, entry.data)):
                if not evidence.expected.damaged:
                    yield NotProven(f"{path} is {given} as it was, no whole {suffix}: {found}")
                continue
            key = "empty" if entry.kind == "file" and not entry.data else f"no{suffix}"
            form = f"a whole {suffix}" if formats.has_form(path) else "a file with some content"
            yield Breach(key, path, form, found)


def defect(path: str, entry: Entry) -> str:
    """What is wrong with the form of a file, "" when nothing is."""
    if entry.kind != "file":
        return ""
    try:
        formats.check(path, entry.data)
    except formats.Malformed as error:
        return str(error)
    return ""


def _follows_an_empty_input(evidence: Evidence, path: str, entry: Entry) -> bool:
    """Whether nothing is in it in a case where an input of the same form holds nothing."""
    return not entry.data.strip() and any(
        formats.suffix(name) == formats.suffix(path) and one.kind == "file" and not one.data.strip()
        for folder in input_folders(evidence.contract, evidence.case)
        for name, one in evidence.outcome.before.under(folder)
    )


def _as_it_was(evidence: Evidence, suffix: str, data: bytes) -> str:
    """The input file of this form that holds the same bytes; "" where there is none."""
    for folder in input_folders(evidence.contract, evidence.case):
        for path, one in evidence.outcome.before.under(folder):
            if one.kind == "file" and one.data == data and formats.suffix(path) == suffix:
                return path
    return ""


def _is_marker(contract: Contract, path: str, after: Tree) -> bool:
    """Whether a file may be there to be seen, and hold nothing."""
    if PurePosixPath(path).suffix:
        return False
    for output in contract.outputs.values():
        relative = output.relative(path)
        if relative is not None and relative in output.files:
            return True
        if relative is not None and not output.files:
            return any(one.data for other, one in after.under(output.path) if other != path)
    return False


PROMISE = Promise(
    "form",
    "Each output file has the form that its suffix says, and is not empty.",
    check,
)
