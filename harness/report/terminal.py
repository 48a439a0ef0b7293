"""The report for people: a progress bar on a terminal, plain lines in a pipe, then the defects."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from harness.cases.case import Result
from harness.report import Defect, Plan, Summary, defects

_SECONDS_BETWEEN_LINES = 5.0
_CASES_SHOWN = 3
_DEFECTS_SHOWN = 20


class TerminalReport:
    """Tells a run on the console it is given."""

    def __init__(self, console: Console) -> None:
        """Keep the console; nothing is printed before the run begins."""
        self._console = console
        self._progress: Progress | None = None
        self._failed = 0
        self._done = 0
        self._total = 0
        self._last_line = time.monotonic()

    def started(self, plan: Plan) -> None:
        """Show what is run."""
        self._total, self._done, self._failed = len(plan.ids), 0, 0
        part = "" if self._total == plan.total else f" of {plan.total}"
        shard = f", shard {plan.shard}" if plan.shard else ""
        self._line(f"{plan.step}: {self._total}{part} cases, {plan.runner} runner{shard}")
        for promise, reason in plan.waivers.items():
            self._line(f"  waived: {promise}: {reason}")
        for reason, count in Counter(plan.unproven.values()).items():
            self._line(f"  not proven: {count} case{'s' * (count != 1)} more; {reason}")
        if self._console.is_terminal:
            self._progress = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
            self._progress.add_task("", total=self._total)

    def finished(self, result: Result) -> None:
        """Count one case; a failing one is named at once."""
        self._done += 1
        if not result.passed:
            self._failed += 1
        if self._progress is not None:
            text = f"{self._failed} failed" if self._failed else ""
            self._progress.update(self._progress.task_ids[0], advance=1, description=text)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._line(f"  {self._done}/{self._total} cases, {self._failed} failed")

    def stopped(self) -> None:
        """Take the progress bar away, however the run ended."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def ended(self, summary: Summary) -> None:
        """Show each defect once, then the totals."""
        self.stopped()
        found = defects(summary.results)
        for number, defect in enumerate(found[:_DEFECTS_SHOWN], 1):
            self._defect(number, defect, summary.plan)
        if len(found) > _DEFECTS_SHOWN:
            self._line(f"\n… and {len(found) - _DEFECTS_SHOWN} more: see --json FILE")
        failed, run = len(summary.failed), len(summary.results)
        if found:
            self._line("")
        if not summary.complete:
            self._line(f"stopped after {run} of {len(summary.plan.ids)} cases (--max-fail)")
        if cached := sum(one.cached for one in summary.results):
            self._line(f"{cached} of {run} cases were not run again: nothing has changed")
        color = "green" if summary.conforms else "red"
        unproven = f", {len(summary.plan.unproven)} not proven" if summary.plan.unproven else ""
        errors = sum(defect.is_error for defect in found)
        counted = _count(errors, "defect") + _count(len(found) - errors, "warning")
        self._console.print(
            f"[{color}]{run - failed} passed, {failed} failed{unproven}[/]{counted}"
            f" in {summary.seconds:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    def closed(self, summaries: Sequence[Summary]) -> None:
        """After several steps, a line for each and the totals."""
        if len(summaries) < 2:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("\nstep")
        for name in ("passed", "failed", "not proven", "defects"):
            table.add_column(f"\n{name}", justify="right")
        rows = [_counts(one) for one in summaries]
        for summary, row in zip(summaries, rows, strict=True):
            style = None if summary.conforms else "red"
            table.add_row(summary.plan.step, *map(str, row), style=style)
        totals = [sum(column) for column in zip(*rows, strict=True)]
        table.add_row(f"{len(summaries)} steps", *map(str, totals), style="bold")
        self._console.print(table)

    def _defect(self, number: int, defect: Defect, plan: Plan) -> None:
        finding = defect.findings[0]
        count = len(defect.cases)
        style, mark = ("bold red", "") if defect.is_error else ("bold yellow", "warning: ")
        self._console.print(
            f"\n[{style}]{number}. {mark}{escape(finding.promise)}: {escape(finding.key)}[/]"
            f" in {count} case{'s' * (count != 1)}",
            highlight=False,
            soft_wrap=True,
        )
        self._field("case", finding.case)
        self._field("where", finding.where)
        self._field("expected", finding.expected)
        self._field("got", finding.got)
        self._field("stderr", defect.first.stderr_tail or "nothing")
        self._field("replay", shlex.join([*plan.replay, finding.case]))
        others = defect.cases[1:]
        for case in others[:_CASES_SHOWN]:
            self._field("also in", case)
        if len(others) > _CASES_SHOWN:
            self._field("", f"… and {len(others) - _CASES_SHOWN} more")

    def _field(self, name: str, text: str) -> None:
        for number, line in enumerate(text.splitlines()):
            self._line(f"   {name if number == 0 else '':9} {line}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _count(number: int, what: str) -> str:
    return f", {number} {what}{'s' * (number != 1)}" if number else ""


def _counts(summary: Summary) -> tuple[int, int, int, int]:
    """Passed, failed, not proven, defects."""
    failed = len(summary.failed)
    passed = len(summary.results) - failed
    errors = sum(defect.is_error for defect in defects(summary.results))
    return passed, failed, len(summary.plan.unproven), errors
