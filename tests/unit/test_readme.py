"""The README: its tables and examples match the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import Exit
from harness.promises import Promise
from harness.promises.all import PROMISES
from tests import miniatures

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
COPIER = TOP / "tests" / "unit" / "steps" / "copier"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_every_promise_is_listed(promise: Promise) -> None:
    assert f"| `{promise.name}` | {promise.sentence} |" in README


@pytest.mark.parametrize("name", ["contract.yaml", "conformance.py"])
def test_the_sample_step_is_shown_unchanged(name: str) -> None:
    assert (COPIER / name).read_text() in README


def test_every_option_exists() -> None:
    helps = "".join(CliRunner().invoke(cli, [command, "--help"]).output for command in cli.commands)
    used = set(re.findall(r"`harness [^`]*`", README))
    options = {option for line in used for option in re.findall(r"--?[a-z][a-z-]*", line)}
    assert {"--script", "--case", "--runner", "--keep", "-k"} <= options
    assert {option for option in options if option not in helps} == set()


def test_every_exit_code_is_listed() -> None:
    for code in Exit:
        assert re.search(rf"^\| {int(code)} \|", README, re.MULTILINE), code


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
def test_the_make_targets_are_those_of_the_makefile() -> None:
    make = ["make", "--no-print-directory", "help"]
    completed = subprocess.run(make, cwd=TOP, capture_output=True, text=True, check=True)
    assert f"$ make\n{completed.stdout}" in README


def test_the_number_of_miniatures_is_right() -> None:
    assert f"{len(miniatures.ALL)} deliberately wrong scripts" in README


def test_every_named_file_exists() -> None:
    named = re.findall(r"`((?:harness|tests|docker|dummy_training)/[\w./]*)`", README)
    assert len(named) > 10
    assert [name for name in named if not (TOP / name).exists()] == []
