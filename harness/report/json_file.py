"""The report for programs: one JSON document, or JSON lines when the file's name ends in .jsonl.

The document has `schema` (1), `step`, `runner`, `seconds`, `totals` (`planned`, `run`,
`passed`, `failed`, `unproven`), `unproven` (id → what would have to be given), `waivers` (promise →
why) and `cases`, each
with `id`, `passed`, `exit_code`, `seconds` and `findings`. As lines, the same comes as one line
with everything but the cases, last, and before it a line per case. Of several steps, the document
has `schema` and `steps`, a list of such documents; as lines, one step follows the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness.case import Result
from harness.errors import WrongUse
from harness.report import Plan, Summary

SCHEMA = 1


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
        documents = [(_head(one), [_case(result) for result in one.results]) for one in summaries]
        if self._path.suffix == ".jsonl":
            lines = [line for head, cases in documents for line in (*cases, head)]
            text = "".join(json.dumps(line) + "\n" for line in lines)
        elif len(documents) == 1:
            text = _text({**documents[0][0], "cases": documents[0][1]})
        else:
            steps = [{**head, "cases": cases} for head, cases in documents]
            text = _text({"schema": SCHEMA, "steps": steps})
        beside = self._path.with_name(self._path.name + ".part")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise WrongUse(f"--json {self._path}: {error.strerror}", "name another file") from None


def _text(document: object) -> str:
    return json.dumps(document, indent=1) + "\n"


def _head(summary: Summary) -> dict[str, object]:
    failed = len(summary.failed)
    return {
        "schema": SCHEMA,
        "step": summary.plan.step,
        "runner": summary.plan.runner,
        "seconds": round(summary.seconds, 3),
        "totals": {
            "planned": len(summary.plan.ids),
            "run": len(summary.results),
            "passed": len(summary.results) - failed,
            "failed": failed,
            "unproven": len(summary.plan.unproven),
        },
        "unproven": dict(summary.plan.unproven),
        "waivers": dict(summary.plan.waivers),
    }


def _case(result: Result) -> dict[str, object]:
    findings = [
        {key: value for key, value in asdict(finding).items() if key != "case"}
        for finding in result.findings
    ]
    return {
        "id": result.case,
        "passed": result.passed,
        "exit_code": result.exit_code,
        "seconds": round(result.seconds, 4),
        "findings": findings,
    }
