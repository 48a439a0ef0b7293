"""Steps that are proved by few runs: the verdicts are those of running every case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.cases.case import Result
from harness.errors import RunnerCannot, WrongUse
from harness.report import Plan, Run, Summary
from harness.runners.covering import CoveringRunner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs import covering, steps
from harness.runs.choice import RunnerOptions, choose
from harness.runs.observed import never_read, undeclared
from harness.runs.step import StepRef, load, prove
from harness.runs.steps import StepRun, run_steps
from tests.unit.derived import make_step

CONTRACT = """
name: step
entry_point: step.py
inputs:
  train: {required: true, files: [a.csv], mounts: [/opt/ml/processing/input/train]}
  extra: {required: false, files: [a.csv], mounts: [/opt/ml/processing/input/extra]}
environment:
  optional: {MODE: slow, DEPTH: "3"}
outputs:
  model: {path: /opt/ml/processing/output/model, files: [model.csv]}
exit_codes: {0: trained, 1: failed}
"""
SAMPLES = {"train/a.csv": "a\n1\n", "extra/a.csv": "a\n2\n"}
START = """
import os, sys
from pathlib import Path
INPUT, OUTPUT = Path("/opt/ml/processing/input"), Path("/opt/ml/processing/output/model")
OUTPUT.mkdir(parents=True, exist_ok=True)
"""
TRAIN = 'text = (INPUT / "train/a.csv").read_text()\n'
WRITE = '(OUTPUT / "model.csv").write_text(text)\n'
EXTRA = 'extra = INPUT / "extra/a.csv"\ntext += extra.read_text() if extra.exists() else ""\n'
MODE = 'text += os.environ.get("MODE", "slow") + os.environ.get("DEPTH", "3")\n'
STEPS = {
    "correct": START + TRAIN + EXTRA + MODE + WRITE,
    "ignores": START + TRAIN + WRITE,
    "other-default": START + TRAIN + MODE.replace('"slow")', '"fast")') + WRITE,
    "wrong-with-extra": START + TRAIN + EXTRA + "if extra.exists(): sys.exit(3)\n" + WRITE,
    "changes-inputs": START + TRAIN + WRITE + '[one.chmod(0o600) for one in INPUT.glob("e*/*")]\n',
}


def verdict(result: Result) -> tuple[object, ...]:
    found = sorted((one.promise, one.key, one.where, one.got) for one in result.findings)
    return result.case, result.exit_code, result.unproven, found


@pytest.mark.parametrize("name", STEPS)
def test_every_verdict_is_that_of_a_run(name: str, tmp_path: Path) -> None:
    ref = make_step(tmp_path, STEPS[name], CONTRACT, SAMPLES)
    (tmp_path / "runs").mkdir()
    covered, plain = CoveringRunner(FakeRunner(), tmp_path / "runs"), FakeRunner()
    ids = [one for one in load(ref).matrix.ids if not one.startswith("circumstance=")]
    found = [prove(ref, covered, one) for one in ids]
    assert sum(bool(one.follows) for one in found) >= len(ids) / 3
    for one in found:
        if one.follows:
            assert verdict(one) == verdict(prove(ref, plain, one.case)), one.follows


class Lines:
    """A report that keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.judged: list[tuple[int, int]] = []

    def step_started(self, plan: Plan) -> None: ...
    def case_finished(self, result: Result) -> None: ...
    def step_finished(self, summary: Summary) -> None: ...
    def run_stopped(self) -> None: ...
    def run_finished(self, run: Run) -> None: ...

    def cases_judged(self, number: int, failed: int) -> None:
        self.judged.append((number, failed))

    def runner_changed(self, note: str) -> None:
        self.lines.append(note)


