"""The `harness` command: a thin door to the session. Exit codes: `harness.errors.Exit`.

What a command needs is imported when it runs, so that `harness --help` answers at once.
"""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.errors import Exit, HarnessError

if TYPE_CHECKING:
    from harness.contract import Contract
    from harness.lint.problem import Problem
    from harness.report import Report
    from harness.step import StepRef

_EPILOG = (
    "Exit codes: 0 the step conforms, 1 findings, 2 wrong use or wrong contract, "
    "3 the runner is not available."
)
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_F = TypeVar("_F", bound=Callable[..., Any])


def _code_options(command: _F) -> _F:
    for decorate in (
        click.option(
            "--code",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where the entry point is, if not beside the contract.",
        ),
        click.option(
            "--script",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Another script in the entry point's place, under the entry point's name.",
        ),
    ):
        command = decorate(command)
    return command


def _step_options(command: _F) -> _F:
    argument = click.argument(
        "step", type=click.Path(path_type=Path), default=Path("dummy_training"), metavar="[STEP]"
    )
    return argument(_code_options(command))


def _steps_options(command: _F) -> _F:
    argument = click.argument(
        "steps", nargs=-1, type=click.Path(path_type=Path), metavar="[STEP]..."
    )
    return argument(_code_options(command))


def _runner_options(command: _F) -> _F:
    for decorate in (
        click.option("--image", metavar="NAME", help="Image for the container runner."),
        click.option(
            "--runner", default="fake", show_default=True, metavar="NAME", help="fake or container."
        ),
    ):
        command = decorate(command)
    return command


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="step-harness")
def cli() -> None:
    """Proves that a SageMaker step script keeps its contract."""


@cli.command(epilog=_EPILOG)
@_steps_options
@_runner_options
@click.option("-k", "expression", metavar="EXPR", help="Only cases whose id matches, as in pytest.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="Only this case (repeatable).")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Workers; one per processor.")
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
    script: Path | None,
    code: Path | None,
    runner: str,
    image: str | None,
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

    found = _found(steps)
    if script is not None and len(found) > 1:
        raise click.UsageError("--script takes the place of one step's entry point: name one step")
    refs = [replace(_ref(step, script, code), pairwise=pairwise) for step in found]
    matrices = [load(ref).matrix for ref in refs]
    every = tuple(one for matrix in matrices for one in (*matrix.ids, *matrix.unproven))
    picked = set(_picked(every, expression, cases))
    undertakings = []
    for step, ref, matrix in zip(found, refs, matrices, strict=True):
        plan = Plan(
            step=load(ref).contract.name,
            runner=runner,
            ids=tuple(one for one in matrix.ids if one in picked),
            total=len(matrix.ids),
            replay=_replay_words(step, script, code, runner, image),
            waivers=load(ref).contract.waivers,
            unproven={one: why for one, why in matrix.unproven.items() if one in picked},
        )
        if plan.ids or plan.unproven:
            undertakings.append(Undertaking(ref, plan))
    reports: list[Report] = [TerminalReport(Console(highlight=False))]
    if json_file:
        reports.append(JsonReport(json_file))
    opened = open_runner(runner, image)
    summaries = conduct(undertakings, opened, jobs or default_jobs(), reports, max_fail)
    sys.exit(Exit.CONFORMS if all(one.conforms for one in summaries) else Exit.FINDINGS)


@cli.command("list", epilog=_EPILOG)
@_step_options
@click.option("-k", "expression", metavar="EXPR", help="Only cases whose id matches, as in pytest.")
def list_cases(step: Path, script: Path | None, code: Path | None, expression: str | None) -> None:
    """Print the id of every case of STEP, one a line."""
    from harness.step import load

    every = load(_ref(step, script, code)).matrix.ids
    for case_id in _picked(every, expression, ()):
        click.echo(case_id)


@cli.command(epilog=_EPILOG)
@click.argument("step_and_case", nargs=-1, required=True, metavar="[STEP] CASE")
@click.option("--script", type=click.Path(path_type=Path), metavar="FILE", help="As for check.")
@click.option("--code", type=click.Path(path_type=Path), metavar="DIR", help="As for check.")
@_runner_options
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Leave the tree before and after, and what the script said, in DIR.",
)
def replay(
    step_and_case: tuple[str, ...],
    script: Path | None,
    code: Path | None,
    runner: str,
    image: str | None,
    keep: Path | None,
) -> None:
    """Run one CASE of STEP and show all that the script said and did."""
    from harness.report.replay import keep_world, show
    from harness.runners.registry import open_runner
    from harness.step import try_case

    if len(step_and_case) > 2 or Path(step_and_case[-1]).is_dir():
        raise click.UsageError("name one case: harness replay [STEP] CASE")
    case_id = step_and_case[-1]
    step = Path(step_and_case[0] if len(step_and_case) == 2 else "dummy_training")
    ref = _ref(step, script, code)
    trial = try_case(ref, open_runner(runner, image), case_id)
    if keep is not None:
        keep_world(keep, trial)
    show(trial, keep)
    sys.exit(Exit.FINDINGS if trial.findings else Exit.CONFORMS)


