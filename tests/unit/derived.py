"""Small steps with derived suites, and what is found in them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove

CONTRACT = """
name: step
entry_point: step.py
inputs:
  train: {required: true, file: train.csv, mounts: [/opt/ml/input/data/train]}
outputs:
  model: {path: /opt/ml/model, files: [model.csv]}
exit_codes: {0: trained, 1: failed}
"""
# One column, so that no row can be too short.
SAMPLES = {"train/train.csv": "a\n1\n"}


def make_step(
    folder: Path, script: str, contract: str = CONTRACT, samples: Mapping[str, str] = SAMPLES
) -> StepRef:
    """A step in this folder."""
    files = {
        "contract.yaml": contract,
        "step.py": script,
        **{f"samples/{name}": text for name, text in samples.items()},
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return StepRef(folder)


def findings(ref: StepRef) -> set[tuple[str, str]]:
    """Promise and key of what is found in all cases but those of circumstances."""
    runner = FakeRunner()
    return {
        (one.promise, one.key)
        for case in load(ref).matrix.ids
        if not case.startswith("circumstance=")
        for one in prove(ref, runner, case).findings
    }
