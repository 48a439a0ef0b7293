"""What a table must hold: columns and their types, rows, and the rows of an input."""

from __future__ import annotations

import posixpath
from collections.abc import Generator, Iterator, Mapping

from harness.contracts import schemas
from harness.contracts.outputs import FileContent, Rows
from harness.files import formats, tables
from harness.files.tables import Table
from harness.promises import Breach, Evidence, NotProven

# The keys of breaches that are about rows which are not there.
ROW_KEYS = ("rows", "rows-lost")
# Of several wrong cells in one file.
_MOST = 3
OTHERS = "the other hosts of the job, which are run on their own here"


def tables_in(files: Mapping[str, bytes], pattern: str) -> dict[str, bytes]:
    """Those of the files that hold tables, when `pattern` says something of them.

    What stands at the output, with the pattern "", is not for texts and JSON documents in it.
    """
    forms = tables.SUFFIXES if pattern else formats.TABLES
    return {
        path: data
        for path, data in files.items()
        if formats.suffix(path) in forms or (pattern and formats.suffix(path) == ".json")
    }


def check(
    evidence: Evidence, content: FileContent, files: Mapping[str, bytes]
) -> Generator[Breach | NotProven, None, dict[str, Table]]:
    """What is wrong with the tables that the same is said of; returns those that can be read."""
    columns = content.schema_ if schemas.is_columns(content.schema_) else None
    found: dict[str, Table] = {}
    if not (columns or content.rows or content.columns or content.header or content.delimiter):
        return found
    for path, data in files.items():
        try:
            found[path] = tables.read(path, data, content.header)
            yield from _check_delimiter(evidence, path, found[path], content)
            if columns or content.columns or content.header:
                yield from _check_names(evidence, path, data, content, columns)
        except formats.Malformed as error:
            yield Breach("unreadable", path, "a table that can be read", str(error))
        except formats.MissingLibrary as error:
            yield NotProven(f"{path}: {error}")
    if content.rows is not None and len(found) == len(files):
        counts = {path: len(one.rows) for path, one in found.items()}
        if content.rows.same_as:
            yield from _check_same_rows(evidence, counts, content.rows.same_as)
        elif not content.rows.split:
            yield from _check_rows(counts, content.rows)
    return found


def check_schema(path: str, data: bytes, content: FileContent) -> Iterator[Breach]:
    """Whether a table has the columns that its schema names, and these their types."""
    if not schemas.is_columns(content.schema_):
        return
    found = tables.read(path, data, content.header)
    if not found.names and content.header is not False:
        # A header is what is compared with; the first row stands for it.
        found = tables.read(path, data, header=True)
    yield from _check_columns(path, found, tuple(content.schema_))
    yield from _check_types(path, found, content.schema_)


def _check_names(
    evidence: Evidence,
    path: str,
    data: bytes,
    content: FileContent,
    columns: Mapping[str, str] | None,
) -> Iterator[Breach | NotProven]:
    found = tables.read(path, data, content.header)
    if content.header and not tables.looks_like_header(found.names):
        yield Breach("no-header", path, "the names of the columns", ",".join(found.names))
        return
    if not found.names and content.header is not False:
        # A header is what is compared with; the first row stands for it.
        found = tables.read(path, data, header=True)
    if columns:
        yield from _check_columns(path, found, tuple(columns))
        yield from _check_types(path, found, columns)
    if content.columns is not None:
        yield from _check_same_columns(evidence, path, found, content.columns.same_as)


def _check_delimiter(
    evidence: Evidence, path: str, found: Table, content: FileContent
) -> Iterator[Breach]:
    """Whether the fields of a table are delimited as the contract says, else as its suffix.

    A table of which the contract says no columns, and one that is written as an input is, may have
    another sign.
    """
    if not (content.delimiter or content.schema_ or content.columns or content.header):
        return
    wanted = content.delimiter or formats.DELIMITERS[0]
    if formats.suffix(path) != ".csv" or found.delimiter == wanted:
        return
    given = (input_tables(evidence, name) for name in evidence.contract.inputs)
    if content.delimiter or not any(
        one.delimiter == found.delimiter
        for tables_of_it in given
        if not isinstance(tables_of_it, NotProven)
        for one in tables_of_it
    ):
        yield Breach("delimiter", path, f"fields between {wanted!r}", f"{found.delimiter!r}")


