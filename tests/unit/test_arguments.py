"""Arguments that a contract declares: how they are read, and what derived suites try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.contracts.arguments import Argument
from harness.errors import WrongContract
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove, read_contract
from tests.unit.derived import findings, make_step

FIELD = Path(__file__).parent / "field"
CONTRACT = """
name: split
entry_point: step.py
inputs:
  rows: {required: true, file: rows.csv, mounts: [/opt/ml/processing/input/rows]}
outputs:
  parts: {path: /opt/ml/processing/output/parts}
arguments:
  parts: {type: int, required: true, choices: [2, 3]}
  share: {type: float, default: 0.5}
  verbose: {flag: true}
  label: {description: what to write, positional: true, required: true}
exit_codes: {0: split, 1: failed}
"""
SCRIPT = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--parts", type=int, required=True, choices=[2, 3])
parser.add_argument("--share", type=float, default=0.5)
parser.add_argument("--verbose", action="store_true")
parser.add_argument("label")
args = parser.parse_args()
try:
    with open("/opt/ml/processing/input/rows/rows.csv") as stream:
        rows = stream.read()
except OSError as error:
    print("error:", error, file=sys.stderr)
    sys.exit(1)
with open("/opt/ml/processing/output/parts/parts.txt", "w") as stream:
    stream.write(f"{args.label} {args.parts} {args.share} {args.verbose} {rows}")
"""
SAMPLES = {"rows/rows.csv": "a\n", "arguments.json": '{"label": "x y", "share": 0.25}'}


def make(folder: Path, script: str = SCRIPT, contract: str = CONTRACT) -> StepRef:
    return make_step(folder, script, contract, SAMPLES)


def test_valid_values_are_tried_one_by_one(tmp_path: Path) -> None:
    matrix = load(make(tmp_path)).matrix
    usual = "rows=present,parts=2,share=sample,verbose=off,label=sample"
    assert matrix.usual == usual
    alone = [one for one in matrix.ids if "rows=present" in one and one != usual]
    assert alone == [
        usual.replace("parts=2", "parts=3"),
        usual.replace("share=sample", "share=omitted"),
        usual.replace("share=sample", "share=default"),
        usual.replace("verbose=off", "verbose=on"),
    ]
    words = {one: matrix.case(one)[0].arguments for one in (usual, *alone)}
    assert list(words.values()) == [
        ("x y", "--parts", "2", "--share", "0.25"),
        ("x y", "--parts", "3", "--share", "0.25"),
        ("x y", "--parts", "2"),
        ("x y", "--parts", "2", "--share", "0.5"),
        ("x y", "--parts", "2", "--share", "0.25", "--verbose"),
    ]
    case, _ = matrix.case(alone[0])
    config = json.loads(case.tree.entries["/opt/ml/config/processingjobconfig.json"].data)
    assert tuple(config["AppSpecification"]["ContainerArguments"]) == case.arguments


def test_what_is_not_allowed_must_fail(tmp_path: Path) -> None:
    matrix = load(make(tmp_path)).matrix
    special = {one: matrix.case(one) for one in matrix.ids if one.startswith("special=")}
    assert {one: case.arguments for one, (case, _) in special.items()} == {
        "special=parts-omitted": ("x y", "--share", "0.25"),
        "special=parts-not-allowed": ("x y", "--parts", "4", "--share", "0.25"),
        "special=share-not-allowed": ("x y", "--parts", "2", "--share", "not-a-number"),
        "special=label-omitted": ("--parts", "2", "--share", "0.25"),
    }
    for case, expected in special.values():
        assert expected.exit_code is None
        assert "/opt/ml/processing/input/rows/rows.csv" in case.tree


def test_a_correct_script_passes(tmp_path: Path) -> None:
    assert findings(make(tmp_path)) == set()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (", choices=[2, 3]", "", {("exit-code", "0-for-failure")}),
        ("required=True", "default=2", {("exit-code", "0-for-failure")}),
        ("choices=[2, 3]", "choices=[2]", {("exit-code", "2-for-0")}),
        ('"--share", type=float, default=0.5', '"--share", type=float', {("defaults", "share")}),
        ("{args.share}", "{args.share + 1}", set()),
        ('type=float, default=0.5', "type=float, required=True", {("exit-code", "2-for-0")}),
        ('action="store_true"', "", {("exit-code", "2-for-0")}),
        ("args = parser.parse_args()", "args = parser.parse_args()\nargs.share / (args.parts - 3)",
         {("exit-code", "1-for-0")}),
        # Each way of failing is one: the code of argparse need not be listed.
        ("args = parser.parse_args()",
         "parser.error = lambda text: sys.exit('wrong: ' + text)\nargs = parser.parse_args()",
         set()),
        ("args = parser.parse_args()",
         "parser.error = lambda text: sys.exit('wrong')\nargs = parser.parse_args()",
         {("error-named", "no-argument")}),
    ],
)  # fmt: skip
def test_how_a_script_takes_its_arguments_is_judged(
    tmp_path: Path, old: str, new: str, found: set[tuple[str, str]]
) -> None:
    assert SCRIPT.count(old) == 1
    assert findings(make(tmp_path, SCRIPT.replace(old, new))) == found


def test_a_required_argument_without_a_value_is_not_proven(tmp_path: Path) -> None:
    ref = make(tmp_path)
    (tmp_path / "samples" / "arguments.json").write_text('{"share": 0.25}')
    matrix = load(ref).matrix
    assert matrix.ids == ()
    reason = f"give label a value in {tmp_path / 'samples' / 'arguments.json'}"
    assert set(matrix.unproven.values()) == {reason}
    assert "special=parts-not-allowed" in matrix.unproven


