"""Which cases failed the last time: written beside the cache, and read for `--lf`."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from harness.cases.case import Result
from harness.errors import WrongUse
from harness.files.writing import WrittenFile
from harness.report import Plan, Run, Summary

FILE = Path(".cache", "harness", "last-failed.json")


def last_failed(plan: Plan) -> tuple[str, ...]:
    """The ids of the planned cases that failed when they were last run here."""
    failed = frozenset(_read().get(_key(plan), ()))
    return tuple(one for one in plan.ids if one in failed)


class LastFailedReport:
    """Keeps the file up to date; where it cannot be written, `--lf` runs all cases."""

    def step_started(self, plan: Plan) -> None:
        """Nothing is written yet."""

    def case_finished(self, result: Result) -> None:
        """Nothing is written yet."""

    def cases_judged(self, number: int, failed: int) -> None:
        """Nothing is written before the results are there."""

    def runner_changed(self, note: str) -> None:
        """Nothing is written."""

    def step_finished(self, summary: Summary) -> None:
        """Add the cases that failed, and take out those that were run and did not."""
        known = _read()
        key = _key(summary.plan)
        before = dict.fromkeys(known.get(key, ()))
        run = {one.case for one in summary.results if one.case in before} if before else ()
        failed = [one for one in before if one not in run]
        failed += [one.case for one in summary.failed]
        if failed == list(known.get(key, ())):
            return
        known = {**known, key: failed}
        with contextlib.suppress(OSError, WrongUse):
            FILE.parent.mkdir(parents=True, exist_ok=True)
            ignored = FILE.parent.parent / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n", encoding="utf-8")
            WrittenFile(str(FILE), str(FILE)).write(json.dumps(known))

    def run_stopped(self) -> None:
        """Nothing is written of an incomplete run."""

    def run_finished(self, run: Run) -> None:
        """Nothing is left to be written."""


def _key(plan: Plan) -> str:
    """A step of this folder, wherever the folder is."""
    script = os.path.relpath(plan.script) if plan.script else ""
    return f"{plan.step} {script}"


def _read() -> dict[str, list[str]]:
    try:
        document = json.loads(FILE.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        key: [str(one) for one in ids] for key, ids in document.items() if isinstance(ids, list)
    }