def _check_columns(path: str, found: Table, wanted: tuple[str, ...]) -> Iterator[Breach]:
    if found.names == wanted:
        return
    key = "column-order" if sorted(found.names) == sorted(wanted) else "columns"
    yield Breach(key, path, f"the columns {','.join(wanted)}", ",".join(found.names) or "none")


def _check_types(path: str, found: Table, columns: Mapping[str, str]) -> Iterator[Breach]:
    breaches = []
    for name, kind in columns.items():
        if name not in found.names:
            continue
        place = found.names.index(name)
        if found.types:
            if tables.wrong_type(found.types[place], kind):
                breaches.append(Breach("type", f"{path} → column {name}", kind, found.types[place]))
                continue
            if kind.endswith("?") or all(row[place] for row in found.rows):
                continue
            if kind == "string":
                # An empty text is a text; a Parquet file says where there is none.
                if name in found.missing:
                    lacks = f"row {[row[place] for row in found.rows].index('') + 1}: no value"
                    breaches.append(Breach("type", f"{path} → column {name}", kind, lacks))
                continue
        for number, row in enumerate(found.rows, 2):
            if tables.wrong_cell(row[place], kind):
                got = f"row {number}: {row[place]!r}"
                breaches.append(Breach("type", f"{path} → column {name}", kind, got))
                break
    yield from breaches[:_MOST]


def _check_same_columns(
    evidence: Evidence, path: str, found: Table, name: str
) -> Iterator[Breach | NotProven]:
    given = input_tables(evidence, name)
    if isinstance(given, NotProven):
        yield given
    elif given and given[0].names:
        yield from _check_columns(path, found, given[0].names)
    elif given:
        yield NotProven(f"the input {name} has no header to compare that of {path} with")


def _check_same_rows(
    evidence: Evidence, counts: Mapping[str, int], name: str
) -> Iterator[Breach | NotProven]:
    """Each file has as many rows as the input, or all together have."""
    given = input_tables(evidence, name)
    if isinstance(given, NotProven):
        yield given
        return
    wanted = sum(len(one.rows) for one in given)
    if not given or sum(counts.values()) == wanted:
        return
    if counts and sum(counts.values()) < wanted and is_divided(evidence, name):
        yield NotProven(f"rows of {name} may be written by {OTHERS}")
        return
    for path, count in counts.items():
        if count != wanted:
            yield Breach("rows", path, f"{wanted} rows, as in {name}", f"{count} rows")


def is_divided(evidence: Evidence, name: str) -> bool:
    """Whether several hosts have the whole of an input, so that each may write a part of it."""
    one = evidence.contract.inputs[name]
    return len(evidence.contract.host_names) > 1 and one.distribution == "FullyReplicated"


def _check_rows(counts: Mapping[str, int], rows: Rows) -> Iterator[Breach]:
    low, high = rows.low, rows.high
    for path, count in counts.items():
        if count < low or (high is not None and count > high):
            wanted = f"{low}" if low == high else f"{low}..{'' if high is None else high}"
            yield Breach("rows", path, f"{wanted} rows", f"{count} rows")


def input_tables(evidence: Evidence, name: str) -> list[Table] | NotProven:
    """The tables of an input in this case; none when it is not there."""
    one = evidence.contract.inputs.get(name)
    if one is None:
        return NotProven(f"there is no input {name}")
    folders = [mount for mount in one.mounts if mount in evidence.outcome.before]
    if not folders:
        return []
    files = {
        path: entry.data
        for path, entry in evidence.outcome.before.under(folders[0])
        if entry.kind == "file" and one.reads(posixpath.relpath(path, folders[0]))
    }
    readable = {
        path: data
        for path, data in files.items()
        if formats.suffix(path) in (*tables.SUFFIXES, ".json")
    }
    if files and not readable:
        return NotProven(f"the input {name} holds no table: {', '.join(sorted(files))}")
    try:
        return [tables.read(path, data) for path, data in sorted(readable.items())]
    except (formats.Malformed, formats.MissingLibrary) as error:
        return NotProven(f"the input {name} cannot be read: {error}")
