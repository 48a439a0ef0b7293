"""One wrong step among several: the others are proved, then the error is told, exit code 2."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from tests.sdk.expected import HERE, STEPS

COPIER = Path(__file__).parent / "steps" / "copier"


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, [*words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(COPIER, tmp_path / "b_copier")
    return tmp_path


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


WRONG = {
    "a_contract/contract.yaml": "name: x\ncolour: red\n",
    "a.step.yaml": "contract:\n  entry_point: 3\n",
    "c.pipeline.json": '{"Steps": 3}',
    "c_missing_script/contract.yaml": (
        "name: x\nentry_point: no.py\noutputs: {o: {path: /o}}\nexit_codes: {0: ok}\n"
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_step_in_a_folder(folder: Path, name: str) -> None:
    put(folder / name, WRONG[name])
    checked = run("check", str(folder), "--jobs", "1", "-k", "special")
    assert checked.exit_code == 2, checked.output
    assert "copier: " in checked.stdout
    assert "passed" in checked.stdout
    assert f"harness: {folder}" in checked.stderr.replace("the entry point ", "")
    linted = run("lint", str(folder), "--select", "STEP401")
    assert linted.exit_code == 2
    assert "copier.py:12:1: STEP401" in linted.stdout
    assert f"{folder}" in linted.stderr


def test_every_error_is_told(folder: Path) -> None:
    shutil.rmtree(folder / "b_copier")
    for name, text in WRONG.items():
        put(folder / name, text)
    for command in ("check", "lint"):
        done = run(command, str(folder))
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.count("harness: ") == len(WRONG)


def test_a_wrong_path_among_several(folder: Path) -> None:
    done = run(
        "check", str(folder / "nowhere"), str(folder / "b_copier"), "--jobs", "1", "-k", "special"
    )
    assert done.exit_code == 2
    assert "copier: " in done.stdout
    assert "nowhere" in done.stderr


def without_app(step: Any) -> None:
    del step["Arguments"]["AppSpecification"]


def without_name(step: Any) -> None:
    del step["Name"]


def with_relative_path(step: Any) -> None:
    step["Arguments"]["ProcessingInputs"][0]["S3Input"]["LocalPath"] = "data"


@pytest.mark.parametrize("edit", [without_app, without_name, with_relative_path])
def test_a_wrong_step_in_a_pipeline(tmp_path: Path, edit: Any) -> None:
    document = json.loads((HERE / "definition_v2.json").read_text())
    broken = copy.deepcopy(document["Steps"][0])
    broken["Name"] = "Broken"
    edit(broken)
    document["Steps"].insert(0, broken)
    shutil.copytree(STEPS / "samples", tmp_path / "samples")
    path = put(tmp_path / "x.json", json.dumps(document, indent=1))
    for command in ("check", "lint"):
        options = (
            ("--jobs", "1", "-k", "present and not circumstance") if command == "check" else ()
        )
        done = run(command, str(path), "--code", str(STEPS), *options)
        assert done.exit_code == 2, done.output
        assert f"harness: {path}:" in done.stderr
        assert "Steps.0" in done.stderr
        if command == "check":
            assert [one in done.stdout for one in ("Prepare", "Train", "Evaluate")] == [True] * 3
    one = run("list", str(path), "--code", str(STEPS), "--step", "Prepare")
    assert one.exit_code == 0, one.output


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_report_for_programs_holds_the_errors(folder: Path, suffix: str) -> None:
    put(folder / "a.step.yaml", WRONG["a.step.yaml"])
    file = folder / f"report.{suffix}"
    words = ("--jobs", "1", "-k", "special", "--json", str(file))
    assert run("check", str(folder), *words).exit_code == 2
    text = file.read_text()
    document = json.loads(text if suffix == "json" else text.splitlines()[-1])
    (error,) = document["errors"]
    assert f"{folder}/a.step.yaml:2: contract.entry_point: " in error["what"]
    assert error["exit_code"] == 2
    assert suffix == "jsonl" or [one["step"] for one in document["steps"]] == ["copier"]
    merged = run("merge", str(file))
    assert "not all of its steps were proved" in str(merged.exception)
    assert run("check", str(folder / "b_copier"), *words).exit_code == 0
    assert "errors" not in file.read_text()


SUBPROCESS = "import subprocess\nsubprocess.run(['true'], check=True)\n"


def test_a_step_that_its_runner_cannot_judge(folder: Path) -> None:
    shutil.copytree(COPIER, folder / "a_starter")
    for name, text in (("copier.py", SUBPROCESS), ("contract.yaml", None)):
        path = folder / "a_starter" / name
        path.write_text(text or path.read_text().replace("name: copier", "name: starter"))
    words = ("--runner", "fake", "--jobs", "1", "-k", "special")
    done = run("check", str(folder), *words)
    assert done.exit_code == 3, done.output
    assert "the fake runner cannot judge this script" in done.stderr
    assert "copier: " in done.stdout
    assert "1 passed" in done.stdout
    alone = run("check", str(folder / "a_starter"), *words)
    assert "cannot judge" in str(alone.exception)


def test_a_replay_names_the_python_that_was_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = folder / "b_copier" / "copier.py"
    script.write_text("raise SystemExit(3)\n")
    words = ("check", str(folder / "b_copier"), "--jobs", "1", "-k", "special")
    monkeypatch.delenv("HARNESS_PYTHON", raising=False)
    assert "HARNESS_PYTHON" not in run(*words).stdout
    monkeypatch.setenv("HARNESS_PYTHON", "/opt/my python")
    assert "replay    env 'HARNESS_PYTHON=/opt/my python' " in run(*words).stdout
