"""The pytest plugin, in an inner pytest on a copy of the sample step.

It runs in this process, which has the harness imported; a process of its own is started where that
is what is tested, and for the workers of xdist.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.runners.real.sandbox import SandboxRunner

pytest_plugins = ["pytester"]
COPIER = Path(__file__).parent / "steps" / "copier"


@pytest.fixture
def copier(pytester: pytest.Pytester) -> Path:
    """A copy of the sample step in the folder of the inner pytest."""
    folder = pytester.path / "copier"
    shutil.copytree(COPIER, folder)
    return folder


def break_script(step: Path) -> None:
    script = step / "copier.py"
    script.write_text(script.read_text().replace("write_bytes(text)", "write_bytes(text[:1])"))


def test_every_case_is_a_test_with_its_id(pytester: pytest.Pytester, copier: Path) -> None:
    done = pytester.runpytest("copier/conformance.py", "-v")
    done.assert_outcomes(passed=24)
    done.stdout.fnmatch_lines(["*copier/conformance.py::text=long,older_copy=present PASSED*"])


def test_a_folder_is_collected(pytester: pytest.Pytester, copier: Path) -> None:
    done = pytester.runpytest("--collect-only", "-q")
    assert sum("conformance.py::" in line for line in done.outlines) == 24


def test_cases_are_selected_by_keyword_and_id(pytester: pytest.Pytester, copier: Path) -> None:
    picked = pytester.runpytest("copier/conformance.py", "-k", "text:absent")
    picked.assert_outcomes(passed=2, deselected=22)
    one = pytester.runpytest("copier/conformance.py::special=accents")
    one.assert_outcomes(passed=1)


def test_faults_are_cases_too(pytester: pytest.Pytester, copier: Path) -> None:
    options = ("--harness-faults", "-k", "rename and EACCES")
    pytester.runpytest("copier/conformance.py", *options).assert_outcomes(passed=1, deselected=61)


@pytest.mark.parametrize("ci", [False, True])
def test_a_failure_shows_the_findings_and_how_to_replay_it(
    pytester: pytest.Pytester, copier: Path, monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    break_script(copier)
    if ci:
        # In CI, pytest repeats the failure in its summary.
        monkeypatch.setenv("CI", "true")
    done = pytester.runpytest("copier/conformance.py", "-x", "-k", "text:long")
    done.assert_outcomes(failed=1, deselected=22)
    done.stdout.fnmatch_lines(
        [
            "*case text=long,older_copy=absent*",
            "*output: wrong-bytes: /opt/ml/processing/output/copy/text.txt*",
            "*expected b'ab' (2 bytes)*",
            "*got      b'a' (1 bytes)*",
            "FAILED copier/conformance.py::text=long,older_copy=absent - output: wrong-byt*",
        ]
    )
    (command,) = {line for line in done.outlines if line.startswith("harness replay")}
    harness = Path(sys.executable).with_name("harness")
    replayed = subprocess.run(
        f"{harness} {command.removeprefix('harness ')}",
        shell=True,
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert replayed.returncode == 1
    assert "--- findings: 1" in replayed.stdout


def test_every_form_of_contract_is_collected(pytester: pytest.Pytester, copier: Path) -> None:
    (copier / "conformance.py").unlink()
    interface = "contract: {entry_point: copier.py, sink: true}\n"
    (copier / "other.step.yaml").write_text(interface)
    (pytester.path / "wrong.pipeline.json").write_text("{}")
    done = pytester.runpytest("--collect-only", "-q", "copier", "wrong.pipeline.json")
    done.stdout.fnmatch_lines(
        [
            "copier/contract.yaml::text=absent",
            "copier/other.step.yaml::*",
            "ERROR wrong.pipeline.json",
        ]
    )


def test_items_carry_lines_and_marks(pytester: pytest.Pytester, copier: Path) -> None:
    suite = (copier / "conformance.py").read_text().splitlines()
    items, _ = pytester.inline_genitems("copier/conformance.py")
    lines = {one.name: suite[one.reportinfo()[1] or 0] for one in items}
    assert lines["text=long,older_copy=absent"].startswith("def expect(")
    assert 'Special("accents"' in lines["special=accents"]
    marks = {one.name: mark.kwargs for one in items for mark in one.iter_markers("harness")}
    assert marks["circumstance=full-disk"] == {
        "step": "copier",
        "level": "strict",
        "job": "processing",
        "circumstance": "full-disk",
    }
    assert marks["special=accents"]["circumstance"] is None


def test_another_fake_file_system_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(fs, opt_ml): pass\ndef test_y(run_step, fs): pass")
    done = pytester.runpytest()
    done.assert_outcomes(errors=2)
    done.stdout.fnmatch_lines(["opt_ml and the fixture fs*leave fs out*"])


def test_a_file_that_hides_the_harness_is_named(pytester: pytest.Pytester, copier: Path) -> None:
    pytester.makepyfile(harness="raise SystemExit", test_x="def test_x(): pass")
    done = pytester.run(sys.executable, "-m", "pytest", "test_x.py")
    done.stdout.fnmatch_lines(["harness: *harness.py hides the package harness*", "*1 passed*"])


@pytest.mark.parametrize(("verbosity", "lines"), [(0, 0), (-1, 1)])
def test_it_is_named_in_the_end_where_there_is_no_header(verbosity: int, lines: int) -> None:
    entry = runpy.run_path(
        str(Path(__file__).parents[2] / "harness" / "pytest_entry" / "step_harness_pytest.py")
    )
    summary = entry["pytest_terminal_summary"]
    summary.__globals__["_HIDDEN_BY"] = "harness.py"
    written: list[str] = []
    summary(SimpleNamespace(verbosity=verbosity, write_line=written.append))
    assert [one[:21] for one in written] == ["harness: harness.py h"] * lines


def test_other_projects_pay_nothing() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import harness.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert names <= {"harness", "importlib", "shlex", "warnings"}, names


def test_only_the_last_failures_run_again(pytester: pytest.Pytester, copier: Path) -> None:
    break_script(copier)
    first = pytester.runpytest("copier/conformance.py", "-k", "special or text")
    first.assert_outcomes(failed=3, passed=6, deselected=15)
    pytester.runpytest("copier/conformance.py", "--lf").assert_outcomes(failed=3)


def test_cases_are_distributed_to_workers(pytester: pytest.Pytester, copier: Path) -> None:
    options = ("-k", "text", "-n", "2", "--junitxml", "x.xml")
    done = pytester.runpytest_subprocess("copier/conformance.py", *options)
    done.assert_outcomes(passed=8)
    report = (pytester.path / "x.xml").read_text()
    assert report.count("<testcase ") == 8
    assert 'name="text=empty,older_copy=present"' in report


def test_cases_are_distributed_to_shards(pytester: pytest.Pytester, copier: Path) -> None:
    pytester.makepyfile("def test_by_hand(): pass")
    outcomes = []
    for number in (1, 2):
        done = pytester.runpytest("--harness-shard", f"{number}/2")
        outcomes.append(done.parseoutcomes())
    # Tests other than cases run in every shard.
    assert sum(one["passed"] for one in outcomes) == 24 + 2
    assert sum(one["deselected"] for one in outcomes) == 24
    assert [one["deselected"] for one in outcomes] == [13, 11]


def test_an_empty_shard_passes_and_an_empty_selection_does_not(
    pytester: pytest.Pytester, copier: Path
) -> None:
    case = "copier/conformance.py::special=accents"
    done = [pytester.runpytest(case, "--harness-shard", f"{number}/2") for number in (1, 2)]
    assert [one.ret for one in done] == [pytest.ExitCode.OK, pytest.ExitCode.OK]
    assert [one.parseoutcomes() for one in done] == [{"deselected": 1}, {"passed": 1}]
    nothing = pytester.runpytest("-k", "nonesuch", "--harness-shard", "1/2")
    assert nothing.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_malformed_shard_is_a_usage_error(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest("--harness-shard", "3/2")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--harness-shard: '3/2' is no shard*write I/N*"])


def test_a_wrong_contract_is_a_collection_error(pytester: pytest.Pytester, copier: Path) -> None:
    contract = copier / "contract.yaml"
    contract.write_text(contract.read_text() + "colour: red\n")
    done = pytester.runpytest("copier/conformance.py")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*contract.yaml:15: colour: is not a key that is known here*"])


def test_a_runner_that_can_judge_the_script_is_picked(
    pytester: pytest.Pytester, copier: Path, sandbox: SandboxRunner
) -> None:
    script = copier / "copier.py"
    source = script.read_text()
    script.write_text(f"import subprocess\nsubprocess.run(['true'], check=True)\n{source}")
    done = pytester.runpytest("copier/conformance.py", "-k", "text:short and older_copy:absent")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["copier: sandbox runner: the script uses subprocess,*"])
    # What only the run shows is told at its end.
    script.write_text(f"import os\ngetattr(os, 'sys' + 'tem')('true')\n{source}")
    done = pytester.runpytest("copier/conformance.py", "-k", "text:short and older_copy:absent")
    assert done.ret == 0
    assert done.stdout.str().count("goes on with the sandbox runner: ") == 1


def test_a_python_that_lacks_modules_is_one_error(
    pytester: pytest.Pytester, copier: Path, sandbox: SandboxRunner
) -> None:
    script = copier / "copier.py"
    script.write_text(f"import a_package_of_no_environment\n{script.read_text()}")
    done = pytester.runpytest("copier/conformance.py")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*a_package_of_no_environment*HARNESS_PYTHON*"])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("runner", "moon", "there is no runner 'moon'"), ("isolation", "moon", "no isolation 'moon'")],
)
def test_a_wrong_option_is_one_usage_error(
    pytester: pytest.Pytester, option: str, value: str, message: str
) -> None:
    done = pytester.runpytest(f"--harness-{option}", value)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*ERROR: *{message}*"])


def test_a_conformance_file_without_a_contract_is_a_test_module(pytester: pytest.Pytester) -> None:
    (pytester.path / "conformance.py").write_text(
        "def test_something():\n    assert True is not None\n"
    )
    pytester.runpytest("conformance.py").assert_outcomes(passed=1)


BY_HAND = """
    def test_by_hand(opt_ml, run_step):
        tree = opt_ml.with_channel("text", {"text.txt": b"abc"})
        tree = tree.with_directory("/opt/ml/processing/output/copy")
        outcome = run_step("copier/copier.py", tree)
        assert outcome.exit_code == 0
        copied = outcome.after.get("/opt/ml/processing/output/copy/text.txt")
        assert copied.data == b"abc"

    def test_arguments_and_variables(opt_ml, run_step):
        with open("show.py", "w") as script:
            script.write("import os, sys; print(sys.argv[1:], os.environ['LEVEL'])")
        outcome = run_step("show.py", opt_ml, arguments=("--x",), variables={"LEVEL": "3"})
        assert outcome.stdout == "['--x'] 3\\n"
