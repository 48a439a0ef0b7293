"""Outputs: what the contract says that their files hold, and the faults that it finds."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import schemas
from harness.errors import WrongContract
from harness.files import formats
from harness.files.tables import looks_like_header
from harness.promises import content, form, repeatable
from harness.runs.step import fingerprint, read_contract
from tests.unit.small_steps import breaches as found
from tests.unit.small_steps import contract, evidence, findings, keys, outcome, write_step

ROWS = b"id,name,price\n1,a,1.50\n2,b,2\n3,c,3\n4,d,4\n"
TYPES = {"id": "integer", "name": "string", "price": "number"}


def held(name: str, data: bytes, given: bytes | None = ROWS, **terms: Any) -> list[str]:
    """The keys of what is wrong with one file, whose terms these are."""
    step = contract(files={name: terms})
    result = outcome({name: data}, None if given is None else {"data.csv": given})
    return keys(content.PROMISE, evidence(step, result))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (ROWS, []),
        (b"id,name,price\n", []),
        (b"id,name,cost\n1,a,1\n", ["columns"]),
        (b"name,id,price\na,1,1\n", ["column-order"]),
        (b"1,a,1.5\n2,b,2\n", ["columns"]),
        (b"id,name\n1,a\n", ["columns"]),
        (b"id,name,price\n1.0,a,1\n", ["type"]),
        (b"id,name,price\n1,a,nan\n", ["type"]),
        (b"id,name,price\n1,a,\n", ["type"]),
    ],
)
def test_columns_and_their_types(data: bytes, wanted: list[str]) -> None:
    assert held("a.csv", data, schema=TYPES) == wanted


OTHER = b"id;name;price\n1;a;1.5\n"


@pytest.mark.parametrize(
    ("data", "given", "terms", "wanted"),
    [
        (OTHER, ROWS, {}, ["delimiter"]),
        (OTHER.replace(b";", b"\t"), ROWS, {}, ["delimiter"]),
        (ROWS, OTHER, {}, []),
        # As the input is written, and as the contract says.
        (OTHER, OTHER, {}, []),
        (OTHER, ROWS, {"delimiter": ";"}, []),
        (ROWS, ROWS, {"delimiter": ";"}, ["delimiter"]),
    ],
)
def test_the_delimiter(data: bytes, given: bytes, terms: dict[str, str], wanted: list[str]) -> None:
    assert held("a.csv", data, given, schema=TYPES, **terms) == wanted
    assert held("a.csv.gz", gzip.compress(data), given, schema=TYPES, **terms) == wanted


def test_a_table_of_which_no_column_is_said_may_have_any_delimiter() -> None:
    assert held("a.csv", OTHER, rows="1..") == []


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("boolean", "True", "1"),
        ("date", "2024-01-02", "02.01.2024"),
        ("datetime", "2024-01-02T03:04:05Z", "yesterday"),
        ("number?", "", "x"),
        ("integer", "-3", "1_000"),
    ],
)
def test_types_of_cells(kind: str, right: str, wrong: str) -> None:
    for cell, wanted in ((right, []), (wrong, ["type"])):
        assert held("a.csv", f'a,b\n"{cell}",x\n'.encode(), schema={"a": kind, "b": "string"}) == (
            wanted
        )


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'{"a": [1, 2]}', []),
        (b'{"a": [1, "2"]}', ["schema"]),
        (b"[]", ["schema"]),
    ],
)
def test_a_json_schema(data: bytes, wanted: list[str]) -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"type": "integer"}}}}
    assert held("a.json", data, schema=schema) == wanted


def test_a_json_schema_tells_the_place_and_each_line_is_held_to_it() -> None:
    step = contract(files={"a.jsonl": {"schema": {"required": ["id"]}}})
    result = outcome({"a.jsonl": b'{"id": 1}\n{"name": 2}\n'})
    (breach,) = found(content.PROMISE, evidence(step, result))
    assert breach.expected.startswith("line 2 ")


@pytest.mark.parametrize(
    ("rows", "data", "wanted"),
    [
        ("same as data", ROWS, []),
        ("same as data", b"5\n6\n7\n8\n", []),
        ("same as data", b"id\n1\n2\n3\n", ["rows"]),
        (4, ROWS, []),
        ("2..3", ROWS, ["rows"]),
        ("5..", ROWS, ["rows"]),
        ("1..4", ROWS, []),
    ],
)
def test_rows(rows: object, data: bytes, wanted: list[str]) -> None:
    assert held("a.csv", data, rows=rows) == wanted


@pytest.mark.parametrize(
    ("train", "test", "wanted"),
    [
        (b"id,name,price\n1,a,1.5\n3,c,3.0\n", b"id,name,price\n2,b,2\n4,d,4\n", []),
        (b"price,id,name\n1.5,1,a\n3,3,c\n2,2,b\n", b"id,name,price\n4,d,4\n", []),
        (b"id,name,price\n1,a,1.5\n", b"id,name,price\n2,b,2\n4,d,4\n", ["rows-lost"]),
        (
            b"id,name,price\n1,a,1.5\n2,b,2\n3,c,3\n",
            b"id,name,price\n2,b,2\n4,d,4\n",
            ["rows-twice"],
        ),
        (
            b"id,name,price\n1,a,1.5\n2,b,2\n3,c,3\n",
            b"id,name,price\n5,b,2\n4,d,4\n",
            ["rows-added"],
        ),
    ],
)
def test_a_split_loses_no_row_and_repeats_none(
    train: bytes, test: bytes, wanted: list[str]
) -> None:
    step = contract(rows={"split": "data"})
    result = outcome({"train.csv": train, "test.csv": test, "_SUCCESS": b""}, {"data.csv": ROWS})
    assert keys(content.PROMISE, evidence(step, result)) == wanted


@pytest.mark.parametrize(
    ("train", "test", "wanted"),
    [
        (b"1,a,1.5\n3,c,3\n", b"2,b,2\n4,d,4\n", []),
        (b"1,a,1.5\n3,c,3\n", b"2,b,2\n1,a,1.5\n4,d,4\n", ["rows-twice"]),
        (b"1,a,1.5\n3,c,3\n", b"2,b,2\n", ["rows-lost"]),
        # Columns that are left out, or stand in another order, and no header that tells which.
        (b"1,1.5\n3,3\n", b"2,2\n4,4\n", []),
        (b"1.5,1,a\n3,3,c\n", b"2,2,b\n4,4,d\n", []),
        (b"3\n1\n", b"2\n4\n", []),
        (b"1.5,1,0.1\n3,3,0.2\n", b"2,2,0.3\n4,4,0.4\n", []),
        (b"1.5,1,a\n3,3,c\n", b"2,2,b\n", ["rows-lost"]),
        (b"0.1\n0.2\n", b"0.3\n", ["rows-lost"]),
        (b"1,1.5\n3,3\n1,1.5\n4,4\n3,3\n", b"2,2\n4,4\n", ["rows-added"]),
        # As many rows, and nothing that tells which; the names may be 0 and 1.
        (b"0.1,7\n0.2,7\n", b"0.3,8\n0.4,8\n", ["not proven"]),
        (b"1.5,1,a\n3,3,c\n", b"2,2,b\n3,3,c\n", ["not proven"]),
        (b"5,5\n0.1,7\n0.2,7\n", b"0.3,8\n0.4,8\n", ["not proven"]),
    ],
)
def test_a_split_into_two_outputs_without_headers(
    train: bytes, test: bytes, wanted: list[str]
) -> None:
    folders = {name: f"/opt/ml/processing/output/{name}" for name in ("train", "test")}
    terms = {name: {"path": at, "rows": {"split": "data"}} for name, at in folders.items()}
    written = {f"{folders['train']}/a.csv": train, f"{folders['test']}/a.csv": test}
    given = evidence(contract(outputs=terms), outcome(written, {"data.csv": ROWS}))
    assert keys(content.PROMISE, given) == wanted


def test_a_split_without_headers_and_without_an_input() -> None:
    step = contract(rows={"split": "data"})
    result = outcome({"a.csv": b"1,2\n", "b.csv": b"3,4.0\n"}, {"data.csv": b"3,4\n1,2\n"})
    assert keys(content.PROMISE, evidence(step, result)) == []
    absent = outcome({"a.csv": b"1,2\n"})
    assert keys(content.PROMISE, evidence(step, absent)) == []
    other = outcome({"a.csv": b"1,2\n"}, {"data.bin": b"\0"})
    assert keys(content.PROMISE, evidence(step, other)) == ["not proven"]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"id,name,price\n", []),
        (b"id,title,price\n", ["columns"]),
        (b"id,price,name\n", ["column-order"]),
        (b"9,x,3\n", ["columns"]),
    ],
)
def test_the_columns_of_an_input(data: bytes, wanted: list[str]) -> None:
    assert held("a.csv", data, columns={"same_as": "data"}) == wanted


def test_rows_of_parts_are_those_of_the_input_together_or_each() -> None:
    step = contract(files={"part-*.csv": {"rows": "same as data"}})
    for parts, wanted in (
        ({"part-0.csv": b"1\n2\n3\n", "part-1.csv": b"4\n"}, []),
        ({"part-0.csv": b"1\n2\n3\n4\n", "part-1.csv": b"1\n2\n3\n4\n"}, []),
        ({"part-0.csv": b"1\n2\n3\n", "part-1.csv": b"1\n2\n3\n4\n"}, ["rows"]),
    ):
        given = evidence(step, outcome(parts, {"data.csv": ROWS}))
        assert keys(content.PROMISE, given) == wanted


def test_what_stands_at_the_output_is_for_its_tables_alone() -> None:
    step = contract(rows="same as data", columns={"same_as": "data"})
    written = {"a.csv": ROWS, "report.json": b"{}", "log.txt": b"a\n", "model.bin": b"\0"}
    assert keys(content.PROMISE, evidence(step, outcome(written, {"data.csv": ROWS}))) == []


@pytest.mark.parametrize(
    ("row", "is_header"),
    [
        ("id,name", True),
        (",id,name", True),
        ("0,1,2", True),
        (",0,1", True),
        ("0", False),
        ("1,2", False),
        ("a,a", False),
        ("a,,b", False),
    ],
)
def test_a_header_is_known_by_its_cells(row: str, is_header: bool) -> None:
    assert looks_like_header(row.split(",")) is is_header


def test_a_header_that_the_contract_wants() -> None:
    assert held("a.csv", b"id,name\n1,a\n", header=True) == []
    assert held("a.csv", b"1,a\n2,b\n", header=True) == ["no-header"]
    assert held("a.csv", b"a,b\nc,d\n", header=False, rows=2) == []


def test_parquet_without_its_library_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    data = b"PAR1...PAR1"
    assert held("a.parquet", data, rows=2) == ["not proven"]
    runs = (outcome({"a.parquet": data}), outcome({"a.parquet": b"PAR1,,,PAR1"}))
    volatile = evidence(contract(volatile=["a.parquet#at"]), runs[0], usual=runs)
    assert keys(repeatable.PROMISE, volatile) == ["not proven"]


def test_parquet() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stream = io.BytesIO()
    columns = {"id": [1, 2, 3, 4], "name": ["a", "b", "c", "d"], "price": [1.5, 2.0, None, 4.0]}
    parquet.write_table(pyarrow.table(columns), stream)
    types = {**TYPES, "price": "number?"}
    assert held("a.parquet", stream.getvalue(), schema=types, rows="same as data") == []
    assert held("a.parquet", stream.getvalue(), schema=TYPES, rows="3..") == ["type"]
    assert held("a.parquet", stream.getvalue(), columns={"same_as": "data"}, rows=3) == ["rows"]


def test_a_text_that_is_not_there_in_parquet_is_no_text() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for names, wanted in ((["a", ""], []), (["a", None], ["type"])):
        stream = io.BytesIO()
        parquet.write_table(pyarrow.table({"name": names}), stream)
        assert held("a.parquet", stream.getvalue(), schema={"name": "string"}) == wanted
        assert held("a.parquet", stream.getvalue(), schema={"name": "string?"}) == []


def test_texts() -> None:
    assert held("a.txt", b"rows: 4\n", contains=[r"^rows: \d+$"]) == []
    assert held("a.txt", b"rows: none\n", contains=[r"^rows: \d+$"]) == ["no-match"]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'{"a": {"rmse": 0.5}, "n": 3}', []),
        (b'{"a": {"rmse": -0.5}, "n": 3}', ["metric"]),
        (b'{"a": {"rmse": "0.5"}, "n": 3}', ["metric"]),
        (b'{"a": {"rmse": 0.5}, "n": 3.5}', ["metric"]),
        (b'{"a": {"mse": 0.5}, "n": 3}', ["no-metric"]),
        (b'{"a.rmse": 0.5, "n": true}', ["metric"]),
    ],
)
def test_metrics(data: bytes, wanted: list[str]) -> None:
    assert held("a.json", data, metrics={"a.rmse": "number >= 0", "/n": "integer"}) == wanted


def test_a_metric_that_is_no_number_is_told_once() -> None:
    step = contract(files={"a.json": {"metrics": {"rmse": "number"}}})
    given = evidence(step, outcome({"a.json": b'{"rmse": NaN}'}))
    assert (keys(form.PROMISE, given), keys(content.PROMISE, given)) == (["no.json"], [])
    waived = step.model_copy(update={"waivers": {"form": "NaN is meant"}})
    assert keys(content.PROMISE, evidence(waived, outcome({"a.json": b'{"rmse": NaN}'}))) == [
        "metric"
    ]


def test_what_the_contract_says_something_of_must_be_there() -> None:
    terms = {"report.json": {"metrics": {"a": "number"}}, "other.json": {}}
    result = outcome({"x.json": b"1"})
    assert keys(content.PROMISE, evidence(contract(files=terms), result)) == ["missing"]
    optional = contract(files=terms, required=False)
    assert keys(content.PROMISE, evidence(optional, result)) == []
    assert keys(content.PROMISE, evidence(contract(files=terms), outcome({}, code=1))) == []


def test_keys_at_the_output_are_for_all_of_its_files_of_that_form() -> None:
    step = contract(schema={"type": "object"}, contains=["x"])
    assert keys(content.PROMISE, evidence(step, outcome({"a.json": b'{"x": 1}'}))) == []
    result = outcome({"a.json": b'["x"]', "b.csv": b"a\n"})
    assert keys(content.PROMISE, evidence(step, result)) == ["schema", "no-match"]


@pytest.mark.parametrize(
    ("bounds", "right", "wrong"),
    [
        ("number", {"type": "number"}, None),
        ("number >= 0, < 1", {"type": "number", "minimum": 0, "exclusiveMaximum": 1}, None),
        (
            "integer > 0 and <= 1e3",
            {"type": "integer", "exclusiveMinimum": 0, "maximum": 1e3},
            None,
        ),
        ("float", None, "should be number or integer"),
        ("number > zero", None, "should be number or integer"),
    ],
)
def test_bounds_become_a_json_schema(bounds: str, right: object, wrong: str | None) -> None:
    if wrong is None:
        assert schemas.of_metric(bounds) == right
    else:
        with pytest.raises(ValueError, match=wrong):
            schemas.of_metric(bounds)


TERMS = """\
name: splits
entry_point: step.py
inputs:
  data: {required: true, file: data.csv, mounts: [/opt/ml/processing/input/data]}
