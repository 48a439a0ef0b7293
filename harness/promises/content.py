"""Content: each output file holds what the contract says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.contracts import schemas
from harness.contracts.outputs import FileContent, Output
from harness.files import formats, patterns, tables
from harness.promises import Breach, Evidence, NotProven, Promise, split_rows
from harness.promises import table_content as table
from harness.promises.form import defect
from harness.worlds.tree import Entry

_JSON = (".json", ".jsonl")
# Of several breaches in one file.
_MOST = 3


def check(evidence: Evidence) -> Iterator[Breach | NotProven]:
    """Each output file that has not the schema, rows, columns, texts or metrics of the contract.

    A file that the contract says something of must be there when the step succeeds, if its output
    is required; of several hosts only the first must write it.
    """
    if not evidence.succeeded:
        return
    # The files that hold the rows of an input together may lie in several outputs.
    splits: dict[str, dict[str, tables.Table]] = {}
    # Those of which a part is missing, or has not its form, which is told already.
    incomplete: set[str] = set()
    for output in evidence.contract.outputs.values():
        files = written(evidence, output)
        for keys, content in output.contents:
            pattern = keys[-1] if keys else ""
            of_it = {
                path: entry.data
                for path, entry in files.items()
                if pattern in [one for _, one in output.contents_of(path)]
            }
            must_be = output.required and not evidence.expected.other_host
            if pattern and content.demands and must_be and not of_it:
                yield Breach("missing", f"{output.path}/{pattern}", "a file", "nothing")
            # What has not the form of its suffix is left to `form`.
            readable = {
                path: data
                for path, data in of_it.items()
                if "form" in evidence.contract.waivers or not defect(path, files[path])
            }
            for path, data in readable.items():
                yield from _check_file(evidence, path, data, content)
            of_rows = table.tables_in(readable, pattern)
            counted = yield from table.check(evidence, content, of_rows)
            if content.rows is not None and content.rows.split:
                splits.setdefault(content.rows.split, {}).update(counted)
                unread = table.tables_in(of_it, pattern).keys() - of_rows.keys()
                if unread or (output.required and not of_it):
                    incomplete.add(content.rows.split)
    for name, parts in splits.items():
        if name in incomplete or (evidence.expected.other_host and not parts):
            continue
        yield from split_rows.check_split(evidence, name, parts)


def written(evidence: Evidence, output: Output) -> dict[str, Entry]:
    """The files of an output after the run that it may hold: path → entry."""
    after = evidence.outcome.after
    return {
        path: entry
        for path, entry in (after.under(output.path) if after else ())
        if entry.kind == "file" and output.may_write(path)
    }


def _check_file(
    evidence: Evidence, path: str, data: bytes, content: FileContent
) -> Iterator[Breach | NotProven]:
    form = formats.suffix(path)
    try:
        # A marker without content is no text.
        if content.contains and data:
            yield from _check_texts(path, data, content)
        if form in _JSON and content.schema_ is not None:
            yield from _check_schema(evidence.contract.origin.parent, path, data, content.schema_)
        if form == ".json" and content.metrics:
            yield from _check_metrics(path, data, content.metrics)
    except formats.Malformed as error:
        yield Breach("unreadable", path, "a file that can be read", str(error))
    except formats.MissingLibrary as error:
        yield NotProven(f"{path}: {error}")


def _check_texts(path: str, data: bytes, content: FileContent) -> Iterator[Breach]:
    text = formats.plain_bytes(path, data).decode("utf-8", "replace")
    for pattern in content.contains:
        if patterns.search(pattern, text, re.MULTILINE) is None:
            shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
            yield Breach("no-match", path, f"a text that matches {pattern}", shown)


def check_schemas(
    output: Output, folder: Path, relative: str, data: bytes
) -> Iterator[Breach | NotProven]:
    """Whether a file has the schemas that an output asks of a file of this name.

    `folder` is that of the contract, where the schemas may lie.
    """
    for content, pattern in output.contents_of(f"{output.path}/{relative}"):
        if content.schema_ is None:
            continue
        try:
            if formats.suffix(relative) in _JSON:
                yield from _check_schema(folder, relative, data, content.schema_)
            if table.tables_in({relative: data}, pattern):
                yield from table.check_schema(relative, data, content)
        except formats.Malformed as error:
            yield Breach("unreadable", relative, "a file that can be read", str(error))
        except formats.MissingLibrary as error:
            yield NotProven(f"{relative}: {error}")


def _check_schema(
    folder: Path, path: str, data: bytes, schema: Any
) -> Iterator[Breach | NotProven]:
    if schemas.is_columns(schema) and set(schema) != {"type"}:
        if formats.suffix(path) == ".json":
            # Types of columns: a list of records.
            return
        schema = None
    if schema is None:
        return
    if isinstance(schema, str):
        try:
            schema = schemas.read(folder / schema)
        except (OSError, ValueError) as error:
            yield NotProven(f"the schema {schema} cannot be used: {error}")
            return
    plain = formats.plain_bytes(path, data)
    if formats.suffix(path) == ".json":
        values = [("", _lenient(plain))]
    else:
        lines = enumerate(formats.parse_lines(plain), 1)
        values = [(f"line {number} ", value) for number, value in lines]
    found = [
        Breach("schema", path, f"{at}{pointer}: {wanted}", got)
        for at, value in values
        for pointer, wanted, got in _violations(schema, value)
    ]
    yield from found[:_MOST]


def _check_metrics(path: str, data: bytes, metrics: Mapping[str, str]) -> Iterator[Breach]:
    value = _lenient(formats.plain_bytes(path, data))
    for name, bounds in metrics.items():
        found, number = _value_at(value, name)
        if not found:
            yield Breach("no-metric", f"{path} → {name}", bounds, "nothing")
        elif number != number or next(_violations(schemas.of_metric(bounds), number), None):
            yield Breach("metric", f"{path} → {name}", bounds, f"{json.dumps(number):.80}")


def _lenient(data: bytes) -> Any:
    """The value of JSON, NaN included: `form` refuses it, and a metric is no number then."""
    try:
        return json.loads(formats.text_of(data))
    except (ValueError, RecursionError):
        return formats.parse_json(data)


def _value_at(value: Any, name: str) -> tuple[bool, Any]:
    """Whether there is something at a JSON pointer or a dotted path, and what."""
    if name.startswith("/"):
        keys = [one.replace("~1", "/").replace("~0", "~") for one in name[1:].split("/")]
        for key in keys:
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            else:
                return False, None
        return True, value
    if isinstance(value, dict) and name in value:
        return True, value[name]
    # A key may have dots of its own: the longest that is there.
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        found, inner = _value_at(value, f"/{'.'.join(words[:count])}")
        if found:
            return _value_at(inner, ".".join(words[count:]))
    return _value_at(value, f"/{name}")


def _violations(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str, str]]:
    """Where a value is not as a JSON Schema says: pointer, what is wrong, what is there."""
    for error in _validator(json.dumps(schema)).iter_errors(value):
        pointer = "".join(f"/{one}" for one in error.absolute_path) or "/"
        got = json.dumps(error.instance)
        short = got if len(got) <= 60 else got[:57] + "..."
        wanted = f"{error.validator} {json.dumps(error.validator_value):.80}"
        yield pointer, wanted, short


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    value = json.loads(schema)
    kind = validator_for(value, default=Draft202012Validator)
    return kind(value, format_checker=kind.FORMAT_CHECKER)


PROMISE = Promise(
    "content",
    "Each output file holds what the contract says: schema, rows, columns, texts, metrics.",
    check,
)
