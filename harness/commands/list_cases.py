"""`harness list`: the ids of a step's cases."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.options import (
    EPILOG,
    Reading,
    expression_option,
    picked,
    profile_option,
    reading_options,
    step_argument,
)


@click.command("list", epilog=EPILOG)
@step_argument
@reading_options
@profile_option
@expression_option
def list_cases(step: Path, reading: Reading, profile: str | None, expression: str | None) -> None:
    """Print the id of every case of STEP, one a line."""
    from harness.runs.step import load

    ref = reading.ref(reading.the_one(step), profile=profile)
    for case_id in picked(load(ref).matrix.ids, expression):
        click.echo(case_id)
