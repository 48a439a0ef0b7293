"""CTRF, the Common Test Report Format (https://ctrf.io): JSON for test dashboards."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any, Literal

from harness.cases.case import Result
from harness.report import Run, Summary

Status = Literal["passed", "failed", "skipped"]


def ctrf(run: Run) -> str:
    """The document; a case that was not proven is `skipped`, with the reason as its message."""
    tests = [one for summary in run.summaries for one in _tests(summary)]
    tests += [
        {"name": one.what.splitlines()[0], "status": "failed", "duration": 0, "message": one.what}
        for one in run.errors
    ]
    counts = dict.fromkeys(("passed", "failed", "pending", "skipped", "other"), 0)
    for one in tests:
        counts[one["status"]] += 1
    milliseconds = round(1000 * sum(one.seconds for one in run.summaries))
    document = {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "results": {
            "tool": {"name": "harness check", "version": version("step-harness")},
            # How long it took is known, not when: the clock of the report starts at 0.
            "summary": {"tests": len(tests), **counts, "start": 0, "stop": milliseconds},
            "tests": tests,
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _tests(summary: Summary) -> list[dict[str, Any]]:
    step = summary.plan.step
    run = [_test(step, one) for one in summary.results]
    not_run = [
        {"name": name, "suite": step, "status": "skipped", "duration": 0, "message": reason}
        for name, reason in summary.plan.unproven.items()
    ]
    return run + not_run


def _test(step: str, result: Result) -> dict[str, Any]:
    status: Status = "failed" if result.failed else "skipped" if result.unproven else "passed"
    test: dict[str, Any] = {
        "name": result.case,
        "suite": step,
        "status": status,
        "duration": round(1000 * result.seconds),
    }
    errors = [one for one in result.findings if one.severity == "error"]
    if errors:
        test["message"] = "; ".join(
            f"{one.promise}: {one.key}: expected {one.expected}, got {one.got}" for one in errors
        )
    elif result.unproven:
        test["message"] = result.unproven
    if result.stderr_tail:
        test["trace"] = result.stderr_tail
    return test