outputs:
  out:
    path: /opt/ml/processing/output/out
    files:
      "*.csv": {columns: {same_as: data}, rows: {split: data}}
      report.json: {metrics: {rows: integer >= 0}, golden: samples/expected/report.json}
exit_codes: {0: done, 1: failed}
"""
SPLIT = """\
import csv, json
with open("/opt/ml/processing/input/data/data.csv", newline="") as stream:
    header, *rows = csv.reader(stream)
out = "/opt/ml/processing/output/out/"
for name, part in (("train", rows[:3]), ("test", rows[3:])):
    with open(out + name + ".csv", "w", newline="") as stream:
        csv.writer(stream).writerows([header, *part])
with open(out + "report.json", "w") as stream:
    json.dump({"rows": len(rows)}, stream)
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", set()),
        ("rows[3:]", "rows[2:]", {"content/rows-twice"}),
        ("rows[3:]", "rows[4:]", {"content/rows-lost"}),
        ("[header, *part]", "part", {"content/columns"}),
        ("len(rows)", "-1", {"content/metric", "golden/differs"}),
        ("len(rows)", "str(len(rows))", {"content/metric", "golden/differs"}),
        ("json.dump({", "stream.write(repr({", {"form/no.json", "golden/differs"}),
        ("json.dump({", "print({", {"form/empty", "golden/differs"}),
    ],
)
def test_a_seeded_fault_is_found_and_the_right_step_is_not_accused(
    tmp_path: Path, old: str, new: str, wanted: set[str]
) -> None:
    script = SPLIT.replace(old, new, 1) if old else SPLIT
    if "stream.write(repr" in new:
        script = script.replace("}, stream)", "}))")
    samples = {"data/data.csv": ROWS, "expected/report.json": b'{"rows": 4}'}
    ref = write_step(tmp_path, TERMS, script, samples)
    assert findings(ref, "data=present") >= wanted
    assert wanted or findings(ref, "data=present") == set()


