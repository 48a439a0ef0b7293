"""One run of one or more steps, one after the other, with events for the reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from harness.cases.case import Result
from harness.report import Plan, Report, Summary
from harness.runners import Runner
from harness.runs.session import Session
from harness.runs.step import JudgeCase, StepRef, prove
from harness.runs.workers import Workers


@dataclass(frozen=True)
class StepRun:
    """A step, and the plan of which of its cases are run."""

    ref: StepRef
    plan: Plan


def run_steps(
    step_runs: Sequence[StepRun],
    runner: Runner,
    workers: Workers,
    reports: Sequence[Report],
    max_fail: int | None = None,
    judge_case: JudgeCase = prove,
) -> tuple[Summary, ...]:
    """Run the steps in order, until all are done or `max_fail` cases have failed.

    `workers` and `judge_case` are those of a `Session`. Raises what `Session.run` raises; reports
    get `run_stopped` even then.
    """
    summaries: list[Summary] = []
    try:
        for step_run in step_runs:
            allowed = None if max_fail is None else max_fail - _count_failures(summaries)
            if allowed == 0:
                break
            started = time.monotonic()
            plan = step_run.plan
            session = Session(step_run.ref, runner, workers, judge_case)
            results = _report_results(session.run(plan.ids), plan, reports, allowed)
            summaries.append(Summary(plan, results, time.monotonic() - started))
            for report in reports:
                report.step_finished(summaries[-1])
    finally:
        for report in reports:
            report.run_stopped()
    for report in reports:
        report.run_finished(summaries)
    return tuple(summaries)


def _count_failures(summaries: Sequence[Summary]) -> int:
    return sum(len(summary.failed) for summary in summaries)


def _report_results(
    results: Any, plan: Plan, reports: Sequence[Report], max_fail: int | None
) -> tuple[Result, ...]:
    done: list[Result] = []
    failed = 0
    with closing(results):
        for report in reports:
            report.step_started(plan)
        for result in results:
            done.append(result)
            failed += result.failed
            for report in reports:
                report.case_finished(result)
            if failed == max_fail:
                break
    return tuple(done)
