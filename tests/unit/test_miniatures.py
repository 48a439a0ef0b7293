"""The harness finds the error of every wrong script, and nothing in correct ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.promises.all import PROMISES
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.miniatures import ALL, CORRECT, Miniature

STEP = Path(__file__).parents[2] / "dummy_training"


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


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_script_has_no_finding(name: str) -> None:
    # Of the product every pair of choices: the tests of the step run all of it.
    ref = StepRef(STEP, CORRECT[name], pairwise=True)
    found = [prove(ref, FakeRunner(), one).findings for one in load(ref).matrix.ids]
    assert [one for findings in found for one in findings] == []


def test_there_are_several_correct_scripts_and_many_wrong_ones() -> None:
    assert len(CORRECT) >= 4
    assert len(ALL) >= 40
    assert len({one.name for one in ALL}) == len(ALL)
    assert len({one.source for one in ALL}) == len(ALL)


# Judged in derived suites only, or where the contract says more of files than the suite: broken in
# the tests that are named as these promises are, or as what they judge.
ELSEWHERE = (
    *("error-told", "damaged-input", "effect", "defaults", "leftovers", "collected"),
    *("form", "content", "members", "golden", "any-fault"),
)


@pytest.mark.parametrize("promise", [one.name for one in PROMISES if one.name not in ELSEWHERE])
def test_every_promise_has_a_script_that_breaks_it(promise: str) -> None:
    assert promise in {one.promise for one in ALL}