def test_golden_files_and_schemas_are_part_of_the_step(tmp_path: Path) -> None:
    terms = TERMS.replace("metrics: {rows: integer >= 0}", "schema: report.schema.json")
    samples = {"data/data.csv": ROWS, "../report.schema.json": b'{"type": "object"}'}
    ref = write_step(tmp_path, terms, SPLIT, samples)
    first = fingerprint(ref)
    (tmp_path / "report.schema.json").write_text('{"type": "array"}')
    fingerprint.cache_clear()
    assert fingerprint(ref) != first
    assert "content/schema" in findings(ref, "data=present")
    (tmp_path / "report.schema.json").write_text('{"type": "list"}')
    with pytest.raises(WrongContract, match=r"contract.yaml:10: .*report\.json\.schema: "):
        read_contract(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("split: data", "split: rows", 9, "rows is no input"),
        ("integer >= 0", "integer of rows", 10, "should be number or integer"),
        ('"*.csv"', '"../*.csv"', 9, "without . and .."),
        ("golden: samples", "schema: {colour: red}, golden: samples", 10, "no keyword"),
        ("golden: samples", "contains: [(], golden: samples", 10, "regular expression"),
        ("same_as", "as", 9, "missing"),
    ],
)
def test_errors_name_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    write_step(tmp_path, TERMS.replace(old, new, 1), SPLIT, {})
    with pytest.raises(WrongContract) as caught:
        read_contract(tmp_path)
    assert f"contract.yaml:{line}: outputs.out.files." in caught.value.what
    assert what in caught.value.what


