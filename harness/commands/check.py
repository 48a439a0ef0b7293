"""`harness check`: every case of each step, judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import (
    EPILOG,
    Reading,
    cases_option,
    expression_option,
    jobs_option,
    picked,
    profile_option,
    program,
    reading_options,
    runner_options,
    steps_argument,
)
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.report import Report


@click.command(epilog=EPILOG)
@steps_argument
@reading_options
@runner_options
@profile_option
@expression_option
@cases_option
@jobs_option
@click.option("--max-fail", type=click.IntRange(min=1), metavar="N", help="Stop after N failures.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a report for programs (as lines if FILE ends in .jsonl).",
)
@click.option(
    "--pairwise",
    is_flag=True,
    help="Not every combination, but every pair of choices in some case.",
)
def check(
    steps: tuple[Path, ...],
    reading: Reading,
    runner: str,
    image: str | None,
    isolation: str | None,
    profile: str | None,
    expression: str | None,
    cases: tuple[str, ...],
    jobs: int | None,
    max_fail: int | None,
    json_file: Path | None,
    pairwise: bool,
) -> None:
    """Run every case of each STEP and judge it.

    A STEP is a contract, the folder of one, or a folder of steps; without any, dummy_training.
    """
    from rich.console import Console

    from harness.campaign import Undertaking, conduct
    from harness.report import Plan
    from harness.report.json_file import JsonReport
    from harness.report.terminal import TerminalReport
    from harness.runners.registry import open_runner
    from harness.session import default_jobs
    from harness.step import load

    sources = reading.found(steps)
    refs = [reading.ref(one, profile=profile, pairwise=pairwise) for one in sources]
    matrices = [load(ref).matrix for ref in refs]
    every = tuple(one for matrix in matrices for one in (*matrix.ids, *matrix.unproven))
    chosen = set(picked(every, expression, cases))
    undertakings = []
    for source, ref, matrix in zip(sources, refs, matrices, strict=True):
        plan = Plan(
            step=load(ref).contract.name,
            runner=runner,
            ids=tuple(one for one in matrix.ids if one in chosen),
            total=len(matrix.ids),
            replay=_replay_words(reading.words(source), runner, image, isolation, profile),
            waivers=load(ref).contract.waivers,
            unproven={one: why for one, why in matrix.unproven.items() if one in chosen},
        )
        if plan.ids or plan.unproven:
            undertakings.append(Undertaking(ref, plan))
    reports: list[Report] = [TerminalReport(Console(highlight=False))]
    if json_file:
        reports.append(JsonReport(json_file))
    opened = open_runner(runner, image, isolation)
    summaries = conduct(undertakings, opened, jobs or default_jobs(), reports, max_fail)
    sys.exit(Exit.CONFORMS if all(one.conforms for one in summaries) else Exit.FINDINGS)


def _replay_words(
    step: tuple[str, ...],
    runner: str,
    image: str | None,
    isolation: str | None,
    profile: str | None,
) -> tuple[str, ...]:
    return (
        program(),
        "replay",
        *step,
        *(("--profile", profile) if profile else ()),
        *(("--runner", runner) if runner != "fake" else ()),
        *(("--image", image) if image else ()),
        *(("--isolation", isolation) if isolation else ()),
    )
