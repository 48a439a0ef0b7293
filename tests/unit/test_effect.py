"""The promise `effect`: what a job may give a step changes something."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.derived import make_step

CONTRACT = """
name: scale
entry_point: step.py
inputs:
  rows: {required: true, file: rows.txt, mounts: [/opt/ml/processing/input/rows]}
  names: {required: false, file: names.txt, mounts: [/opt/ml/processing/input/names]}
outputs:
  scaled: {path: /opt/ml/processing/output/scaled, files: [rows.txt]}
arguments:
  factor: {type: int, choices: [1, 2, 3], default: 2}
  upper: {flag: true}
environment: {optional: {ENDING: txt}}
exit_codes: {0: scaled, 1: failed}
"""
SCRIPT = """
import argparse, datetime, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int, choices=[1, 2, 3], default=2)
parser.add_argument("--upper", action="store_true")
args = parser.parse_args()
print(datetime.datetime.now(), "begin")
try:
    text = open("/opt/ml/processing/input/rows/rows.txt").read()
except OSError as error:
    sys.exit(f"error: {error}")
try:
    names = open("/opt/ml/processing/input/names/names.txt").read()
except OSError:
    names = ""
ending = os.environ.get("ENDING", "txt")
with open("/opt/ml/processing/output/scaled/rows.txt", "w") as stream:
    stream.write(str([names, text * args.factor, args.upper, ending]))
"""
SAMPLES = {
    "rows/rows.txt": "a",
    "names/names.txt": "b",
    "environment.json": '{"ENDING": "csv"}',
}


def effects(ref: StepRef) -> set[tuple[str, str]]:
    """What has no effect, and the severity of that."""
    runner = FakeRunner()
    findings = [
        one
        for case in load(ref).matrix.ids
        if not case.startswith("circumstance=")
        for one in prove(ref, runner, case).findings
    ]
    assert {one.promise for one in findings} <= {"effect"}
    return {(one.key, one.severity) for one in findings}


@pytest.mark.parametrize(
    ("old", "new", "without"),
    [
        ("", "", ""),
        ("[names, ", "[", "names"),
        ("text * args.factor", "text * 2", "factor"),
        ("args.upper, ", "", "upper"),
        ("ending]", "]", "ENDING"),
        # What is printed is an effect too, but for the value itself.
        ("args.upper, ", "[print(one) for one in range(3 * args.upper)], ", ""),
        ("args.upper, ", "print(args.upper), ", "upper"),
        ('print(datetime.datetime.now(), "begin")', 'print("begin", vars(args))', ""),
        ("args.upper, ", "print(vars(args)), ", "upper"),
        # An output that is never the same shows no effect, and no want of one.
        ("args.upper, ", "os.urandom(9), ", ""),
    ],
)
def test_what_changes_nothing_is_found(tmp_path: Path, old: str, new: str, without: str) -> None:
    ref = make_step(tmp_path, SCRIPT.replace(old, new) if old else SCRIPT, CONTRACT, SAMPLES)
    assert effects(ref) == ({(without, "warning")} if without else set())


NO_NAMES = {name: text for name, text in SAMPLES.items() if not name.startswith("names")}
READS = "    names = open("


@pytest.mark.parametrize(
    ("old", "new", "without"),
    [
        # It does the same without a folder and with an empty one, or refuses an empty one.
        (READS, READS, set()),
        (
            READS,
            f"    names = os.path.isdir('/opt/ml/processing/input/names') and{READS[11:]}",
            set(),
        ),
        # What else has no effect is found all the same.
        ("args.upper, ", "", {"upper"}),
    ],
)
def test_an_input_without_samples_is_left_out_of_the_usual_case(
    tmp_path: Path, old: str, new: str, without: set[str]
) -> None:
    ref = make_step(tmp_path, SCRIPT.replace(old, new), CONTRACT, NO_NAMES)
    assert {key for key, _ in effects(ref)} == without
    assert prove(ref, FakeRunner(), "circumstance=again").findings == ()


def test_an_optional_input_that_a_step_needs_is_found_without_samples(tmp_path: Path) -> None:
    script = SCRIPT.replace(f"except OSError:\n{READS[:-6]}", f"except IndexError:\n{READS[:-6]}")
    ref = make_step(tmp_path, script, CONTRACT, NO_NAMES)
    usual = load(ref).matrix.usual
    assert "names=absent" in usual
    assert {one.key for one in prove(ref, FakeRunner(), usual).findings} == {"1-for-0"}


def test_what_is_written_elsewhere_shows_no_want_of_an_effect(tmp_path: Path) -> None:
    script = SCRIPT.replace("/opt/ml/processing/output/scaled/rows.txt", "/tmp/rows.txt")
    ref = make_step(tmp_path, script, CONTRACT, SAMPLES)
    for case in ("absent,ENDING=default,factor=omitted", "present,ENDING=default,factor=1"):
        findings = prove(ref, FakeRunner(), f"rows=present,names={case},upper=off").findings
        assert {one.promise for one in findings} == {"output", "scratch-clean"}


VOLATILE = """
import datetime, random
random.seed()
with open("/opt/ml/processing/output/scaled/rows.txt", "w") as stream:
    stream.write("done")
