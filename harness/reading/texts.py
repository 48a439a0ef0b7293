"""Texts, paths and exit codes that are made of values."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.reading.values import (
    Constant,
    Many,
    Place,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    known_text,
    options_of,
    text,
)

# What the names of entries begin with, and the longest that is kept of one.
_LISTED = "listed in "
_LONGEST = 500


def concat(parts: Sequence[Value]) -> Text:
    """The text made of these, one after the other."""
    pieces: list[str | Value] = []
    place: Place | None = None
    for part in parts:
        added: Sequence[str | Value]
        if isinstance(part, Text):
            added = part.parts
            place = place or (part.place if not pieces else None)
        elif isinstance(part, Constant) and part.value is not None:
            added = (str(part.value),)
        else:
            added = (part,)
        for one in added:
            if isinstance(one, str) and pieces and isinstance(pieces[-1], str):
                pieces[-1] = (pieces[-1] + one)[:5000]
            elif one != "":
                pieces.append(one)
    return Text(tuple(pieces[:30]), place)


def without_end(value: Text, part: ast.Slice) -> Text | None:
    """`path[:-4]`, where so many letters at the end are known; None for any other part."""
    upper = part.upper.operand if isinstance(part.upper, ast.UnaryOp) else None
    is_end = part.lower is None and part.step is None and isinstance(upper, ast.Constant)
    count = upper.value if is_end and isinstance(upper, ast.Constant) else 0
    last = value.parts[-1] if value.parts else None
    if not isinstance(count, int) or not isinstance(last, str) or not 0 < count < len(last):
        return None
    return Text((*value.parts[:-1], last[:-count]), value.place)


def joined_path(parts: Sequence[Value]) -> Text:
    """The path made of these, as `os.path.join` makes it."""
    result: list[Value] = []
    place: Place | None = None
    for part in parts:
        known = part.beginning if isinstance(part, Text) else ""
        if known.startswith("/") or (known.startswith("{script_dir}") and result):
            result = [part]
            place = part.place if isinstance(part, Text) else None
            continue
        if part == text("") or (known == "." and isinstance(part, Text) and part.known == "."):
            continue
        if not result:
            place = part.place if isinstance(part, Text) else None
        elif not _ends_with_slash(result[-1]):
            result.append(text("/"))
        result.append(part)
    made = concat(result)
    return Text(made.parts, place or made.place)


def last_piece(path: Text) -> Text:
    """What stands behind the last known slash of a path."""
    for number, part in reversed(list(enumerate(path.parts))):
        if isinstance(part, str) and "/" in part:
            name = part.rpartition("/")[2]
            return Text(((name,) if name else ()) + path.parts[number + 1 :])
    return path


def listed_in(folder: Value) -> Unknown:
    """An entry of a folder, or its name, that is not known; those of the same folder are equal."""
    return Unknown(f"{_LISTED}{_pattern(folder)}"[:_LONGEST])


def _pattern(value: Value) -> str:
    if isinstance(value, Text):
        return "".join(one if isinstance(one, str) else _pattern(one) for one in value.parts)
    return "*" if not isinstance(value, Many) else "|".join(map(_pattern, value.options))


def is_listed(path: Value) -> bool:
    """Whether a value is an entry of a folder, or its name, that is not known."""
    last = path.parts[-1] if isinstance(path, Text) and path.parts else path
    if isinstance(last, str):
        # What a pattern finds.
        return last == "*" or last.endswith("/*")
    return isinstance(last, Unknown) and last.of.startswith(_LISTED)


def _ends_with_slash(value: Value) -> bool:
    last = value.parts[-1] if isinstance(value, Text) and value.parts else ""
    return isinstance(last, str) and last.endswith("/")


def default_text(value: Value | None) -> str | None:
    """The text of a default; None where there is none, or where it is not known."""
    if value is None or value == Constant(None):
        return None
    if isinstance(value, Constant):
        return str(value.value)
    return known_text(value)


def exit_codes(value: Value) -> list[int | None]:
    """The exit codes that a value of `sys.exit` gives; None is any."""
    codes: list[int | None] = []
    for one in options_of(value):
        if isinstance(one, Constant):
            known = one.value
            if known is None or isinstance(known, int):
                codes.append(int(known or 0) & 255)
            else:
                codes.append(1)
        elif isinstance(one, Text | Table | Row):
            codes.append(1)
        else:
            codes.append(None)
    return list(dict.fromkeys(codes))
