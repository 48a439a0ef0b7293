"""What a child of the fork server reports about its case: JSON, and a tar of what has changed.

A script runs in the process that writes a report, and may write one of its own. So it is read as
data, within limits, and only one that begins with the key of its case is read at all.
"""

from __future__ import annotations

import json
import math
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from harness.cases.case import Case
from harness.cases.fault import Operation
from harness.cases.observed import Kind, Observations, Query
from harness.worlds.tree import Entry, Tree

KEY_SIZE = 16
# Of a report in bytes: more than any tree that a case leaves.
MAX_SIZE = 1 << 30
_SIZES = struct.Struct("<QQ")
# A script may replace what `json` holds.
_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder().decode

T = TypeVar("T")


class BrokenReport(Exception):
    """The bytes are no report of this case."""


@dataclass(frozen=True)
class Report:
    """What a child sends to its parent.

    `changed` holds the entries that the run has added or changed, `unchanged` the paths of those
    that are as before. `refused` is what the fake file system cannot contain, "" for nothing.
    `effects`, `sent_after`, `held` and `handles` are those of `Effects`, `slept` the seconds that
    were not waited for, `returned` the result of a function call, `observed` what the script looked
    at.
    """

    exit_code: int
    changed: Tree
    unchanged: tuple[str, ...] = ()
    refused: str = ""
    hangs: bool = False
    effects: str = ""
    sent_after: int | None = None
    held: bool = False
    slept: float = 0.0
    handles: bool = False
    returned: Mapping[str, object] | None = None
    observed: Observations | None = None
    operations: Sequence[Operation] = ()
    struck: bool = False

    def tree_of(self, case: Case) -> Tree:
        """The tree after the run."""
        before = case.tree.entries
        kept = {path: before[path] for path in self.unchanged if path in before}
        return Tree({**kept, **self.changed.entries})

    def to_bytes(self, key: bytes, patterns: list[list[Any]]) -> bytes:
        """The report of the case with this key, and the new patterns of its process."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del values["changed"]
        if (observed := self.observed) is not None:
            values["observed"] = {"queries": observed.queries, "hidden": observed.hidden}
        values["operations"] = [
            [one.name, one.place, one.time, one.handles] for one in self.operations
        ]
        head = _encode({**values, "patterns": patterns}).encode()
        tar = self.changed.to_tar() if self.changed.entries else b""
        return key + _SIZES.pack(len(head), len(tar)) + head + tar

    @classmethod
    def from_bytes(cls, data: bytes, key: bytes) -> Report:
        """The report in these bytes; raises `BrokenReport` when they are none with this key."""
        values, tar = _split(data, key)
        try:
            changed = Tree.from_tar(tar) if tar else Tree()
        except (tarfile.TarError, ValueError, OSError, EOFError, RecursionError) as error:
            raise BrokenReport(str(error)) from None
        sent_after, returned = values.get("sent_after"), values.get("returned")
        return cls(
            exit_code=_typed(values, "exit_code", int) & 0xFF,
            changed=changed,
            unchanged=tuple(str(one) for one in _typed(values, "unchanged", list)),
            refused=_typed(values, "refused", str),
            hangs=_typed(values, "hangs", bool),
            effects=_typed(values, "effects", str),
            sent_after=sent_after if isinstance(sent_after, int) else None,
            held=_typed(values, "held", bool),
            slept=_seconds(_typed(values, "slept", float)),
            handles=_typed(values, "handles", bool),
            returned=returned if isinstance(returned, dict) else None,
            observed=_observations(values.get("observed")),
            operations=tuple(map(_operation, _typed(values, "operations", list))),
            struck=_typed(values, "struck", bool),
        )


def _observations(value: object) -> Observations | None:
    """What the script looked at; None when that is not known."""
    if not isinstance(value, dict):
        return None
    hidden, found = value.get("hidden"), value.get("queries")
    if not isinstance(hidden, str) or not isinstance(found, list):
        return None
    kinds = get_args(Kind)
    queries: list[Query] = []
    for one in found:
        if not isinstance(one, list) or len(one) != 2 or one[0] not in kinds:
            return None
        queries.append((one[0], str(one[1])))
    return Observations(tuple(queries), hidden)


def patterns_of(data: bytes, key: bytes) -> list[tuple[str | bytes, int]]:
    """The patterns in the report, none when it is broken."""
    try:
        found = _typed(_split(data, key)[0], "patterns", list)
    except BrokenReport:
        return []
    return [
        (text.encode("latin-1", "replace") if is_bytes else text, flags)
        for one in found
        if isinstance(one, list) and len(one) == 3
        for text, is_bytes, flags in [one]
        if isinstance(text, str) and isinstance(flags, int)
    ]


def _split(data: bytes, key: bytes) -> tuple[dict[str, Any], bytes]:
    """The values, and the tar."""
    start = len(key) + _SIZES.size
    if not data.startswith(key) or len(data) < start:
        raise BrokenReport("it does not begin as a report does")
    head, tar = _SIZES.unpack_from(data, len(key))
    if len(data) != start + head + tar:
        raise BrokenReport("its size is another one")
    try:
        values = _decode(data[start : start + head].decode())
    except (ValueError, RecursionError) as error:
        raise BrokenReport(str(error)) from None
    if not isinstance(values, dict):
        raise BrokenReport("it holds no values")
    return values, data[start + head :]


def _typed(values: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = values.get(name)
    if kind is float and isinstance(value, int):
        value = float(value)
    if not isinstance(value, kind):
        raise BrokenReport(f"{name} is not of the type {kind.__name__}")
    return value


def _operation(value: Any) -> Operation:
    try:
        name, place, time, handles = value
        return Operation(str(name), str(place), int(time), bool(handles))
    except (TypeError, ValueError):
        raise BrokenReport("an operation is none") from None


def _seconds(value: float) -> float:
    if not 0 <= value < math.inf:
        raise BrokenReport("its seconds are none")
    return value


def changed_and_unchanged(
    before: Mapping[str, Entry], after: Mapping[str, Entry]
) -> tuple[Tree, tuple[str, ...]]:
    """The entries of a tree that are not as they were, and the paths of the others."""
    unchanged = tuple(path for path, entry in after.items() if entry == before.get(path))
    known = set(unchanged)
    return Tree({path: entry for path, entry in after.items() if path not in known}), unchanged
