"""Report files: each is written when the run is over, in one of the forms."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from harness.cases.case import Result
from harness.errors import WrongUse
from harness.report import Plan, Run, Summary
from harness.report.forms import FORMS

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
        path = Path(option.file)
        is_file = path.parent.is_dir() and not path.is_dir()
        if option.file != STANDARD_OUTPUT and not is_file:
            raise WrongUse(f"{option.words}: is not a file in an existing folder", "name a file")

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

    def run_finished(self, run: Run) -> None:
        """Write a temporary file and rename it; raises `WrongUse`."""
        text = FORMS[self._option.form](run)
        if self._option.file == STANDARD_OUTPUT:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        path = Path(self._option.file)
        temporary = path.with_name(path.name + ".part")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise WrongUse(f"{self._option.words}: {error.strerror}", "name another file") from None


class StepSummaryReport(WrittenReport):
    """Appends the Markdown report to the file that GitHub shows as the summary of a job."""

    def __init__(self, file: str) -> None:
        """Append to this file, if it can be written."""
        super().__init__(ReportOption("markdown", STANDARD_OUTPUT, "GITHUB_STEP_SUMMARY"))
        self._file = Path(file)

    def run_finished(self, run: Run) -> None:
        """Append the report; a file that cannot be written is GitHub's affair, and no error."""
        try:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(FORMS["markdown"](run))
        except OSError as error:
            sys.stderr.write(f"warning: GITHUB_STEP_SUMMARY: {error.strerror}: {self._file}\n")
