"""Coverage of a step: what is told is what coverage.py measures, and no verdict depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import coverage
import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.errors import HarnessError
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.inside.lines import MARK
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.traced import arcs, told
from tests.unit.derived import make_step
from tests.unit.worlds import SCRIPT, case_of

EVERY_KIND = """
import contextlib, sys, threading

def numbers(count):
    for number in range(count):
        if number == 2:
            yield "two"
        else:
            yield number

@contextlib.contextmanager
def opened():
    try:
        yield 1
    finally:
        print("closed")

class Square:
    sides = [one * 2 for one in range(3)]

    def area(self, side):
        try:
            if side > 1:
                raise ValueError(side)
            return side
        except ValueError:
            return None
        finally:
            print("area")

def delegate():
    yield from numbers(2)
    return 3

def never():
    print("never")

def fails():
    raise KeyError

with opened() as one:
    print(list(numbers(4)), list(delegate()), (lambda: 5)())
for side in (1, 2):
    Square().area(side)
started = numbers(9)
next(started)
try:
    fails()
except KeyError:
    pass
thread = threading.Thread(target=lambda: print("in a thread"))
thread.start()
thread.join()
sys.exit(3 if one else 4)
"""
CONTRACT = """
name: step
entry_point: step.py
inputs:
  data: {required: true, files: [a.csv], mounts: [/opt/ml/processing/input/data]}
outputs:
  result: {path: /opt/ml/processing/output/result, files: [a.csv]}
exit_codes: {0: written, 1: failed}
"""
STEP = """
import sys
from pathlib import Path
from beside import copy
INPUT = Path("/opt/ml/processing/input/data/a.csv")
if not INPUT.is_file():
    sys.exit(f"error: {INPUT} is missing")
if INPUT.stat().st_size > 10**9:
    sys.exit(f"error: {INPUT} is too large")
copy(INPUT, Path("/opt/ml/processing/output/result/a.csv"))
"""
BESIDE = """
def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())

def move(source, target):
    source.rename(target)
"""


def measured(source: str, runner: Runner) -> set[tuple[int, int]]:
    return set(arcs(case_of(source), runner).get(SCRIPT, ()))


def test_the_lines_are_those_of_coverage_py(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(EVERY_KIND)
    command = [sys.executable, "-m", "coverage", "run", "--branch", "--data-file=data", "script.py"]
    settings = {**os.environ, "COVERAGE_CORE": "ctrace"}
    subprocess.run(command, cwd=tmp_path, env=settings, stdout=subprocess.DEVNULL, check=False)
    data = coverage.CoverageData(str(tmp_path / "data"))
    data.read()
    assert measured(EVERY_KIND, FakeRunner()) == set(data.arcs(str(script.resolve())) or ())


def test_a_sandbox_tells_the_same(sandbox: SandboxRunner) -> None:
    assert measured(EVERY_KIND, sandbox) == measured(EVERY_KIND, FakeRunner())


@pytest.mark.parametrize("end", ["os._exit(0)", "raise ValueError", "sys.exit(5)", "os.close(1)"])
def test_a_script_tells_its_lines_however_it_ends(end: str) -> None:
    assert (2, 3) in measured(f"import os, sys\nnumber = 1\n{end}\n", FakeRunner())


def test_what_a_script_says_of_itself_is_held_to_its_form() -> None:
    for word in ("", "no base64", "AAAA", "eJyrrgUAAXUA+Q=="):
        assert list(told(f"{MARK}{word}\n")) == []
    source = f"print('{MARK}AAAA', file=__import__('sys').stderr)\n"
    assert measured(source, FakeRunner()) == {(-1, 1), (1, -1)}


def check(folder: Path, *options: str, files: Mapping[str, str] | None = None) -> Result:
    make_step(folder, STEP, CONTRACT, {"data/a.csv": "a\n1\n"})
    for name, text in {"beside.py": BESIDE, **(files or {})}.items():
        (folder / name).write_text(text)
    return CliRunner().invoke(cli, ["check", str(folder), "--jobs", "2", *options])


def test_the_lines_that_no_case_runs_are_told_with_those_of_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = check(tmp_path)
    found = check(tmp_path, "--cov")
    assert found.exit_code == plain.exit_code == 0, found.output
    assert found.output.partition(" in ")[0] == plain.output.partition(" in ")[0]
    lines = [line.split() for line in found.output.splitlines()]
    assert ["step.py", "9", "1", "89%", "9"] in lines
    assert ["beside.py", "5", "1", "80%", "7"] in lines
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    data.read()
    assert {Path(one).name for one in data.measured_files()} == {"step.py", "beside.py"}
    assert not data.has_arcs()


def test_the_configuration_of_coverage_py_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = "[run]\nbranch = true\ndata_file = other\n[report]\nfail_under = 99\n"
    found = check(tmp_path, "--cov", files={".coveragerc": settings})
    assert found.exit_code == 1
    assert "the coverage is below fail_under" in found.output
    data = coverage.CoverageData(str(tmp_path / "other"))
    data.read()
    assert data.has_arcs()


def test_a_configuration_that_is_wrong_is_told_before_any_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = check(tmp_path, "--cov", files={".coveragerc": "[run\n"})
    assert isinstance(found.exception, HarnessError)
    assert found.exception.exit_code == 2
    assert "coverage.py: " in str(found.exception)
    assert "passed" not in found.output


def test_coverage_py_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coverage", None)
    found = check(tmp_path, "--cov")
    assert isinstance(found.exception, HarnessError)
    assert "pip install 'coverage>=7.4'" in str(found.exception)


@pytest.mark.parametrize("other", [("--cache",), ("--executor", "dask://localhost:1")])
def test_cases_that_are_not_run_here_cannot_be_measured(
    tmp_path: Path, other: tuple[str, ...]
) -> None:
    found = check(tmp_path, "--cov", *other)
    assert found.exit_code == 2
    assert "--cov needs every case to be run on this machine" in found.output
