"""New steps: they conform before they are edited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.scaffold import scaffold
from harness.errors import WrongUse
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove

TOP = Path(__file__).parents[2]


def test_a_new_step_has_contract_script_suite_and_samples(tmp_path: Path) -> None:
    paths = scaffold(tmp_path / "word_count")
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "word_count/conformance.py",
        "word_count/contract.yaml",
        "word_count/samples/data/text.txt",
        "word_count/word_count.py",
    ]
    assert not any("$" in path.read_text() for path in paths)
    assert [path.name for path in tmp_path.iterdir()] == ["word_count"]


def test_its_suite_finds_a_wrong_script(tmp_path: Path) -> None:
    scaffold(tmp_path / "word_count")
    script = tmp_path / "word_count" / "word_count.py"
    ref = StepRef(tmp_path / "word_count")
    ids = [one for one in load(ref).matrix.ids if not one.startswith("circumstance=")]
    assert ids == ["data=absent", "data=sample", "data=no_words", "data=accents"]
    wrong = tmp_path / "wrong.py"
    wrong.write_text(script.read_text().replace(".split()", ""))
    found = [bool(prove(StepRef(ref.path, wrong), FakeRunner(), one).findings) for one in ids]
    assert found == [False, True, False, True]


def test_without_its_suite_a_suite_is_derived(tmp_path: Path) -> None:
    scaffold(tmp_path / "word_count")
    (tmp_path / "word_count" / "conformance.py").unlink()
    ref = StepRef(tmp_path / "word_count")
    matrix = load(ref).matrix
    assert matrix.ids[:3] == ("data=absent", "data=empty", "data=present")
    assert len(matrix.ids) >= 18
    assert {prove(ref, FakeRunner(), one).findings for one in matrix.ids} == {()}


@pytest.mark.parametrize("name", ["Word", "1st", "word-count", "word count", "wörter"])
def test_other_names_are_wrong_use(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="is no name for a step"):
        scaffold(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "word_count").mkdir()
    with pytest.raises(WrongUse, match="is there already"):
        scaffold(tmp_path / "word_count")
    assert list((tmp_path / "word_count").iterdir()) == []


def test_new_steps_pass_strict_types(tmp_path: Path) -> None:
    paths = [path for name in ("one", "two") for path in scaffold(tmp_path / name)]
    files = [str(path) for path in paths if path.suffix == ".py"]
    options = ["--strict", "--explicit-package-bases", "--cache-dir", str(TOP / ".mypy_cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
