"""`harness merge`: join the reports of all shards of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import EPILOG, json_option
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.report import Report


@click.command(epilog=EPILOG)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORT..."
)
@json_option
def merge(files: tuple[Path, ...], json_file: Path | None) -> None:
    """Join the REPORTs of all shards of a run, and say what that run would have said.

    A REPORT is a file that `harness check --shard I/N --json REPORT` has written. One that is
    missing, there twice, not whole, or of another run is an error.
    """
    from rich.console import Console

    from harness.report import replay_to
    from harness.report.json_file import JsonReport
    from harness.report.terminal import TerminalReport
    from harness.runs.merge import merge_reports

    reports: list[Report] = [TerminalReport(Console(highlight=False))]
    if json_file:
        reports.append(JsonReport(json_file))
    summaries = merge_reports(files)
    replay_to(summaries, reports)
    sys.exit(Exit.CONFORMS if all(one.conforms for one in summaries) else Exit.FINDINGS)
