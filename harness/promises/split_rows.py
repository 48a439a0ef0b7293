"""The rows of an input that are split over outputs: each is in one of them, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.files.tables import Table
from harness.promises import Breach, Evidence, NotProven
from harness.promises.table_content import OTHERS, input_tables, is_divided

_Row = tuple[object, ...]


def check_split(
    evidence: Evidence, name: str, parts: Mapping[str, Table]
) -> Iterator[Breach | NotProven]:
    """Whether tables hold the rows of an input, each once, in one of them.

    Columns that only one side has do not count. Where a side has no header, and the rows are not
    there as they were, columns are the same that hold the same values.
    """
    given = input_tables(evidence, name)
    if isinstance(given, NotProven):
        yield given
        return
    if not given:
        return
    where = ", ".join(parts) or "the outputs"
    written = list(parts.values())
    sides = (*given, *written)
    named = all(one.names for one in sides)
    common = [one for one in given[0].names if named and all(one in side.names for side in sides)]
    if named and parts and not common:
        yield Breach("rows-lost", where, f"the rows of {name}", "no column of its")
        return
    wanted = Counter(key for table in given for key in table.keys(common))
    found = Counter(key for table in written for key in table.keys(common))
    if not named and wanted != found:
        old, new = _rows(given), _rows(written)
        if _are_the_same(old, new):
            return
        if written and not wanted & found:
            # What has no header may have one of numbers.
            headers = sum(not one.names for one in written)
            yield _counted(evidence, name, where, len(old), (len(new) - headers, len(new)))
            return
    lost, twice = wanted - found, found - wanted
    added = Counter({row: count for row, count in twice.items() if row not in wanted})
    for key, what, rows, verb in (
        ("rows-lost", f"all {wanted.total()} rows of {name}", lost, "lacking"),
        ("rows-twice", f"each row of {name} in one place", twice - added, "too often"),
        ("rows-added", f"only rows of {name}", added, "others"),
    ):
        if rows and key == "rows-lost" and is_divided(evidence, name):
            yield NotProven(f"{rows.total()} rows of {name} may be written by {OTHERS}")
        elif rows:
            first = ",".join(_shown(one) for one in next(iter(rows)))
            yield Breach(key, where, what, f"{rows.total()} {verb}, such as {first}")


def _counted(
    evidence: Evidence, name: str, where: str, wanted: int, found: tuple[int, int]
) -> Breach | NotProven:
    """What the number of rows tells, the least and the most, where none is as it was."""
    least, most = found
    if most < wanted and not is_divided(evidence, name):
        return Breach("rows-lost", where, f"all {wanted} rows of {name}", f"{most} rows")
    if least > wanted:
        return Breach("rows-added", where, f"only the {wanted} rows of {name}", f"{most} rows")
    return NotProven(f"without a header nothing tells which rows of {name} are in {where}")


def _rows(side: Sequence[Table]) -> list[_Row]:
    return [key for table in side for key in table.keys(())]


def _are_the_same(old: Sequence[_Row], new: Sequence[_Row]) -> bool:
    """Whether both are the same rows in the columns that hold the same, and these tell them apart.

    Columns that hold the same as others of their side are left out.
    """
    first, second = _columns(old), _columns(new)
    pairs = [
        (place, second.index(column))
        for place, column in enumerate(first)
        if column is not None and first.count(column) == second.count(column) == 1
    ]
    before = Counter(tuple(row[one] for one, _ in pairs) for row in old)
    after = Counter(tuple(row[one] for _, one in pairs) for row in new)
    return bool(pairs) and before == after and len(before) == len(set(old))


def _columns(rows: Sequence[_Row]) -> list[Counter[object] | None]:
    """What each column holds; None for all where rows are longer than others."""
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        return [None]
    return [Counter(row[place] for row in rows) for place in range(widths.pop())]


def _shown(cell: object) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell)
