"""`harness replay`: run one case, and show its output and its changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import (
    EPILOG,
    StepOptions,
    level_option,
    pairwise_option,
    profile_option,
    runner_options,
    start_option,
    step_options,
)
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.contracts.contract import Level


@click.command(epilog=EPILOG)
@click.argument("step_and_case", nargs=-1, required=True, metavar="[STEP] CASE")
@step_options
@runner_options
@start_option
@profile_option
@level_option
@pairwise_option
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Leave the tree before and after, and what the script said, in DIR.",
)
def replay(
    step_and_case: tuple[str, ...],
    options: StepOptions,
    runner: str | None,
    image: str | None,
    isolation: str | None,
    start: str,
    profile: str | None,
    level: Level | None,
    pairwise: bool,
    keep: Path | None,
) -> None:
    """Run one CASE of STEP and show all that the script said and did."""
    from harness.commands.single_case import run_case_once
    from harness.report.replay import keep_trial, show_trial
    from harness.runs.choice import RunnerOptions

    if len(step_and_case) > 2 or Path(step_and_case[-1]).is_dir():
        raise click.UsageError("name one case: harness replay [STEP] CASE")
    step = Path(step_and_case[0]) if len(step_and_case) == 2 else None
    source = options.find_step(step)
    ref = options.step_ref(source, profile=profile, pairwise=pairwise, level=level)
    trial = run_case_once(ref, RunnerOptions(runner, image, isolation, start), step_and_case[-1])
    if keep is not None:
        keep_trial(keep, trial)
    show_trial(trial, keep)
    sys.exit(Exit.CONFORMS if trial.result.passed else Exit.FINDINGS)
