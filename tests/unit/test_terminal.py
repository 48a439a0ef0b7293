"""The report on a terminal: what it says while a run goes on, and how its lines are broken."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.report import replay_to, terminal
from harness.report.last_failed import LastFailedReport, last_failed
from harness.report.terminal import TerminalReport
from tests.unit.test_reports import MIXED, failed, passed, summary

LONG = "the archive that was asked for is not there, and none of the places holds another one"


def printed(*results: object, terminal: bool, verbosity: int = 0, script: Path | str = "") -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=terminal, highlight=False)
    run = summary(*results, script=script) if results else MIXED  # type: ignore[arg-type]
    replay_to([run], [TerminalReport(console, verbosity)])
    return stream.getvalue()


def test_each_new_failure_is_named_while_the_run_goes_on() -> None:
    text = printed(failed("a=1"), failed("a=2"), failed("a=3", cause="KeyError at x.py:1"),
                   terminal=False)  # fmt: skip
    named = [line for line in text.splitlines() if line.startswith("  failed: ")]
    assert named == [f"  failed: a={one}: exit-code: 1-for-0" for one in (1, 3)]


def test_progress_is_shown_once_where_cases_are_told_of_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminal, "_SECONDS_BETWEEN_LINES", -1.0)
    stream = io.StringIO()
    report = TerminalReport(Console(file=stream, width=80, highlight=False))
    report.step_started(MIXED.plan)
    for number in (1, 2, 3):
        report.cases_judged(number, number // 3)
    for result in MIXED.results[:4]:
        report.case_finished(result)
    lines = [line for line in stream.getvalue().splitlines() if "/4 cases" in line]
    assert [line.split(" cases")[0] for line in lines] == [f"  {one}/4" for one in (1, 2, 3, 4)]
    assert "1 failed" in lines[2]
    # How long a case takes is not known from the first, before which workers start.
    assert [" left" in line for line in lines] == [False, True, True, True]


def test_verdicts_have_colors_of_their_own_in_one_line() -> None:
    last = printed(terminal=True).splitlines()[-1]
    assert "\x1b[32m2 passed\x1b[0m, \x1b[31m1 failed\x1b[0m" in last
    assert "\x1b" not in printed(terminal=False)


def test_quiet_has_a_line_for_each_defect_and_the_totals() -> None:
    lines = printed(terminal=False, verbosity=-1).splitlines()
    assert lines[0] == "1. exit-code: 1-for-0 in 2 cases: a=1,b=2"
    assert lines[-1].startswith("copier: 2 passed, 1 failed")
    assert not any(line.startswith("   ") for line in lines)


def test_verbose_has_a_line_for_each_case() -> None:
    text = printed(terminal=False, verbosity=1)
    assert "  passed     a=1,b=1 (0.01 s)" in text
    assert "  failed     a=1,b=2 (0.02 s)" in text
    assert "  not proven a=2,b=2 (0.50 s)" in text


def test_the_line_that_raised_is_shown_between_its_neighbours(tmp_path: Path) -> None:
    script = tmp_path / "step.py"
    script.write_text("import sys\nif True:\n    raise ValueError\nelse:\n    pass\n")
    text = printed(failed("a=1"), terminal=False, script=script)
    assert f"script    {script}:3\n" in text
    assert "               2 | if True:\n             > 3 |     raise ValueError\n" in text
    script.write_text("pass\n")
    assert "| pass" not in printed(failed("a=1"), terminal=False, script=script)


def test_lines_break_between_words_on_a_terminal_alone() -> None:
    ids = "special=a-name-that-is-much-longer-than-what-a-line-of-a-terminal-of-80-columns-holds"
    text = printed(failed(ids, expected=LONG, got=LONG), terminal=True)
    plain = [re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", line) for line in text.splitlines()]
    assert LONG not in text
    assert LONG in " ".join(" ".join(plain).split())
    assert [line for line in plain if len(line) > 80 and ids not in line] == []
    # A shell reads it as one line.
    replay = next(at for at, line in enumerate(plain) if "replay  " in line)
    assert plain[replay].endswith("harness replay copier \\")
    assert plain[replay + 1].split() == [ids]
    assert LONG in printed(failed(ids, expected=LONG), terminal=False)


def test_what_failed_is_kept_until_it_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = LastFailedReport()
    report.step_finished(summary(passed("a=1")))
    assert list(tmp_path.iterdir()) == []
    both = summary(failed("a=1"), failed("a=2"))
    report.step_finished(both)
    assert last_failed(both.plan) == ("a=1", "a=2")
    assert last_failed(replace(both.plan, step="another")) == ()
    report.step_finished(summary(passed("a=2")))
    assert last_failed(both.plan) == ("a=1",)
    (tmp_path / ".cache/harness/last-failed.json").write_text("[1]")
    assert last_failed(both.plan) == ()
