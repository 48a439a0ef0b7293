"""Tables in files: delimited text, JSON lines, Parquet, and lines of text as one column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from harness.files import formats

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")
_NUMBERS = ("int", "uint", "float", "double", "halffloat", "decimal")


@dataclass(frozen=True)
class Table:
    """The rows of a table as texts, without the header; `names` is empty where there is none.

    `types` are those that a Parquet file says, and `missing` its columns that lack values.
    `delimiter` is what delimits the fields of delimited text.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    types: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()
    delimiter: str = ""

    def keys(self, names: Sequence[str]) -> list[tuple[object, ...]]:
        """The rows as values that compare equal however a number is written.

        Only the columns `names`, in that order; all of them when there are none.
        """
        places = [self.names.index(name) for name in names] or range(
            len(self.names) or max((len(row) for row in self.rows), default=0)
        )
        return [
            tuple(_key(row[place]) for place in places if place < len(row)) for row in self.rows
        ]


def read(name: str, data: bytes, header: bool | None = None) -> Table:
    """Read a table; raises `Malformed` and `MissingLibrary`.

    Where `header` is None, the first row is one if `looks_like_header` says so.
    """
    plain, form = formats.plain_bytes(name, data), formats.suffix(name)
    if form == ".parquet":
        return _parquet(plain)
    if form == ".jsonl":
        return _records(formats.parse_lines(plain))
    if form in (".csv", ".tsv"):
        delimiter, found = formats.delimited_rows(name, plain)
        rows = tuple(tuple(row) for row in found)
        if header is None:
            header = looks_like_header(rows[0])
        names, rows = (rows[0], rows[1:]) if header else ((), rows)
        return Table(names, rows, delimiter=delimiter)
    if form == ".json":
        value = formats.parse_json(plain)
        if not isinstance(value, list):
            raise formats.Malformed("it is no list of rows")
        return _records(value)
    return Table((), tuple((line,) for line in formats.text_of(plain).splitlines() if line))


def looks_like_header(row: Sequence[str]) -> bool:
    """Whether the cells of a row may be the names of columns.

    The column of an index has none, and columns without names are numbered from 0.
    """
    names = list(row[1:] if row and not row[0] else row)
    if len(names) > 1 and names == [str(number) for number in range(len(names))]:
        return True
    filled = all(cell.strip() and not formats.is_number(cell) for cell in names)
    return bool(names) and filled and len(set(names)) == len(names)


def wrong_cell(cell: str, kind: str) -> bool:
    """Whether a cell is not of this type: integer, number, string, boolean, date or datetime.

    With `?` after the type a cell may be empty.
    """
    if kind.endswith("?") and not cell:
        return False
    kind = kind.rstrip("?")
    try:
        if kind == "integer":
            int(cell)
            return "_" in cell
        if kind == "number":
            number = float(cell)
            return number != number or number in (float("inf"), float("-inf"))
        if kind == "date":
            date.fromisoformat(cell)
        if kind == "datetime":
            datetime.fromisoformat(cell.replace("Z", "+00:00"))
    except ValueError:
        return True
    return kind == "boolean" and cell.lower() not in ("true", "false")


def wrong_type(found: str, kind: str) -> bool:
    """Whether a type that Parquet names is not that of the contract."""
    wanted = kind.rstrip("?")
    if wanted == "integer":
        return not found.startswith(("int", "uint"))
    if wanted == "number":
        return not found.startswith(_NUMBERS)
    if wanted == "string":
        return not found.startswith(("string", "large_string", "dictionary", "string_view"))
    if wanted == "boolean":
        return found != "bool"
    return not found.startswith("date" if wanted == "date" else ("timestamp", "date"))


def _records(values: list[Any]) -> Table:
    if values and all(isinstance(one, dict) for one in values):
        names = tuple(dict.fromkeys(name for one in values for name in one))
        return Table(names, tuple(tuple(_text(one.get(name)) for name in names) for one in values))
    if all(isinstance(one, list) for one in values):
        return Table((), tuple(tuple(_text(cell) for cell in one) for one in values))
    return Table((), tuple((_text(one),) for one in values))


def _parquet(data: bytes) -> Table:
    table = formats.parquet(data)
    columns = [[_text(one) for one in column.to_pylist()] for column in table.columns]
    types = tuple(str(one.type) for one in table.schema)
    missing = frozenset(name for name in table.column_names if table[name].null_count)
    return Table(tuple(table.column_names), tuple(zip(*columns, strict=True)), types, missing)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return json.dumps(value, default=str)


def _key(cell: str) -> object:
    return float(cell) if formats.is_number(cell) else cell
