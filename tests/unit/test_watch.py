"""`harness watch` runs again what a change touches."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli

pytest.importorskip("watchfiles")
COPIER = Path(__file__).parent / "steps" / "copier"


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    shutil.copytree(COPIER, tmp_path / "copier")
    words = ["watch", "copier", "-q", "--jobs", "1", "--case", "special=accents"]
    process = subprocess.Popen(
        [Path(sys.executable).with_name("harness"), *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def lines_until_waiting(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        if line.startswith("waiting"):
            break
        lines.append(line.rstrip())
    return lines


def test_a_change_is_checked_at_once(watching: subprocess.Popen[str], tmp_path: Path) -> None:
    assert lines_until_waiting(watching)[-1].startswith("copier: 1 passed, 0 failed")
    script = tmp_path / "copier" / "copier.py"
    script.write_text(script.read_text().replace("(text)", "(text + b'!')"))
    lines = lines_until_waiting(watching)
    assert lines[0].startswith("1. output: wrong-bytes in 1 case")
    watching.send_signal(signal.SIGINT)
    assert watching.wait() == 130


def test_wrong_options_are_those_of_check(tmp_path: Path) -> None:
    assert "No such option" in CliRunner().invoke(cli, ["watch", "--nonesuch"]).output
    wrong = CliRunner().invoke(cli, ["watch", str(tmp_path / "none")]).exception
    assert "there is no " in str(wrong)