with open("/opt/ml/processing/output/scaled/model.bin", "wb") as stream:
    stream.write(WRITTEN)
"""


@pytest.mark.parametrize(
    ("written", "told"),
    [
        # What a model of bytes owes to the factor cannot be known.
        ("b'\\xff%d' % args.factor", False),
        ("b'\\xff' + random.randbytes(9)", False),
        ("b'\\xff'", True),
        # A time in a log shows nothing of it, and more lines do.
        ("str(datetime.datetime.now()).encode()", True),
        ("b'row\\n' * args.factor", False),
    ],
)
def test_an_effect_on_a_volatile_file_is_not_denied(
    tmp_path: Path, written: str, told: bool
) -> None:
    head = SCRIPT[: SCRIPT.index("names = ")].rpartition("try:")[0]
    contract = CONTRACT.replace("[rows.txt]}", "[rows.txt, model.bin], volatile: [model.bin]}")
    script = head + VOLATILE.replace("WRITTEN", written)
    ref = make_step(tmp_path, script, contract, SAMPLES)
    case = "rows=present,names=present,ENDING=default,factor=3,upper=off"
    found = {one.promise for one in prove(ref, FakeRunner(), case).findings}
    assert found == ({"effect"} if told else set())


def test_the_default_in_other_words_need_not_change_anything(tmp_path: Path) -> None:
    matrix = load(make_step(tmp_path, SCRIPT, CONTRACT, SAMPLES)).matrix
    usual = "rows=present,names=present,ENDING=default,factor=omitted,upper=off"
    assert matrix.usual == usual
    varied = {
        one.replace("rows=present,", ""): matrix.case(one)[1].varies
        for one in matrix.ids
        if matrix.case(one)[1].varies
    }
    assert varied == {
        "names=absent,ENDING=default,factor=omitted,upper=off": "names",
        "names=empty,ENDING=default,factor=omitted,upper=off": "names",
        "names=present,ENDING=sample,factor=omitted,upper=off": "ENDING",
        "names=present,ENDING=default,factor=1,upper=off": "factor",
        "names=present,ENDING=default,factor=3,upper=off": "factor",
        "names=present,ENDING=default,factor=omitted,upper=on": "upper",
    }


NUMBERS = """
name: parts
entry_point: step.py
inputs:
  rows: {required: true, file: rows.txt, mounts: [/opt/ml/processing/input/rows]}
outputs:
  parts: {path: /opt/ml/processing/output/parts, files: [rows.txt]}
arguments:
  ratio: {type: float, default: 0.5}
  n-jobs: {type: int, default: 2}
exit_codes: {0: done, 1: failed}
"""
PARTS = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--ratio", type=float, default=0.5)
parser.add_argument("--n-jobs", type=int, default=2)
args = parser.parse_args()
try:
    text = open("/opt/ml/processing/input/rows/rows.txt").read()
except OSError as error:
    sys.exit(f"error: {error}")
workers = args.n_jobs
with open("/opt/ml/processing/output/parts/rows.txt", "w") as stream:
    stream.write(text[: int(len(text) * args.ratio)])
"""


@pytest.mark.parametrize(
    ("old", "new", "without"),
    [
        # The number of processes is read, and changes nothing by intention.
        ("", "", ""),
        ("args.ratio", "0.5", "ratio"),
        ("workers = args.n_jobs", "", "n-jobs"),
        ("workers = args.n_jobs", "workers = vars(args)", ""),
        ("workers = args.n_jobs", "print(f'{args.n_jobs} jobs')", "n-jobs"),
        ("workers = args.n_jobs", "def run(n_jobs):\n    return n_jobs\nrun(2)", "n-jobs"),
        # A key of another mapping is not the argument, nor is a column of this name.
        ("workers = args.n_jobs", "workers = ['n_jobs']", "n-jobs"),
        ("workers = args.n_jobs", "workers = getattr(args, 'n_jobs')", ""),
        ("workers = args.n_jobs", "workers = {'n_jobs': 2}", "n-jobs"),
        # A number that is not allowed is no finding.
        ("workers =", "if args.ratio < 0.3: raise ValueError('too small')\nworkers =", ""),
    ],
)
def test_an_argument_that_is_not_read_is_found_without_a_sample(
    tmp_path: Path, old: str, new: str, without: str
) -> None:
    script = PARTS.replace(old, new) if old else PARTS
    ref = make_step(tmp_path, script, NUMBERS, {"rows/rows.txt": "abcdef"})
    ids = load(ref).matrix.ids
    assert "rows=present,ratio=other,n-jobs=omitted" in ids
    assert effects(ref) == ({(without, "warning")} if without else set())


