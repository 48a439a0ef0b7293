"""What is looked at and how the linter ends: options, settings, waivers, comments, fixes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import cli

CONTRACT = """\
name: step
entry_point: step.py
outputs:
  out: {path: /opt/ml/processing/output}
exit_codes: {0: done}
"""
SCRIPT = """\
import os
import random
import boto3

x = random.random()
y = os.environ["ZONE"]
open("/opt/ml/processing/output/x", "wb")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    (tmp_path / "step.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lint(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["lint", *arguments], input=text)


def codes(*arguments: str, text: str | None = None) -> list[str]:
    result = lint("--format", "json", *arguments, text=text)
    return [one["code"] for one in json.loads(result.stdout)]


ALL = ["STEP601", "STEP701", "STEP201"]


def test_options(folder: Path) -> None:
    assert codes(".") == ALL
    assert codes("step.py") == ALL
    assert codes(".", "--select", "STEP6") == ["STEP601"]
    assert codes(".", "--ignore", "STEP7,H201") == ["STEP601"]
    assert "STEP402" in codes(".", "--extend-select", "STEP4")
    assert set(codes(".", "--select", "ALL")) >= {"STEP402", *ALL}
    assert lint(".").exit_code == 1
    assert lint(".", "--exit-zero").exit_code == 0
    assert lint(".", "--select", "STEP701", "--fail-on", "error").exit_code == 0
    assert "there is no code 'STEP999'" in lint(".", "--select", "STEP999").output


def test_settings(folder: Path) -> None:
    settings = folder / "pyproject.toml"
    settings.write_text('[tool.harness.lint]\nignore = ["STEP6"]\nseverity = {STEP2 = "warning"}\n')
    assert codes(".") == ["STEP701", "STEP201"]
    assert lint(".", "--fail-on", "error").exit_code == 0
    settings.write_text('[tool.harness.lint]\nper-file-ignores = {"step.*" = ["ALL"]}\n')
    assert codes(".") == []
    settings.write_text('[tool.harness.lint]\nselect = ["STEP701"]\n')
    assert codes(".") == ["STEP701"]
    settings.write_text("[tool.harness.lint]\nselekt = []\n")
    error = str(lint(".").exception)
    assert "pyproject.toml:2: tool.harness.lint.selekt" in error
    assert "the nearest is select" in error


def test_a_waiver_of_the_contract(folder: Path) -> None:
    contract = folder / "contract.yaml"
    contract.write_text(CONTRACT + "waivers: {STEP601: it is in the image, STEP701: it samples}\n")
    assert codes(".") == ["STEP201"]


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("# noqa: STEP701", ["STEP601", "STEP201"]),
        ("# noqa: S311, STEP701", ["STEP601", "STEP201"]),
        ("# noqa: H701", ["STEP601", "STEP201"]),
        ("# noqa", ["STEP601", "STEP201"]),
        ("# noqa: S311", ALL),
        ("# noqa: STEP201", ["STEP601", "STEP701", "STEP901", "STEP201"]),
        ("# harness: noqa: STEP201", ["STEP601", "STEP701"]),
        ("; z = '# noqa: STEP701'", ALL),
    ],
)
def test_comments(folder: Path, comment: str, found: list[str]) -> None:
    (folder / "step.py").write_text(SCRIPT.replace("random()", f"random()  {comment}"))
    assert codes(".") == found


def test_standard_input(folder: Path) -> None:
    assert codes("--stdin-filename", "step.py", text="import torch\n") == ["STEP102", "STEP601"]


def test_fixes(folder: Path) -> None:
    (folder / "step.py").write_text(
        "import argparse, tarfile\nimport pandas\np = argparse.ArgumentParser()\n"
        'p.add_argument("--depth", type=int, default=3)\nprint(p.parse_args().depth)\n'
        'tarfile.open("x").extractall(path="/tmp/o")\nopen("/opt/ml/processing/output/x", "wb")\n'
    )
    assert codes(".") == ["STEP601", "STEP301", "STEP501"]
    assert codes(".", "--fix") == []
    assert 'extractall(path="/tmp/o", filter="data")' in (folder / "step.py").read_text()
    assert 'arguments:\n  depth: "default 3"' in (folder / "contract.yaml").read_text()
    assert codes(".") == []


def test_a_wrong_contract_does_not_hide_the_others(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "contract.yaml").write_text("name: x\n")
    result = lint(".", "other")
    assert result.exit_code == 2
    assert "STEP201" in result.stdout
    assert "other/contract.yaml" in result.stderr


@pytest.mark.parametrize("kind", ["fifo", "device", "large"])
def test_what_is_no_script_is_a_clear_error(folder: Path, kind: str) -> None:
    script = folder / "step.py"
    script.unlink()
    if kind == "fifo":
        os.mkfifo(script)
    elif kind == "device":
        script.symlink_to("/dev/zero")
    else:
        script.write_bytes(b"x = 1\n" * 1_000_000)
    result = lint(".")
    assert result.exit_code != 0
    assert "step.py cannot be read: it is" in str(result.exception)


def test_names_do_not_act(folder: Path) -> None:
    place = folder / "a\x1b[31mb"
    place.mkdir()
    (place / "contract.yaml").write_text(CONTRACT)
    (place / "step.py").write_text("import os\nos.environ['\\x1b[2J']\n")
    for form in ("text", "json", "sarif", "github"):
        assert "\x1b" not in lint(str(place), "--format", form).output
