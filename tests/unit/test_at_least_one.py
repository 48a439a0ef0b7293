"""Optional inputs of which one at least must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import loaders
from harness.errors import WrongContract
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.derived import make_step

_CONTRACT = """
name: step
entry_point: step.py
inputs:
  old: {required: false, file: a.csv, mounts: [/opt/ml/processing/input/old]}
  new: {required: false, file: a.csv, mounts: [/opt/ml/processing/input/new]}
KEY
outputs:
  copied: {path: /opt/ml/processing/output/copy}
exit_codes: {0: copied, 1: failed}
"""
_NEEDS_ONE = "at_least_one: [old, new]"
_SCRIPT = """
import os, sys

IN = "/opt/ml/processing/input/"
found = [one for one in ("old", "new") if os.path.isfile(IN + one + "/a.csv")]
MISSING
with open("/opt/ml/processing/output/copy/b.csv", "w") as out:
    out.write(",".join(["found", *found]))
"""
_REFUSES = "if not found:\n    sys.exit('error: neither the input old nor the input new is there')"
_NAMES_NOTHING = "if not found:\n    sys.exit('error: nothing to do')"
_BOTH_NEEDED = "if len(found) < 2:\n    raise FileNotFoundError(IN + 'old and ' + IN + 'new')"


def step(folder: Path, key: str, missing: str) -> StepRef:
    samples = {"old/a.csv": "a\n1\n", "new/a.csv": "a\n2\n"}
    contract = _CONTRACT.replace("KEY", key)
    return make_step(folder, _SCRIPT.replace("MISSING", missing), contract, samples)


def failed(ref: StepRef) -> dict[str, set[str]]:
    """The cases of the product with findings that are errors, and their promises."""
    result: dict[str, set[str]] = {}
    for case in load(ref).matrix.ids:
        if case.startswith("old="):
            found = prove(ref, FakeRunner(), case).findings
            errors = {one.promise for one in found if one.severity == "error"}
            if errors:
                result[case] = errors
    return result


@pytest.mark.parametrize(
    "missing",
    [
        _REFUSES,
        "if not found:\n    raise FileNotFoundError(IN + 'new/a.csv')",
        "assert found, 'the channel old is missing'",
    ],
)
def test_a_step_that_needs_one_of_them_is_not_accused(tmp_path: Path, missing: str) -> None:
    assert failed(step(tmp_path, _NEEDS_ONE, missing)) == {}


def test_a_step_that_needs_none_is_found(tmp_path: Path) -> None:
    missing = {
        f"old={one},new={other}" for one in ("absent", "empty") for other in ("absent", "empty")
    }
    assert set(failed(step(tmp_path, _NEEDS_ONE, ""))) == missing


def test_a_step_that_needs_both_is_found(tmp_path: Path) -> None:
    found = failed(step(tmp_path, _NEEDS_ONE, _BOTH_NEEDED))
    assert {"old=present,new=absent", "old=absent,new=present"} <= set(found)


def test_a_step_that_names_none_of_them_is_found(tmp_path: Path) -> None:
    found = failed(step(tmp_path, _NEEDS_ONE, _NAMES_NOTHING))
    assert found["old=absent,new=absent"] == {"error-named"}


def test_without_the_key_each_may_be_missing(tmp_path: Path) -> None:
    assert failed(step(tmp_path, "", "")) == {}
    assert "old=absent,new=absent" in failed(step(tmp_path / "other", "", _REFUSES))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("at_least_one: [old, nwe]", "at_least_one.1: nwe is no input"),
        ("at_least_one: [old]", "at_least_one: names one input"),
        ("at_least_one: [old, old]", "at_least_one.1: old is there twice"),
        ("at_least_one: old", "at_least_one"),
    ],
)
def test_a_wrong_key_is_told(tmp_path: Path, key: str, message: str) -> None:
    step(tmp_path, key, "")
    with pytest.raises(WrongContract) as error:
        loaders.load(tmp_path)
    assert message in error.value.what


def test_a_required_input_is_no_alternative(tmp_path: Path) -> None:
    step(tmp_path, _NEEDS_ONE, "")
    path = tmp_path / "contract.yaml"
    path.write_text(path.read_text().replace("new: {required: false", "new: {required: true"))
    with pytest.raises(WrongContract, match="new is required"):
        loaders.load(tmp_path)


def test_an_interface_says_it_too(tmp_path: Path) -> None:
    path = tmp_path / "x.step.yaml"
    path.write_text(
        "contract:\n  entry_point: x.py\n  at_least_one: [a, b]\n  inputs:\n"
        "    a: {path: /opt/ml/processing/input/a, required: false}\n"
        "    b: {path: /opt/ml/processing/input/b, required: false}\n"
        "  outputs: {out: {path: /opt/ml/processing/output/out}}\n"
    )
    contract = loaders.load(path)
    assert (contract.at_least_one, contract.warnings) == (("a", "b"), ())
