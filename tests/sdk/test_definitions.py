"""Definitions made by the real SageMaker SDKs, 2 and 3, each in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from tests.sdk.expected import HERE, STEPS, VERSIONS, assert_contracts

ROOT = HERE.parents[1]
REQUIRED = os.environ.get("HARNESS_REQUIRE_SDK") == "1"
# What the SDKs take from the moment and from the content of files.
_PASSING = re.compile(r"[0-9a-f]{64}|\d{4}(-\d\d){5}-\d{3}")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def definition(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A definition that the SDK of this version has just made."""
    environment = ROOT / f".venv-sdk{version[1:]}"
    if not (environment / "ready").is_file():
        reason = f"the SageMaker SDK {version[1:]} is not in {environment.name}; run: make sdks"
        if REQUIRED:
            pytest.fail(f"{reason} (HARNESS_REQUIRE_SDK=1)")
        pytest.skip(reason)
    made = tmp_path_factory.mktemp(version) / "steps.json"
    script = HERE / f"definitions_{version}.py"
    done = subprocess.run(
        [environment / "bin" / "python", script, made],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return made


def test_it_is_the_recorded_one(definition: Path, version: str) -> None:
    recorded = (HERE / f"definition_{version}.json").read_text()
    assert _lasting(definition.read_text()) == _lasting(recorded)


def test_its_contracts(definition: Path, version: str) -> None:
    assert_contracts(definition, version)


def test_its_steps_are_proved(definition: Path) -> None:
    samples = definition.with_name("samples")
    if not samples.exists():
        shutil.copytree(STEPS / "samples", samples)
    command = ["check", str(definition), "--code", str(STEPS), "--jobs", "1"]
    ran = CliRunner().invoke(cli, command)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines()[-1].split() == ["3", "steps", "51", "0", "0", "0"]


def _lasting(text: str) -> object:
    return json.loads(_PASSING.sub("…", text))