def test_arguments_of_a_training_job_are_hyperparameters(tmp_path: Path) -> None:
    contract = CONTRACT.replace("/opt/ml/processing/input/rows", "/opt/ml/input/data/rows")
    matrix = load(make(tmp_path, contract=contract)).matrix
    case, _ = matrix.case("rows=present,parts=3,share=sample")
    # Neither a flag nor a positional argument can be a hyperparameter.
    assert case.arguments == ("--parts", "3", "--share", "0.25")
    path = "/opt/ml/input/config/hyperparameters.json"
    assert json.loads(case.tree.entries[path].data) == {"parts": "3", "share": "0.25"}


@pytest.mark.parametrize("sample", ['""', "true"])
def test_a_flag_that_is_described_in_words_has_no_value(tmp_path: Path, sample: str) -> None:
    contract = CONTRACT.replace("{flag: true}", "a flag")
    ref = make(tmp_path, contract=contract)
    text = f'{{"label": "x", "verbose": {sample}}}'
    (tmp_path / "samples" / "arguments.json").write_text(text)
    matrix = load(ref).matrix
    assert "verbose" not in matrix.usual
    assert matrix.case(matrix.usual)[0].arguments == ("x", "--parts", "2", "--verbose")


def test_a_flag_of_the_field_is_a_flag() -> None:
    assert {one for one in findings(StepRef(FIELD / "flags")) if one[0] == "exit-code"} == set()


def test_an_argument_may_have_the_name_of_an_input(tmp_path: Path) -> None:
    contract = CONTRACT.replace("  share:", "  rows: {type: int, default: 3}\n  share:")
    ids = load(make(tmp_path, contract=contract)).matrix.ids
    assert any("rows=present" in one and "rows-argument=default" in one for one in ids)


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("{type: integer}", "arguments.share.type", "'str', 'int'"),
        ("{kind: int}", "arguments.share.kind", "is not a key that is known"),
        ("{flag: true, type: int}", "arguments.share", "so that it has no type"),
        ("{flag: true, choices: [a]}", "arguments.share", "so that it has no choices"),
        ("{type: int, default: many}", "arguments.share", "is of type int, and 'many' is not"),
        ("{type: int, default: true}", "arguments.share", "is of type int, and True is not"),
        ("{choices: [a, b], default: c}", "arguments.share", "not among its choices"),
        ("{choices: [a, a]}", "arguments.share", "the same choice twice"),
        ("{required: true, default: c}", "arguments.share", "is required"),
        ("[a]", "arguments.share", "should be a text or a mapping"),
    ],
)
def test_a_wrong_argument_is_told_with_its_key(
    tmp_path: Path, text: str, key: str, what: str
) -> None:
    make(tmp_path, contract=CONTRACT.replace("{type: float, default: 0.5}", text))
    with pytest.raises(WrongContract, match=r"contract\.yaml:10") as caught:
        read_contract(tmp_path)
    assert f"{key}: " in str(caught.value)
    assert what in str(caught.value)


def test_all_forms_of_contract_take_arguments(tmp_path: Path) -> None:
    share = Argument(type="float", default=0.5)
    interface = tmp_path / "x.step.yaml"
    interface.write_text(
        "contract:\n  entry_point: x.py\n  outputs: {o: {path: /opt/ml/o}}\n"
        "  arguments: {share: {type: float, default: 0.5}, level: 3}\n"
    )
    assert read_contract(interface).arguments == {"share": share, "level": "3"}
    module = tmp_path / "x.py"
    module.write_text(
        "class Contract:\n    entry_point = 'x.py'\n    expected_input_paths = {}\n"
        "    expected_output_paths = {'o': '/opt/ml/o'}\n"
        "    expected_arguments = {'share': {'type': 'float', 'default': 0.5}, 'level': 3}\n"
        "contract = Contract()\n"
    )
    assert read_contract(module).arguments == {"share": share, "level": "3"}
    module.write_text(module.read_text().replace("'float'", "'double'"))
    with pytest.raises(WrongContract, match=r"x\.py:5: contract.expected_arguments.share.type: "):
        read_contract(module)


@pytest.mark.parametrize(
    ("default", "text"),
    [("[0.5]", "[0.5]"), ([0.5], "[0.5]"), ({"a": 1}, '{"a": 1}'), ("a word", '"a word"')],
)
def test_json_is_passed_as_json_however_it_is_written(default: object, text: str) -> None:
    one = Argument.model_validate({"type": "json", "default": default})
    assert one.text(one.default) == text


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Usage: step.py [OPTIONS]\nTry '--help'.\n\nError: Invalid value for '--unit'.", []),
        ("Usage: step.py [OPTIONS]\n\u256d\u2500 Error \u2500\u256e\n\u2502 --unit \u2502", []),
        ("usage: step.py [--unit]\nstep.py: error: argument --unit: no", []),
        ("Error: no such --unit", ["undeclared-2"]),
    ],
)
def test_libraries_of_command_lines_end_with_2(tmp_path: Path, said: str, found: list[str]) -> None:
    script = f"""
import sys
if any("not-" in one for one in sys.argv):
    print({said!r}, file=sys.stderr)
    sys.exit(2)
"""
    parts = "parts: {type: int, required: true, choices: [2, 3]}"
    contract = CONTRACT.replace(parts, "unit: {choices: [m, km]}")
    ref = make(tmp_path, script, contract)
    result = prove(ref, FakeRunner(), "special=unit-not-allowed")
    assert [one.key for one in result.findings] == found
