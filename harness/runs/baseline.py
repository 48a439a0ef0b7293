"""Judges cases by a baseline: errors that it knows are warnings."""

from __future__ import annotations

from dataclasses import dataclass

from harness.cases.case import Result
from harness.report.baseline import Baseline
from harness.runners import Runner
from harness.runs.step import JudgeCase, StepRef, load


@dataclass(frozen=True)
class JudgeWithBaseline:
    """Gives the verdict of `judge_case`, with what the baseline knows as warnings."""

    judge_case: JudgeCase
    baseline: Baseline

    def __call__(self, ref: StepRef, runner: Runner, case_id: str) -> Result:
        """The verdict on one case, through a prepared runner."""
        result = self.judge_case(ref, runner, case_id)
        return self.baseline.apply(load(ref).contract.name, result)