VARIABLES = """
name: cut
entry_point: step.py
inputs:
  rows: {required: true, file: rows.txt, mounts: [/opt/ml/processing/input/rows]}
outputs:
  parts: {path: /opt/ml/processing/output/parts, files: [rows.txt]}
arguments: {upper: {type: bool, default: false}}
environment: {optional: {LENGTH: "4", REVERSE: "False", TASKS: "2"}}
exit_codes: {0: done, 1: failed}
"""
CUT = """
import argparse, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--upper", type=lambda text: text == "True", default=False)
args = parser.parse_args()
try:
    text = open("/opt/ml/processing/input/rows/rows.txt").read()
except OSError as error:
    sys.exit(f"error: {error}")
tasks = os.environ.get("TASKS", 2)
text = text[: int(os.environ.get("LENGTH", 4))]
if os.environ.get("REVERSE", "False").lower() == "true":
    text = text[::-1]
with open("/opt/ml/processing/output/parts/rows.txt", "w") as stream:
    stream.write(text.upper() if args.upper else text)
"""


@pytest.mark.parametrize(
    ("old", "new", "without"),
    [
        ("", "", ""),
        ('"LENGTH"', '"LEN"', "LENGTH"),
        ('"REVERSE"', '"REVERSED"', "REVERSE"),
        ("text[::-1]", "text[:]", "REVERSE"),
        # Every text but "" is true.
        ('lambda text: text == "True", default=False', "bool, default='x'", "upper"),
        ('os.environ.get("TASKS", 2)', "{'TASKS': 2}", ""),
        ('os.environ.get("TASKS", 2)', "2", "TASKS"),
        # A value that is not allowed is no finding.
        ("tasks =", "assert os.environ.get('REVERSE') != 'True'\ntasks =", ""),
    ],
)
def test_the_opposite_and_another_number_are_tried_without_a_sample(
    tmp_path: Path, old: str, new: str, without: str
) -> None:
    ref = make_step(
        tmp_path, CUT.replace(old, new) if old else CUT, VARIABLES, {"rows/rows.txt": "abcdef"}
    )
    assert effects(ref) == ({(without, "warning")} if without else set())


def test_a_program_without_a_suffix_reads_what_it_names(tmp_path: Path) -> None:
    contract = NUMBERS.replace("step.py", "train").replace(
        "/opt/ml/processing/input/", "/opt/ml/input/data/"
    )
    contract = contract.replace("/opt/ml/processing/output/parts", "/opt/ml/model")
    script = """
import json
given = json.load(open("/opt/ml/input/config/hyperparameters.json"))
jobs = int(given.get("n-jobs", 2))
text = open("/opt/ml/input/data/rows/rows.txt").read()
open("/opt/ml/model/rows.txt", "w").write(text)
"""
    ref = make_step(tmp_path, "", contract, {"rows/rows.txt": "abcdef"})
    (tmp_path / "train").write_text(script)
    cases = [one for one in load(ref).matrix.ids if "=other" in one]
    found = [one.key for case in cases for one in prove(ref, FakeRunner(), case).findings]
    assert found == ["ratio"]


SEVERAL = """
name: join
entry_point: step.py
inputs:
  rows: {required: true, files: ["*.txt"], mounts: [/opt/ml/processing/input/rows]}
outputs:
  joined: {path: /opt/ml/processing/output/joined, files: {joined.txt: {contains: ["a[^b]*b"]}}}
exit_codes: {0: joined, 1: failed}
"""
JOIN = """
import glob, sys
names = sorted(glob.glob("/opt/ml/processing/input/rows/*.txt"))
if not names:
    sys.exit("no .txt file in /opt/ml/processing/input/rows")
texts = [open(one).read() for one in names]
with open("/opt/ml/processing/output/joined/joined.txt", "w") as stream:
    stream.write(str(texts[0] + texts[-1] if len(texts) == 2 else texts[0]) + "ab")
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", set()),
        # What needs both files may fail without one.
        ("if not names:", "if len(names) == 1:\n    raise ValueError\nif not names:", set()),
        ("texts[0] + texts[-1]", "texts[0]", {("rows (one file less)", "warning")}),
        ("str(texts[0] + texts[-1] if len(texts) == 2 else texts[0])", "texts[-1]",
         {("rows (one file less)", "warning")}),
    ],
)  # fmt: skip
def test_each_of_several_files_has_an_effect(
    tmp_path: Path, old: str, new: str, wanted: set[tuple[str, str]]
) -> None:
    samples = {"rows/1.txt": "a", "rows/2.txt": "b"}
    ref = make_step(tmp_path, JOIN.replace(old, new), SEVERAL, samples)
    assert effects(ref) == wanted


def test_markers_and_files_of_any_kind_need_no_effect(tmp_path: Path) -> None:
    samples = {"rows/1.txt": "a", "rows/2.txt": ""}
    ref = make_step(tmp_path, JOIN, SEVERAL, samples)
    other = SEVERAL.replace("*.txt", "*")
    assert not any("file" in one for one in load(ref).matrix.ids)
    (tmp_path / "other").mkdir()
    ref = make_step(tmp_path / "other", JOIN, other, {**samples, "rows/2.txt": "b"})
    assert not any("file" in one for one in load(ref).matrix.ids)
