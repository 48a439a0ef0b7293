"""The promise `leftovers`: a failure leaves no part of an output behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.derived import make_step

CONTRACT = """
name: score
entry_point: step.py
inputs:
  rows: {required: true, file: rows.csv, mounts: [/opt/ml/processing/input/rows]}
  limits: {required: true, file: limits.json, mounts: [/opt/ml/processing/input/limits]}
outputs:
  scores: {path: /opt/ml/processing/output/scores, files: [scores.csv, report.json]}
exit_codes: {0: scored, 1: failed}
"""
# It opens each output before it reads what goes into it.
EAGER = """
import json, sys
OUT = "/opt/ml/processing/output/scores/"
try:
    rows = open("/opt/ml/processing/input/rows/rows.csv")
    with open(OUT + "scores.csv", "w") as out:
        for line in rows:
            a, b = line.strip().split(",")
            out.write(f"{a},{b},{a}{b}\\n")
    with open(OUT + "report.json", "w") as out:
        limits = json.load(open("/opt/ml/processing/input/limits/limits.json"))
        json.dump({"limits": limits}, out)
except (OSError, ValueError) as error:
    print(f"cannot read limits.json or rows.csv: {error}", file=sys.stderr)
    sys.exit(1)
"""
# It reads all before it writes.
CAREFUL = """
import json, sys
OUT = "/opt/ml/processing/output/scores/"
try:
    with open("/opt/ml/processing/input/rows/rows.csv") as rows:
        pairs = [line.strip().split(",") for line in rows]
    scores = "".join(f"{a},{b},{a}{b}\\n" for a, b in pairs)
    with open("/opt/ml/processing/input/limits/limits.json") as stream:
        limits = json.load(stream)
except (OSError, ValueError) as error:
    sys.exit(f"cannot read limits.json or rows.csv: {error}")
open(OUT + "scores.csv", "w").write(scores)
open(OUT + "report.json", "w").write(json.dumps({"limits": limits}))
"""
SAMPLES = {"rows/rows.csv": "a,b\n1,2\n3,4\n5,6\n", "limits/limits.json": '{"low": 1, "high": 2}'}


def left(folder: Path, script: str, contract: str = CONTRACT) -> set[tuple[str, str, str]]:
    """Case, file and severity of each leftover, and every other finding by its key."""
    ref = replace(make_step(folder, script, contract, SAMPLES), level="practical")
    return {
        (
            case,
            one.where.rpartition("/")[2] if one.promise == "leftovers" else one.key,
            one.severity,
        )
        for case in load(ref).matrix.ids
        if not case.startswith("circumstance=")
        for one in prove(ref, FakeRunner(), case).findings
    }


def test_what_a_failure_leaves_of_an_output_is_a_warning(tmp_path: Path) -> None:
    assert left(tmp_path, EAGER) == {
        ("rows=present,limits=absent", "report.json", "warning"),
        ("rows=present,limits=empty", "report.json", "warning"),
        ("special=rows-damaged.csv", "scores.csv", "warning"),
        ("special=limits-damaged.json", "report.json", "warning"),
    }


def test_it_is_an_error_under_strict(tmp_path: Path) -> None:
    ref = replace(make_step(tmp_path, EAGER, CONTRACT, SAMPLES), level="strict")
    findings = prove(ref, FakeRunner(), "special=rows-damaged.csv").findings
    assert ("leftovers", "error") in {(one.promise, one.severity) for one in findings}


def test_a_script_that_reads_before_it_writes_leaves_nothing(tmp_path: Path) -> None:
    assert left(tmp_path, CAREFUL) == set()


def test_what_is_whole_may_be_left(tmp_path: Path) -> None:
    # All scores are there before the limits are read.
    writes = '    open(OUT + "scores.csv", "w").write(scores)\n'
    early = CAREFUL.replace(writes[4:], "").replace(
        '    with open("/opt/ml/processing/input/limits',
        writes + '    with open("/opt/ml/processing/input/limits',
    )
    assert early.count("write(scores)") == 1
    assert left(tmp_path, early) == set()


@pytest.mark.parametrize(("declared", "found"), [("true", False), ("false", True)])
def test_the_contract_says_what_a_failure_may_leave(
    tmp_path: Path, declared: str, found: bool
) -> None:
    contract = CONTRACT.replace("files:", f"on_failure: {declared}, files:")
    assert bool(left(tmp_path, EAGER, contract)) is found
    # A full disk is a failure too.
    findings = prove(StepRef(tmp_path), FakeRunner(), "circumstance=full-disk").findings
    assert ("full-disk" in {one.promise for one in findings}) is found


def test_a_temporary_file_beside_an_output_is_left_too(tmp_path: Path) -> None:
    contract = CONTRACT.replace(", files: [scores.csv, report.json]", "")
    script = CAREFUL.replace("import json, sys", "import json, sys\nopen('{OUT}x.part', 'w')")
    script = script.replace("{OUT}", "/opt/ml/processing/output/scores/")
    script += "import os\nos.remove(OUT + 'x.part')\n"
    names = {name for _, name, _ in left(tmp_path, script, contract)}
    assert names == {"x.part"}


PACKED = """
name: pack
entry_point: step.py
inputs:
  rows: {required: true, file: rows.json, mounts: [/opt/ml/processing/input/rows]}
outputs:
  lines: {path: /opt/ml/processing/output/lines, files: [lines.txt.gz]}
exit_codes: {0: packed, 1: failed}
"""
# It is closed, and so a whole gzip file, when the failure is told.
CLOSED_EARLY = """
import gzip, json, sys
try:
    with gzip.open("/opt/ml/processing/output/lines/lines.txt.gz", "wt") as out:
        out.write("rows\\n")
        for row in json.load(open("/opt/ml/processing/input/rows/rows.json")):
            out.write(f"{row}\\n")
except (OSError, ValueError) as error:
    sys.exit(f"cannot read rows.json: {error}")
"""
READ_FIRST = CLOSED_EARLY.replace(
    "try:\n",
    'try:\n    json.load(open("/opt/ml/processing/input/rows/rows.json"))\n',
)


@pytest.mark.parametrize(("script", "is_left"), [(CLOSED_EARLY, True), (READ_FIRST, False)])
def test_a_beginning_in_a_whole_gzip_file(tmp_path: Path, script: str, *, is_left: bool) -> None:
    ref = make_step(tmp_path, script, PACKED, {"rows/rows.json": "[1, 2, 3]"})
    findings = [
        (one.promise, one.got)
        for case in ("rows=absent", "special=rows-damaged.json")
        for one in prove(ref, FakeRunner(), case).findings
    ]
    assert [promise for promise, _ in findings] == ["leftovers"] * (2 * is_left)
    assert all("the beginning of the 11, decompressed," in got for _, got in findings)
