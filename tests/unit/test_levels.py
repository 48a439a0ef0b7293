"""Levels: what is an error and what a warning, and that each cause is reported once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.cases.case import Case, Finding, Outcome, Result
from harness.promises import faults, levels
from harness.promises.all import PROMISES
from harness.report import Plan, Summary, defects
from harness.report.terminal import TerminalReport
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, run_case
from tests.unit import small_steps
from tests.unit.command import Ended, harness
from tests.unit.derived import make_step

CONTRACT = """
name: step
entry_point: step.py
inputs:
  data: {required: true, file: data.csv, mounts: [/opt/ml/processing/input/data]}
outputs:
  copy: {path: /opt/ml/processing/output/copy, files: [data.csv]}
exit_codes: {0: copied, 1: failed}
"""
# It fails with a bare traceback, cleans nothing up, and says nothing on what to do.
PLAIN = """
import shutil
shutil.copyfile(
    "/opt/ml/processing/input/data/data.csv", "/opt/ml/processing/output/copy/data.csv"
)
"""
# A file beside the script: another user cannot make it, nor can anybody on a read-only mount.
CACHING = "open('/opt/ml/processing/input/code/step.cache', 'w').close()\n" + PLAIN
SWALLOWING = """
try:
    with open("/opt/ml/processing/input/data/data.csv") as stream:
        rows = stream.read()
except OSError as error:
    raise SystemExit(f"no such file: {error.filename}")
try:
    with open("/opt/ml/processing/output/copy/data.csv", "w") as stream:
        stream.write(rows)
except OSError as error:
    print("cannot write", error)
"""


def step(folder: Path, source: str, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "contract.yaml").write_text(CONTRACT + more)
    (folder / "step.py").write_text(source)
    (folder / "samples" / "data").mkdir(parents=True)
    (folder / "samples" / "data" / "data.csv").write_text("a,b\n1,2\n")
    return folder


def check(folder: Path, *options: str) -> Ended:
    return harness("check", ".", "--runner", "fake", *options, cwd=folder)


def test_a_derived_suite_is_judged_practically(tmp_path: Path) -> None:
    done = check(step(tmp_path, PLAIN))
    assert done.returncode == 0, done.stdout
    # Full disks and output folders that are missing are counted, and not told.
    assert "warning: " not in done.stdout.replace("1 warning: ", "")
    assert "1 warning: harness check --level strict shows it" in done.stdout
    assert "replay" not in done.stdout


@pytest.mark.parametrize(
    ("contract", "project", "option", "code"),
    [
        ("", "", ("--level", "strict"), 1),
        ("level: strict\n", "", (), 1),
        ("", '[tool.harness]\nlevel = "strict"\n', (), 1),
        ("level: practical\n", '[tool.harness]\nlevel = "strict"\n', (), 0),
        ("level: strict\n", "", ("--level", "practical"), 0),
    ],
)
def test_the_level_is_that_of_the_option_then_the_contract_then_the_project(
    tmp_path: Path, contract: str, project: str, option: tuple[str, ...], code: int
) -> None:
    folder = step(tmp_path, PLAIN, contract)
    (folder / "pyproject.toml").write_text(project)
    done = check(folder, *option, "-k", "full-disk")
    assert done.returncode == code, done.stdout
    assert ("1. " in done.stdout) is bool(code)


def test_a_replay_is_judged_at_the_same_level(tmp_path: Path) -> None:
    done = check(step(tmp_path, PLAIN), "--level", "strict", "-k", "full-disk")
    assert " --level strict " in done.stdout


def test_a_wrong_level_is_wrong_use(tmp_path: Path) -> None:
    assert "Input should be 'strict' or 'practical'".lower() in (
        check(step(tmp_path, PLAIN, "level: lax\n")).stderr.lower()
    )


def test_an_exception_at_one_line_is_one_defect(tmp_path: Path) -> None:
    contract = "waivers: {nothing-undeclared: elsewhere, inputs-unchanged: elsewhere}\n"
    done = check(step(tmp_path, CACHING, contract), "--level", "strict", "-k", "root or inputs")
    caching = [one for one in done.stdout.split("\n\n") if "OSError at step.py:1" in one]
    assert len(caching) == 1, done.stdout
    assert "also breaks read-only-inputs, read-only-root" in caching[0]


def test_a_path_that_is_written_in_many_cases_is_one_defect(tmp_path: Path) -> None:
    source = PLAIN.replace("import shutil", "import shutil\nopen('/opt/ml/notes', 'w').close()")
    done = check(step(tmp_path, source))
    assert done.returncode == 1
    assert done.stdout.count("/opt/ml/notes") == 1, done.stdout
    assert ", 1 defect, " in done.stdout.splitlines()[-1]


def test_success_without_the_output_is_an_error_in_every_circumstance(tmp_path: Path) -> None:
    done = check(step(tmp_path, SWALLOWING))
    assert done.returncode == 1
    assert "exit-code/0-for-failure" in done.stdout
    done = check(
        step(tmp_path / "right", SWALLOWING + "    raise SystemExit(f'no space: {error}')\n")
    )
    assert done.returncode == 0, done.stdout


# A job that makes no output folders, and a step that ends with 0 when it cannot write.
FOLDER_MISSING = """
rows = open("/opt/ml/input/data/train/train.csv").read()
try:
    open("/opt/ml/model/model.csv", "w").write(rows)
