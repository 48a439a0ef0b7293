"""A training job keeps its own folders alone: what a step writes elsewhere is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.contracts import loaders
from harness.lint import lint
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.derived import make_step

_SCRIPT = """
import os
for folder in {folders}:
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/x", "w") as stream:
        stream.write("x")
"""
_CHANNEL = "/opt/ml/input/data/rows"
_PROCESSED = "/opt/ml/processing/input/rows"
_MODEL, _DATA, _ELSEWHERE = "/opt/ml/model", "/opt/ml/output/data", "/opt/ml/processing/output/x"


def step(folder: Path, output: str, writes: tuple[str, ...], *mounts: str) -> StepRef:
    contract = (
        "name: step\nentry_point: step.py\n"
        f"inputs: {{rows: {{required: false, mounts: [{', '.join(mounts)}]}}}}\n"
        f"outputs: {{copied: {{path: {output}}}}}\nexit_codes: {{0: copied, 1: failed}}\n"
    )
    return make_step(folder, _SCRIPT.format(folders=writes), contract, {"rows/rows.csv": "a\n1\n"})


def found(ref: StepRef) -> list[tuple[str, str, str]]:
    matrix = load(ref).matrix
    findings = prove(ref, FakeRunner(), matrix.usual).findings
    return [(one.promise, one.key, one.severity) for one in findings if one.promise != "effect"]


@pytest.mark.parametrize("output", [_MODEL, _DATA, "/opt/ml/output/other", "/opt/ml/checkpoints"])
def test_an_output_that_the_job_collects_is_not_accused(tmp_path: Path, output: str) -> None:
    ref = step(tmp_path, output, (output,), _CHANNEL)
    assert found(ref) == []
    contract = loaders.load(tmp_path)
    source = (tmp_path / "step.py").read_bytes()
    assert "STEP111" not in [one.code for one in lint(contract, contract.script, source)]


@pytest.mark.parametrize("output", [_ELSEWHERE, "/opt/ml/models", "/opt/ml/outputs/data", "/data"])
def test_an_output_elsewhere_is_lost(tmp_path: Path, output: str) -> None:
    ref = step(tmp_path, output, (output,), _CHANNEL)
    assert ("collected", "not-collected", "error") in found(ref)
    contract = loaders.load(tmp_path)
    source = (tmp_path / "step.py").read_bytes()
    (problem,) = (one for one in lint(contract, contract.script, source) if one.code == "STEP111")
    assert problem.file == contract.origin
    assert output in contract.origin.read_text().splitlines()[problem.line - 1]
    assert output in problem.message


@pytest.mark.parametrize("profile", ["training", "model-trainer", "own-container"])
def test_a_step_that_is_both_leaves_something_in_the_model_folder(
    tmp_path: Path, profile: str
) -> None:
    lost = step(tmp_path / "lost", _ELSEWHERE, (_ELSEWHERE,), _CHANNEL, _PROCESSED)
    kept = step(tmp_path / "kept", _ELSEWHERE, (_ELSEWHERE, _MODEL), _CHANNEL, _PROCESSED)
    assert found(lost) == []
    assert found(replace(lost, profile=profile)) == [("collected", "nothing-collected", "error")]
    assert found(replace(kept, profile=profile)) == []


def test_a_processing_job_collects_its_declared_outputs(tmp_path: Path) -> None:
    ref = step(tmp_path, _ELSEWHERE, (_ELSEWHERE,), _PROCESSED)
    assert found(ref) == []
    contract = loaders.load(tmp_path)
    source = (tmp_path / "step.py").read_bytes()
    assert "STEP111" not in [one.code for one in lint(contract, contract.script, source)]
