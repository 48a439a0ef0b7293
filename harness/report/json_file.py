"""The report for programs: one JSON document, or JSON lines.

The document of a step is a `harness.report.record.StepRecord`. In JSON lines, a step has one line
for each case, then a line with everything else. The document of several steps has `schema` and
`steps`, a list of such documents; in JSON lines, one step follows the other. Where steps could not
be proved, `errors` is a list of why: in the document of several steps, or in a last line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from harness.cases.case import Result
from harness.report import Run, Summary
from harness.report.record import SCHEMA, CaseRecord, StepRecord

# A report whose name ends so is in JSON lines.
LINES = ".jsonl"


class _Cases(list[Any]):
    """The records of the cases of a step, each made when it is written: there may be many."""

    def __init__(self, results: Sequence[Result]) -> None:
        super().__init__()
        self._results = results

    def __iter__(self) -> Iterator[Any]:
        return (CaseRecord.from_result(one).model_dump(mode="json") for one in self._results)

    def __len__(self) -> int:
        return len(self._results)


def json_document(run: Run) -> Iterator[str]:
    """The report as one document."""
    steps, errors = [_step(one) for one in run.summaries], _errors(run)
    document = steps[0] if len(steps) == 1 else {"schema": SCHEMA, "steps": steps}
    if errors:
        document = {"schema": SCHEMA, "steps": steps, "errors": errors}
    yield from json.JSONEncoder(indent=1).iterencode(document)
    yield "\n"


def json_lines(run: Run) -> Iterator[str]:
    """The report as JSON lines."""
    for step in map(_step, run.summaries):
        cases = step.pop("cases")
        for one in chain(cases, (step,)):
            yield json.dumps(one) + "\n"
    if errors := _errors(run):
        yield json.dumps({"schema": SCHEMA, "errors": errors}) + "\n"


def _step(summary: Summary) -> dict[str, Any]:
    record = StepRecord.without_cases(summary).model_dump(mode="json", by_alias=True)
    return {**record, "cases": _Cases(summary.results)}


def _errors(run: Run) -> list[dict[str, Any]]:
    return [
        {"what": one.what, "hint": one.hint, "exit_code": int(one.exit_code)} for one in run.errors
    ]
