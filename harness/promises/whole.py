"""Whether an output that a fault has left is whole, judged beside usual runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.files import formats
from harness.promises import Evidence
from harness.promises.form import defect
from harness.promises.inputs import shared_outputs
from harness.promises.usual_outputs import is_volatile, same
from harness.worlds.tree import Entry


def what_is_lacking(
    evidence: Evidence,
    path: str,
    new: Entry,
    runs: Sequence[dict[str, Entry]],
    *,
    is_other: bool = False,
) -> str:
    """Why an output is not whole; "" when it is, or when nothing shows that it is not.

    The usual `runs` are those to compare it with. After one alone it may be another in each run;
    where `is_other` it is another than the usual ones by intention.
    """
    usual = [run[path] for run in runs if path in run]
    if any(same(one, new) for one in usual):
        return ""
    outputs = evidence.contract.outputs.values()
    shared = any(one.may_write(path) for one in shared_outputs(evidence.contract, evidence.case))
    if not usual:
        names_differ = len(runs) == 1 or set(runs[0]) != set(runs[-1])
        may_be_one = shared or names_differ or is_volatile(evidence.contract, path)
        named = any(one.names(path) for one in outputs) or formats.has_form(path)
        if not (may_be_one and named) or new.kind != "file":
            return "no usual run leaves it"
        return defect(path, new)
    alike = not is_other and 1 < len(usual) == len(runs) and same(usual[0], usual[-1])
    if (alike and not shared and not is_volatile(evidence.contract, path)) or new.kind != "file":
        return f"usually it has {len(usual[0].data)} bytes"
    return (
        defect(path, new)
        or _lacks_the_end(path, new, usual, line_by_line=shared)
        or _lacks_structure(path, new, usual, line_by_line=shared)
    )


def _lacks_the_end(path: str, new: Entry, usual: Sequence[Entry], *, line_by_line: bool) -> str:
    """Whether it is only the beginning of a usual one.

    With `line_by_line`, whole lines may be there without those that follow. Of what is compressed
    the content counts: closed early, it is a whole file that holds a beginning.
    """
    data, packed = _plain(path, new), formats.is_compressed(path)
    if line_by_line and data.endswith(b"\n"):
        return ""
    for whole in (_plain(path, one) for one in usual):
        if len(data) < len(whole) and whole.startswith(data):
            what = f"{len(whole)}, decompressed," if packed else str(len(whole))
            return f"the beginning of the {what} that it usually has"
    return ""


def _plain(path: str, entry: Entry) -> bytes:
    try:
        return formats.plain_bytes(path, entry.data)
    except formats.Malformed:
        return entry.data


def _lacks_structure(path: str, new: Entry, usual: Sequence[Entry], *, line_by_line: bool) -> str:
    """What the usual ones have in common and this one has not."""
    try:
        common = set.intersection(*(set(_structure(path, one.data)) for one in usual))
        missing = sorted(common - set(_structure(path, new.data)))
        counts = {_count(path, one.data) for one in usual}
        count = _count(path, new.data)
    except (formats.Malformed, formats.MissingLibrary):
        return ""
    if missing:
        return f"without {', '.join(missing[:3])}"
    if len(counts) == 1 and count < max(counts) and not line_by_line:
        return f"{count} of {max(counts)} rows"
    return ""


def _structure(path: str, data: bytes) -> Iterator[str]:
    """The names in a file: keys of JSON, columns of a table, members of an archive."""
    plain, form = formats.plain_bytes(path, data), formats.suffix(path)
    if form == ".json":
        yield from _pointers(formats.parse_json(plain), "")
    elif form == ".csv":
        rows = formats.csv_rows(path, plain)
        yield from (f"column {one}" for one in rows[0] if not formats.is_number(one))
    elif form == ".parquet":
        yield from (f"column {one}" for one in formats.parquet(plain).column_names)
    elif form in (".tar.gz", ".tar"):
        yield from (f"member {info.name}" for info, _ in formats.tar_members(plain))


def _count(path: str, data: bytes) -> int:
    """The rows of a table, or the lines of a text; 0 for what has none."""
    plain, form = formats.plain_bytes(path, data), formats.suffix(path)
    if form == ".csv":
        return len(formats.csv_rows(path, plain))
    if form == ".parquet":
        return int(formats.parquet(plain).num_rows)
    if form in (".jsonl", ".txt"):
        return plain.count(b"\n")
    return 0


def _pointers(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield f"{at}/{key}"
            yield from _pointers(one, f"{at}/{key}")
