"""The settings of a project, `[tool.harness]` or `harness.toml`, and what commands make of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.errors import WrongContract
from harness.files.settings import LintSettings, Settings, settings

COPIER = Path(__file__).parent / "steps" / "copier"


def put(folder: Path, text: str, name: str = "pyproject.toml") -> Path:
    (folder / name).write_text(text)
    return folder


def harness(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_the_nearest_table_counts(tmp_path: Path) -> None:
    put(tmp_path, '[tool.harness]\nlevel = "strict"\ntimeout = 3\n')
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    put(inside, "[project]\nname = 'x'\n")
    assert settings(inside) == Settings(level="strict", timeout=3)
    put(inside, 'level = "practical"\n[lint]\nfail-on = "error"\n', "harness.toml")
    assert settings(inside) == Settings(level="practical", lint=LintSettings(fail_on="error"))


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = 'steps = ["a", "b/*"]\nbaseline = "known.yaml"\nreports = {html = "r.html", json = "-"}'
    found = settings(put(tmp_path, text, "harness.toml"))
    assert found.steps == (str(tmp_path / "a"), str(tmp_path / "b/*"))
    assert found.baseline == str(tmp_path / "known.yaml")
    assert found.reports == {"html": str(tmp_path / "r.html"), "json": "-"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.harness]\n\nlevle = 'strict'\n",
            r"pyproject.toml:3: tool.harness.levle: is not a key .*; the nearest is level",
        ),
        ("[tool.harness]\nlevel = 'lax'\n", r"pyproject.toml:2: tool.harness.level: .*'strict' or"),
        ("[tool]\nharness = 3\n", r"pyproject.toml:2: tool.harness: should be a mapping"),
        ("[tool.harness]\ntimeout = 0\n", r":2: tool.harness.timeout: input should be greater"),
        (
            "[tool.harness.lint]\nselct = []\n[tool.harness]\nrunner = 1\n",
            r"(?s):2: tool.harness.lint.selct: .*nearest is select\n.*:4: tool.harness.runner: sho",
        ),
        ("[tool.harness\n", r"pyproject.toml: is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WrongContract, match=message):
        settings(put(tmp_path, text))


def test_steps_reports_and_jobs_are_those_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        shutil.copytree(COPIER, tmp_path / "steps" / name)
    (tmp_path / "inside").mkdir()
    put(tmp_path, 'steps = ["steps/t*"]\nreports = {markdown = "run.md"}\njobs = 1', "harness.toml")
    monkeypatch.chdir(tmp_path / "inside")
    done = harness("check", "--case", "special=accents")
    assert done.exit_code == 0, done.output
    assert "\n2 steps " in done.output
    assert "# " in (tmp_path / "run.md").read_text()
    several = harness("list")
    assert isinstance(several.exception, Exception)
    assert "several steps: ../steps/three, ../steps/two" in str(several.exception)


def test_without_settings_the_steps_are_those_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no step in or below" in str(harness("check").exception)
    for folder in (
        "deep/down/copier",
        ".hidden/copier",
        "env/copier",
        "deep/down/copier/samples/x",
    ):
        shutil.copytree(COPIER, tmp_path / folder)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    done = harness("list", "-k", "accents")
    assert done.output == "special=accents\n"
