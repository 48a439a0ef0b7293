"""`harness merge`: join the reports of all shards of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import EPILOG
from harness.commands.report_options import report_options
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.report import Report


@click.command(epilog=EPILOG)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORT..."
)
@report_options
def merge(paths: tuple[Path, ...], files: tuple[Report, ...]) -> None:
    """Join the REPORTs of all shards of a run, and say what that run would have said.

    A REPORT is a file that `harness check --shard I/N --json REPORT` has written. One that is
    missing, there twice, not whole, or of another run is an error.
    """
    from rich.console import Console

    from harness.report import replay_to
    from harness.report.terminal import TerminalReport
    from harness.runs.merge import merge_reports

    reports: list[Report] = [TerminalReport(Console(highlight=False), live=False), *files]
    summaries = merge_reports(paths)
    replay_to(summaries, reports)
    sys.exit(Exit.CONFORMS if all(one.conforms for one in summaries) else Exit.FINDINGS)
