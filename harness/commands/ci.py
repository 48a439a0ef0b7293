"""`harness ci`: print what runs the steps of this tree in a CI service, or in an editor."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from harness.commands.defaults import default_steps
from harness.commands.options import EPILOG, StepOptions
from harness.files.toml_file import tomllib

_FILES = {
    "github": "github.yml.jinja",
    "gitlab": "gitlab.yml.jinja",
    "pre-commit": "pre-commit.yaml.jinja",
    "devcontainer": "devcontainer.json.jinja",
}
# A job of that many cases is over in a minute or two.
_CASES_OF_A_SHARD = 1000
_MOST_SHARDS = 16
_DISTRIBUTION = "step-harness"
_UNKNOWN = (
    "nothing here says where a job gets the harness from, so that it runs: pip install {words}; "
    "name it with --install, such as --install 'git+https://HOST/HARNESS.git@TAG' or a wheel"
)


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
    help="What pip installs: the harness (an address, a wheel, a folder), and what the scripts "
    "import; by default requirements.txt, else the project of this folder, and the harness from "
    "where this one came.",
)
def ci(service: str, shards: int | None, install: str | None) -> None:
    """Print a workflow for SERVICE that proves every step of this tree.

    It has shards, a cache and reports. pre-commit prints hooks, devcontainer a devcontainer.json.
    """
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    number = shards or (_shards() if service in ("github", "gitlab") else 1)
    installed = _install(install) if service != "pre-commit" else _Install("")
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
        install=installed.words,
        note=installed.note,
    )
    click.echo(text, nl=False)
    if installed.note:
        click.echo(f"note: {installed.note}", err=True)


@dataclass(frozen=True)
class _Install:
    """What pip installs, and what has to be said of it, "" where all is known."""

    words: str
    note: str = ""


def _install(given: str | None) -> _Install:
    """What pip installs in this folder: what it asks for, and the harness."""
    if given:
        return _Install(given)
    here = Path.cwd()
    words = []
    if (requirements := here / "requirements.txt").is_file():
        words = ["-r requirements.txt"]
        if _names_harness(requirements.read_text(encoding="utf-8")):
            return _Install(words[0])
    elif (path := here / "pyproject.toml").is_file():
        words = ["."]
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
        if _names_harness(project.get("name"), project.get("dependencies")):
            return _Install(".")
        for extra, asked in project.get("optional-dependencies", {}).items():
            if _names_harness(asked):
                return _Install(shlex.quote(f".[{extra}]"))
    source = _source_of_harness(here)
    words.append(shlex.quote(source or _DISTRIBUTION))
    note = "" if source else _UNKNOWN.format(words=" ".join(words))
    return _Install(" ".join(words), note)


def _names_harness(*asked: object) -> bool:
    """Whether requirements have the harness among them, however its name is spelt."""
    return _DISTRIBUTION in re.sub(r"[-_.]+", "-", str(asked).lower())


def _source_of_harness(here: Path) -> str:
    """Where others get this harness from, as pip has recorded it; "" where they cannot.

    An address with a commit, a file at an address, or a folder or file within this one.
    """
    # They take longer to import than all other commands.
    from importlib.metadata import distribution
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    recorded = distribution(_DISTRIBUTION).read_text("direct_url.json")
    origin = json.loads(recorded or "{}")
    url = urlparse(str(origin.get("url", "")))
    if url.scheme == "file":
        path = Path(url2pathname(url.path)).resolve()
        within = path != here and path.is_relative_to(here)
        return f"./{path.relative_to(here).as_posix()}" if within else ""
    if commit := origin.get("vcs_info", {}):
        address = f"{commit['vcs']}+{url.geturl()}@{commit['commit_id']}"
        return f"{_DISTRIBUTION} @ {address}"
    return url.geturl()


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
