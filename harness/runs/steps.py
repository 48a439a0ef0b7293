"""A campaign: one or more steps, proved one after the other, with reports told of all of it."""

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
from harness.runs.step import Judged, StepRef, prove
from harness.runs.workers import Workers


@dataclass(frozen=True)
class StepRun:
    """A step, and which of its cases are to be run."""

    ref: StepRef
    plan: Plan


def run_steps(
    step_runs: Sequence[StepRun],
    runner: Runner,
    workers: Workers,
    reports: Sequence[Report],
    max_fail: int | None = None,
    judged: Judged = prove,
) -> tuple[Summary, ...]:
    """Run everything with `workers` as a session has, or until `max_fail` cases have failed.

    `judged` gives the verdict on a case, as in a session. Raises what `Session.run` raises; reports
    are told when it is over, however it ends.
    """
    summaries: list[Summary] = []
    try:
        for one in step_runs:
            left = None if max_fail is None else max_fail - _failures(summaries)
            if left == 0:
                break
            began = time.monotonic()
            session = Session(one.ref, runner, workers, judged)
            results = _results(session.run(one.plan.ids), one.plan, reports, left)
            summaries.append(Summary(one.plan, results, time.monotonic() - began))
            for report in reports:
                report.ended(summaries[-1])
    finally:
        for report in reports:
            report.stopped()
    for report in reports:
        report.closed(summaries)
    return tuple(summaries)


def _failures(summaries: Sequence[Summary]) -> int:
    return sum(len(summary.failed) for summary in summaries)


def _results(
    results: Any, plan: Plan, reports: Sequence[Report], max_fail: int | None
) -> tuple[Result, ...]:
    done: list[Result] = []
    failed = 0
    with closing(results):
        for report in reports:
            report.started(plan)
        for result in results:
            done.append(result)
            failed += not result.passed
            for report in reports:
                report.finished(result)
            if failed == max_fail:
                break
    return tuple(done)