def checked(
    ref: StepRef,
    monkeypatch: pytest.MonkeyPatch,
    *,
    max_fail: int | None = None,
    exhaustive: bool = False,
    runner: str = "fake",
) -> tuple[Sequence[Result], list[str]]:
    """The results of all cases but those of circumstances, and what is told."""
    monkeypatch.setattr(covering, "WORTH", 10)
    monkeypatch.setattr(covering, "WORTH_IN_SANDBOX", 10)
    monkeypatch.setattr(covering, "_SAMPLE", 4)
    ids = tuple(one for one in load(ref).matrix.ids if not one.startswith("circumstance="))
    plan = Plan("step", runner, ids, len(ids), ())
    lines = Lines()
    run = StepRun(ref, plan, choose(ref, RunnerOptions(runner)))
    (summary,) = run_steps([run], 1, [lines], max_fail, exhaustive=exhaustive)
    assert [one.case for one in summary.results] == list(ids)
    if any(one.follows for one in summary.results):
        assert [number for number, _ in lines.judged] == [*range(1, len(ids) + 1)]
    return summary.results, lines.lines


def test_cases_follow_where_nothing_speaks_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, lines = checked(make_step(tmp_path, STEPS["ignores"], CONTRACT, SAMPLES), monkeypatch)
    run = {one.case for one in results if not one.follows}
    assert 0 < len(run) < len(results) / 2
    assert {one.follows for one in results} - {""} <= run
    assert not lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import time; text += str(time.time())[:0]\n", "reads the clock"),
        ("import random; text += str(random.random())[:0]\n", "draws random numbers"),
        ("text += ''.join(sorted(set('abcdefgh'), key=hash))\n", "is not repeatable"),
    ],
)
def test_every_case_is_run_of_a_step_that_depends_on_more(
    line: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = make_step(tmp_path, START + TRAIN + line + WRITE, CONTRACT, SAMPLES)
    results, (told,) = checked(ref, monkeypatch)
    assert not any(one.follows for one in results)
    assert told.startswith("step: every case is run: its usual case")
    assert reason in told


def test_a_sample_that_does_not_agree_has_every_case_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What no recording sees: whether it is recorded.
    code = "if sys.getprofile() is None and not (INPUT / 'train').exists(): sys.exit(5)\n"
    ref = make_step(tmp_path, START + code + TRAIN + WRITE, CONTRACT, SAMPLES)
    results, (told,) = checked(ref, monkeypatch)
    assert "it is irreproducible" in told
    assert not any(one.follows for one in results)
    assert any(one.exit_code == 5 for one in results)


def test_cases_in_groups_have_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = make_step(tmp_path, STEPS["wrong-with-extra"], CONTRACT, SAMPLES)
    results, _ = checked(ref, monkeypatch)
    monkeypatch.setattr(steps, "_MANY", 10)
    monkeypatch.setattr(steps, "_GROUP", 7)
    in_groups, _ = checked(ref, monkeypatch)
    assert any(one.failed for one in results)
    assert any(one.follows for one in in_groups)
    assert [*map(verdict, in_groups)] == [*map(verdict, results)]


def test_many_cases_are_not_run_one_by_one_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covering, "MAX_RUNS", 10)
    follows = make_step(tmp_path / "follows", STEPS["ignores"], CONTRACT, SAMPLES)
    assert any(one.follows for one in checked(follows, monkeypatch)[0])
    with pytest.raises(WrongUse, match=r"step has 37 cases, too many.*: with --max-fail each"):
        checked(follows, monkeypatch, max_fail=1)
    clock = START + TRAIN + "import time; text += str(time.time())[:0]\n" + WRITE
    ref = make_step(tmp_path / "clock", clock, CONTRACT, SAMPLES)
    with pytest.raises(WrongUse, match="reads the clock"):
        checked(ref, monkeypatch)
    assert not any(one.follows for one in checked(ref, monkeypatch, exhaustive=True)[0])
    recorded = "if sys.getprofile() is None and not (INPUT / 'train').exists(): sys.exit(5)\n"
    ref = make_step(tmp_path / "recorded", START + recorded + TRAIN + WRITE, CONTRACT, SAMPLES)
    with pytest.raises(WrongUse, match="it is irreproducible"):
        checked(ref, monkeypatch)
    # A runner that tells nothing of what a case looks at.
    monkeypatch.setattr(covering, "_RUNNERS", ())
    with pytest.raises(WrongUse, match="the runner fake tells nothing"):
        checked(follows, monkeypatch)


