"""Lint: each problem is found where it is, and nothing is found in what is right."""

from __future__ import annotations

import json
import sysconfig
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import loaders
from harness.cli import cli
from harness.contract import Contract
from harness.lint import lint
from harness.lint.problem import CODES, Problem
from harness.report.lint import FORMS, render

TOP = Path(__file__).parents[2]
SCRIPT = Path("step.py")
CONTRACT = Contract.model_validate(
    {
        "name": "step",
        "entry_point": "step.py",
        "inputs": {
            "data": {
                "required": True,
                "mounts": ["/opt/ml/processing/input/data"],
                "source": ["{script_dir}/data"],
            }
        },
        "outputs": {"result": {"path": "/opt/ml/processing/output/result"}},
        "arguments": {"job-type": "training or scoring"},
        "environment": {"required": ["REGION"], "optional": {"LEVEL": "3"}},
        "exit_codes": {0: "done"},
        "framework_requirements": {"pandas": ">=2", "scikit-learn": ">=1.2,<2"},
    }
)
RIGHT = '''
"""A step: reads /opt/ml/somewhere/else, says its documentation."""
import argparse
import os
from pathlib import Path

import pandas as pd
from sklearn.linear_model import Ridge

BASE = "/opt/ml/processing"
DATA = Path(BASE) / "input" / "data"


def main(input_paths, output_paths, environ_vars, job_args):
    region = environ_vars["REGION"]
    level = environ_vars.get("LEVEL", "3")
    return region, level


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job_type", "-j")
    variables = {"REGION": os.environ["REGION"], "LEVEL": os.getenv("LEVEL")}
    folder = os.environ.get("SM_MODEL_DIR")
    result = os.path.join(BASE, "output", "result")
    main({"data": str(DATA)}, {"result": result}, variables, parser.parse_args())
'''


def found(source: str, contract: Contract = CONTRACT) -> list[Problem]:
    return list(lint(contract, SCRIPT, textwrap.dedent(source).encode()))


def with_line(line: str, before: str = "def main(") -> str:
    """The right script with another piece of code on its top level."""
    return RIGHT.replace(before, f"{line}\n\n\n{before}", 1)


def test_nothing_is_found_in_what_is_right() -> None:
    assert found(RIGHT) == []


def test_nothing_is_found_in_the_step() -> None:
    contract = loaders.load(TOP / "dummy_training")
    assert lint(contract, contract.script, contract.script.read_bytes()) == ()


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ('X = "/opt/ml/model"', "H101", "/opt/ml/model"),
        ('X = BASE + "/input/other"', "H101", "/opt/ml/processing/input/other"),
        ('X = f"{BASE}/input/{3}"', "", ""),
        ('X = Path(BASE, "output", "other")', "H101", "/opt/ml/processing/output/other"),
        ('X = Path(BASE) / "input" / "data" / "part"', "", ""),
        ('X = Path("/opt/ml") / "code"', "H101", "/opt/ml/code"),
        ('X = "/opt/ml/input/config/resourceconfig.json"', "", ""),
        ('X = "/opt/ml/output/failure"', "", ""),
        ('X = "see /opt/ml/model for more"', "", ""),
        ('X = os.environ["ACCOUNT"]', "H201", "ACCOUNT"),
        ('X = os.getenv("ACCOUNT")', "H201", "ACCOUNT"),
        ('X = os.environ.get("ACCOUNT", "")', "H201", "ACCOUNT"),
        ('X = "ACCOUNT" in os.environ', "H201", "ACCOUNT"),
        ('NAME = "ACCOUNT"\nX = os.environ[NAME]', "H201", "ACCOUNT"),
        ('os.environ["ACCOUNT"] = "1"', "", ""),
        ('X = os.environ["SM_CHANNEL_TRAIN"]', "", ""),
        ('X = [os.environ[name] for name in ("A", "B")]', "", ""),
        ('argparse.ArgumentParser().add_argument("--depth")', "H301", "--depth"),
        ('argparse.ArgumentParser().add_argument("-d", "--job-type")', "", ""),
        ("import torch", "H601", "torch"),
        ("from yaml import safe_load", "H601", "yaml"),
        ("import json, os.path", "", ""),
        ("from . import helper", "", ""),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", "", ""),
        ("import tarfile\ntarfile.open('x').extractall('y')", "H501", "extractall"),
        ("import tarfile\ntarfile.open('x').extractall('y', filter='data')", "", ""),
        ("import tarfile\ntarfile.open('x').extractall('y', members=[])", "", ""),
        ("import zipfile\nzipfile.ZipFile('x').extractall('y')", "", ""),
        ("try:\n    main()\nexcept Exception:\n    print('no')", "H502", "except Exception:"),
        ("def f():\n    try:\n        g()\n    except:\n        pass", "H502", "except:"),
        (
            "def f():\n    try:\n        g()\n    except BaseException:\n        pass",
            "H502",
            "Base",
        ),
        ("def f():\n    try:\n        g()\n    except Exception:\n        pass", "", ""),
        ("def f():\n    try:\n        g()\n    except:\n        raise", "", ""),
        ("try:\n    f()\nexcept Exception:\n    import sys\n    sys.exit(1)", "", ""),
        ("try:\n    f()\nexcept Exception:\n    import sys\n    sys.exit(0)", "H502", "Exception"),
        ("try:\n    f()\nexcept ValueError:\n    pass", "", ""),
    ],
)
def test_each_problem_is_found_and_its_likeness_is_not(line: str, code: str, says: str) -> None:
    problems = found(with_line(line))
    assert [one.code for one in problems] == ([code] if code else [])
    assert all(says in one.message for one in problems)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('DATA = Path(BASE) / "input" / "data"', 'DATA = ""', ""),
        ('"/opt/ml/processing"', '"/somewhere"', "H102"),
        ('    region = environ_vars["REGION"]\n', '    region = ""\n', ""),
        ("job_args):", "job_args, extra):", "H401"),
        ("job_args):", "job_args, extra=None):", ""),
        ("def main(input_paths, output_paths,", "def main(output_paths, input_paths,", "H401"),
        ("def main(", "def run(", "H401"),
        ('if __name__ == "__main__":', "if True:", "H402"),
        ('"--job_type", "-j"', '"-j"', "H301"),
    ],
)
def test_what_is_missing_is_found(old: str, new: str, code: str) -> None:
    assert old in RIGHT
    codes = {one.code for one in found(RIGHT.replace(old, new))}
    assert (code in codes) if code else codes == set()


