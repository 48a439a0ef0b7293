"""`harness ci`: print what runs the steps of this tree in a CI service, or in an editor."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from harness.commands.defaults import default_steps
from harness.commands.options import EPILOG, StepOptions

_FILES = {
    "github": "github.yml.jinja",
    "gitlab": "gitlab.yml.jinja",
    "pre-commit": "pre-commit.yaml.jinja",
    "devcontainer": "devcontainer.json.jinja",
}
# A job of that many cases is over in a minute or two.
_CASES_OF_A_SHARD = 1000
_MOST_SHARDS = 16


@click.command(epilog=EPILOG)
@click.argument("service", type=click.Choice(list(_FILES)))
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="N",
    help="Jobs that share the cases; by default as many as the cases of this tree need.",
)
@click.option(
    "--install",
    metavar="WORDS",
    help="What pip installs: the harness, and what the scripts import; by default "
    "requirements.txt, else the project of this folder.",
)
def ci(service: str, shards: int | None, install: str | None) -> None:
    """Print a workflow for SERVICE that proves every step of this tree.

    It has shards, a cache and reports. pre-commit prints hooks, devcontainer a devcontainer.json.
    """
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    number = shards or (_shards() if service in ("github", "gitlab") else 1)
    # The brackets of jinja2 are those of GitHub too.
    environment = Environment(
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    template = files("harness") / "ci" / _FILES[service]
    text = environment.from_string(template.read_text(encoding="utf-8")).render(
        shards=number,
        numbers=", ".join(str(one) for one in range(1, number + 1)),
        shard_name="${{ matrix.shard }}-" if number > 1 else "",
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        install=install or _install(),
    )
    click.echo(text, nl=False)


def _install() -> str:
    """What pip installs in this folder."""
    here = Path.cwd()
    if (here / "requirements.txt").is_file():
        return "-r requirements.txt"
    return "." if (here / "pyproject.toml").is_file() else shlex.quote("step-harness")


def _shards() -> int:
    """How many jobs share the cases of all steps that can be read."""
    from harness.contracts.loaders import Source
    from harness.runs.step import load

    options = StepOptions()

    def count(source: Source) -> int:
        return len(load(options.step_ref(source)).matrix.ids)

    done, _ = options.for_each(default_steps(), count)
    cases = sum(number for _, number in done)
    return min(-(-cases // _CASES_OF_A_SHARD), _MOST_SHARDS) or 1
