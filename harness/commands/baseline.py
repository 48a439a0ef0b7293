"""`harness baseline`: write down which defects are known."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN.json")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def baseline(run: Path, file: Path) -> None:
    """Write the defects of the report RUN.json to FILE, for harness check --baseline FILE.

    Of a FILE that is there, entries of defects that the run still has stay as they are, with owner,
    reason and date; those of defects that it has no more are dropped. Make RUN.json without
    --baseline, of all cases.
    """
    import datetime

    from harness.report import baseline as known
    from harness.runs.merge import merge_reports

    today = datetime.date.today()
    old = known.read(file, today) if file.exists() else known.Baseline((), today)
    new = old.updated(merge_reports((run,)))
    known.write(file, new)
    added = len(set(new.entries) - set(old.entries))
    dropped = len(set(old.entries) - set(new.entries))
    count = len(new.entries)
    click.echo(f"{file}: {count} defect{'s' * (count != 1)}, {added} new, {dropped} dropped")
