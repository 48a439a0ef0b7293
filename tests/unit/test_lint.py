"""Lint: each problem is found at its position, and correct code has none."""

from __future__ import annotations

import sysconfig
import textwrap
from pathlib import Path

import pytest

from harness.contracts import loaders
from harness.contracts.contract import Contract
from harness.lint import lint
from harness.lint.choice import Choice
from harness.lint.codes import CODES
from harness.lint.problem import Problem
from tests.unit.lint_cases import CASES
from tests.unit.lint_drift_cases import DRIFT
from tests.unit.lint_flow_cases import FLOW

TOP = Path(__file__).parents[2]
SCRIPT = Path("step.py")
# The house's rules are looked at too.
HOUSE = Choice(extend_select=("STEP401", "STEP402"))
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
CORRECT = '''
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
    return list(lint(contract, SCRIPT, textwrap.dedent(source).encode(), HOUSE))


def with_line(line: str, before: str = "def main(") -> str:
    """The correct script with more code at the top level."""
    return CORRECT.replace(before, f"{line}\n\n\n{before}", 1)


def test_a_correct_script_has_no_problem() -> None:
    assert found(CORRECT) == []


def test_dummy_training_has_no_problem() -> None:
    contract = loaders.load(TOP / "dummy_training")
    assert lint(contract, contract.script, contract.script.read_bytes()) == ()


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ('def f():\n    open("/opt/ml/model")', "STEP101", "/opt/ml/model"),
        (
            'def f():\n    os.listdir(BASE + "/input/other")',
            "STEP101",
            "/opt/ml/processing/input/other",
        ),
        ('def f(x):\n    open(f"{BASE}/input/{x}")', "", ""),
        (
            'X = Path(BASE, "output", "other").exists()',
            "STEP101",
            "/opt/ml/processing/output/other",
        ),
        ('X = Path(BASE) / "input" / "data" / "part"', "", ""),
        ('X = (Path("/opt/ml") / "code" / "lib").exists()', "STEP101", "/opt/ml/code/lib"),
        ('X = Path("/opt/ml") / "code"', "", ""),
        ('X = "/opt/ml/input/config/resourceconfig.json"', "", ""),
        ('X = "/opt/ml/output/failure"', "", ""),
        ('X = "see /opt/ml/model for more"', "", ""),
        ('X = "/opt/ml/model"', "", ""),
        ('X = print("/opt/ml/model")', "", ""),
        ('X = DATA == "/opt/ml/model"', "", ""),
        ('X = os.environ["ACCOUNT"]', "STEP201", "ACCOUNT"),
        ('X = os.getenv("ACCOUNT")', "STEP201", "ACCOUNT"),
        ('X = os.environ.get("ACCOUNT", "")', "STEP201", "ACCOUNT"),
        ('X = "ACCOUNT" in os.environ', "STEP201", "ACCOUNT"),
        ('NAME = "ACCOUNT"\nX = os.environ[NAME]', "STEP201", "ACCOUNT"),
        ('os.environ["ACCOUNT"] = "1"', "", ""),
        ('X = os.environ["SM_CHANNEL_TRAIN"]', "", ""),
        ('X = [os.environ[name] for name in ("ACCOUNT", "REGION")]', "STEP201", "ACCOUNT"),
        ("X = [os.environ[name] for name in argparse.NAMES]", "", ""),
        ('argparse.ArgumentParser().add_argument("--depth")', "STEP301", "--depth"),
        ('argparse.ArgumentParser().add_argument("-d", "--job-type")', "", ""),
        ("import torch", "STEP601", "torch"),
        ("from yaml import safe_load", "STEP601", "yaml"),
        ("import json, os.path", "", ""),
        ("from . import helper", "", ""),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", "", ""),
        ("import tarfile\ntarfile.open('x').extractall('y')", "STEP501", "extractall"),
        ("import tarfile\ntarfile.open('x').extractall('y', filter='data')", "", ""),
        ("import tarfile\ntarfile.open('x').extractall('y', members=[])", "", ""),
        ("import zipfile\nzipfile.ZipFile('x').extractall('y')", "", ""),
        ("try:\n    main()\nexcept Exception:\n    print('no')", "STEP502", "except Exception:"),
        ("def f():\n    try:\n        g()\n    except:\n        pass", "STEP502", "except:"),
        (
            "def f():\n    try:\n        g()\n    except BaseException:\n        pass",
            "STEP502",
            "Base",
        ),
        ("def f():\n    try:\n        g()\n    except Exception:\n        pass", "", ""),
        ("def f():\n    try:\n        g()\n    except:\n        raise", "", ""),
        ("try:\n    f()\nexcept Exception:\n    import sys\n    sys.exit(1)", "", ""),
        (
            "try:\n    f()\nexcept Exception:\n    import sys\n    sys.exit(0)",
            "STEP502",
            "Exception",
        ),
        ("try:\n    f()\nexcept ValueError:\n    pass", "", ""),
    ],
)
def test_each_problem_is_found_and_similar_correct_code_is_not(
    line: str, code: str, message: str
) -> None:
    problems = found(with_line(line))
    assert [one.code for one in problems] == ([code] if code else [])
    assert all(message in one.message for one in problems)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('DATA = Path(BASE) / "input" / "data"', 'DATA = ""', "STEP102"),
        ('"/opt/ml/processing"', '"/somewhere"', "STEP102"),
        ('    region = environ_vars["REGION"]\n', '    region = ""\n', ""),
        ("job_args):", "job_args, extra):", "STEP401"),
        ("job_args):", "job_args, extra=None):", ""),
        ("def main(input_paths, output_paths,", "def main(output_paths, input_paths,", "STEP401"),
        ("def main(", "def run(", "STEP401"),
        ('if __name__ == "__main__":', "if True:", "STEP402"),
        ('"--job_type", "-j"', '"-j"', "STEP301"),
    ],
)
def test_a_missing_part_is_found(old: str, new: str, code: str) -> None:
    assert old in CORRECT
    codes = {one.code for one in found(CORRECT.replace(old, new))}
    assert (code in codes) if code else codes == set()


# For each code a wrong edit of the correct script, and a similar correct one.
WRONG_AND_CORRECT = {
    "STEP100": (
        ("import argparse", "import"),
        ("import argparse", "import argparse as a, argparse"),
    ),
    "STEP101": (
        ('"data"\n', '"data"\nX = open(BASE + "/x")\n'),
        ('"data"\n', '"data"\nX = open("/opt/x")\n'),
    ),
    "STEP102": (('"output", "result"', '"input"'), ('"output", "result"', '"output"')),
    "STEP201": (('getenv("LEVEL")', 'getenv("LEVLE")'), ('getenv("LEVEL")', 'getenv("SM_HOSTS")')),
    "STEP202": (
        ('os.environ["REGION"]', '"eu"'),
        ('os.environ["REGION"]', '{one: os.environ[one] for one in ("REGION",)}["REGION"]'),
    ),
    "STEP301": (('"-j")', '"-j")\n    parser.add_argument("--x")'), ('"-j")', '"-j", "--x")')),
    "STEP302": (("--job_type", "--job"), ("--job_type", "--job-type")),
    "STEP401": (("job_args):", "job_args, *, log):"), ("job_args):", "job_args, *, log=None):")),
    "STEP402": (('"__main__"', '"main"'), ('__name__ == "__main__"', '"__main__" == __name__')),
    "STEP501": (
        ("return region", "import tarfile; tarfile.open().extractall(); return region"),
        ("return region", "import tarfile; tarfile.open().extractall(filter='tar'); return 1"),
    ),
    "STEP502": (
        ("return region, level", "try:\n        f()\n    except Exception as e:\n        print(e)"),
        ("return region, level", "try:\n        f()\n    except Exception as e:\n        raise e"),
    ),
    "STEP601": (("import pandas", "import polars"), ("import pandas", "import pathlib")),
}


def test_every_code_has_an_example() -> None:
    # The contract alone decides about STEP111: tests/unit/test_collected.py.
    tried = WRONG_AND_CORRECT.keys() | {code for code, _, _ in [*CASES, *DRIFT, *FLOW]}
    assert tried == CODES.keys() - {"STEP111"}


@pytest.mark.parametrize("code", WRONG_AND_CORRECT)
def test_each_code_is_found_in_wrong_code_and_not_in_similar_correct_code(code: str) -> None:
    wrong, right = WRONG_AND_CORRECT[code]
    assert wrong[0] in CORRECT
    assert right[0] in CORRECT
    assert code in {one.code for one in found(CORRECT.replace(*wrong))}
    assert code not in {one.code for one in found(CORRECT.replace(*right))}


def test_a_required_variable_that_is_never_read() -> None:
    source = CORRECT.replace('"REGION": os.environ["REGION"], ', "")
    source = source.replace('environ_vars["REGION"]', '""')
    assert [one.code for one in found(source)] == ["STEP202"]


def test_a_declared_argument_that_is_unknown() -> None:
    source = CORRECT.replace('    parser.add_argument("--job_type", "-j")\n', "")
    assert [one.code for one in found(source)] == ["STEP302"]


def test_a_path_that_is_never_used() -> None:
    source = CORRECT.replace('"output", "result"', '"output", "other"')
    (problem,) = (one for one in found(source) if one.code == "STEP102")
    assert problem.message.startswith("/opt/ml/processing/output/result, which")


def test_a_problem_has_its_position() -> None:
    (problem,) = found("\n\n" + with_line('XYZ = lambda: open("/opt/ml/model")'))
    line = (
        textwrap.dedent(with_line('XYZ = lambda: open("/opt/ml/model")'))
        .splitlines()
        .index('XYZ = lambda: open("/opt/ml/model")')
    )
    assert (problem.line, problem.column) == (line + 3, 20)


# --- Positions -----------------------------------------------------------------------------------


def position(source: bytes, code: str) -> tuple[int, int]:
    (problem,) = (one for one in lint(CONTRACT, SCRIPT, source) if one.code == code)
    return problem.line, problem.column


@pytest.mark.parametrize("coding", ["utf-8", "latin-1", "utf-8-sig"])
def test_columns_count_characters_from_one(coding: str) -> None:
    name = "latin-1" if coding == "latin-1" else "utf-8"
    source = f"# coding: {name}\nimport os\nx = 'éàü', os.getenv('ACCOUNT')\n".encode(coding)
    assert position(source, "STEP201") == (3, 22)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_endings(end: str) -> None:
    source = end.join(["import os", "\f", "y = '\f'", "x = '💡', os.getenv('ACCOUNT')", ""])
    assert position(source.encode(), "STEP201") == (4, 20)


def test_a_syntax_error_has_its_position() -> None:
    assert position("x = 'éé'; y = = 3\n".encode(), "STEP100") == (1, 15)


def test_a_message_is_one_printable_line() -> None:
    source = b"import os\nos.getenv('A\\n\\x1b[31m\\udc80')\nos.getenv('%s')\n" % (b"B" * 9_000)
    (short, long) = (one for one in lint(CONTRACT, SCRIPT, source) if one.code == "STEP201")
    assert r"A\n\x1b[31m\x80 is read" in short.message
    assert len(long.message) < 400


# --- Unusual files -------------------------------------------------------------------------------

NESTED = (b"x = %s1\n", b"if %s1:\n    pass\n", b"def main(a=%s1):\n    pass\n")


@pytest.mark.parametrize(
    "source",
    [
        b"def f(:\n",
        b"\0\0",
        b"x = 1\0\n",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf# coding: latin-1\n",
        "x = 1\n".encode("utf-16"),
        b"# -*- coding: no-such -*-\n",
        b"# -*- coding: hex -*-\n",
        b"# -*- coding: undefined -*-\nx = 1\n",
        b"x = " + b"(" * 5_000 + b")" * 5_000,
        *(form % (b"-" * depth) for form in NESTED for depth in (4_000, 100_000)),
        b"x = " + b"1 + " * 200_000 + b"1",
        b"if 1:\n\tx = 1\n        y = 2\n",
        b"print 'python 2'\n",
        b"try:\n    f()\nexcept E, e:\n    pass\n",
        b"'\\N{no such name}'\n",
        b"'''",
        b"\\",
        b"f() = 1\n",
        "é = 1".encode("latin-1"),
    ],
    ids=lambda source: repr(source[:30]),
)
def test_a_file_that_cannot_be_parsed_is_a_problem(source: bytes) -> None:
    (problem,) = lint(CONTRACT, SCRIPT, source)
    assert problem.code == "STEP100"
    assert problem.message.startswith(("cannot be parsed: ", "is nested too deeply"))
    assert not problem.message.endswith(": ")


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\n",
        b"\xef\xbb\xbf",
        b"#!/bin/sh",
        b"# coding: utf-7\nx = 1\n",
        b"x = " + b"1 + " * 900 + b"1",
        b"x = environ_vars" + b".a" * 900,
        b"A = B\nB = A\nprint(A)\nenviron_vars[A]",
        b"def f(a, b):\n    f(b, a)\n    environ_vars[a]\nf('x', f)\n",
        b"A0 = 'x'\n" + b"".join(b"A%d = A%d + A%d\n" % (n + 1, n, n) for n in range(100)),
        b"import " + b"a" * 5_000,
        b"import importlib\nimportlib.import_module('a\\0b')\nimportlib.import_module('')",
        b"'{' .format(1), '{9}{x}{!r}'.format(1), '%' % 1, '%s%s' % 1, f'' + ''.format()",
        b"(a, *b), c.d, e[0] = x\n(f, g) = (1,)\nos = os.environ = {}\ndel os.environ\n",
        b"import os, shutil\nos.getenv()\nos.getenv(*a)\nshutil.unpack_archive()\n",
        b"p.add_argument()\np.add_argument(*a, dest=b)\np.add_argument('-', action='help')\n",
        b"import tarfile\n().extractall()\nx.extractall(*a)\n",
        b"try:\n    main()\nexcept ():\n    pass\nexcept (a, *b):\n    pass\n",
        b"environ_vars[1:2], environ_vars[...]\na in b in environ_vars not in c\n",
    ],
    ids=lambda source: repr(source[:30]),
)
def test_unusual_files_do_not_crash(source: bytes) -> None:
    assert {one.code for one in lint(CONTRACT, SCRIPT, source, HOUSE)} >= {"STEP401", "STEP402"}


