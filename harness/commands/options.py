"""The options that commands share, and what they say: which step, which script, which cases."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.cases.shard import Shard
    from harness.contracts.contract import Contract
    from harness.contracts.loaders import Source
    from harness.runs.step import StepRef
    from harness.runs.workers import Workers

EPILOG = (
    "Exit codes: 0 the step conforms, 1 findings, 2 wrong use or wrong contract, "
    "3 the runner or the workers are not available."
)
DEFAULT_STEP = Path("dummy_training")
Command = Callable[..., Any]


@dataclass(frozen=True)
class Reading:
    """How a step is read: what the options say that every command on steps has."""

    script: Path | None = None
    code: Path | None = None
    step: str | None = None

    def found(self, steps: tuple[Path, ...]) -> list[Source]:
        """The steps that the arguments name, once people know which are passed over.

        Raises `WrongContract`, and `WrongUse` when `--step` picks none.
        """
        from harness.contracts import loaders

        found = []
        for step in steps or (DEFAULT_STEP,):
            for one in loaders.find(step, self.step):
                if one.unfit:
                    click.echo(f"warning: {one.step} is passed over: {one.unfit}", err=True)
                else:
                    found.append(one)
        if self.script is not None and len(found) > 1:
            raise click.UsageError(
                "--script takes the place of one step's entry point: name one step"
            )
        return found

    def the_one(self, step: Path) -> Source:
        """The one step that an argument names; raises as `found` does."""
        found = self.found((step,))
        if len(found) > 1:
            names = ", ".join(one.step or one.path.name for one in found)
            raise click.UsageError(
                f"{step} holds several steps: {names}; pick one with --step NAME"
            )
        return found[0]

    def contract(self, source: Source) -> Contract:
        """The contract of a step, once people have been told of its warnings."""
        from harness.runs.step import read_contract

        contract = read_contract(source.path, self.code, source.step, self.script)
        for warning in contract.warnings:
            click.echo(f"warning: {warning}", err=True)
        return contract

    def ref(self, source: Source, *, profile: str | None = None, pairwise: bool = False) -> StepRef:
        """The step as it is sent to other processes; raises `WrongContract`."""
        from harness.runs.step import StepRef

        self.contract(source)
        return StepRef(
            source.path.resolve(),
            self.script and self.script.resolve(),
            self.code and self.code.resolve(),
            pairwise,
            source.step,
            _resolved(profile),
        )

    def words(self, source: Source) -> tuple[str, ...]:
        """The step and these options for a command line that is to be pasted."""
        return (
            str(source.path),
            *(("--step", source.step) if source.step else ()),
            *(("--script", str(self.script)) if self.script else ()),
            *(("--code", str(self.code)) if self.code else ()),
        )


def _resolved(profile: str | None) -> str | None:
    """A profile's file as an absolute path; a profile's name as it is."""
    return str(Path(profile).resolve()) if profile and Path(profile).is_file() else profile


_READING = (
    click.option("--step", "picked_step", metavar="NAME", help="Which step of a file of several."),
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
)
profile_option = click.option(
    "--profile",
    metavar="NAME|FILE",
    help="The type of job that a step without a suite is run as.",
)


def reading_options(command: Command) -> Command:
    """The options of `Reading`, which the command gets as `reading`."""

    @functools.wraps(command)
    def collected(
        *, script: Path | None, code: Path | None, picked_step: str | None, **others: Any
    ) -> Any:
        return command(reading=Reading(script, code, picked_step), **others)

    return _with(collected, *_READING)


def step_argument(command: Command) -> Command:
    """One step, or none: `dummy_training`."""
    return _with(
        command,
        click.argument(
            "step", type=click.Path(path_type=Path), default=DEFAULT_STEP, metavar="[STEP]"
        ),
    )


def steps_argument(command: Command) -> Command:
    """Any number of steps."""
    return _with(
        command,
        click.argument("steps", nargs=-1, type=click.Path(path_type=Path), metavar="[STEP]..."),
    )


def runner_options(command: Command) -> Command:
    """One runner, its image and isolation."""
    return _with(
        command,
        isolation_option,
        image_option,
        click.option(
            "--runner",
            default="fake",
            show_default=True,
            metavar="NAME",
            help="fake, sandbox or container.",
        ),
    )


image_option = click.option("--image", metavar="NAME", help="Image for the container runner.")
isolation_option = click.option(
    "--isolation",
    metavar="worker|case",
    help="Whether a container serves a worker for all of its cases (the default), or one case.",
)
expression_option = click.option(
    "-k", "expression", metavar="EXPR", help="Only cases whose id matches, as in pytest."
)
cases_option = click.option(
    "--case", "cases", multiple=True, metavar="ID", help="Only this case (repeatable)."
)


def _jobs(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """A number of workers; `auto` is as many as there are processors."""
    if value in (None, "auto"):
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(
            f"{value!r} is no number of workers: give 1 or more, "
            "or auto for one per processor that this process may use"
        )
    return int(value)


@dataclass(frozen=True)
class PoolOptions:
    """Where cases are run: what the options say that every command with workers has."""

    jobs: int | None = None
    executor: str | None = None

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """Within this, the workers; raises `WrongUse` and `WorkersFailed`."""
        if self.executor is None:
            from harness.runs.workers import default_jobs

            yield self.jobs or default_jobs()
            return
        if self.jobs is not None:
            raise click.UsageError(
                "--jobs is for workers on this machine; those of --executor run as many cases at "
                "a time as they have threads (dask worker --nthreads N): leave one of the two out"
            )
        from harness.runs.workers.dask import connected

        with connected(self.executor) as executor:
            yield executor


_POOL = (
    click.option(
        "--executor",
        metavar="ADDRESS",
        help="Run the cases on the workers of dask://HOST:PORT, instead of on this machine.",
    ),
    click.option(
        "--jobs",
        metavar="N|auto",
        callback=_jobs,
        help="Workers on this machine; auto, the default, is one per processor.",
    ),
)


def pool_options(command: Command) -> Command:
    """The options of `PoolOptions`, which the command gets as `pool`."""

    @functools.wraps(command)
    def collected(*, jobs: int | None, executor: str | None, **others: Any) -> Any:
        return command(pool=PoolOptions(jobs, executor), **others)

    return _with(collected, *_POOL)


json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a report for programs (as lines if FILE ends in .jsonl).",
)


def _shard(_context: click.Context, _option: click.Parameter, value: str | None) -> Shard | None:
    from harness.cases.shard import Shard
    from harness.errors import WrongUse

    try:
        return None if value is None else Shard.parse(value)
    except WrongUse as error:
        raise click.BadParameter(f"{error.what}; {error.hint}") from None


shard_option = click.option(
    "--shard", callback=_shard, metavar="I/N", help="Only part I of the N that cases fall into."
)


def _with(command: Command, *decorators: Callable[[Command], Command]) -> Command:
    for decorate in decorators:
        command = decorate(command)
    return command


def picked(
    every: tuple[str, ...], expression: str | None, cases: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The ids that `-k` and `--case` leave; raises `WrongUse` when there are none."""
    from harness.cases.matrix import select, unknown_case

    for case_id in cases:
        if case_id not in every:
            raise unknown_case(case_id, every)
    named = tuple(dict.fromkeys(cases)) or every
    return select(named, expression) if expression is not None else named


def program() -> str:
    """How this program is called, for a command line that is to be pasted."""
    called = sys.argv[0]
    on_path = shutil.which(Path(called).name)
    same = on_path and Path(on_path).resolve() == Path(called).resolve()
    return Path(called).name if same else called
