"""The local-mode runner: cases as jobs of the real SDK's local mode."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cases.case import Interrupt
from harness.cli import cli
from harness.errors import RunnerUnavailable
from harness.runners.real import local_service
from harness.runners.real.jobs_of_cases import reason_against
from harness.runners.real.local_mode import LocalModeRunner
from harness.runners.real.local_service import LocalService
from harness.runs.step import StepRef, load, prove
from tests.sdk.environments import IMAGE, containers_of, need_engine, python_of
from tests.unit.derived import make_step

CONTRACT = """
name: step
entry_point: step.py
inputs:
  rows: {required: true, file: rows.csv, mounts: [MOUNT]}
outputs:
  copied: {path: OUTPUT, files: [rows.csv]}
exit_codes: {0: copied, 1: failed}
"""
SCRIPT = """
import json, os, sys
with open("MOUNT/rows.csv") as stream:
    rows = stream.read()
EXTRA
with open("OUTPUT/rows.csv", "w") as stream:
    stream.write(rows)
"""
PROCESSING = ("/opt/ml/processing/input/rows", "/opt/ml/processing/output/copy")
TRAINING = ("/opt/ml/input/data/rows", "/opt/ml/model")
FIRST = "assert os.getpid() == 1, 'is not the first process'"


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalModeRunner]:
    python = python_of("v2")
    need_engine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_SDK_PYTHON", str(python))
        found = LocalModeRunner(IMAGE)
        found.prepare()
        yield found
        found.close()


def step(folder: Path, places: tuple[str, str], extra: str) -> StepRef:
    def filled(text: str) -> str:
        whole = text.replace("EXTRA", extra)
        return whole.replace("MOUNT", places[0]).replace("OUTPUT", places[1])

    return make_step(folder, filled(SCRIPT), filled(CONTRACT), {"rows/rows.csv": "a\n1\n"})


# Name → places, what the script does besides, and the promises that it breaks.
JOBS: Mapping[str, tuple[tuple[str, str], str, set[str]]] = {
    "processing": (PROCESSING, FIRST, set()),
    "training": (TRAINING, "assert os.environ['SM_CHANNEL_ROWS']", set()),
    "a move across mounts": (
        PROCESSING,
        "import tempfile; os.rename(tempfile.mkdtemp(), 'OUTPUT/x')",
        {"exit-code"},
    ),
    "something left": (PROCESSING, "open('/srv/left', 'w').close()", {"nothing-undeclared"}),
    "an input changed": (PROCESSING, "open('MOUNT/left', 'w').close()", {"inputs-unchanged"}),
}


def test_jobs_are_judged_as_cases(tmp_path: Path, runner: LocalModeRunner) -> None:
    """All of them in one process of the SDK, which takes longer to start than its jobs.

    What no job can express is told, and fails nothing.
    """
    for name, (places, extra, promises) in JOBS.items():
        trial = prove(step(tmp_path / name, places, extra), runner, "rows=present")
        found = {one.promise for one in trial.findings if one.severity == "error"}
        assert trial.unproven == "", name
        assert found >= promises, (name, trial.findings)
        assert bool(found) == bool(promises), (name, trial.findings)
    ref = step(tmp_path / "circumstances", PROCESSING, "")
    result = prove(ref, runner, "circumstance=umask-077")
    assert result.unproven == "no job: it has another user or umask"
    assert result.unproven_severity == "warning"
    case, _ = load(ref).matrix.case("circumstance=other-folder")
    assert runner.run(case).unproven == "no job: no such folder"
    case, _ = load(ref).matrix.case("circumstance=sigterm-at-50-percent")
    assert isinstance(case.interrupt, Interrupt)
    assert runner.run(case).unproven == "no job: it is interrupted"


def test_what_the_sdk_cannot_take_is_not_proven(tmp_path: Path, runner: LocalModeRunner) -> None:
    """Neither does a pipe that nobody writes to stop the harness."""
    pipes = "os.mkfifo('OUTPUT/pipe'); os.mkfifo('MOUNT/pipe')"
    result = prove(step(tmp_path, PROCESSING, pipes), runner, "rows=present")
    assert "the SDK failed after the script" in result.unproven
    assert "'`/output/copied/pipe` is a named pipe'" in result.unproven
    assert result.unproven_severity == "error"


def test_a_job_that_never_ends_is_ended(tmp_path: Path, runner: LocalModeRunner) -> None:
    ref = replace(step(tmp_path, PROCESSING, "while True: pass"), timeout=1.0)
    trial = prove(ref, runner, "rows=present")
    assert [(one.promise, one.key) for one in trial.findings] == [("exit-code", "hangs")]


def test_a_run_that_is_stopped_leaves_nothing(
    tmp_path: Path, runner: LocalModeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    case, _ = load(step(tmp_path / "step", PROCESSING, "while True: pass")).matrix.case(
        "rows=present"
    )
    started = []

    def stop_when_started(service: LocalService, _seconds: float) -> str | None:
        while not service.has_answered(0.2):
            started.extend(containers_of(tmp_path))
            if started:
                raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(LocalService, "answer", stop_when_started)
    process = local_service.of_this_process().process
    with pytest.raises(KeyboardInterrupt):
        runner.run(case)
    assert started
    assert process.returncode is not None
    assert containers_of(tmp_path) == []
    assert [one.name for one in tmp_path.iterdir()] == ["step"]


def test_no_job_can_make_a_folder_where_nothing_is_mounted(tmp_path: Path) -> None:
    case, _ = load(step(tmp_path, PROCESSING, "")).matrix.case("rows=present")
    assert reason_against(case) == ""
    elsewhere = replace(case, tree=case.tree.with_directory("/opt/ml/elsewhere"))
    assert reason_against(elsewhere) == "a folder where no input is mounted"
    within = replace(case, tree=case.tree.with_directory(f"{PROCESSING[0]}/empty"))
    assert reason_against(within) == "a folder without files"


def test_without_an_sdk_the_runner_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_SDK_PYTHON", raising=False)
    with pytest.raises(RunnerUnavailable, match="harness sdk setup"):
        local_service.sdk_python()
    monkeypatch.setenv("HARNESS_SDK_PYTHON", "/nonesuch/python")
    with pytest.raises(RunnerUnavailable, match="names /nonesuch/python"):
        local_service.sdk_python()
    monkeypatch.setenv("HARNESS_SDK_PYTHON", __file__)
    with pytest.raises(RunnerUnavailable, match="which is no program"):
        local_service.sdk_python()


def test_a_set_up_that_fails_leaves_nothing_that_would_be_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(command: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        local_service.ENVIRONMENT.mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, int("pip" in command))

    monkeypatch.setattr("harness.commands.sdk.subprocess.run", fail)
    result = CliRunner().invoke(cli, ["sdk", "setup"])
    assert isinstance(result.exception, RunnerUnavailable)
    assert "-m pip install" in str(result.exception)
    assert not local_service.ENVIRONMENT.exists()
