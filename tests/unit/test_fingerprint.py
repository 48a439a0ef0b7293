"""The fingerprint of a step: it changes with each of its files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import harness
from harness.errors import WrongContract
from harness.runs.step import StepRef, fingerprint, load
from tests.unit.test_cli import COPIER


@pytest.fixture
def ref(tmp_path: Path) -> StepRef:
    shutil.copytree(COPIER, tmp_path / "copier")
    (tmp_path / "copier" / "samples").mkdir()
    return StepRef(tmp_path / "copier")


def fresh_fingerprint(ref: StepRef) -> str:
    """The fingerprint that a new process computes."""
    load.cache_clear()
    fingerprint.cache_clear()
    return fingerprint(ref)


def test_the_location_does_not_count(ref: StepRef, tmp_path: Path) -> None:
    shutil.copytree(ref.path, tmp_path / "copy")
    assert fresh_fingerprint(ref) == fresh_fingerprint(StepRef(tmp_path / "copy"))


@pytest.mark.parametrize(
    "name", ["copier.py", "contract.yaml", "conformance.py", "samples/text", "samples/code/x"]
)
def test_every_file_counts(ref: StepRef, name: str) -> None:
    before = fresh_fingerprint(ref)
    (ref.path / name).parent.mkdir(exist_ok=True)
    with (ref.path / name).open("a") as stream:
        stream.write("\n")
    assert fresh_fingerprint(ref) != before


def test_a_custom_profile_counts(ref: StepRef, tmp_path: Path) -> None:
    (ref.path / "conformance.py").unlink()
    custom = tmp_path / "custom.yaml"
    shutil.copy(Path(harness.__file__).parent / "worlds" / "profiles" / "processing.yaml", custom)
    profiled = replace(ref, profile=str(custom))
    before = fresh_fingerprint(profiled)
    assert before != fresh_fingerprint(ref)
    with custom.open("a") as stream:
        stream.write("\n")
    assert fresh_fingerprint(profiled) != before


def test_a_file_that_cannot_be_read_is_named(ref: StepRef, monkeypatch: pytest.MonkeyPatch) -> None:
    (ref.path / "samples" / "closed").write_text("")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(WrongContract, match="samples/closed: cannot be read: Permission denied"):
        fresh_fingerprint(ref)
