"""The local-mode runner: cases as jobs of the real SDK's local mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harness.cases.case import Interrupt
from harness.errors import RunnerUnavailable
from harness.runners.real import local_mode
from harness.runners.real.local_mode import LocalModeRunner
from harness.runs.step import StepRef, load, prove
from tests.sdk.environments import IMAGE, need_engine, python_of
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


def test_without_an_sdk_the_runner_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_SDK_PYTHON", raising=False)
    with pytest.raises(RunnerUnavailable, match="harness sdk setup"):
        local_mode.sdk_python()
    monkeypatch.setenv("HARNESS_SDK_PYTHON", "/nonesuch/python")
    with pytest.raises(RunnerUnavailable, match="names /nonesuch/python"):
        local_mode.sdk_python()
