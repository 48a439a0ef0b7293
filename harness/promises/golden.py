"""Golden files: the outputs of the usual case are those that the contract keeps beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.contracts.contract import Contract
from harness.contracts.outputs import Golden, Output
from harness.contracts.patterns import is_pattern
from harness.files.difference import describe
from harness.files.formats import MissingLibrary
from harness.promises import Breach, Evidence, NotProven, Promise
from harness.promises.usual_outputs import same, stable
from harness.worlds.tree import Entry, Tree, is_under


@dataclass(frozen=True)
class Pair:
    """An output file and its golden file: what the step wrote, and where that is kept.

    `written` is None when the step wrote no such file.
    """

    path: str
    file: Path
    written: bytes | None
    tolerance: float

    @property
    def kept(self) -> bytes | None:
        """The content of the golden file; None when there is none."""
        return self.file.read_bytes() if self.file.is_file() else None


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output of the usual case that is not as its golden file; numbers within the tolerance.

    What is volatile is left out. `harness accept` writes the golden files.
    """
    after = evidence.outcome.after
    if after is None or not evidence.is_usual or not evidence.succeeded:
        return
    for pair in pairs(evidence.contract, after):
        try:
            found = difference(evidence.contract, pair)
        except MissingLibrary as error:
            yield NotProven(f"{pair.path}: {error}")
            continue
        if pair.kept is None:
            yield NotProven(f"there is no golden file {pair.file}: harness accept writes it")
        elif pair.written is None:
            yield Breach("missing", pair.path, f"as in {pair.file.name}", "nothing")
        elif found:
            yield Breach("differs", pair.path, f"as in {pair.file.name}", found)


def pairs(contract: Contract, after: Tree) -> Iterator[Pair]:
    """Each output file with a golden file, and each golden file without one."""
    for output in contract.outputs.values():
        for keys, content in output.contents:
            if content.golden is not None:
                pattern = keys[-1] if keys else ""
                yield from _pairs(contract, output, pattern, content.golden, after)


def difference(contract: Contract, pair: Pair) -> str:
    """What differs between the golden file and what was written, "" when nothing does.

    Raises `MissingLibrary`.
    """
    kept, written = pair.kept, pair.written
    if kept is None or written is None:
        return "" if kept is written else "only one of the two is there"
    old = stable(contract, pair.path, Entry("file", kept))
    new = stable(contract, pair.path, Entry("file", written))
    if old is None or new is None or same(old, new):
        return ""
    return describe(pair.path, old.data, new.data, pair.tolerance)


def _pairs(
    contract: Contract, output: Output, pattern: str, golden: Golden, after: Tree
) -> Iterator[Pair]:
    place = contract.origin.parent / golden.file
    files = {
        relative: entry.data
        for path, entry in after
        if is_under(path, output.path)
        and entry.kind == "file"
        and (relative := output.relative(path)) is not None
        and output.may_write(path)
        and pattern in [one for _, one in output.contents_of(path)]
    }
    if pattern and not is_pattern(pattern):
        path = f"{output.path}/{pattern}"
        yield Pair(path, place, files.get(pattern), golden.tolerance)
        return
    kept = [one.relative_to(place).as_posix() for one in place.rglob("*") if one.is_file()]
    for relative in sorted({*files, *kept}):
        path = f"{output.path}/{relative}"
        yield Pair(path, place / relative, files.get(relative), golden.tolerance)


PROMISE = Promise(
    "golden",
    "The outputs of the usual case are as the golden files that the contract names.",
    check,
)
