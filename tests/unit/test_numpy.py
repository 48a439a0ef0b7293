"""A script that reads its data with numpy is judged with the Python that has it."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from harness.runners.real.sandbox import SandboxRunner
from tests.unit.command import harness
from tests.unit.test_choice import step

# It opens the file in C.
DATA = "/opt/ml/processing/input/data/data.csv"
USE = f"assert numpy.loadtxt({DATA!r}, delimiter=',', skiprows=1).sum() == 3"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with numpy, where it can be installed."""
    folder = tmp_path_factory.mktemp("environment") / "numbers"
    venv.create(folder, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    try:
        subprocess.run(
            [*command, "install", "--quiet", "--only-binary", ":all:", "numpy"],
            capture_output=True,
            check=True,
            timeout=240,
        )
    except subprocess.SubprocessError as error:
        pytest.skip(f"numpy cannot be installed: {error}")
    return folder


def test_numpy_of_the_active_environment(
    sandbox: SandboxRunner, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(tmp_path, "import numpy", USE)
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))
    done = harness("check", str(tmp_path), "-k", "data or again or read-only-root")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prepare: sandbox runner: the script imports numpy," in done.stderr
    assert "0 failed" in done.stdout