def test_what_is_read_without_being_declared_is_told(tmp_path: Path) -> None:
    ref = make_step(tmp_path, STEPS["ignores"], CONTRACT, SAMPLES)
    step = load(ref)
    case, _ = step.matrix.case(step.matrix.usual)
    root = "/opt/ml/processing/input"
    parameters = "/opt/ml/input/config/hyperparameters.json"
    told = list(
        undeclared(
            step.contract,
            case,
            {
                ("stat", root),
                ("stat", f"{root}/train/a.csv"),
                ("stat", f"{root}/labels/b.csv"),
                ("list", f"{root}/labels"),
                ("read", "/opt/ml/input/config/resourceconfig.json"),
                ("read", parameters),
                ("variable", "MODE"),
            },
        )
    )
    assert told == [
        f"reads {parameters}, which the contract does not declare",
        f"looks for {root}/labels, which the contract does not declare",
    ]
    unread = list(never_read(step.contract, case, {("stat", f"{root}/train/a.csv")}))
    assert unread == ["the input extra is declared and never read, in no case"]
    assert not list(
        never_read(step.contract, case, {("list", root), ("stat", f"{root}/train/a.csv")})
    )


THREE_INPUTS = """
name: step
entry_point: step.py
inputs:
  train: {required: true, files: [a.csv], mounts: [/opt/ml/processing/input/train]}
  extra: {required: false, files: [a.csv], mounts: [/opt/ml/processing/input/extra]}
  other: {required: false, files: [a.csv], mounts: [/opt/ml/processing/input/other]}
outputs:
  model: {path: /opt/ml/processing/output/model, files: [model.csv]}
exit_codes: {0: trained, 1: failed}
"""
# Programs and a database, of which the fake file system knows nothing.
BENEATH = (
    START
    + """
import sqlite3, subprocess
shown = subprocess.run(["cat", INPUT / "train/a.csv"], capture_output=True, text=True)
if shown.returncode:
    sys.exit(f"error: {INPUT}/train/a.csv cannot be read")
with sqlite3.connect("/tmp/base.db") as base:
    base.execute("create table texts (value text)")
    base.execute("insert into texts values (?)", (shown.stdout,))
    (text,) = base.execute("select value from texts").fetchone()
base.close()
os.unlink("/tmp/base.db")
extra = INPUT / "extra/a.csv"
if extra.exists() and subprocess.run(["test", "-e", INPUT / "other/a.csv"]).returncode == 0:
    sys.exit(3)
"""
    + WRITE
)


def test_cases_follow_in_sandboxes_from_what_their_calls_look_at(
    sandbox: SandboxRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = {f"{name}/a.csv": f"a\n{name}\n" for name in ("train", "extra", "other")}
    ref = make_step(tmp_path, BENEATH, THREE_INPUTS, samples)
    results, lines = checked(ref, monkeypatch, runner="sandbox")
    # Those without the file, with it, and with both of the others or one of them.
    run = [one for one in results if not one.follows]
    assert 4 <= len(run) <= 6 < len(results) / 3
    assert not lines
    # What shows in one combination alone is found.
    both = "train=present,extra=present,other=present"
    assert {one.case for one in results if one.exit_code == 3} == {both}
    assert "3-for-0" in [one.key for one in results[-1].findings]
    followed = [one for one in results if one.follows][::4]
    assert [verdict(one) for one in followed] == [
        verdict(prove(ref, sandbox, one.case)) for one in followed
    ]


def test_few_cases_are_not_worth_being_recorded_in_sandboxes(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    ref = make_step(tmp_path, BENEATH, THREE_INPUTS, {"train/a.csv": "a\n"})
    few = covering.basis(ref, sandbox, 1, covering.WORTH_IN_SANDBOX - 1)
    assert few.reason.endswith("and so few are not worth being recorded in the sandbox")
    # Another runner is to go on.
    with pytest.raises(RunnerCannot, match="starts a subprocess"):
        covering.basis(ref, FakeRunner(), 1, covering.WORTH_IN_SANDBOX)
