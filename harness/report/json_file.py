"""The report for programs: one JSON document, or JSON lines.

The document of a step is a `harness.report.record.StepRecord`. In JSON lines, a step has one line
for each case, then a line with everything else. The document of several steps has `schema` and
`steps`, a list of such documents; in JSON lines, one step follows the other. Where steps could not
be proved, `errors` is a list of why: in the document of several steps, or in a last line.
"""

from __future__ import annotations

import json
from typing import Any

from harness.report import Run
from harness.report.record import SCHEMA, StepRecord

# A report whose name ends so is in JSON lines.
LINES = ".jsonl"


def json_document(run: Run) -> str:
    """The report as one document."""
    steps, errors = _steps(run), _errors(run)
    document = steps[0] if len(steps) == 1 else {"schema": SCHEMA, "steps": steps}
    if errors:
        document = {"schema": SCHEMA, "steps": steps, "errors": errors}
    return json.dumps(document, indent=1) + "\n"


def json_lines(run: Run) -> str:
    """The report as JSON lines."""
    lines = [one for step in _steps(run) for one in _lines(step)]
    if errors := _errors(run):
        lines.append({"schema": SCHEMA, "errors": errors})
    return "".join(json.dumps(one) + "\n" for one in lines)


def _steps(run: Run) -> list[dict[str, Any]]:
    records = (StepRecord.from_summary(one) for one in run.summaries)
    return [one.model_dump(mode="json", by_alias=True) for one in records]


def _lines(step: dict[str, Any]) -> list[Any]:
    cases = step.pop("cases")
    return [*cases, step]


def _errors(run: Run) -> list[dict[str, Any]]:
    return [
        {"what": one.what, "hint": one.hint, "exit_code": int(one.exit_code)} for one in run.errors
    ]
