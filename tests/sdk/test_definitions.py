"""Definitions that the real SageMaker SDKs 2 and 3 create, each in its own environment."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from tests.sdk.environments import python_of
from tests.sdk.expected import HERE, STEPS, VERSIONS, assert_contracts

# Digests and time stamps in definitions.
_VARIABLE_PARTS = re.compile(r"[0-9a-f]{64}|\d{4}(-\d\d){5}-\d{3}")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def definition(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A definition that the SDK of this version creates now."""
    python = python_of(version)
    path = tmp_path_factory.mktemp(version) / "steps.json"
    script = HERE / f"definitions_{version}.py"
    completed = subprocess.run(
        [python, script, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return path


def test_the_definition_is_the_recorded_one(definition: Path, version: str) -> None:
    recorded = (HERE / f"definition_{version}.json").read_text()
    assert _without_variable_parts(definition.read_text()) == _without_variable_parts(recorded)


def test_the_contracts_of_the_definition(definition: Path, version: str) -> None:
    assert_contracts(definition, version)


def test_the_steps_of_the_definition_pass(definition: Path) -> None:
    samples = definition.with_name("samples")
    if not samples.exists():
        shutil.copytree(STEPS / "samples", samples)
    command = ["check", str(definition), "--code", str(STEPS), "--jobs", "1"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].split() == ["3", "steps", "55", "0", "0", "0"]


def _without_variable_parts(text: str) -> object:
    return json.loads(_VARIABLE_PARTS.sub("…", text))