except FileNotFoundError as error:
    print("not written:", error)
"""


@pytest.mark.parametrize(
    ("end", "severity"), [("", ["error"]), ("    raise SystemExit(str(error))\n", [])]
)
def test_success_without_an_output_folder_is_an_error(
    end: str, severity: list[str], tmp_path: Path
) -> None:
    ref = replace(make_step(tmp_path, FOLDER_MISSING + end), level="practical")
    result = run_case(ref, FakeRunner(), "circumstance=output-folder-missing").result
    assert [one.severity for one in result.findings if one.key == "output/empty"] == severity


def test_every_promise_is_in_each_level_once() -> None:
    for level in levels.LEVELS:
        lines = levels.explain(level).splitlines()
        named = [line.split()[0] for line in lines if line.startswith("  ")]
        assert sorted(named) == sorted(one.name for one in PROMISES)


def test_what_jobs_have_nothing_to_do_with_is_counted_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = PLAIN + "open('/tmp/notes', 'w').close()\nprint('a:', __import__('time').tzname)\n"
    local = (
        "open('/opt/ml/processing/output/copy/data.csv', 'a').write(f'{time.timezone},0\\\\n')\n"
    )
    ref = StepRef(step(tmp_path, source + "import time\n" + local), level="practical")
    cases = ("data=present", "circumstance=other-time-zone", "circumstance=full-disk")
    results = [run_case(ref, FakeRunner(), one).result for one in cases]
    minor = {one.head.promise: one.is_minor for one in defects(results)}
    assert minor == {"scratch-clean": True, "full-disk": True, "any-time-zone": False}
    plan = Plan("step", "fake", cases, len(cases), ("harness", "replay"), level="practical")
    TerminalReport(Console(width=200)).step_finished(Summary(plan, tuple(results), 1.0))
    told = [one for one in capsys.readouterr().out.splitlines() if one.startswith("warning: ")]
    where = "/opt/ml/processing/output/copy/data.csv"
    assert told == [f"warning: any-time-zone: other-output in 1 case: {where}"]
    strict = run_case(replace(ref, level="strict"), FakeRunner(), "data=present").findings
    assert [(one.severity, one.minor) for one in strict] == [("error", False)]


def test_a_case_that_cannot_be_made_is_not_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeRunner.run

    def run(self: FakeRunner, case: Case) -> Outcome:
        outcome = real(self, case)
        return replace(outcome, unproven="no such right here") if case.user else outcome

    monkeypatch.setattr(FakeRunner, "run", run)
    ref = StepRef(step(tmp_path, PLAIN), level="strict")
    trial = run_case(ref, FakeRunner(), "circumstance=non-root")
    assert trial.findings == ()
    assert trial.result.unproven == "no such right here"
    assert not trial.result.passed
    assert not trial.result.failed
    assert not summary(trial.result).conforms
    # Where it would only be a warning, it does not fail the run either.
    practical = run_case(replace(ref, level="practical"), FakeRunner(), "circumstance=non-root")
    assert practical.result.unproven == "no such right here"
    assert summary(practical.result).conforms


def test_a_moment_that_was_missed_fails_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FakeRunner.run

    def run(self: FakeRunner, case: Case) -> Outcome:
        outcome = real(self, replace(case, interrupt=None))
        return (
            replace(outcome, unproven="too late", must_be_proven=False)
            if case.interrupt
            else outcome
        )

    monkeypatch.setattr(FakeRunner, "run", run)
    ref = StepRef(step(tmp_path, PLAIN), level="strict")
    result = run_case(ref, FakeRunner(), "circumstance=sigterm-at-50-percent").result
    assert (result.findings, result.unproven, result.passed) == ((), "too late", False)
    assert summary(result).conforms


def summary(*results: Result) -> Summary:
    ids = tuple(one.case for one in results)
    return Summary(Plan("step", "fake", ids, len(ids), ("harness", "replay")), results, 1.0)


def test_names_of_one_case_alone_are_one_defect_in_each_folder() -> None:
    def result(case: str, *paths: str) -> Result:
        name = ("sigterm", "scratch-clean/left-behind", case)
        left = [Finding(*name, one, "", "", "warning", f"left-behind {one}") for one in paths]
        return Result(case, tuple(left), 1, 0.1, "")

    found = defects(
        [
            result("a", "/tmp/model", "/dev/shm/sem.Oq7izC", "/dev/shm/sem.loky-2-wlsre7"),
            result("b", "/tmp/model", "/dev/shm/sem.jjr1p4"),
            result("c", "/tmp/x/notes"),
        ]
    )
    assert [(one.cases, one.head.where) for one in found] == [
        (("a", "b"), "/tmp/model"),
        (("a", "b"), "/dev/shm/sem.Oq7izC"),
        (("c",), "/tmp/x/notes"),
    ]


def test_defects_are_told_by_their_cause() -> None:
    def result(case: str, *findings: Finding) -> Result:
        return Result(case, findings, 1, 0.1, "")

    def finding(promise: str, case: str, cause: str, severity: str = "error") -> Finding:
        return Finding(promise, "key", case, "", "", "", severity, cause)  # type: ignore[arg-type]

    found = defects(
        [
            result("a", finding("sigterm", "a", "KeyError at step.py:3", "warning")),
            result("b", finding("exit-code", "b", "KeyError at step.py:3")),
            result("c", finding("exit-code", "c", "KeyError at step.py:9")),
            result("d", finding("exit-code", "d", "")),
            result("e", finding("exit-code", "e", "")),
        ]
    )
    assert [(one.cases, one.head.promise, one.other_promises) for one in found] == [
        (("b", "a"), "exit-code", ("sigterm",)),
        (("d", "e"), "exit-code", ()),
        (("c",), "exit-code", ()),
    ]
    assert found[0].first.case == "b"


@pytest.mark.parametrize(
    ("folder", "minor"), [("/opt/ml/model", False), ("/opt/ml/processing/output/out", True)]
)
def test_what_sigterm_leaves_counts_where_a_stopped_job_keeps_it(folder: str, minor: bool) -> None:
    terms = small_steps.contract(outputs={"out": {"path": folder}})
    usual = small_steps.outcome({f"{folder}/a.bin": b"abcd"})
    stopped = small_steps.outcome({f"{folder}/a.bin": b"ab"}, code=143)
    given = small_steps.evidence(terms, stopped, usual=(usual, usual))
    (breach,) = small_steps.breaches(faults.SIGTERM, given)
    assert (breach.key, breach.minor) == ("partial-output", minor)


def test_what_sigterm_leaves_beside_a_checkpoint_is_told() -> None:
    ref = StepRef(Path(__file__).parent / "field" / "checkpoints", level="practical")
    found = run_case(ref, FakeRunner(), "circumstance=sigterm-at-25-percent").findings
    assert [(one.key, one.minor) for one in found] == [("nothing-undeclared/written", False)]
