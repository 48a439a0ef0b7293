"""Differences of two files in the terms of their form, a few short lines each.

JSON is shown by JSON pointer, tables by row and column, archives by member, text as a unified
diff, and all else by the first byte that differs.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from harness.files import formats
from harness.files.formats import Malformed, MissingLibrary

_MOST_LINES = 8
_MOST_LETTERS = 160


def describe(name: str, old: bytes, new: bytes, tolerance: float = 0.0) -> str:
    """What differs between two contents of a file, in lines; "" when nothing does.

    Numbers in JSON and tables that differ by no more than the relative `tolerance` are equal.
    """
    if old == new:
        return ""
    found = list(islice(_differences(name, old, new, tolerance), _MOST_LINES + 1))
    lines = [_short(line) for line in found[:_MOST_LINES]]
    return "\n".join([*lines, "…"] if len(found) > _MOST_LINES else lines)


def _differences(name: str, old: bytes, new: bytes, tolerance: float) -> Iterator[str]:
    try:
        old_plain, new_plain = formats.plain_bytes(name, old), formats.plain_bytes(name, new)
        form = formats.suffix(name)
        if form == ".json":
            values = formats.parse_json(old_plain), formats.parse_json(new_plain)
            yield from json_differences(*values, tolerance=tolerance)
        elif form == ".jsonl":
            lines = formats.parse_lines(old_plain), formats.parse_lines(new_plain)
            yield from json_differences(*lines, tolerance=tolerance)
        elif form in (".csv", ".tsv"):
            tables = formats.csv_rows(name, old_plain), formats.csv_rows(name, new_plain)
            yield from table_differences(*tables, tolerance=tolerance)
        elif form == ".parquet":
            yield from table_differences(_cells(old_plain), _cells(new_plain), tolerance=tolerance)
        elif form in (".tar.gz", ".tar"):
            yield from _tar_differences(old_plain, new_plain)
        else:
            yield from _byte_differences(old_plain, new_plain)
    except (Malformed, MissingLibrary):
        yield from _byte_differences(old, new)


def json_differences(old: Any, new: Any, at: str = "", *, tolerance: float = 0.0) -> Iterator[str]:
    """The differences of two JSON values, each as `POINTER: OLD → NEW`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            where = f"{at}/{_escaped(key)}"
            if key not in new:
                yield f"{where}: {_shown(old[key])} → nothing"
            elif key not in old:
                yield f"{where}: nothing → {_shown(new[key])}"
            else:
                yield from json_differences(old[key], new[key], where, tolerance=tolerance)
    elif isinstance(old, list) and isinstance(new, list):
        for number, (first, second) in enumerate(zip(old, new, strict=False)):
            yield from json_differences(first, second, f"{at}/{number}", tolerance=tolerance)
        if len(old) != len(new):
            yield f"{at or '/'}: {len(old)} → {len(new)} items"
    elif not _equal(old, new, tolerance):
        yield f"{at or '/'}: {_shown(old)} → {_shown(new)}"


def table_differences(
    old: Sequence[Sequence[str]], new: Sequence[Sequence[str]], *, tolerance: float = 0.0
) -> Iterator[str]:
    """The differences of two tables, their first rows included, each by row and column."""
    if list(old[0]) != list(new[0]):
        yield f"row 1: {','.join(old[0])} → {','.join(new[0])}"
        if len(old[0]) != len(new[0]):
            return
    for number, (old_row, new_row) in enumerate(zip(old[1:], new[1:], strict=False), 2):
        for column, (first, second) in enumerate(zip(old_row, new_row, strict=True)):
            if first != second and not (tolerance and _close(first, second, tolerance)):
                name = old[0][column] or str(column + 1)
                yield f"row {number}, column {name}: {first} → {second}"
    if len(old) != len(new):
        yield f"{len(old)} → {len(new)} rows, the first included"


def _tar_differences(old: bytes, new: bytes) -> Iterator[str]:
    old_members = {info.name: (info, data) for info, data in formats.tar_members(old)}
    new_members = {info.name: (info, data) for info, data in formats.tar_members(new)}
    for name in dict.fromkeys((*old_members, *new_members)):
        if name not in new_members:
            yield f"member {name}: gone"
        elif name not in old_members:
            yield f"member {name}: new"
        else:
            (old_info, old_data), (new_info, new_data) = old_members[name], new_members[name]
            for what, first, second in (
                ("type", old_info.type.decode("latin-1"), new_info.type.decode("latin-1")),
                ("target", old_info.linkname, new_info.linkname),
                ("mode", f"{old_info.mode:04o}", f"{new_info.mode:04o}"),
            ):
                if first != second:
                    yield f"member {name}: {what} {first} → {second}"
            if old_data != new_data:
                for line in _differences(name, old_data, new_data, 0.0):
                    yield f"member {name}: {line}"


def _byte_differences(old: bytes, new: bytes) -> Iterator[str]:
    try:
        texts = old.decode("utf-8"), new.decode("utf-8")
    except UnicodeDecodeError:
        texts = ("\0", "\0")
    if not any("\0" in text for text in texts):
        diff = difflib.unified_diff(texts[0].splitlines(), texts[1].splitlines(), lineterm="", n=1)
        # The first two lines name files.
        shown = list(islice(diff, 2, None))
        yield from shown or [f"other line ends: {texts[0][-20:]!r} → {texts[1][-20:]!r}"]
        return
    at = next(
        (place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    yield f"from byte {at} on: {old[at : at + 8].hex(' ')} → {new[at : at + 8].hex(' ')}"
    if len(old) != len(new):
        yield f"{len(old)} → {len(new)} bytes"


def _cells(data: bytes) -> list[list[str]]:
    table = formats.parquet(data)
    columns = [[str(one) for one in column.to_pylist()] for column in table.columns]
    return [list(table.column_names), *(list(row) for row in zip(*columns, strict=True))]


def _equal(old: Any, new: Any, tolerance: float) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (old, new))
    if numbers and tolerance:
        return math.isclose(old, new, rel_tol=tolerance)
    return type(old) is type(new) and bool(old == new)


def _close(old: str, new: str, tolerance: float) -> bool:
    try:
        return math.isclose(float(old), float(new), rel_tol=tolerance)
    except ValueError:
        return False


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _short(line: str) -> str:
    """A line with what cannot be printed escaped, and its end cut off if it is long."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in line[:_MOST_LETTERS])
    return shown if len(shown) < _MOST_LETTERS else shown[: _MOST_LETTERS - 1] + "…"
