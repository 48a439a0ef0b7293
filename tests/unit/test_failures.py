"""How derived suites judge a failure: by its exit code, and by whether it names what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.cases.expectation import Matches
from harness.cases.naming import names_of_argument, names_of_input, names_of_variable
from harness.contracts.contract import Input
from harness.runs.step import StepRef
from harness.worlds.jobs import PROCESSING, TRAINING
from tests.unit.derived import CONTRACT, findings, make_step

FIELD = Path(__file__).parent / "field"
MOUNT = "/opt/ml/input/data/train"
COPY = f"""
import os, sys
print("Loading rows now")
def copy(path="{MOUNT}/train.csv"):
    with open(path) as stream:
        rows = stream.read()
    with open("/opt/ml/model/model.csv", "w") as stream:
        stream.write(rows)
"""
UNDECLARED = {("exit-code", "undeclared-1")}


def codes(listed: str) -> str:
    return CONTRACT.replace("{0: trained, 1: failed}", listed)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("exit255", set()),
        ("bare_traceback", set()),
        ("undeclared_code", {("exit-code", "handler-fails")}),
        ("unnamed", {("error-named", "no-missing-part"), ("error-told", "bare-traceback")}),
    ],
)
def test_steps_of_the_field(name: str, found: set[tuple[str, str]]) -> None:
    # Copying, as these do, is no reading of rows.
    assert findings(StepRef(FIELD / name)) - {("damaged-input", "short-row-accepted")} == found


@pytest.mark.parametrize(
    ("listed", "code", "found"),
    [
        ("{0: ok, 255: failed}", 255, set()),
        ("{0: ok, 130: failed}", 130, set()),
        ("{0: ok, 1: failed}", 255, {("exit-code", "undeclared-255")}),
        ("{0: ok, 3: failed}", 1, UNDECLARED),
        ("{0: ok}", 1, set()),
        ("{0: ok, 143: stopped}", 4, set()),
    ],
)
def test_a_failure_ends_with_a_code_that_the_contract_lists(
    tmp_path: Path, listed: str, code: int, found: set[tuple[str, str]]
) -> None:
    script = f"""{COPY}
try:
    copy()
except OSError as error:
    print("error:", error, file=sys.stderr)
    sys.exit({code})
"""
    assert findings(make_step(tmp_path, script, codes(listed))) == found


HANDLER = """
try:
    copy()
except Exception as error:
    print("error:", error, file=sys.stderr)
    {}
"""


@pytest.mark.parametrize(
    ("handler", "fails"),
    [
        ("sys.stderr.write(error)", True),
        ("error.message.strip()", True),
        ("write_failure(error)", True),
        ("raise RuntimeError('no rows') ", False),
        ("raise RuntimeError('no rows') from error", False),
        # Another place is tried, and named.
        ("copy('/opt/ml/input/data/train/other/train.csv')", False),
        ("{}['TRAIN_FOLDER'].strip()", True),
        ("sys.exit(1)", False),
    ],
)
def test_a_handler_that_fails_by_accident_is_found(
    tmp_path: Path, handler: str, fails: bool
) -> None:
    found = findings(make_step(tmp_path, COPY + HANDLER.replace("{}", handler)))
    assert found == ({("exit-code", "handler-fails")} if fails else set())


def test_a_library_that_raises_while_it_handles_another_error_is_no_handler_that_fails(
    tmp_path: Path,
) -> None:
    script = f"""{COPY}
import tarfile
if not os.path.exists("{MOUNT}/train.csv"):
    print("no train.csv", file=sys.stderr)
    import decimal
    class Rows(dict):
        pass
    import configparser
    configparser.ConfigParser().get("rows", "train")
copy()
"""
    assert findings(make_step(tmp_path, script)) == set()


ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--train", required="SM_CHANNEL_TRAIN" not in os.environ,
                    default=os.environ.get("SM_CHANNEL_TRAIN"))
args = parser.parse_args()
{}
copy(args.train + "/train.csv")
"""


def test_argparse_does_not_report_missing_data(tmp_path: Path) -> None:
    ref = make_step(tmp_path, COPY + ARGPARSE.format(""), codes("{0: ok, 1: failed, 2: wrong}"))
    assert findings(ref) == {("exit-code", "usage-error")}


def test_a_script_may_report_missing_data_through_argparse(tmp_path: Path) -> None:
    script = COPY + ARGPARSE.format("").replace(
        'required="SM_CHANNEL_TRAIN" not in os.environ,', ""
    )
    script = script.replace(
        "copy(args",
        "if not os.path.exists(str(args.train) + '/train.csv'):\n"
        "    parser.error(f'there is no {args.train}/train.csv')\ncopy(args",
    )
    assert findings(make_step(tmp_path, script, codes("{0: ok, 2: failed}"))) == set()


