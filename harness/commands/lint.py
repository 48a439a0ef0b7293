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
    step_options,
    steps_argument,
)

if TYPE_CHECKING:
    from harness.contracts.loaders import Source
    from harness.lint.problem import Problem


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
def lint(steps: tuple[Path, ...], options: StepOptions, format_name: str) -> None:
    """Hold each STEP's script against its contract without running it."""
    from harness.contracts import loaders
    from harness.files.programs import is_other_program
    from harness.lint import lint as find_problems
    from harness.report.lint import render

    def find(source: Source) -> list[Problem]:
        contract = options.read_contract(source)
        path = options.script or contract.script
        script = loaders.read_script(path)
        if is_other_program(script):
            click.echo(f"warning: {path} is not a Python script: nothing is checked", err=True)
            return []
        return list(find_problems(contract, path, script))

    done, errors = options.for_each(steps, find)
    problems = [problem for _, found in done for problem in found]
    if done:
        click.echo(render(problems, format_name), nl=False)
    print_errors(errors)
    sys.exit(exit_code(errors, conforms=not problems))
