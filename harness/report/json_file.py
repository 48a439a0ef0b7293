"""The report for programs: one JSON document, or JSON lines.

The document of a step is a `harness.report.record.StepRecord`. In JSON lines, a step has one line
for each case, then a line with everything else. The document of several steps has `schema` and
`steps`, a list of such documents; in JSON lines, one step follows the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.report import Summary
from harness.report.record import SCHEMA, StepRecord

# A report whose name ends so is in JSON lines.
LINES = ".jsonl"


def json_document(summaries: Sequence[Summary]) -> str:
    """The report as one document."""
    steps = _steps(summaries)
    document = steps[0] if len(steps) == 1 else {"schema": SCHEMA, "steps": steps}
    return json.dumps(document, indent=1) + "\n"


def json_lines(summaries: Sequence[Summary]) -> str:
    """The report as JSON lines."""
    return "".join(json.dumps(one) + "\n" for step in _steps(summaries) for one in _lines(step))


def _steps(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    return [
        StepRecord.from_summary(one).model_dump(mode="json", by_alias=True) for one in summaries
    ]


def _lines(step: dict[str, Any]) -> list[Any]:
    cases = step.pop("cases")
    return [*cases, step]
