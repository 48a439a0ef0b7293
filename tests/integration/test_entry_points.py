"""Modules, programs of an image and the files of an image, in real containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.runners.real.container import ContainerRunner
from harness.runs.step import load, run_single_case
from tests.unit.test_entry_points import (
    IMAGE,
    IMAGE_FILES,
    MODULE,
    PACKAGE,
    SHELL,
    TRAIN,
    put,
    put_own_image,
)


def test_a_module(engine: str, tmp_path: Path) -> None:
    ref = put(tmp_path, "module: words.run\n", {**PACKAGE, "words/run.py": MODULE})
    for case_id in ("step=as-it-is", "circumstance=other-folder"):
        assert run_single_case(ref, ContainerRunner(engine), case_id).result.passed


@pytest.mark.parametrize("script", [TRAIN, SHELL], ids=["python", "shell"])
def test_a_program_of_an_image_of_ones_own(engine: str, tmp_path: Path, script: str) -> None:
    ref = put_own_image(tmp_path, script)
    trial = run_single_case(ref, ContainerRunner(engine), load(ref).matrix.usual)
    assert trial.result.passed, trial.outcome.stderr
    assert trial.outcome.stdout.split() == ["['/opt/program/train']", *["/opt/program"] * 2]


def test_files_of_the_image(engine: str, tmp_path: Path) -> None:
    ref = put(tmp_path, IMAGE, IMAGE_FILES)
    (tmp_path / "image" / "tools" / "run.sh").chmod(0o755)
    assert run_single_case(ref, ContainerRunner(engine), "step=as-it-is").result.passed
