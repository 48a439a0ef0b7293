"""The harness finds the error of every wrong script, and nothing in correct ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cases.case import Finding
from harness.promises.all import PROMISES
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, load, prove
from tests.miniatures import ALL, CORRECT, Miniature

STEP = Path(__file__).parents[2] / "dummy_training"

# What follows from the broken promise, in the same case, and is found as well.
CONSEQUENCES = {
    "exit-code": ("older-output", "nothing-undeclared"),  # It goes on, and writes.
    "functions": ("output", "log", "nothing-undeclared"),  # It does not, or elsewhere.
    "output": ("log", "nothing-undeclared"),  # Another input is used, or another way is gone.
    "error-traceback": ("error-named", "error-advice"),  # All of the error is elsewhere.
    "no-secrets": ("scratch-clean",),  # They are in a file that should not be there.
    "nothing-undeclared": ("inputs-unchanged",),  # It is in an input's folder.
    "repeatable": ("output",),  # What is another each time is a member.
    "any-time-zone": ("output",),
    "no-network": ("exit-code",),
}


@pytest.mark.parametrize("miniature", ALL, ids=lambda miniature: miniature.name)
def test_every_wrong_script_has_its_finding(miniature: Miniature, tmp_path: Path) -> None:
    script = tmp_path / f"{miniature.name}.py"
    script.write_text(miniature.source)
    for case in miniature.cases:
        findings = prove(StepRef(STEP, script), FakeRunner(), case).findings
        assert any(
            finding.promise == miniature.promise and miniature.key in finding.key
            for finding in findings
        ), f"{case}: {[(one.promise, one.key, one.where) for one in findings]}"
        of = (miniature.promise, *CONSEQUENCES.get(miniature.promise, ()))
        others = [(one.promise, one.key) for one in findings if one.promise not in of]
        assert others == [], f"{case}: found for other reasons as well: {others}"


def test_what_is_rare_and_hurts_few_is_a_warning(tmp_path: Path) -> None:
    step = load(StepRef(STEP))
    cases = {name: step.matrix.case(name)[1] for name in step.matrix.ids}
    rare = [name for name, expected in cases.items() if expected.severity == "warning"]
    by_name = {one.name: one for one in ALL}
    broken: set[str] = set()
    for name in ("attributes-dropped", "main-demands-hyperparameters", "main-demands-arguments"):
        script = tmp_path / f"{name}.py"
        script.write_text(by_name[name].source)
        for case in rare:
            result = prove(StepRef(STEP, script), FakeRunner(), case)
            assert result.passed
            broken.update(one.case for one in result.findings)
    assert broken == {*rare}
    for case in rare:
        assert prove(StepRef(STEP), FakeRunner(), case).findings == ()


# They start processes, which takes a sandbox.
WITH_PROCESSES = ("processes", "programs")


def findings(name: str, runner: Runner, share: slice) -> list[Finding]:
    """What is found in a correct script: of the product every pair of choices is tried."""
    ref = StepRef(STEP, CORRECT[name], pairwise=True)
    ids = load(ref).matrix.ids[share]
    return [one for case in ids for one in prove(ref, runner, case).findings]


@pytest.mark.long
@pytest.mark.parametrize("name", [one for one in CORRECT if one not in WITH_PROCESSES])
def test_a_correct_script_has_no_finding(name: str) -> None:
    assert findings(name, FakeRunner(), slice(None)) == []


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_a_correct_script_with_processes_has_no_finding(name: str, sandbox: SandboxRunner) -> None:
    assert findings(name, sandbox, slice(None, None, 8)) == []


def test_there_are_several_correct_scripts_and_many_wrong_ones() -> None:
    assert len(CORRECT) >= 10
    assert len(ALL) >= 40
    assert len({one.name for one in ALL}) == len(ALL)
    assert len({one.source for one in ALL}) == len(ALL)


# Judged in derived suites only, or where the contract says more of files than the suite: broken in
# the tests that are named as these promises are, or as what they judge.
ELSEWHERE = (
    *("error-told", "damaged-input", "effect", "defaults", "leftovers", "collected"),
    *("form", "content", "members", "golden", "any-fault", "host-files"),
)


@pytest.mark.parametrize("promise", [one.name for one in PROMISES if one.name not in ELSEWHERE])
def test_every_promise_has_a_script_that_breaks_it(promise: str) -> None:
    assert promise in {one.promise for one in ALL}