FAILS = {("error-named", "no-missing-part")}
BARE = {*FAILS, ("error-told", "bare-traceback")}


@pytest.mark.parametrize(
    ("missing", "found"),
    [
        # The name stands in a line of code only.
        ("rows = None; rows['train.csv' and 0]", BARE),
        # What the usual case prints too, but for numbers, does not count.
        ("print('5 rows of train.csv'); sys.exit(1)", BARE),
        ("print('2026-11-26 INFO reading', file=sys.stderr); sys.exit(1)", BARE),
        ("print('there is no data', file=sys.stderr); sys.exit(1)", FAILS),
        ("print({'train': None}); raise ValueError('no rows')", FAILS),
        ("raise ValueError('no file in the training set')", BARE),
        ("import logging; logging.error('no', stack_info='train.csv'); sys.exit(1)", FAILS),
        ("raise ValueError('no file for train')", set()),
        ("raise KeyError('SM_CHANNEL_TRAIN')", set()),
        ("raise ValueError('train.csv is not there')", set()),
        ("raise ValueError('/opt/ml/input/data/train/ is empty')", set()),
        ("raise ValueError('/opt/ml/input/data/train-2 is empty')", BARE),
        ("print('error: train.csv is missing'); sys.exit(1)", set()),
    ],
)
def test_what_names_the_missing_input(
    tmp_path: Path, missing: str, found: set[tuple[str, str]]
) -> None:
    script = f"""{COPY}
print("7 rows of train.csv")
print("2024-01-02 INFO reading", file=sys.stderr)
if not os.path.exists("{MOUNT}/train.csv"):
    {missing}
copy()
"""
    assert findings(make_step(tmp_path, script)) == found


DATA = Input(required=True, mounts=("/opt/ml/processing/input/data",))
MODEL = Input(required=True, file="model.tar.gz", mounts=("/opt/ml/input/data/pretrained",))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no data", False),
        ("cannot read input data", True),
        ("the channel 'data': nothing there", True),
        ("KeyError: 'data'", True),
        ("the data channel is empty", True),
        ("/opt/ml/processing/input/data/a.csv", True),
        ("/opt/ml/input/data/a.csv", False),
        ("Namespace(data=None)", False),
        ("database", False),
    ],
)
def test_a_word_of_the_platform_names_an_input_only_in_quotes_or_as_a_channel(
    text: str, named: bool
) -> None:
    assert matches(names_of_input(PROCESSING, "data", DATA), text) is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no pretrained model", True),
        ("No such file: model.tar.gz", True),
        ("No such file: other_model.tar.gz", False),
        ("SM_CHANNEL_PRETRAINED is not set", True),
        ("pretrained.py: error", False),
        ("pretrained=None", False),
    ],
)
def test_other_words_name_an_input(text: str, named: bool) -> None:
    assert matches(names_of_input(TRAINING, "pretrained", MODEL), text) is named


def test_variables_and_arguments_are_named_by_their_names() -> None:
    assert matches([names_of_variable("REGION")], "KeyError: 'REGION'")
    assert not matches([names_of_variable("REGION")], "AWS_REGION is not set")
    assert matches(names_of_argument("n_rows"), "the following are required: --n-rows")
    assert matches(names_of_argument("--n-rows"), "argument n_rows: not a number")
    assert not matches(names_of_argument("rows"), "argument --n-rows: not a number")


def matches(patterns: Iterable[str], text: str) -> bool:
    return Matches("name", "|".join(patterns), "").is_in(text)


OPTIONAL = CONTRACT.replace(
    "outputs:",
    "  validation: {required: false, file: rows.csv, mounts: [/opt/ml/input/data/validation]}\n"
    "outputs:",
)
READS_VALIDATION = """
import os, shutil, sys
folder = "/opt/ml/input/data/validation"
shutil.copyfile("/opt/ml/input/data/train/train.csv", "/opt/ml/model/model.csv")
if os.path.isdir(folder) and not os.listdir(folder):
    os.remove("/opt/ml/model/model.csv")
    sys.exit({message})
"""


@pytest.mark.parametrize(
    ("message", "found"),
    [
        # What an optional channel means that is mounted and empty, a contract does not say.
        ("f'error: no files in {folder}'", set()),
        ("'error: nothing to validate'", {("error-named", "no-missing-part")}),
        ("0", {("output", "empty")}),
    ],
)
def test_an_empty_optional_input_may_be_refused_by_name(
    tmp_path: Path, message: str, found: set[tuple[str, str]]
) -> None:
    script = READS_VALIDATION.replace("{message}", message)
    samples = {"train/train.csv": "a\n1\n", "validation/rows.csv": "a\n2\n"}
    ref = make_step(tmp_path, script, OPTIONAL, samples)
    assert {one for one in findings(ref) if one[0] != "effect"} == found
