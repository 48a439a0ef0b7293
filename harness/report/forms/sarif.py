"""SARIF 2.1.0: each defect is a result at the script's line, for code scanning."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from harness.report import Defect, Plan, Run, defects
from harness.report.places import place_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(run: Run) -> str:
    """One run of the tool `harness check`; the rules are the promises that were broken."""
    found = [(one, summary.plan) for summary in run.summaries for one in defects(summary.results)]
    rules = sorted({one.head.promise for one, _ in found})
    driver = {
        "name": "harness check",
        "version": version("step-harness"),
        "rules": [
            {
                "id": name,
                "shortDescription": {"text": f"the promise {name}"},
                "help": {"text": f"harness explain {name} says what it means"},
            }
            for name in rules
        ],
    }
    document = {
        "tool": {"driver": driver},
        # The default is UTF-16 code units.
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not run.errors,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": one.what}} for one in run.errors
                ],
            }
        ],
        "results": [_result(one, plan) for one, plan in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [document]}, indent=2) + "\n"


def _result(defect: Defect, plan: Plan) -> dict[str, Any]:
    head = defect.head
    same = "\0".join((plan.step, *defect.identity))
    result: dict[str, Any] = {
        "ruleId": head.promise,
        "level": head.severity,
        "message": {
            "text": f"{plan.step}: {head.key}: expected {head.expected}; got {head.got} "
            f"(case {head.case}, {len(defect.cases)} in all)"
        },
        # Tells a defect from others, and stays the same when lines move.
        "partialFingerprints": {"harness/v1": hashlib.sha256(same.encode()).hexdigest()},
    }
    place = place_of(defect, plan)
    if place is not None:
        location = {
            "artifactLocation": {"uri": place.uri},
            "region": {"startLine": place.line},
        }
        result["locations"] = [{"physicalLocation": location}]
    return result
