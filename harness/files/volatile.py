"""What of a file may differ from run to run, left out by `FILE#PART`.

A part is a JSON pointer (`*` stands for every key or number), a column of a table, or the name or
pattern of a member of an archive.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from harness.files import formats
from harness.files.formats import Malformed

_LEFT_OUT = "(left out)"


def without(name: str, data: bytes, parts: Sequence[str]) -> bytes:
    """The content of a file without these parts; unchanged where it has none of them.

    What it gives is for comparing alone. Raises `MissingLibrary`.
    """
    try:
        plain = formats.plain_bytes(name, data)
        form = formats.suffix(name)
        if form == ".json":
            return _dump(_without_pointers(formats.parse_json(plain), parts)).encode()
        if form == ".jsonl":
            values = formats.parse_lines(plain)
            return "".join(f"{_dump(_without_pointers(one, parts))}\n" for one in values).encode()
        if form in (".csv", ".tsv"):
            return _without_columns(formats.csv_rows(name, plain), parts)
        if form == ".parquet":
            table = formats.parquet(plain)
            kept = [one for one in table.column_names if one not in parts]
            rows = table.select(kept).to_pylist()
            return "\n".join([repr(table.column_names), *(repr(row) for row in rows)]).encode()
        if form in (".tar.gz", ".tar"):
            return _without_members(plain, parts)
    except Malformed:
        pass
    return data


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _without_pointers(value: Any, pointers: Sequence[str]) -> Any:
    for pointer in pointers:
        if pointer.startswith("/"):
            keys = [one.replace("~1", "/").replace("~0", "~") for one in pointer[1:].split("/")]
            value = _without_keys(value, keys)
    return value


def _without_keys(value: Any, keys: Sequence[str]) -> Any:
    if not keys:
        return _LEFT_OUT
    if isinstance(value, dict):
        return {
            key: _without_keys(one, keys[1:]) if keys[0] in ("*", key) else one
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [
            _without_keys(one, keys[1:]) if keys[0] in ("*", str(number)) else one
            for number, one in enumerate(value)
        ]
    return value


def _without_columns(rows: list[list[str]], columns: Sequence[str]) -> bytes:
    header = any(name in columns for name in rows[0])
    # In a table without a header a column is its number, from 1.
    names = rows[0] if header else [str(place + 1) for place in range(len(rows[0]))]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for line, row in enumerate(rows):
        kept = line == 0 and header
        writer.writerow(
            one if kept or name not in columns else _LEFT_OUT
            for name, one in zip(names, row, strict=True)
        )
    return stream.getvalue().encode()


def _without_members(data: bytes, patterns: Sequence[str]) -> bytes:
    """A text for each other member: names in order, kinds, targets and bytes."""
    lines = [
        repr((info.name.removeprefix("./"), info.type, info.linkname, content))
        for info, content in formats.tar_members(data)
        if not any(fnmatchcase(info.name.removeprefix("./"), one) for one in patterns)
    ]
    return "\n".join(sorted(lines)).encode()
