"""The options that commands share, and what they say: which step, which script, which cases."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.contract import Contract
    from harness.step import StepRef

EPILOG = (
    "Exit codes: 0 the step conforms, 1 findings, 2 wrong use or wrong contract, "
    "3 the runner is not available."
)
DEFAULT_STEP = Path("dummy_training")
Command = Callable[..., Any]


@dataclass(frozen=True)
class Reading:
    """How a step is read: what the options say that every command on steps has."""

    script: Path | None = None
    code: Path | None = None

    def contract(self, step: Path) -> Contract:
        """The contract of a step, once people have been told of its warnings."""
        from harness import loaders

        contract = loaders.load(step, self.code)
        for warning in contract.warnings:
            click.echo(f"warning: {warning}", err=True)
        return contract

    def ref(self, step: Path, *, pairwise: bool = False) -> StepRef:
        """The step as it is sent to other processes; raises `WrongContract`."""
        from harness.step import StepRef

        self.contract(step)
        return StepRef(
            step.resolve(),
            self.script and self.script.resolve(),
            self.code and self.code.resolve(),
            pairwise,
        )

    def words(self) -> tuple[str, ...]:
        """The same options for a command line that is to be pasted."""
        return (
            *(("--script", str(self.script)) if self.script else ()),
            *(("--code", str(self.code)) if self.code else ()),
        )


_READING = (
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


def reading_options(command: Command) -> Command:
    """The options of `Reading`, which the command gets as `reading`."""

    @functools.wraps(command)
    def collected(*, script: Path | None, code: Path | None, **others: Any) -> Any:
        return command(reading=Reading(script, code), **others)

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
    """One runner and its image."""
    return _with(
        command,
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
expression_option = click.option(
    "-k", "expression", metavar="EXPR", help="Only cases whose id matches, as in pytest."
)
cases_option = click.option(
    "--case", "cases", multiple=True, metavar="ID", help="Only this case (repeatable)."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Workers; one per processor."
)


def _with(command: Command, *decorators: Callable[[Command], Command]) -> Command:
    for decorate in decorators:
        command = decorate(command)
    return command


def found(steps: tuple[Path, ...]) -> list[Path]:
    """The steps that the arguments name, folders of steps opened; raises `WrongContract`."""
    from harness import loaders

    return [one for step in steps or (DEFAULT_STEP,) for one in loaders.find(step)]


def picked(
    every: tuple[str, ...], expression: str | None, cases: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The ids that `-k` and `--case` leave; raises `WrongUse` when there are none."""
    from harness.matrix import select, unknown_case

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
