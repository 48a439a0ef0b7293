"""Definitions that the real SageMaker SDKs 2 and 3 create, each in its own environment."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from tests.sdk.environments import sdk_runs
from tests.sdk.expected import HERE, STEPS, VERSIONS, assert_contracts

# Digests and time stamps in definitions.
_VARIABLE_PARTS = re.compile(r"[0-9a-f]{64}|\d{4}(-\d\d){5}-\d{3}")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def definition(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A definition that the SDK of this version creates now, with the samples of its steps."""
    made = sdk_runs(version, tmp_path_factory) / "steps.json"
    folder = tmp_path_factory.mktemp(version)
    shutil.copytree(STEPS / "samples", folder / "samples")
    return Path(shutil.copy(made, folder))


def test_the_definition_is_the_recorded_one(definition: Path, version: str) -> None:
    recorded = (HERE / f"definition_{version}.json").read_text()
    assert _without_variable_parts(definition.read_text()) == _without_variable_parts(recorded)


def test_the_contracts_of_the_definition(definition: Path, version: str) -> None:
    assert_contracts(definition, version)


def test_the_steps_of_the_definition_pass(definition: Path, version: str) -> None:
    """Those of the SDK 3 but for its trainer are the same contracts, and need no second proof."""
    command = ["check", str(definition), "--code", str(STEPS), "--jobs", "1"]
    chosen = [] if version == "v2" else ["--step", "Train"]
    result = CliRunner().invoke(cli, [*command, *chosen])
    assert result.exit_code == 0, result.output
    passed = ["3", "steps", "55"] if version == "v2" else ["18", "passed,"]
    assert result.stdout.splitlines()[-1].split()[: len(passed)] == passed


def _without_variable_parts(text: str) -> object:
    return json.loads(_VARIABLE_PARTS.sub("…", text))
