"""Each part of an input counts: a script that loses one by its place is told, no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cases.parts import variants
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.derived import make_step

CONTRACT = """
name: mean
entry_point: step.py
inputs:
  rows: {required: true, file: NAME, mounts: [/opt/ml/processing/input/rows]}
  stop: {required: true, file: stop.txt, mounts: [/opt/ml/processing/input/stop]}
outputs:
  mean: {path: /opt/ml/processing/output/mean, files: [mean.txt]}
exit_codes: {0: done, 1: failed}
"""
SCRIPT = """
import csv, sys
try:
    with open("/opt/ml/processing/input/rows/rows.csv", newline="") as stream:
        rows = list(csv.reader(stream))HEADER
    with open("/opt/ml/processing/input/stop/stop.txt") as stream:
        stop = stream.read().split()
except OSError as error:
    sys.exit(f"error: {error}")
rows = [row for row in rows if row[0] not in stop]
with open("/opt/ml/processing/output/mean/mean.txt", "w") as stream:
    stream.write(str(sum(float(row[1]) for row in rows) / len(rows)))
"""
ROWS = "a,1\nb,2\nc,4\nd,9\n"
NAMED = "name,value\n" + ROWS
LOST = {"rows (one row less)"}


def without_effect(folder: Path, script: str, rows: str = NAMED, stop: str = "b\nx\n") -> set[str]:
    """What is told to have no effect in the cases with other parts of an input."""
    header = "[1:]" if rows.startswith("name") else ""
    ref = make_step(
        folder,
        script.replace("HEADER", header),
        CONTRACT.replace("NAME", "rows.csv"),
        {"rows/rows.csv": rows, "stop/stop.txt": stop},
    )
    return told(ref)


def told(ref: StepRef) -> set[str]:
    ids = [one for one in load(ref).matrix.ids if "half-of-" in one or "another-" in one]
    assert ids
    found = [one for case in ids for one in prove(ref, FakeRunner(), case).findings]
    assert {one.promise for one in found} <= {"effect"}
    return {one.key for one in found}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", set()),
        ("HEADER", "HEADER[:-1]", LOST),
        ("HEADER", "HEADER[1:]", LOST),
        # What is left out by its content, or once more, is not lost by its place.
        ("not in stop", "not in (*stop, 'd')", set()),
        ("not in stop", "not in (*stop, 'a')", set()),
        ("rows = [row", "rows = list({row[0]: row for row in rows}.values())\nrows = [row", set()),
        ("rows = [row", "rows = rows[:2]\nrows = [row", set()),
        ("stop = stream.read().split()", "stop = stream.read() and ['b']", {"stop"}),
        ("float(row[1])", "1", {"rows", "stop"}),
    ],
)
def test_a_row_that_is_lost_by_its_place_is_told(
    tmp_path: Path, old: str, new: str, wanted: set[str]
) -> None:
    assert without_effect(tmp_path, SCRIPT.replace(old, new) if old else SCRIPT) == wanted


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [("", {("effect", "rows (one row less)")}), ("rows: same as rows", {("content", "rows")})],
)
def test_a_lost_row_is_told_once(tmp_path: Path, rows: str, wanted: set[tuple[str, str]]) -> None:
    contract = CONTRACT.replace("[mean.txt]", f"{{mean.csv: {{header: true, {rows}}}}}")
    script = (
        SCRIPT.replace("HEADER", "[1:-1]")
        .replace("mean.txt", "mean.csv")
        .replace(
            "str(sum(float(row[1]) for row in rows) / len(rows))",
            "'name,value\\n' + ''.join(','.join(row) + '\\n' for row in rows)",
        )
    )
    samples = {"rows/rows.csv": NAMED, "stop/stop.txt": "x\ny\n"}
    contract = contract.replace("NAME", "rows.csv") + "waivers: {damaged-input: not judged here}\n"
    ref = make_step(tmp_path, script, contract, samples)
    matrix = load(ref).matrix
    ids = [matrix.usual, *(one for one in matrix.ids if "rows=another-" in one)]
    assert len(ids) == 3
    found = [one for case in ids for one in prove(ref, FakeRunner(), case).findings]
    assert {(one.promise, one.key) for one in found} == wanted


def test_a_first_row_that_is_taken_for_a_header_is_told(tmp_path: Path) -> None:
    script = SCRIPT.replace("list(csv.reader(stream))HEADER", "list(csv.reader(stream))[1:]")
    assert without_effect(tmp_path, script, ROWS) == LOST
    (tmp_path / "right").mkdir()
    assert without_effect(tmp_path / "right", SCRIPT, ROWS) == set()


FILES = """
name: names
entry_point: step.py
inputs:
  rows: {required: true, files: ["*/*.txt"], mounts: [/opt/ml/processing/input/rows]}
