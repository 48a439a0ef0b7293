"""`harness check`: run and judge every case of each step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import (
    EPILOG,
    StepOptions,
    cases_option,
    choose_runner,
    every_fault_option,
    exit_code,
    expression_option,
    faults_option,
    level_option,
    pairwise_option,
    print_errors,
    profile_option,
    program_words,
    runner_options,
    say,
    select_cases,
    start_option,
    step_options,
    steps_argument,
)
from harness.commands.pool_options import PoolOptions, pool_options, shard_option
from harness.commands.report_options import report_options
from harness.errors import RunnerCannot, RunnerUnavailable

if TYPE_CHECKING:
    from harness.cases.product import Ids
    from harness.cases.shard import Shard
    from harness.contracts.contract import Level
    from harness.contracts.loaders import Source
    from harness.contracts.outputs import Output
    from harness.report import Report, Summary
    from harness.report.baseline import Baseline
    from harness.runs.choice import Choice, RunnerOptions
    from harness.runs.coverage import Measured
    from harness.runs.step import JudgeCase, StepRef


@click.command(epilog=EPILOG)
@steps_argument
@step_options
@runner_options
@start_option
@profile_option
@level_option
@expression_option
@cases_option
@shard_option
@pool_options
@click.option("--max-fail", type=click.IntRange(min=1), metavar="N", help="Stop after N failures.")
@click.option("-x", "max_fail", flag_value=1, help="Stop after the first failure.")
@click.option("--lf", "only_last_failed", is_flag=True, help="Only cases that failed last time.")
@click.option("-q", "--quiet", "verbosity", flag_value=-1, help="A line for each defect and step.")
@click.option("-v", "--verbose", "verbosity", flag_value=1, help="A line for each case too.")
@report_options
@click.option(
    "--cache",
    "use_cache",
    is_flag=True,
    help="Do not run again cases of which nothing has changed; verdicts are in .cache/harness.",
)
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The same, with the verdicts in DIR.",
)
@click.option(
    "--baseline",
    "baseline_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Defects that this file knows do not fail; harness baseline writes it.",
)
@pairwise_option
@click.option(
    "--exhaustive",
    is_flag=True,
    help="Run every case, also those that follow from others, in which the script sees the same.",
)
@click.option(
    "--cov",
    "measures",
    is_flag=True,
    help="Run every case once more, and say which lines of the script none has run (coverage.py).",
)
@faults_option
@every_fault_option
def check(
    steps: tuple[Path, ...],
    options: StepOptions,
    runner: str | None,
    image: str | None,
    isolation: str | None,
    start: str,
    profile: str | None,
    level: Level | None,
    expression: str | None,
    cases: tuple[str, ...],
    pool: PoolOptions,
    max_fail: int | None,
    files: tuple[Report, ...],
    pairwise: bool,
    shard: Shard | None,
    use_cache: bool,
    cache_dir: Path | None,
    baseline_file: Path | None,
    only_last_failed: bool,
    verbosity: int | None,
    exhaustive: bool,
    measures: bool,
    faults: bool,
    every_fault: bool,
) -> None:
    """Run every case of each STEP and judge it.

    A STEP is a contract, the folder of one, or a folder of steps. Without any they are those of
    the settings (harness docs settings), else all below the working directory.
    """
    from rich.console import Console

    from harness.contracts.edges import broken_edges
    from harness.promises.all import PROMISE_NAMES
    from harness.report import Plan, Selection
    from harness.report.last_failed import LastFailedReport, last_failed
    from harness.report.terminal import TerminalReport
    from harness.runners.fake.fork_server import start_template
    from harness.runs.baseline import JudgeWithBaseline
    from harness.runs.cache import DEFAULT_FOLDER
    from harness.runs.choice import RunnerOptions
    from harness.runs.coverage import measuring
    from harness.runs.step import fingerprint, load, prove
    from harness.runs.steps import StepRun, run_steps

    def read(source: Source) -> StepRef:
        ref = options.step_ref(source, profile=profile, pairwise=pairwise, level=level)
        load(ref)
        return ref

    if runner in (None, "fake") and pool.executor is None:
        start_template()
    if measures and (pool.executor or use_cache or cache_dir):
        raise click.UsageError(
            "--cov needs every case to be run on this machine: leave --executor and --cache out"
        )
    refs, errors = options.for_each(steps, read)
    broken = [
        one
        for path in dict.fromkeys(source.path for source, _ in refs)
        for one in broken_edges(path, options.code, what_is_unlike)
    ]
    print_errors([*broken])
    asked = RunnerOptions(runner, image, isolation, start)
    listed: list[tuple[Source, StepRef, CaseList]] = []
    for source, ref in refs:
        try:
            listed.append((source, ref, _list_cases(ref, asked, cases, faults, every_fault)))
        except (RunnerUnavailable, RunnerCannot) as error:
            errors.append(error)
    is_selected = _selection([found for _, _, found in listed], expression, cases)
    plans: list[tuple[StepRef, Plan, Choice]] = []
    for source, ref, found in listed:
        selected = found.all if is_selected is None else found.all.where(is_selected)
        if not selected:
            continue
        try:
            choice = found.choice or choose_runner(ref, asked)
        except RunnerUnavailable as error:
            errors.append(error)
            continue
        is_planned = _both(is_selected, None if shard is None else shard.contains)
        plan = Plan(
            step=load(ref).contract.name,
            runner=choice.runner.name,
            ids=found.ids if is_planned is None else found.ids.where(is_planned),
            total=len(found.ids),
            replay_command=_replay_command(
                options.as_arguments(source),
                choice.runner.name,
                image,
                isolation,
                start,
                profile,
                level,
            ),
            waivers={name: str(one) for name, one in load(ref).contract.waivers.items()},
            promises=PROMISE_NAMES,
            level=load(ref).level,
            unproven={
                one: why
                for one, why in found.unproven.items()
                if is_planned is None or is_planned(one)
            },
            image=choice.image,
            script=str(ref.script or load(ref).contract.script),
            entry_point=load(ref).contract.entry_point,
            digest=fingerprint(ref) if files else "",
            selection=Selection(
                expression,
                tuple(dict.fromkeys(cases)),
                pairwise,
                profile,
                level,
                faults=faults or every_fault,
                every_fault=every_fault,
            ),
            shard=shard,
            selected=selected,
        )
        plans.append((ref, plan, choice))
    if not plans:
        print_errors(errors)
        sys.exit(exit_code([*errors, *broken], conforms=True))
    if only_last_failed:
        failed = [(ref, replace(one, ids=last_failed(one)), choice) for ref, one, choice in plans]
        if any(plan.ids for _, plan, _ in failed):
            plans = [one for one in failed if one[1].ids]
        else:
            say("no case failed the last time: all are run")
    names = tuple(plan.step for _, plan, _ in plans)
    step_runs = [StepRun(ref, replace(plan, steps=names), one) for ref, plan, one in plans]
    terminal = TerminalReport(Console(highlight=False), verbosity or 0)
    reports: list[Report] = [terminal, LastFailedReport(), *files]
    judge_case = _judge_with_cache(cache_dir or DEFAULT_FOLDER) if use_cache or cache_dir else prove
    baseline = _read_baseline(baseline_file)
    if baseline is not None:
        judge_case = JudgeWithBaseline(judge_case, baseline)
    with ExitStack() as resources:
        measured = resources.enter_context(measuring(judge_case)) if measures else None
        judge_case = measured.judge if measured else judge_case
        workers = resources.enter_context(pool.workers())
        summaries = run_steps(
            step_runs,
            workers,
            reports,
            max_fail,
            judge_case,
            errors,
            exhaustive=exhaustive or measures,
        )
        is_enough = measured is None or _print_coverage(measured)
    if baseline is not None:
        _print_baseline(baseline, summaries)
    print_errors(errors)
    conforms = is_enough and all(one.conforms for one in summaries)
    sys.exit(exit_code([*errors, *broken], conforms=conforms))


@dataclass(frozen=True)
class CaseList:
    """The ids of all cases of a step; `choice` is its runner, where that is chosen already."""

    ids: Ids
    unproven: Mapping[str, str]
    choice: Choice | None = None

    @property
    def all(self) -> Ids:
        """The ids of the cases that can be run, and of those that cannot."""
        return self.ids.with_others(tuple(self.unproven))


def _selection(
    listed: Sequence[CaseList], expression: str | None, cases: tuple[str, ...]
) -> Callable[[str], bool] | None:
    """Whether a case is selected, of those of all steps; None where all are."""
    if not listed or (expression is None and not cases):
        return None
    selected = frozenset(
        select_cases([one for found in listed for one in found.all], expression, cases)
    )
    return selected.__contains__


def _both(
    first: Callable[[str], bool] | None, second: Callable[[str], bool] | None
) -> Callable[[str], bool] | None:
    """What both say; None where neither says anything."""
    if first is None or second is None:
        return first or second
    return lambda case_id: first(case_id) and second(case_id)


def _list_cases(
    ref: StepRef, asked: RunnerOptions, cases: Sequence[str], faults: bool, every_fault: bool
) -> CaseList:
    """The cases of a step: of its matrix, those that are named, and those of `faults`."""
    from harness.runs.faults import find_faults_with
    from harness.runs.step import load

    matrix = load(ref).matrix
    named = (one for one in dict.fromkeys(cases) if matrix.has(one) and not matrix.lists(one))
    known = matrix.ids.with_others(tuple(named))
    if not faults and not every_fault:
        return CaseList(known, matrix.unproven)
    first = choose_runner(ref, asked)
    choice, found = find_faults_with(first, every=every_fault)
    if choice is not first:
        say(choice.note)
    listed = frozenset(known)
    ids = known.with_others(tuple(one for one in found.ids if one not in listed))
    return CaseList(ids, {**matrix.unproven, **found.unproven}, choice)


def _print_coverage(measured: Measured) -> bool:
    """Say which lines no case has run; whether they are as few as coverage.py is to allow."""
    text, is_enough = measured.save()
    click.echo(text.rstrip())
    if not is_enough:
        say("the coverage is below fail_under of coverage.py's configuration")
    return is_enough


def _read_baseline(path: Path | None) -> Baseline | None:
    import datetime

    from harness.report import baseline

    return None if path is None else baseline.read(path, datetime.date.today())


def _print_baseline(baseline: Baseline, summaries: Sequence[Summary]) -> None:
    fixed, expired = baseline.fixed(summaries), baseline.expired
    for one in baseline.entries:
        state = "expired" if one in expired else "fixed" if one in fixed else "known"
        click.echo(f"{state}: {one.described}")
    if fixed:
        click.echo("harness baseline drops what is fixed from the file")


def _judge_with_cache(folder: Path) -> JudgeCase:
    from harness.runs.cache import Cache

    cache = Cache(folder.resolve())
    cache.prepare()
    return cache.judge


def what_is_unlike(output: Output, folder: Path, relative: str, data: bytes) -> Iterator[str]:
    """What a file has not of the schemas of an output."""
    from harness.promises import Breach
    from harness.promises.content import check_schemas

    for one in check_schemas(output, folder, relative, data):
        if isinstance(one, Breach):
            yield f"{one.where}: expected {one.expected}, got {one.got}"


def _replay_command(
    step: tuple[str, ...],
    runner: str,
    image: str | None,
    isolation: str | None,
    start: str,
    profile: str | None,
    level: str | None,
) -> tuple[str, ...]:
    from harness.files.settings import settings
    from harness.runners.real import interpreters

    python = os.environ.get(interpreters.VARIABLE)
    return (
        *(("env", f"{interpreters.VARIABLE}={python}") if python else ()),
        *program_words(),
        "replay",
        *step,
        *(("--profile", profile) if profile else ()),
        *(("--level", level) if level else ()),
        *(("--runner", runner) if runner != "fake" or settings(Path.cwd()).runner else ()),
        *(("--image", image) if image else ()),
        *(("--isolation", isolation) if isolation else ()),
        *(("--start", start) if start != "auto" else ()),
    )
