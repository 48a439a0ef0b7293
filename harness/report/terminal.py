"""The report for people: failures as they come, a progress bar or plain lines, then the defects."""

from __future__ import annotations

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
    TimeRemainingColumn,
)
from rich.table import Table

from harness.cases.case import Result
from harness.cases.results import number_of, where
from harness.files.shown import shown, shown_line
from harness.report import Defect, Plan, Run, Summary, defects, identity
from harness.report.places import excerpt_of
from harness.report.wrapped import wrap, wrap_command

_SECONDS_BETWEEN_LINES = 5.0
_MAX_OTHER_CASES = 3
_MAX_DEFECTS = 20
# Where the text of a field begins.
_MARGIN = " " * 13


class TerminalReport:
    """Prints the progress and the defects of a run on a console.

    `verbosity` is 0, -1 for a line for each defect and the totals, or 1 for a line for each case
    too. A report that is not `live` is of a run that is over.
    """

    def __init__(self, console: Console, verbosity: int = 0, *, live: bool = True) -> None:
        """Print nothing yet."""
        self._console = console
        self._verbosity = verbosity
        self._live = live
        self._named: set[tuple[str, ...]] = set()
        # When the first line of progress came, and how many cases were done then.
        self._first: tuple[float, int] | None = None
        self._progress: Progress | None = None
        self._failed = 0
        self._done = 0
        self._total = 0
        # Of cases that are told of later.
        self._judged = 0
        self._last_line = time.monotonic()

    def step_started(self, plan: Plan) -> None:
        """Print what is run, and start the progress bar."""
        self._total, self._done, self._failed, self._judged = len(plan.ids), 0, 0, 0
        self._named, self._first = set(), None
        if self._verbosity < 0:
            return
        part = "" if self._total == plan.total else f" of {plan.total}"
        shard = f", shard {plan.shard}" if plan.shard else ""
        self._print_line(f"{plan.step}: {self._total}{part} cases, {plan.runner} runner{shard}")
        for promise, reason in plan.waivers.items():
            self._print_line(f"  waived: {promise}: {reason}")
        for reason, count in Counter(plan.unproven.values()).items():
            self._print_line(f"  not proven: {count} case{'s' * (count != 1)} more; {reason}")
        if self._console.is_terminal and self._live:
            self._progress = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                TextColumn("elapsed,"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._console,
                transient=True,
            )
            self._progress.start()
            self._progress.add_task("", total=self._total)

    def case_finished(self, result: Result) -> None:
        """Count one case, and show the progress."""
        self._done += 1
        self._failed += result.failed
        if self._verbosity > 0:
            self._print_case(result)
        elif self._verbosity == 0 and self._live and result.failed:
            self._print_new(result)
        if self._done > self._judged:
            self._show_progress(self._done, self._failed)

    def cases_judged(self, number: int, failed: int) -> None:
        """Show the progress."""
        self._judged = number
        self._show_progress(number, failed)

    def _show_progress(self, done: int, failed: int) -> None:
        if self._progress is not None:
            text = f"{failed} failed" if failed else ""
            self._progress.update(self._progress.task_ids[0], completed=done, description=text)
        elif self._verbosity == 0 and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._print_line(f"  {done}/{self._total} cases, {failed} failed{self._left(done)}")

    def _left(self, done: int) -> str:
        """The time that the other cases will take; "" where nothing is known of it yet.

        What comes before the first line is left out: workers start then.
        """
        if self._first is None:
            self._first = self._last_line, done
        since, already = self._first
        if done == already:
            return ""
        each = (self._last_line - since) / (done - already)
        return f", {_duration(each * (self._total - done))} left"

    def _print_case(self, result: Result) -> None:
        """Print a case and its verdict."""
        verdict = "failed" if result.failed else "not proven" if result.unproven else "passed"
        self._print_colored(verdict, f"  {verdict:10} {result.case} ({result.seconds:.2f} s)")

    def _print_new(self, result: Result) -> None:
        """Print a failed case, if it shows what no case before has shown."""
        for finding in result.findings:
            is_new = finding.severity == "error" and identity(finding) not in self._named
            if is_new and len(self._named) < _MAX_DEFECTS:
                self._named.add(identity(finding))
                name = f"{finding.promise}: {finding.key}"
                self._print_colored("failed", f"  failed: {result.case}: {name}")

    def runner_changed(self, note: str) -> None:
        """Print why."""
        self._last_line = time.monotonic()
        self._print_line(note)

    def run_stopped(self) -> None:
        """Remove the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def step_finished(self, summary: Summary) -> None:
        """Print each defect once, then the totals."""
        self.run_stopped()
        found = defects(summary.results)
        errors = [one for one in found if one.is_error]
        warnings = found[len(errors) :]
        folds = summary.plan.level == "practical"
        shown = errors if folds else found
        for number, defect in enumerate(shown[:_MAX_DEFECTS], 1):
            self._print_head(number, defect)
            if self._verbosity >= 0:
                self._print_body(defect, summary.plan)
        if len(shown) > _MAX_DEFECTS:
            self._print_line(f"\n… and {len(shown) - _MAX_DEFECTS} more: see --json FILE")
        run = len(summary.results)
        if found and self._verbosity >= 0:
            self._print_line("")
        if folds and warnings and self._verbosity >= 0:
            self._print_warnings(warnings)
        self._print_unproven(summary)
        if not summary.complete:
            self._print_line(f"stopped after {run} of {len(summary.plan.ids)} cases (--max-fail)")
        if cached := number_of(summary.results, lambda one: one.cached):
            self._print_line(f"{cached} of {run} cases were not run again: nothing has changed")
        if faults := summary.faults:
            self._print_line(faults)
        if follow := number_of(summary.results, lambda one: bool(one.follows)):
            self._print_line(
                f"{run:,} cases: {run - follow:,} run, {follow:,} follow from them"
                " (--exhaustive runs all)"
            )
        passed, failed = summary.number_passed, summary.number_failed
        unproven = f", [yellow]{len(summary.unproven)} not proven[/]" if summary.unproven else ""
        name = f"{_marked(summary.plan.step)}: " if self._verbosity < 0 else ""
        counts = _count_text(len(errors), "defect") + _count_text(len(warnings), "warning")
        self._console.print(
            f"{name}[{'green' if passed else 'default'}]{passed} passed[/], "
            f"[{'red' if failed else 'default'}]{failed} failed[/]{unproven}{counts}"
            f" in {summary.seconds:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    def run_finished(self, run: Run) -> None:
        """Print a table of the steps if there were several."""
        summaries = run.summaries
        if len(summaries) < 2 or self._verbosity < 0:
            return
        self._print_line("")
        table = Table(box=None, pad_edge=False, header_style="bold")
        # Names stay whole, however narrow the terminal.
        table.add_column("step", min_width=max(len(one.plan.step) for one in summaries))
        for name in ("passed", "failed", "not proven", "defects"):
            table.add_column(name, justify="right")
        rows = [_counts(one) for one in summaries]
        for summary, row in zip(summaries, rows, strict=True):
            style = None if summary.conforms else "red"
            table.add_row(_marked(summary.plan.step), *map(str, row), style=style)
        totals = [sum(column) for column in zip(*rows, strict=True)]
        table.add_row(f"{len(summaries)} steps", *map(str, totals), style="bold")
        self._console.print(table, crop=False)

    def _print_warnings(self, warnings: Sequence[Defect]) -> None:
        """Print a line for each that jobs have to do with, and how to see all of them."""
        for one in warnings:
            if one.is_minor:
                continue
            count = len(one.cases)
            also = "".join(f", {name}" for name in one.other_promises)
            self._print_line(
                f"warning: {one.head.promise}: {one.head.key} in {count} "
                f"case{'s' * (count != 1)}{also}{one.head.where and f': {one.head.where}'}"
            )
        count = len(warnings)
        self._print_line(
            f"{count} warning{'s' * (count != 1)}: harness check --level strict shows "
            f"{'them' if count != 1 else 'it'}"
        )

    def _print_unproven(self, summary: Summary) -> None:
        """Print which cases were run and could not be decided, by reason."""
        undecided: dict[str, list[str]] = {}
        for result in where(summary.results, lambda one: bool(one.unproven)):
            if result.unproven:
                undecided.setdefault(result.unproven, []).append(result.case)
        for reason, cases in undecided.items():
            more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
            self._print_line(f"not proven: {cases[0]}{more}: {reason}")

    def _print_head(self, number: int, defect: Defect) -> None:
        """Print what is broken, in how many cases, and with `-q` the first of them."""
        finding = defect.head
        count = len(defect.cases)
        style, mark = ("bold red", "") if defect.is_error else ("bold yellow", "warning: ")
        before, after = ("", f": {_marked(finding.case)}") if self._verbosity < 0 else ("\n", "")
        self._console.print(
            f"{before}[{style}]{number}. {mark}{_marked(finding.promise)}: {_marked(finding.key)}"
            f"[/] in {count} case{'s' * (count != 1)}{after}",
            highlight=False,
            soft_wrap=True,
        )

    def _print_body(self, defect: Defect, plan: Plan) -> None:
        """Print the case, what was expected and found, where, and how to see it again."""
        finding = defect.head
        if others := defect.other_promises:
            self._print_line(f"   also breaks {', '.join(others)}")
        self._print_field("case", finding.case)
        self._print_field("where", finding.where)
        self._print_field("expected", finding.expected)
        self._print_field("got", finding.got)
        if not finding.where or finding.where not in finding.cause:
            self._print_field("cause", finding.cause)
        self._print_field("script", "\n".join(excerpt_of(defect, plan)))
        self._print_field("stderr", defect.first.stderr_tail or "nothing")
        command = wrap_command([*plan.replay_command, finding.case], self._console, len(_MARGIN))
        self._print_field("replay", "\n".join(command))
        places = dict.fromkeys(one.where for one in defect.findings if one.case == finding.case)
        self._print_others("also at", [one for one in places if one not in ("", finding.where)])
        self._print_others("also in", defect.cases[1:])

    def _print_others(self, name: str, more: Sequence[str]) -> None:
        """Print some of the other places or cases, with `-v` all."""
        most = len(more) if self._verbosity > 0 else _MAX_OTHER_CASES
        for one in more[:most]:
            self._print_field(name, one)
        if len(more) > most:
            self._print_field("", f"… and {len(more) - most} more")

    def _print_field(self, name: str, text: str) -> None:
        for number, line in enumerate(shown(text).split("\n")[: None if text else 0]):
            self._print_line(f"   {name if number == 0 else '':9} {line}", _MARGIN)

    def _print_line(self, text: str, indent: str = "") -> None:
        for line in shown(text).split("\n"):
            for part in wrap(line, self._console, indent):
                self._console.print(part, markup=False, highlight=False, soft_wrap=True)

    def _print_colored(self, verdict: str, text: str) -> None:
        style = {"failed": "red", "passed": "green"}.get(verdict, "yellow")
        self._console.print(
            shown_line(text), style=style, markup=False, highlight=False, soft_wrap=True
        )


def _duration(seconds: float) -> str:
    """A time that is left: `12 s`, `3 min`."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _marked(text: str) -> str:
    """Text in one line that holds markup of its own."""
    return escape(shown_line(text))


def _count_text(number: int, what: str) -> str:
    return f", {number} {what}{'s' * (number != 1)}" if number else ""


def _counts(summary: Summary) -> tuple[int, int, int, int]:
    """Passed, failed, not proven, defects."""
    errors = sum(defect.is_error for defect in defects(summary.results))
    return summary.number_passed, summary.number_failed, len(summary.unproven), errors