outputs:
  names: {path: /opt/ml/processing/output/names, files: [OUT]}
exit_codes: {0: done, 1: failed}
"""
COPY = """
import glob, os, sys
names = sorted(glob.glob("/opt/ml/processing/input/rows/*/*.txt"))
if not names:
    sys.exit("error: there is no .txt file in /opt/ml/processing/input/rows")
for name in names:
    folder, file = name.split("/")[-2:]
    with open("/opt/ml/processing/output/names/" + folder + "-" + file, "w") as stream:
        stream.write(open(name).read())
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", set()),
        ("in names:", "in names[1:]:", {"rows (one file less)"}),
        ("in names:", "in names[:-1]:", {"rows (one file less)"}),
        # One output is written over another.
        ('folder + "-" + file', "file", {"rows (one file less)"}),
    ],
)
def test_a_file_that_is_lost_by_its_place_is_told(
    tmp_path: Path, old: str, new: str, wanted: set[str]
) -> None:
    script = COPY.replace(old, new) if old else COPY
    # The two of one name are neither the first nor the last.
    texts = {"a/0": "v", "a/1": "x", "b/1": "y", "b/2": "z"}
    samples = {f"rows/{one}.txt": text for one, text in texts.items()}
    ref = make_step(tmp_path, script, FILES.replace("OUT", '"*.txt"'), samples)
    ids = [one for one in load(ref).matrix.ids if "-file" in one]
    found = [one.key for case in ids for one in prove(ref, FakeRunner(), case).findings]
    assert set(found) == wanted


ALL = ["half-of-rows", "another-first-row", "another-last-row"]


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("a.csv", b"x,y\n1,2\n3,4\n5,6\n", ALL),
        # Rows that are equal are not told apart.
        ("a.csv", b"x,y\n1,2\n1,2\n5,6\n", ["half-of-rows", "another-last-row"]),
        ("a.csv", b"x,y\n1,2\n", []),
        ("a.csv", b'x,y\n1,"2\n3"\n4,5\n6,7\n', []),
        ("a.jsonl", b"{}\n[]\n1\n", ALL),
        ("a.json", b"[\n1,\n2\n]\n", []),
        ("a.txt", b"a\n\nb\nc\n", []),
        ("a.bin", b"a\nb\nc\nd\n", []),
    ],
)
def test_what_has_rows(name: str, data: bytes, wanted: list[str]) -> None:
    found = list(variants({name: data}, [name], required=True))
    assert [one.choice for one in found] == wanted
    for one in found:
        header = data.split(b"\n")[0] if name.endswith(".csv") else b""
        assert one.files[name].startswith(header)
        assert one.beside[name].startswith(header)
        assert one.files != one.beside
    optional = [one.choice for one in variants({name: data}, [name], required=False)]
    assert optional == [one for one in wanted if one != "half-of-rows"]


INPUTS = """
name: copies
entry_point: step.py
inputs:
  train: {required: true, file: data.csv, mounts: [/opt/ml/processing/input/train]}
  test: {required: true, file: data.csv, mounts: [/opt/ml/processing/input/test]}
outputs:
  copies: {path: /opt/ml/processing/output/copies, files: ["*.csv"]}
exit_codes: {0: done, 1: failed}
"""
BOTH = """
for name in ("train", "test"):
    text = open("/opt/ml/processing/input/" + name + "/data.csv").read()
    with open("/opt/ml/processing/output/copies/" + name + ".csv", "w") as stream:
        stream.write(text)
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", set()),
        ('name + ".csv"', '"data.csv"', {"train"}),
        ("(text)", "(text[:4])", {"test", "train"}),
    ],
)
def test_an_input_whose_output_is_written_over_is_told(
    tmp_path: Path, old: str, new: str, wanted: set[str]
) -> None:
    samples = {f"{one}/data.csv": f"x,y\n{one},1\n{one}2,2\n" for one in ("train", "test")}
    ref = make_step(tmp_path, BOTH.replace(old, new) if old else BOTH, INPUTS, samples)
    assert told(ref) == wanted
