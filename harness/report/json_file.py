"""The report for programs: one JSON document, or JSON lines when the file's name ends in .jsonl.

The document of a step is a `harness.report.record.StepRecord`. In JSON lines, a step has one line
for each case, then a line with everything else. The document of several steps has `schema` and
`steps`, a list of such documents; in JSON lines, one step follows the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.cases.case import Result
from harness.errors import WrongUse
from harness.report import Plan, Summary
from harness.report.record import SCHEMA, StepRecord

LINES = ".jsonl"


class JsonReport:
    """Writes the report to a file atomically."""

    def __init__(self, path: Path) -> None:
        """Check, before anything is run, that the path can be written; raises `WrongUse`."""
        self._path = path
        if not path.parent.is_dir() or path.is_dir():
            raise WrongUse(f"--json {path}: is not a file in an existing folder", "name a file")

    def step_started(self, plan: Plan) -> None:
        """Nothing is written yet."""

    def case_finished(self, result: Result) -> None:
        """Nothing is written yet."""

    def runner_changed(self, note: str) -> None:
        """Nothing is written yet."""

    def step_finished(self, summary: Summary) -> None:
        """Nothing is written yet."""

    def run_stopped(self) -> None:
        """Nothing is written of an incomplete run."""

    def run_finished(self, summaries: Sequence[Summary]) -> None:
        """Write a temporary file and rename it; raises `WrongUse`."""
        steps = [
            StepRecord.from_summary(one).model_dump(mode="json", by_alias=True) for one in summaries
        ]
        if self._path.suffix == LINES:
            text = "".join(json.dumps(line) + "\n" for step in steps for line in _lines(step))
        else:
            text = _dump(steps[0] if len(steps) == 1 else {"schema": SCHEMA, "steps": steps})
        temporary = self._path.with_name(self._path.name + ".part")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise WrongUse(f"--json {self._path}: {error.strerror}", "name another file") from None


def _dump(document: object) -> str:
    return json.dumps(document, indent=1) + "\n"


def _lines(step: dict[str, Any]) -> list[Any]:
    cases = step.pop("cases")
    return [*cases, step]
