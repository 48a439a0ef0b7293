"""`harness report`: make report files of a run that is over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import EPILOG
from harness.commands.report_options import report_options

if TYPE_CHECKING:
    from harness.report import Report


@click.command(epilog=EPILOG)
@click.argument("path", type=click.Path(path_type=Path), metavar="RUN.json")
@report_options
def report(path: Path, files: tuple[Report, ...]) -> None:
    """Write the report RUN.json of a run in other forms: --report html=FILE …

    RUN.json is what `harness check --json` or `harness merge --json` has written.
    """
    from harness.report import replay_to
    from harness.runs.merge import merge_reports

    if not files:
        raise click.UsageError("say what to write: --report html=FILE, markdown=- …")
    replay_to(merge_reports((path,)), files)
