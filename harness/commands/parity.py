"""`harness parity`: run the same cases through several runners, and show every difference."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.commands.options import (
    EPILOG,
    StepOptions,
    cases_option,
    expression_option,
    image_option,
    isolation_option,
    profile_option,
    select_cases,
    start_option,
    step_argument,
    step_options,
)
from harness.commands.pool_options import PoolOptions, pool_options
from harness.errors import Exit


@click.command(epilog=EPILOG)
@step_argument
@step_options
@click.option(
    "--runner",
    "runners",
    multiple=True,
    metavar="NAME",
    help="A runner to compare (repeatable).  [default: fake, sandbox, container]",
)
@image_option
@isolation_option
@start_option
@profile_option
@expression_option
@cases_option
@pool_options
def parity(
    step: Path | None,
    options: StepOptions,
    runners: tuple[str, ...],
    image: str | None,
    isolation: str | None,
    start: str,
    profile: str | None,
    expression: str | None,
    cases: tuple[str, ...],
    pool: PoolOptions,
) -> None:
    """Run every case of STEP through several runners, and show what they do not agree on."""
    from rich.console import Console

    from harness.report.parity import show_differences, show_versions
    from harness.runners.registry import open_runner
    from harness.runs.parity import Comparison, pythons
    from harness.runs.step import load
    from harness.runs.warm_start import WORTH, warm_runner

    names = runners or ("fake", "sandbox", "container")
    if len(set(names)) < 2:
        raise click.UsageError("name two runners or more: --runner fake --runner sandbox")
    ref = options.step_ref(options.find_step(step), profile=profile)
    ids = select_cases(load(ref).matrix.ids, expression, cases)
    opened_runners = tuple(open_runner(name, image, isolation) for name in names)
    if start == "warm" or (start == "auto" and len(ids) >= WORTH):
        opened_runners = tuple(warm_runner(ref, one)[0] for one in opened_runners)
    console = Console(highlight=False, soft_wrap=True)
    with pool.workers() as workers:
        comparison = Comparison(ref, opened_runners, workers)
        different = show_differences(console, names, ids, comparison.run(ids))
    if different:
        show_versions(console, names, pythons(ref, opened_runners))
    sys.exit(Exit.FINDINGS if different else Exit.CONFORMS)