def test_a_required_variable_that_is_never_read() -> None:
    source = RIGHT.replace('"REGION": os.environ["REGION"], ', "")
    source = source.replace('environ_vars["REGION"]', '""')
    assert [one.code for one in found(source)] == ["H202"]


def test_a_declared_argument_that_is_unknown() -> None:
    source = RIGHT.replace('    parser.add_argument("--job_type", "-j")\n', "")
    assert [one.code for one in found(source)] == ["H302"]


def test_a_path_that_is_never_used() -> None:
    source = RIGHT.replace('"/opt/ml/processing"', '"/opt/ml/processing/input"')
    (problem,) = (one for one in found(source) if one.code == "H102")
    assert problem.message.startswith("/opt/ml/processing/output/result, which")


def test_a_problem_says_where_it_is() -> None:
    (problem,) = found("\n\n" + with_line('XYZ = "/opt/ml/model"'))
    line = (
        textwrap.dedent(with_line('XYZ = "/opt/ml/model"'))
        .splitlines()
        .index('XYZ = "/opt/ml/model"')
    )
    assert (problem.line, problem.column) == (line + 3, 7)


# --- Odd files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        b"def f(:\n",
        b"\0\0",
        b"\xff\xfe\x00",
        b"# -*- coding: no-such -*-\n",
        b"x = " + b"(" * 5_000 + b")" * 5_000,
        b"print 'python 2'\n",
        "é = 1".encode("latin-1"),
    ],
)
def test_what_cannot_be_parsed_is_a_problem(source: bytes) -> None:
    (problem,) = lint(CONTRACT, SCRIPT, source)
    assert problem.code == "H100"


@pytest.mark.parametrize(
    "source",
    [b"", b"\n", b"#!/bin/sh", b"x = " + b"1 + " * 900 + b"1", b"A = B\nB = A\nprint(A)"],
)
def test_odd_files_are_no_crash(source: bytes) -> None:
    assert {one.code for one in lint(CONTRACT, SCRIPT, source)} >= {"H401", "H402"}


def test_no_crash_on_any_file_of_the_standard_library() -> None:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::2]
    files += sorted((Path(sysconfig.get_path("stdlib")) / "test").glob("test_[gst]*.py"))[:40]
    assert len(files) > 50
    codes = {one.code for path in files for one in lint(CONTRACT, path, path.read_bytes())}
    assert codes <= set(CODES)


# --- Reports ------------------------------------------------------------------------------------

SAMPLE = [Problem("H101", "100% wrong:\nthis", "mend, it", Path("a,b.py"), 3, 7)]


def test_text() -> None:
    assert render(SAMPLE, "text") == (
        "a,b.py:3:7: H101 100% wrong:\nthis\n    mend, it\n1 problem\n"
    )
    assert render([], "text") == "no problems\n"


def test_json() -> None:
    (document,) = json.loads(render(SAMPLE, "json"))
    assert (document["code"], document["line"], document["column"]) == ("H101", 3, 7)
    assert json.loads(render([], "json")) == []


def test_sarif() -> None:
    document = json.loads(render(SAMPLE, "sarif"))
    (run,) = document["runs"]
    (result,) = run["results"]
    assert document["version"] == "2.1.0"
    assert result["ruleId"] in [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 7}


def test_github() -> None:
    assert render(SAMPLE, "github") == (
        "::error file=a%2Cb.py,line=3,col=7,title=H101::100%25 wrong:%0Athis: mend, it\n"
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_command_ends_with_1_when_there_is_a_problem(tmp_path: Path, form: str) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(with_line('X = "/opt/ml/model"'))
    step = str(TOP / "dummy_training")
    ran = CliRunner().invoke(cli, ["lint", step, "--script", str(wrong), "--format", form])
    assert ran.exit_code == 1
    assert "the environment variable REGION is read" in ran.output
    assert CliRunner().invoke(cli, ["lint", step, "--format", form]).exit_code == 0
