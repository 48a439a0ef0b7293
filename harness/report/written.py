"""Report files: each is written when the run is over, in one of the forms."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from harness.cases.case import Result
from harness.errors import WrongUse
from harness.files.writing import WrittenFile
from harness.report import Plan, Run, Summary
from harness.report.forms import FORMS, parts

STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class ReportOption:
    """What `--report FORM=FILE` asks for; `words` are the option as the user wrote it."""

    form: str
    file: str
    words: str

    @classmethod
    def parse(cls, text: str) -> ReportOption:
        """The option with this value; raises `WrongUse`."""
        form, equals, file = text.partition("=")
        known = ", ".join(FORMS)
        if form not in FORMS:
            raise WrongUse(f"--report {text}: there is no form {form!r}", f"the forms are: {known}")
        if not equals or not file:
            raise WrongUse(
                f"--report {text}: names no file", f"write --report {form}=FILE, or {form}=-"
            )
        return cls(form, file, f"--report {text}")


class WrittenReport:
    """Writes a report to a file atomically, or prints it when the run is over."""

    def __init__(self, option: ReportOption) -> None:
        """Check, before anything is run, that the file can be written; raises `WrongUse`."""
        self._option = option
        is_printed = option.file == STANDARD_OUTPUT
        self._file = None if is_printed else WrittenFile(option.file, option.words)

    def step_started(self, plan: Plan) -> None:
        """Nothing is written yet."""

    def case_finished(self, result: Result) -> None:
        """Nothing is written yet."""

    def cases_judged(self, number: int, failed: int) -> None:
        """Nothing is written before the results are there."""

    def runner_changed(self, note: str) -> None:
        """Nothing is written yet."""

    def step_finished(self, summary: Summary) -> None:
        """Nothing is written yet."""

    def run_stopped(self) -> None:
        """Nothing is written of an incomplete run."""

    def run_finished(self, run: Run) -> None:
        """Write or print the report; raises `WrongUse`."""
        text = parts(self._option.form, run)
        if self._file is not None:
            self._file.write(text)
            return
        sys.stdout.writelines(text)
        sys.stdout.flush()


class StepSummaryReport(WrittenReport):
    """Appends the Markdown report to the file that GitHub shows as the summary of a job."""

    def __init__(self, file: str) -> None:
        """Append to this file, if it can be written."""
        super().__init__(ReportOption("markdown", STANDARD_OUTPUT, "GITHUB_STEP_SUMMARY"))
        self._summary = Path(file)

    def run_finished(self, run: Run) -> None:
        """Append the report; a file that cannot be written is GitHub's affair, and no error."""
        try:
            with self._summary.open("a", encoding="utf-8") as stream:
                stream.write(FORMS["markdown"](run))
        except OSError as error:
            sys.stderr.write(f"warning: GITHUB_STEP_SUMMARY: {error.strerror}: {self._summary}\n")
