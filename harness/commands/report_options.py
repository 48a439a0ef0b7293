"""The options for report files, which every command has that runs or joins steps."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import click

from harness.commands.options import Command, decorate

if TYPE_CHECKING:
    from harness.report import Report

_REPORT_OPTIONS = (
    click.option(
        "--report",
        "report_texts",
        multiple=True,
        metavar="FORM=FILE",
        help="Write a report as html, markdown, junit, ctrf, sarif, github, badge, badge-svg, json "
        "or jsonl (repeatable; - is standard output).",
    ),
    click.option(
        "--json",
        "json_file",
        metavar="FILE",
        help="Write a report for programs (as lines if FILE ends in .jsonl).",
    ),
)


def report_options(command: Command) -> Command:
    """Add the options for report files, which the command gets as `files`."""

    @functools.wraps(command)
    def with_report_options(
        *, report_texts: tuple[str, ...], json_file: str | None, **others: Any
    ) -> Any:
        return command(files=_report_files(report_texts, json_file), **others)

    return decorate(with_report_options, *_REPORT_OPTIONS)


def _report_files(texts: tuple[str, ...], json_file: str | None) -> tuple[Report, ...]:
    """The reports that are written to files; raises `WrongUse`.

    In a job of GitHub Actions, the summary of the job is one of them.
    """
    from harness.report.json_file import LINES
    from harness.report.written import ReportOption, StepSummaryReport, WrittenReport

    options = [ReportOption.parse(one) for one in texts]
    if json_file is not None:
        form = "jsonl" if json_file.endswith(LINES) else "json"
        options.append(ReportOption(form, json_file, f"--json {json_file}"))
    reports: list[Report] = [WrittenReport(one) for one in options]
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        reports.append(StepSummaryReport(summary))
    return tuple(reports)
