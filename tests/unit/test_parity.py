"""Parity: every difference between runners is reported, and nothing else."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.cases.case import Case, Outcome
from harness.cases.trial import Difference
from harness.report.parity import show_differences, show_versions
from harness.runners.fake.runner import FakeRunner
from harness.runs.parity import Comparison, differences, pythons
from harness.runs.step import StepRef

COPIER = StepRef(Path(__file__).parent / "steps" / "copier")
COPY = "/opt/ml/processing/output/copy/text.txt"
CASE = "text=long,older_copy=absent"


@dataclass(frozen=True)
class ChangedRunner:
    """The fake runner with changed outcomes."""

    change: Callable[[Outcome], Outcome] = lambda outcome: outcome
    name: str = "other"

    def prepare(self) -> None:
        """Nothing."""

    def run(self, case: Case) -> Outcome:
        return self.change(FakeRunner().run(case))

    def identity(self) -> object:
        return self.name

    def for_this_process(self) -> ChangedRunner:
        return self

    def close(self) -> None:
        """Nothing."""


def differences_after(
    change: Callable[[Outcome], Outcome], case: str = CASE
) -> tuple[Difference, ...]:
    return differences(COPIER, (FakeRunner(), FakeRunner(), ChangedRunner(change)), case)


def with_copy(outcome: Outcome, **changes: object) -> Outcome:
    assert outcome.after is not None
    entry = replace(outcome.after.entries[COPY], **changes)  # type: ignore[arg-type]
    return replace(outcome, after=outcome.after.with_entry(COPY, entry))


def test_equal_outcomes_have_no_differences() -> None:
    assert differences_after(lambda outcome: outcome) == ()


def test_what_a_runner_cannot_make_is_no_difference() -> None:
    assert differences_after(lambda one: replace(one, exit_code=9, unproven="no right")) == ()


def test_dates_of_outputs_do_not_count() -> None:
    assert differences_after(lambda outcome: with_copy(outcome, mtime=5.0)) == ()


def test_dates_and_tracebacks_in_the_log_do_not_count() -> None:
    def later(outcome: Outcome) -> Outcome:
        words = outcome.stderr.replace("line 12, in main", "line 99, in main")
        return replace(outcome, stderr="2024-01-02 03:04:05 begin\n" + words)

    def earlier(outcome: Outcome) -> Outcome:
        return replace(outcome, stderr="2023-01-02 03:04:06 begin\n" + outcome.stderr)

    case = "text=absent,older_copy=absent"
    assert differences(COPIER, (ChangedRunner(earlier), ChangedRunner(later)), case) == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda outcome: replace(outcome, exit_code=3), "exit code"),
        (lambda outcome: replace(outcome, stdout="more\n"), "standard output"),
        (lambda outcome: replace(outcome, stderr="more\n"), "standard error"),
        (lambda outcome: replace(outcome, returned={"returned": 1}), "returned"),
        (lambda outcome: with_copy(outcome, data=b"other"), COPY),
        (lambda outcome: with_copy(outcome, mode=0o600), COPY),
        (lambda outcome: with_copy(outcome, uid=5), COPY),
        (lambda outcome: replace(outcome, after=outcome.after.without(COPY)), COPY),
        (lambda outcome: with_copy(outcome, data=b"other"), "findings"),
    ],
)
def test_every_difference_is_reported(change: Callable[[Outcome], Outcome], what: str) -> None:
    assert what in [one.what for one in differences_after(change)]


def test_a_difference_has_what_each_runner_got() -> None:
    (difference,) = differences_after(lambda outcome: replace(outcome, stdout="more\n"))
    assert difference.got == ("[]", "[]", "['more']")


def test_a_comparison_yields_cases_in_order() -> None:
    ids = ("text=short,older_copy=absent", CASE)
    runners = (FakeRunner(), FakeRunner(), FakeRunner())
    assert list(Comparison(COPIER, runners, workers=1).run(ids[:0])) == []
    assert list(Comparison(COPIER, runners, workers=2).run(ids)) == [(), ()]


def test_the_pythons_of_runners_are_told_where_they_differ() -> None:
    own = ".".join(map(str, sys.version_info[:3]))
    older = ChangedRunner(lambda one: replace(one, stdout="3.8.0\n"))
    versions = pythons(COPIER, (FakeRunner(), older))
    assert versions == (own, "3.8.0")
    for told, lines in (
        (versions, [f"their Pythons differ, too: fake {own}, other 3.8.0"]),
        ((own, ""), [f"their Pythons differ, too: fake {own}, other unknown"]),
        ((own, own), []),
    ):
        out = io.StringIO()
        show_versions(Console(file=out, width=200), ("fake", "other"), told)
        assert out.getvalue().splitlines() == lines


def test_differences_are_shown_for_every_runner() -> None:
    def by_case() -> object:
        yield ()
        yield (Difference("b", "exit code", ("0", "0", "1")),)

    out = io.StringIO()
    console = Console(file=out, width=200)
    names = ("fake", "sandbox", "container")
    assert show_differences(console, names, ("a", "b"), by_case()) == 1  # type: ignore[arg-type]
    assert out.getvalue().splitlines() == [
        "2 cases, fake, sandbox and container runner",
        "",
        "b",
        "  exit code",
        "    fake       0",
        "    sandbox    0",
        "    container  1",
        "1 cases the same, 1 different",
    ]
