"""`harness list`: the ids of a step's cases."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.options import (
    EPILOG,
    StepOptions,
    choose_runner,
    expression_option,
    pairwise_option,
    profile_option,
    say,
    select_cases,
    step_argument,
    step_options,
)
from harness.errors import RunnerUnavailable
from harness.files.shown import shown_line


@click.command("list", epilog=EPILOG)
@step_argument
@step_options
@profile_option
@expression_option
@pairwise_option
def list_cases(
    step: Path | None,
    options: StepOptions,
    profile: str | None,
    expression: str | None,
    pairwise: bool,
) -> None:
    """Print the id of every case of STEP, one a line."""
    from harness.runs.choice import RunnerOptions
    from harness.runs.step import load

    ref = options.step_ref(options.find_step(step), profile=profile, pairwise=pairwise)
    try:
        choose_runner(ref, RunnerOptions())
    except RunnerUnavailable as error:
        say(f"warning: {error.what}")
    for case_id in select_cases(load(ref).matrix.ids, expression):
        click.echo(shown_line(case_id))