INTERFACE = """\
contract:
  entry_point: step.py
  scratch: [/opt/ml/work]
  inputs: {data: {path: /opt/ml/processing/input/data, required: true}}
  outputs:
    out:
      path: /opt/ml/processing/output/out
      content: {files: {"*.csv": {rows: same as data, schema: {id: integer}}}}
"""
SCRIPT_CONTRACT = """\
COLUMNS = {"id": "integer"}
class CONTRACT:
    entry_point = "step.py"
    expected_input_paths = {"data": "/opt/ml/processing/input/data"}
    expected_output_paths = {"out": "/opt/ml/processing/output/out"}
    output_content = {"out": {"files": {"*.csv": {"rows": "same as data", "schema": COLUMNS}}}}
    scratch = ["/opt/ml/work"]
contract = CONTRACT()
"""


@pytest.mark.parametrize(
    ("file", "terms", "line"), [("x.step.yaml", INTERFACE, 8), ("x.py", SCRIPT_CONTRACT, 6)]
)
def test_other_forms_of_contract_say_the_same(
    tmp_path: Path, file: str, terms: str, line: int
) -> None:
    (tmp_path / file).write_text(terms)
    out = read_contract(tmp_path / file)
    assert out.scratch == ("/opt/ml/work",)
    step = contract(files={"*.csv": {"rows": "same as data", "schema": {"id": "integer"}}})
    assert out.outputs == step.outputs
    for old, new in (("same as data", "same as rows"), ("integer", "int")):
        (tmp_path / file).write_text(terms.replace(old, new))
        with pytest.raises(WrongContract, match=rf"{file}:{line}: .*out\.(content\.)?files\."):
            read_contract(tmp_path / file)
