"""`harness lint`: check scripts against their contracts without running them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import (
    EPILOG,
    StepOptions,
    exit_code,
    print_errors,
    say,
    step_options,
    steps_argument,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.contracts.contract import Contract
    from harness.contracts.loaders import Source
    from harness.files.settings import LintSettings
    from harness.lint.choice import Choice
    from harness.lint.problem import Problem

_MOST_INPUT = 4_000_000


def _codes(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The codes of an option; raises for one that there is not."""
    from harness.lint.codes import CODES, current

    codes = tuple(one.strip() for one in (value or "").split(",") if one.strip())
    for one in codes:
        if one.upper() != "ALL" and not any(known.startswith(current(one)) for known in CODES):
            raise click.BadParameter(f"there is no code {one!r}; `harness explain` lists them")
    return codes


@click.command(epilog=EPILOG)
@steps_argument
@step_options
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="For people, programs, code scanning, or annotations in GitHub Actions.",
)
@click.option("--select", callback=_codes, metavar="CODES", help="Only these codes.")
@click.option("--extend-select", callback=_codes, metavar="CODES", help="These codes too.")
@click.option("--ignore", callback=_codes, metavar="CODES", help="Not these codes.")
@click.option("--exit-zero", is_flag=True, help="End with 0 whatever is found.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    help="From which severity on to end with 1; warning by default.",
)
@click.option("--fix", "fixes", is_flag=True, help="Mend what is mechanical, and show the rest.")
@click.option(
    "--stdin-filename",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read the script from standard input, as that of this file.",
)
def lint(
    steps: tuple[Path, ...],
    options: StepOptions,
    format_name: str,
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    exit_zero: bool,
    fail_on: str | None,
    fixes: bool,
    stdin_filename: Path | None,
) -> None:
    """Hold each STEP's script against its contract without running it.

    A STEP may be the script itself, with its contract beside it. A contract that is an object in
    Python is executed in a sandbox.
    """
    from harness.contracts import loaders
    from harness.files.programs import is_other_program
    from harness.files.settings import settings
    from harness.lint import lint as find_problems
    from harness.lint.fixes import mend
    from harness.report.lint import render

    project = settings(Path.cwd())
    choice = _choice(project.lint, project.level, select, extend_select, ignore)
    if stdin_filename is not None:
        steps = steps or (stdin_filename,)

    def apart(path: Path, read: Callable[[], Contract]) -> Contract:
        from harness.runs.apart import read_apart

        return read_apart(path, read, say)

    def find(source: Source) -> list[Problem]:
        contract = options.read_contract(source, apart)
        path = options.script or contract.script
        if stdin_filename is not None:
            script = sys.stdin.buffer.read(_MOST_INPUT)
        else:
            script = loaders.read_script(path)
        if is_other_program(script):
            say(f"warning: {path} is not a Python script: nothing is checked")
            return []
        found = find_problems(contract, path, script, choice)
        if fixes and stdin_filename is None and mend(found):
            contract = options.read_contract(source, apart)
            found = find_problems(contract, path, loaders.read_script(path), choice)
        return list(found)

    done, errors = options.for_each(steps, find)
    problems = list(dict.fromkeys(problem for _, found in done for problem in found))
    if done:
        click.echo(render(problems, format_name, project.lint.page), nl=False)
    print_errors(errors)
    least = fail_on or project.lint.fail_on
    fails = [one for one in problems if least == "warning" or one.severity == "error"]
    sys.exit(exit_code(errors, conforms=exit_zero or not fails))


def _choice(
    table: LintSettings,
    level: str | None,
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> Choice:
    """What is looked at: the options, then the settings of the project."""
    from harness.lint.choice import Choice

    return Choice(
        select or table.select,
        (*table.extend_select, *extend_select),
        (*table.ignore, *ignore),
        table.per_file_ignores,
        table.severity,
        level,
    )
