"""`harness parity`: the same cases through several runners, and every difference."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.commands.options import (
    EPILOG,
    PoolOptions,
    Reading,
    cases_option,
    expression_option,
    image_option,
    isolation_option,
    picked,
    pool_options,
    profile_option,
    reading_options,
    step_argument,
)
from harness.errors import Exit


@click.command(epilog=EPILOG)
@step_argument
@reading_options
@click.option(
    "--runner",
    "runners",
    multiple=True,
    metavar="NAME",
    help="A runner to compare (repeatable).  [default: fake, sandbox, container]",
)
@image_option
@isolation_option
@profile_option
@expression_option
@cases_option
@pool_options
def parity(
    step: Path,
    reading: Reading,
    runners: tuple[str, ...],
    image: str | None,
    isolation: str | None,
    profile: str | None,
    expression: str | None,
    cases: tuple[str, ...],
    pool: PoolOptions,
) -> None:
    """Run every case of STEP through several runners, and show what they do not agree on."""
    from rich.console import Console

    from harness.report.parity import show
    from harness.runners.registry import open_runner
    from harness.runs.parity import Comparison
    from harness.runs.step import load

    names = runners or ("fake", "sandbox", "container")
    if len(set(names)) < 2:
        raise click.UsageError("name two runners or more: --runner fake --runner sandbox")
    ref = reading.ref(reading.the_one(step), profile=profile)
    ids = picked(load(ref).matrix.ids, expression, cases)
    opened = tuple(open_runner(name, image, isolation) for name in names)
    console = Console(highlight=False, soft_wrap=True)
    with pool.workers() as workers:
        found = show(console, names, ids, Comparison(ref, opened, workers).run(ids))
    sys.exit(Exit.FINDINGS if found else Exit.CONFORMS)
