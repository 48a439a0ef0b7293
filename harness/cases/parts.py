"""The parts of an input, of which each should count: its files, or the rows of its one table.

A part that is exchanged for another and changes nothing may be one that the script leaves out by
its content. It is lost where it stands if two parts that change places change something.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.contracts.patterns import matches_input
from harness.files.tables import looks_like_header

Files = Mapping[str, bytes]

_TABLES = (".csv", ".tsv")
_LINES = (*_TABLES, ".jsonl", ".txt")
# Fewer parts are told apart by other cases.
_FEWEST = 3


@dataclass(frozen=True)
class Variant:
    """Files of an input with another part, as the choice of this name.

    That nothing changes is told if the outputs are `same` with other files too, or others.
    """

    choice: str
    files: Files
    beside: Files
    same: bool
    what: str

    @property
    def choice_beside(self) -> str:
        """The choice that has the files to compare with."""
        return f"{self.choice}-beside"


def variants(files: Files, patterns: Sequence[str], *, required: bool) -> Iterator[Variant]:
    """What is tried on an input with these files, which is `required` or not."""
    for pattern in patterns:
        names = sorted(name for name in files if files[name] and matches_input(name, pattern))
        if len(names) >= _FEWEST and PurePosixPath(pattern).suffix:
            contents = [files[name] for name in names]

            def with_contents(parts: Sequence[bytes], names: list[str] = names) -> Files:
                return {**files, **dict(zip(names, parts, strict=True))}

            yield from _exchanged("file", "one file less", contents, with_contents)
            return
    names = [name for name in files if files[name]]
    if len(names) == 1 and PurePosixPath(names[0]).suffix in _LINES:
        yield from _of_rows(names[0], files, required=required)


def _of_rows(name: str, files: Files, *, required: bool) -> Iterator[Variant]:
    lines = files[name].splitlines(keepends=True)
    if not all(one.strip() for one in lines) or not lines[-1].endswith(b"\n"):
        return
    count = 0
    if name.endswith(_TABLES):
        first = _fields(lines[0])
        # A field of several lines is no row.
        if any(line.count(b'"') % 2 for line in lines):
            return
        count = int(looks_like_header(first))
    header, rows = lines[:count], lines[count:]

    def with_rows(parts: Sequence[bytes]) -> Files:
        return {**files, name: b"".join((*header, *parts))}

    if required and len(rows) > 1:
        middle = (len(rows) + 1) // 2
        halves = with_rows(rows[:middle]), with_rows(rows[middle:])
        yield Variant("half-of-rows", *halves, same=True, what="")
    if len(rows) >= _FEWEST:
        yield from _exchanged("row", "one row less", rows, with_rows)


def _exchanged(
    part: str, what: str, parts: list[bytes], with_parts: Callable[[Sequence[bytes]], Files]
) -> Iterator[Variant]:
    for which, place, next_to_it, other in (("first", 0, 1, -1), ("last", -1, -2, 0)):
        if parts[place] in (parts[next_to_it], parts[other]):
            continue
        exchanged, swapped = list(parts), list(parts)
        exchanged[place] = parts[other]
        swapped[place], swapped[next_to_it] = parts[next_to_it], parts[place]
        yield Variant(
            f"another-{which}-{part}", with_parts(exchanged), with_parts(swapped), False, what
        )


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").strip()
    delimiter = max(",;\t|", key=text.count)
    return next(csv.reader([text], delimiter=delimiter), [])