def test_warnings_of_python_are_not_shown(
    recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    found("x = '\\d'\nif x is 'a':\n    assert (1, 'x')\n")
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("part", range(4))
def test_no_crash_on_any_file_of_the_standard_library(part: int) -> None:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::2]
    files += sorted((Path(sysconfig.get_path("stdlib")) / "test").glob("test_[gst]*.py"))[:40]
    assert len(files) > 50
    files = files[part::4]
    codes = {one.code for path in files for one in lint(CONTRACT, path, path.read_bytes())}
    assert codes <= set(CODES)


def test_modules_beside_the_entry_point_count_for_another_script(tmp_path: Path) -> None:
    (tmp_path / "helper.py").touch()
    contract = CONTRACT.model_copy(update={"folder": tmp_path})
    assert found(with_line("import helper"), contract) == []
    assert [one.code for one in found(with_line("import helper"))] == ["STEP601"]


@pytest.mark.parametrize(
    ("names", "folder", "wrong"),
    [
        ('"--k"', "/opt/ml/input/data/train", True),
        ('"--k", dest="kinds"', "/opt/ml/input/data/train", True),
        ('"-k", "--k"', "/opt/ml/input/data/train", False),
        ('"--kinds"', "/opt/ml/input/data/train", False),
        # Only training jobs pass hyperparameters.
        ('"--k"', "/opt/ml/processing/input/train", False),
    ],
)
def test_a_name_of_one_letter_has_one_dash(names: str, folder: str, wrong: bool) -> None:
    contract = Contract.model_validate(
        {
            "name": "step",
            "entry_point": "step.py",
            "inputs": {"train": {"required": True, "mounts": [folder]}},
            "outputs": {"model": {"path": folder.replace("input/data/train", "model")}},
            "arguments": {"kinds" if "kinds" in names and "dest" not in names else "k": ""},
            "exit_codes": {0: "done", 1: "failed", 2: "wrong arguments"},
        }
    )
    source = f"import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument({names})\n"
    problems = lint(contract, SCRIPT, f"{source}print(parser.parse_args())\n".encode(), Choice())
    told = [one.message for one in problems if one.code in ("STEP302", "STEP303")]
    assert told == ["the training toolkit passes -k, and the parser knows --k alone"] * wrong
