"""The report for programs: one JSON document, or JSON lines when the file's name ends in .jsonl.

The document of a step is a `harness.report.record.StepRecord`. As lines, the same comes as one line
with everything but the cases, last, and before it a line per case. Of several steps, the document
has `schema` and `steps`, a list of such documents; as lines, one step follows the other.
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
    """Writes the report to a file, whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Make sure, before anything is run, that the file can be written."""
        self._path = path
        if not path.parent.is_dir() or path.is_dir():
            raise WrongUse(f"--json {path}: is not a file in an existing folder", "name a file")

    def started(self, plan: Plan) -> None:
        """Nothing is written yet."""

    def finished(self, result: Result) -> None:
        """Nothing is written yet."""

    def ended(self, summary: Summary) -> None:
        """Nothing is written yet."""

    def stopped(self) -> None:
        """A run that was stopped leaves no report."""

    def closed(self, summaries: Sequence[Summary]) -> None:
        """Write the file beside its place and rename it."""
        steps = [StepRecord.of(one).model_dump(mode="json", by_alias=True) for one in summaries]
        if self._path.suffix == LINES:
            text = "".join(json.dumps(line) + "\n" for step in steps for line in _lines(step))
        else:
            text = _text(steps[0] if len(steps) == 1 else {"schema": SCHEMA, "steps": steps})
        beside = self._path.with_name(self._path.name + ".part")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise WrongUse(f"--json {self._path}: {error.strerror}", "name another file") from None


def _text(document: object) -> str:
    return json.dumps(document, indent=1) + "\n"


def _lines(step: dict[str, Any]) -> list[Any]:
    cases = step.pop("cases")
    return [*cases, step]
