"""The promise `defaults`: what is left out counts as the default that the contract states."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.runs.step import StepRef, load
from tests.unit.derived import findings, make_step

CONTRACT = """
name: scale
entry_point: step.py
inputs:
  rows: {required: true, file: rows.txt, mounts: [/opt/ml/processing/input/rows]}
outputs:
  scaled: {path: /opt/ml/processing/output/scaled, files: [rows.json]}
arguments:
  factor: {type: float, default: 2}
  unit: {choices: [m, km], default: m}
environment: {optional: {ENDING: txt, LABEL: ""}}
exit_codes: {0: scaled, 1: failed}
"""
SCRIPT = """
import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=float, default=2)
parser.add_argument("--unit", choices=["m", "km"], default="m")
args = parser.parse_args()
try:
    text = open("/opt/ml/processing/input/rows/rows.txt").read()
except OSError as error:
    sys.exit(f"error: {error}")
ending = os.environ.get("ENDING", "txt")
label = os.environ.get("LABEL", "none")
with open("/opt/ml/processing/output/scaled/rows.json", "w") as stream:
    json.dump([text, args.factor, args.unit, ending, label], stream)
"""
SAMPLES = {"rows/rows.txt": "a"}


def make(folder: Path, script: str, arguments: str = "{}", contract: str = CONTRACT) -> StepRef:
    return make_step(folder, script, contract, {**SAMPLES, "arguments.json": arguments})


@pytest.mark.parametrize("arguments", ["{}", '{"factor": 3, "unit": "km"}', '{"factor": 2}'])
def test_a_script_with_the_stated_defaults_passes(tmp_path: Path, arguments: str) -> None:
    # Its own default is the number 2, and 2.0 is what argparse makes of the text.
    assert findings(make(tmp_path, SCRIPT, arguments)) == set()


@pytest.mark.parametrize("arguments", ["{}", '{"factor": 3, "unit": "km"}'])
@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("default=2", "default=0.2", "factor"),
        ("default=2", "default=20", "factor"),
        ('default="m"', 'default="km"', "unit"),
        ('default="m"', "default=None", "unit"),
        ('get("ENDING", "txt")', 'get("ENDING", "csv")', "ENDING"),
        ('get("ENDING", "txt")', 'get("ENDING")', "ENDING"),
    ],
)
def test_another_default_is_found(
    tmp_path: Path, arguments: str, old: str, new: str, name: str
) -> None:
    ref = make(tmp_path, SCRIPT.replace(old, new), arguments)
    assert findings(ref) - {("effect", name)} == {("defaults", name)}


def test_a_hyperparameter_has_a_default_too(tmp_path: Path) -> None:
    contract = CONTRACT.replace("/opt/ml/processing/input", "/opt/ml/input/data")
    contract = contract.replace("/opt/ml/processing/output/scaled", "/opt/ml/model")
    script = SCRIPT.replace("/opt/ml/processing/input", "/opt/ml/input/data")
    script = script.replace("/opt/ml/processing/output/scaled", "/opt/ml/model")
    assert findings(make(tmp_path / "right", script, contract=contract)) == set()
    ref = make(tmp_path / "wrong", script.replace("=2", "=3"), '{"factor": 4}', contract)
    assert findings(ref) == {("defaults", "factor")}


def test_outputs_that_are_never_the_same_show_no_default(tmp_path: Path) -> None:
    script = SCRIPT.replace("[text, args.factor", "[os.urandom(9).hex(), args.factor")
    assert findings(make(tmp_path, script.replace("default=2", "default=3"))) == set()


def test_volatile_outputs_show_no_default(tmp_path: Path) -> None:
    contract = CONTRACT.replace("files: [rows.json]", 'volatile: ["rows.json#/0"]')
    script = SCRIPT.replace("[text, args.factor", "[os.urandom(9).hex(), args.factor")
    assert findings(make(tmp_path / "right", script, contract=contract)) == set()
    script = script.replace("default=2", "default=3")
    ref = make(tmp_path / "wrong", script, contract=contract)
    assert findings(ref) == {("defaults", "factor")}


def test_a_case_names_the_one_that_passes_the_default(tmp_path: Path) -> None:
    matrix = load(make(tmp_path, SCRIPT, '{"factor": 3}')).matrix
    usual = "rows=present,ENDING=default,LABEL=default,factor=sample,unit=omitted"
    assert matrix.usual == usual
    same = {one: matrix.case(one)[1].same_as for one in matrix.ids}
    assert {one: other for one, other in same.items() if other} == {
        usual.replace("ENDING=default", "ENDING=unset"): usual,
        usual.replace("factor=sample", "factor=omitted"): usual.replace("=sample", "=default"),
        usual.replace("unit=omitted", "unit=m"): usual,
    }
