"""Single faults in small steps with derived suites: each is found, and no correct step is accused.

Contracts and samples are those of a user; each row of `faulty_steps.FAULTS` is one fault.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.faulty_steps import FAULTS, STEPS, Fault
from tests.unit.small_steps import write_step

# What the cases of a correct step are tried under beside its product.
_CIRCUMSTANCES = sorted(
    {f"circumstance={one.case}" for one in FAULTS if one.case in ("again", "lang-c")}
)
RUNNER = FakeRunner()


def put(folder: Path, name: str, script: str) -> StepRef:
    step = STEPS[name]
    ref = write_step(folder, step.contract, script, step.samples)
    return replace(ref, level="practical", timeout=2)


def case_with(ref: StepRef, word: str) -> str:
    """The case with this word in its id that differs least from the usual one."""
    matrix = load(ref).matrix
    return matrix.usual if word == "usual" else [one for one in matrix.ids if word in one][-1]


@pytest.mark.parametrize("name", STEPS)
def test_a_correct_step_is_not_accused(tmp_path: Path, name: str) -> None:
    ref = put(tmp_path, name, STEPS[name].script)
    ids = [one for one in load(ref).matrix.ids if not one.startswith("circumstance=")]
    found = {one for case in (*ids, *_CIRCUMSTANCES) for one in prove(ref, RUNNER, case).findings}
    assert not found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: f"{one.step}: {one.what}")
def test_a_fault_is_found(tmp_path: Path, fault: Fault) -> None:
    script = STEPS[fault.step].script
    assert script.count(fault.old) == 1
    ref = put(tmp_path, fault.step, script.replace(fault.old, fault.new))
    result = prove(ref, RUNNER, case_with(ref, fault.case))
    found = {f"{one.promise}/{one.key}" for one in result.findings}
    assert fault.finding in found