@cli.command(epilog=_EPILOG)
@_step_options
@click.option(
    "--runner",
    "runners",
    multiple=True,
    metavar="NAME",
    help="Two runners to compare.  [default: fake, container]",
)
@click.option("--image", metavar="NAME", help="Image for the container runner.")
@click.option("-k", "expression", metavar="EXPR", help="Only cases whose id matches, as in pytest.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="Only this case (repeatable).")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Workers; one per processor.")
def parity(
    step: Path,
    script: Path | None,
    code: Path | None,
    runners: tuple[str, ...],
    image: str | None,
    expression: str | None,
    cases: tuple[str, ...],
    jobs: int | None,
) -> None:
    """Run every case of STEP through two runners, and show what they do not agree on."""
    from rich.console import Console

    from harness.parity import Pair
    from harness.report.parity import show
    from harness.runners.registry import open_runner
    from harness.session import default_jobs
    from harness.step import load

    names = runners or ("fake", "container")
    if len(names) != 2:
        raise click.UsageError("name two runners: --runner fake --runner container")
    ref = _ref(step, script, code)
    ids = _picked(load(ref).matrix.ids, expression, cases)
    first, second = (open_runner(name, image) for name in names)
    pair = Pair(ref, first, second, jobs or default_jobs())
    found = show(Console(highlight=False, soft_wrap=True), names, ids, pair.run(ids))
    sys.exit(Exit.FINDINGS if found else Exit.CONFORMS)


@cli.command(epilog=_EPILOG)
@_steps_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="For people, programs, code scanning, or annotations in GitHub Actions.",
)
def lint(steps: tuple[Path, ...], script: Path | None, code: Path | None, form: str) -> None:
    """Hold each STEP's script against its contract without running it."""
    from harness import loaders
    from harness.lint import lint as find
    from harness.report.lint import render

    found = _found(steps)
    if script is not None and len(found) > 1:
        raise click.UsageError("--script takes the place of one step's entry point: name one step")
    problems: list[Problem] = []
    for step in found:
        contract = _load(step, code)
        path = script or contract.script
        problems += find(contract, path, loaders.read_script(path))
    click.echo(render(problems, form), nl=False)
    sys.exit(Exit.FINDINGS if problems else Exit.CONFORMS)


@cli.command(epilog=_EPILOG)
@click.argument("name", required=False, metavar="[PROMISE | CODE]")
def explain(name: str | None) -> None:
    """Say what a PROMISE, or a CODE of lint, means; without one, what each does."""
    from harness.errors import WrongUse
    from harness.lint.problem import CODES, explained
    from harness.promises.all import PROMISES

    known = {promise.name: promise for promise in PROMISES}
    if name is None:
        for promise in PROMISES:
            click.echo(f"{promise.name:20} {promise.sentence}")
        for code, known_code in CODES.items():
            click.echo(f"{code:20} {known_code.meaning}")
    elif (of_code := explained(name)) is not None:
        click.echo(of_code)
    elif name in known:
        click.echo(known[name].explained())
    else:
        names = ", ".join((*known, *CODES))
        raise WrongUse(f"there is no promise or code {name!r}", f"they are: {names}")


@cli.command(epilog=_EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), metavar="NAME")
def new(folder: Path) -> None:
    """Make a step in the folder NAME that conforms from the start."""
    from harness.scaffold import scaffold

    for path in scaffold(folder):
        click.echo(path)
    click.echo(f"next: harness check {folder}")


@cli.command(epilog=_EPILOG)
def schema() -> None:
    """Print the JSON Schema of a contract.yaml, for editors."""
    import json

    from harness.contract import schema as of_contract

    click.echo(json.dumps(of_contract(), indent=2))


def main() -> None:
    """The entry point: maps every fatal error to its exit code."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        cli.main(standalone_mode=False)
    except HarnessError as error:
        click.echo(f"harness: {error.what}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("harness: stopped; nothing is left running", err=True)
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`harness list | head`): no more is wanted.
        sys.stderr.close()
        sys.exit(Exit.CONFORMS)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _found(steps: tuple[Path, ...]) -> list[Path]:
    from harness import loaders

    return [one for step in steps or (Path("dummy_training"),) for one in loaders.find(step)]


def _ref(step: Path, script: Path | None, code: Path | None) -> StepRef:
    from harness.step import StepRef

    _load(step, code)
    return StepRef(step.resolve(), script and script.resolve(), code and code.resolve())


def _load(step: Path, code: Path | None) -> Contract:
    """The contract of a step, once people have been told of its warnings."""
    from harness import loaders

    contract = loaders.load(step, code)
    for warning in contract.warnings:
        click.echo(f"warning: {warning}", err=True)
    return contract


def _picked(
    every: tuple[str, ...], expression: str | None, cases: tuple[str, ...]
) -> tuple[str, ...]:
    from harness.matrix import select, unknown_case

    for case_id in cases:
        if case_id not in every:
            raise unknown_case(case_id, every)
    picked = tuple(dict.fromkeys(cases)) or every
    return select(picked, expression) if expression is not None else picked


def _replay_words(
    step: Path, script: Path | None, code: Path | None, runner: str, image: str | None
) -> tuple[str, ...]:
    program = sys.argv[0]
    on_path = shutil.which(Path(program).name)
    if on_path and Path(on_path).resolve() == Path(program).resolve():
        program = Path(program).name
    return (
        program,
        "replay",
        str(step),
        *(("--script", str(script)) if script else ()),
        *(("--code", str(code)) if code else ()),
        *(("--runner", runner) if runner != "fake" else ()),
        *(("--image", image) if image else ()),
    )