"""


def test_the_fixtures_run_a_script_in_a_tree(pytester: pytest.Pytester, copier: Path) -> None:
    pytester.makepyfile(BY_HAND)
    pytester.runpytest("-k", "by_hand or arguments").assert_outcomes(passed=2, deselected=24)


def test_trees_that_differ_are_shown_path_by_path(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_trees(opt_ml):
            assert opt_ml.with_file("/opt/ml/new", b"12") == opt_ml.with_directory("/opt/ml/gone")
        """
    )
    done = pytester.runpytest()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*- /opt/ml/gone*", "*+ /opt/ml/new file (2 bytes)*"])


def test_a_timeout_wins_over_the_contract(pytester: pytest.Pytester, copier: Path) -> None:
    arguments = [str(copier / "conformance.py"), "-k", "text:long and older_copy:absent"]
    result = pytester.runpytest(*arguments, "--harness-timeout", "0.000001")
    result.stdout.fnmatch_lines(["*no end within 1e-06 s*", "*--timeout 1e-06*"])
    assert pytester.runpytest(*arguments, "--harness-timeout", "0").ret == 4


HYPERPARAMETERS = """
from harness.suite import TRAINING, Tree

def test_them(run_step, tmp_path):
    script = tmp_path / "train.py"
    script.write_text("import sys; print(sys.argv[1:])")
    tree = Tree.for_job(TRAINING).with_request(hyperparameters={"epochs": "3"})
    assert run_step(script, tree).stdout == "['--epochs', '3']\\n"
    assert run_step(script, tree, arguments=("--epochs", "4")).stdout == "['--epochs', '4']\\n"
    assert run_step(script, Tree.for_job(TRAINING)).stdout == "[]\\n"
"""


def test_the_hyperparameters_of_a_training_job_are_arguments(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HYPERPARAMETERS)
    pytester.runpytest().assert_outcomes(passed=1)
