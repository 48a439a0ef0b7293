"""The options that commands share, and the values that they are collected in."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from harness.commands.defaults import default_step, default_steps
from harness.errors import Exit, HarnessError
from harness.files.shown import shown

if TYPE_CHECKING:
    from harness.contracts.contract import Contract, Level
    from harness.contracts.loaders import Source
    from harness.contracts.reading import Apart
    from harness.runs.choice import Choice, RunnerOptions
    from harness.runs.step import StepRef

EPILOG = (
    "Exit codes: 0 the step conforms, 1 findings, 2 wrong use or wrong contract, "
    "3 the runner or the workers are not available."
)
_WITHOUT_CONTAINERS = ("fake", "sandbox")
Command = Callable[..., Any]
T = TypeVar("T")


@dataclass(frozen=True)
class StepOptions:
    """The options of every command on steps: which script, which code folder, which step."""

    script: Path | None = None
    code: Path | None = None
    step: str | None = None
    timeout: float | None = None

    def find_steps(self, paths: tuple[Path, ...]) -> list[Source]:
        """The steps at these paths; prints a warning for each that cannot be used.

        Raises `WrongContract`, and `WrongUse` when `--step` selects none.
        """
        from harness.contracts import loaders

        found = []
        for path in paths or default_steps():
            for source in loaders.find_steps(path, self.step):
                if source.unfit:
                    say(f"warning: {source.step} is passed over: {source.unfit}")
                else:
                    found.append(source)
        return found

    def _refuse_script_for_several(self, sources: list[Source]) -> None:
        if self.script is not None and len(sources) > 1:
            raise click.UsageError(
                "--script takes the place of one step's entry point: name one step"
            )

    def for_each(
        self, paths: tuple[Path, ...], read: Callable[[Source], T]
    ) -> tuple[list[tuple[Source, T]], list[HarnessError]]:
        """What `read` makes of each step at these paths, and the errors of the other steps.

        Of a single step the error is raised.
        """
        done: list[tuple[Source, T]] = []
        errors: list[HarnessError] = []
        sources: list[Source] = []
        for path in paths or default_steps():
            try:
                sources += self.find_steps((path,))
            except HarnessError as error:
                errors.append(error)
        self._refuse_script_for_several(sources)
        for source in sources:
            try:
                if source.error is not None:
                    raise source.error
                done.append((source, read(source)))
            except HarnessError as error:
                errors.append(error)
        if len(errors) == 1 and not done:
            raise errors[0]
        return done, errors

    def find_step(self, path: Path | None) -> Source:
        """The only step at a path, or of all; raises as `find_steps`, and `UsageError` for several.

        Without a path it is that of `default_step`.
        """
        path = path or default_step()
        found = self.find_steps((path,))
        self._refuse_script_for_several(found)
        if len(found) > 1:
            names = ", ".join(source.step or source.path.name for source in found)
            raise click.UsageError(
                f"{path} holds several steps: {names}; pick one with --step NAME"
            )
        if found[0].error is not None:
            raise found[0].error
        return found[0]

    def read_contract(self, source: Source, apart: Apart | None = None) -> Contract:
        """Read the contract of a step and print its warnings; raises `WrongContract`.

        One that must be executed is read by `apart`.
        """
        from harness.runs.step import read_contract

        contract = read_contract(source.path, self.code, source.step, self.script, apart)
        for warning in contract.warnings:
            say(f"warning: {warning}")
        return contract

    def step_ref(
        self,
        source: Source,
        *,
        profile: str | None = None,
        pairwise: bool = False,
        level: Level | None = None,
    ) -> StepRef:
        """The picklable reference to a step, after its warnings; raises `WrongContract`.

        `level` is that of the option; without it the contract's counts, then the project's.
        """
        from harness.files.settings import settings
        from harness.runs.step import StepRef

        contract = self.read_contract(source)
        project = settings(Path.cwd())
        return StepRef(
            source.path.resolve(),
            self.script and self.script.resolve(),
            self.code and self.code.resolve(),
            pairwise,
            source.step,
            _absolute_profile(profile),
            level=level,
            default_level=project.level,
            timeout=self.timeout or (project.timeout if contract.timeout is None else None),
        )

    def as_arguments(self, source: Source) -> tuple[str, ...]:
        """The words of a command line that name this step and these options."""
        return (
            str(source.path),
            *(("--step", source.step) if source.step else ()),
            *(("--script", str(self.script)) if self.script else ()),
            *(("--code", str(self.code)) if self.code else ()),
            *(("--timeout", f"{self.timeout:g}") if self.timeout else ()),
        )


def print_errors(errors: list[HarnessError]) -> None:
    """Print the errors of steps, and what to do about each."""
    from rich.console import Console

    from harness.report.wrapped import wrap

    console = Console(stderr=True)
    for error in errors:
        text = f"harness: {error.what}" + (f"\n  {error.hint}" if error.hint else "")
        for line in text.split("\n"):
            for part in wrap(shown(line), console, "  "):
                say(part)


def say(text: str, *, err: bool = True) -> None:
    """Print a text that may be of others, so that nothing in it acts."""
    click.echo(shown(text), err=err)


def exit_code(errors: list[HarnessError], conforms: bool) -> Exit:
    """The exit code of a command on several steps, some of which may have errors."""
    if errors:
        return Exit(max(error.exit_code for error in errors))
    return Exit.CONFORMS if conforms else Exit.FINDINGS


def _absolute_profile(profile: str | None) -> str | None:
    """The absolute path if it is a profile's file; a profile's name unchanged."""
    return str(Path(profile).resolve()) if profile and Path(profile).is_file() else profile


_STEP_OPTIONS = (
    click.option("--step", "step_name", metavar="NAME", help="Which step of a file of several."),
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
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="How long a case may take, whatever the contract says.",
    ),
)
profile_option = click.option(
    "--profile",
    metavar="NAME|FILE",
    help="The type of job that a step without a suite is run as.",
)

pairwise_option = click.option(
    "--pairwise",
    is_flag=True,
    help="Not every combination, but every pair of choices in some case.",
)

faults_option = click.option(
    "--faults",
    is_flag=True,
    help="Also fail each file operation of the usual case once, and kill the script before each.",
)

every_fault_option = click.option(
    "--every-fault",
    is_flag=True,
    help="The same, and equal operations at the same place each time, not once.",
)


def step_options(command: Command) -> Command:
    """Add the options of `StepOptions`, which the command gets as `options`."""

    @functools.wraps(command)
    def with_step_options(
        *,
        script: Path | None,
        code: Path | None,
        step_name: str | None,
        timeout: float | None,
        **others: Any,
    ) -> Any:
        return command(options=StepOptions(script, code, step_name, timeout), **others)

    return decorate(with_step_options, *_STEP_OPTIONS)


def step_argument(command: Command) -> Command:
    """Add the argument for one step, which may be left out."""
    return decorate(
        command,
        click.argument("step", type=click.Path(path_type=Path), required=False, metavar="[STEP]"),
    )


def steps_argument(command: Command) -> Command:
    """Add the argument for any number of steps."""
    return decorate(
        command,
        click.argument("steps", nargs=-1, type=click.Path(path_type=Path), metavar="[STEP]..."),
    )


def runner_options(command: Command) -> Command:
    """Add the options for one runner, its image and isolation."""

    @functools.wraps(command)
    def checked(*arguments: Any, **named: Any) -> Any:
        _refuse_container_options(named["runner"])
        return command(*arguments, **named)

    return decorate(
        checked,
        isolation_option,
        image_option,
        click.option(
            "--runner",
            metavar="NAME",
            help="fake, sandbox, container, local-mode; by default one that can judge the script.",
        ),
    )


def _refuse_container_options(runner: str | None) -> None:
    """What is asked for a container must not be ignored; settings may have it for other runs."""
    if runner not in _WITHOUT_CONTAINERS:
        return
    context = click.get_current_context()
    for name in ("image", "isolation"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name} is for containers, and the {runner} runner has none: leave it out, or "
                "use --runner container"
            )


image_option = click.option("--image", metavar="NAME", help="Image for the container runner.")
isolation_option = click.option(
    "--isolation",
    metavar="worker|case",
    help="Whether a container serves a worker for all of its cases (the default), or one case.",
)
start_option = click.option(
    "--start",
    type=click.Choice(["auto", "warm", "cold"]),
    default="auto",
    help="Whether cases in sandboxes and containers are forked from a process that has the "
    "script's imports loaded (warm), or start an interpreter each (cold); auto does the first "
    "where there are many.",
)
level_option = click.option(
    "--level",
    type=click.Choice(["strict", "practical"]),
    help="How strictly to judge, whatever the contract says; see harness explain practical.",
)
expression_option = click.option(
    "-k", "expression", metavar="EXPR", help="Only cases whose id matches, as in pytest."
)
cases_option = click.option(
    "--case", "cases", multiple=True, metavar="ID", help="Only this case (repeatable)."
)


def decorate(command: Command, *decorators: Callable[[Command], Command]) -> Command:
    """A command with all of these decorators."""
    for decorate in decorators:
        command = decorate(command)
    return command


def choose_runner(ref: StepRef, asked: RunnerOptions) -> Choice:
    """The runner for a step, after a line that says why it is not the usual one.

    Raises as `harness.runs.choice.choose` does.
    """
    from harness.runs.choice import choose

    choice = choose(ref, asked)
    if choice.note:
        say(choice.note)
    return choice


def select_cases(
    ids: Sequence[str], expression: str | None, cases: tuple[str, ...] = ()
) -> Sequence[str]:
    """The ids that `-k` and `--case` select; raises `WrongUse` when there are none."""
    from harness.cases.selection import select, unknown_case

    known = frozenset(cases) and frozenset(cases).intersection(ids)
    for case_id in cases:
        if case_id not in known:
            raise unknown_case(case_id, ids)
    named = tuple(dict.fromkeys(cases)) or ids
    return select(named, expression) if expression is not None else named


def program_words() -> tuple[str, ...]:
    """The first words of a command line that runs this program: its name, or else its path."""
    path = sys.argv[0]
    if Path(path).name == "__main__.py":
        return sys.executable, "-m", "harness"
    on_path = shutil.which(Path(path).name)
    is_on_path = on_path and Path(on_path).resolve() == Path(path).resolve()
    return (Path(path).name if is_on_path else path,)
