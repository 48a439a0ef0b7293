"""`harness new`: make a new step from a template."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.options import EPILOG


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), metavar="NAME")
def new(folder: Path) -> None:
    """Make a step in the folder NAME that conforms from the start."""
    from harness.commands.scaffold import scaffold

    for path in scaffold(folder):
        click.echo(path)
    click.echo(f"next: harness check {folder}")
