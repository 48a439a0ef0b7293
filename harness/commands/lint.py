"""`harness lint`: scripts held against their contracts without running them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import EPILOG, Reading, reading_options, steps_argument
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.lint.problem import Problem


@click.command(epilog=EPILOG)
@steps_argument
@reading_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="For people, programs, code scanning, or annotations in GitHub Actions.",
)
def lint(steps: tuple[Path, ...], reading: Reading, form: str) -> None:
    """Hold each STEP's script against its contract without running it."""
    from harness.contracts import loaders
    from harness.lint import lint as find
    from harness.report.lint import render

    problems: list[Problem] = []
    for source in reading.found(steps):
        contract = reading.contract(source)
        path = reading.script or contract.script
        problems += find(contract, path, loaders.read_script(path))
    click.echo(render(problems, form), nl=False)
    sys.exit(Exit.FINDINGS if problems else Exit.CONFORMS)
