"""What a Python says of itself: another when a verdict may be another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.runners.inside import identity
from harness.runners.real.sandbox import SandboxRunner
from harness.worlds.tree import FIXED_MTIME


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], object]:
    """What is said where there are a folder on the path, an environment, and a link in it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path / "mine"), str(tmp_path / "site-packages")])
    linked = tmp_path / "site-packages" / "linked-1.0.dist-info"
    copied = tmp_path / "site-packages" / "copied-1.0.dist-info"
    broken = tmp_path / "site-packages" / "broken-1.0.dist-info"
    for folder in (tmp_path / "mine" / "package", tmp_path / "linked", linked, copied, broken):
        folder.mkdir(parents=True)
    url = (tmp_path / "linked").as_uri()
    editable = {"url": url, "dir_info": {"editable": True}}
    (linked / "direct_url.json").write_text(json.dumps(editable))
    (copied / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}))
    (broken / "direct_url.json").write_text("{")
    (tmp_path / "mine" / "package" / "module.py").write_text("A = 1")
    (tmp_path / "linked" / "module.py").write_text("A = 1")
    return identity.described


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("mine/module.py", True),
        ("mine/package/module.py", True),
        ("linked/module.py", True),
        ("site-packages/copied-1.1.dist-info/METADATA", True),
        ("site-packages/loose.py", True),
        ("mine/.hidden/module.py", False),
        ("mine/README.md", False),
        ("site-packages/__pycache__/loose.pyc", False),
    ],
)
def test_what_can_be_imported_counts(
    described: Callable[[], object], tmp_path: Path, name: str, counts: bool
) -> None:
    before = described()
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("A = 2")
    assert (described() != before) is counts


def test_other_environments_and_what_is_closed_to_us_do_not_count(
    described: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = described()
    (tmp_path / "mine" / "venv").mkdir()
    (tmp_path / "mine" / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "mine" / "venv" / "module.py").write_text("")
    (tmp_path / "mine" / "round").symlink_to(tmp_path / "mine")
    assert described() == before
    monkeypatch.setattr(os, "access", lambda path, _: "package" not in Path(path).name)
    assert described() != before


def test_dates_do_not_count(described: Callable[[], object], tmp_path: Path) -> None:
    before = described()
    os.utime(tmp_path / "mine" / "package" / "module.py", (FIXED_MTIME, FIXED_MTIME))
    assert described() == before


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *(("PYTHONPATH", True), ("PYTHONWARNINGS", True), ("LC_ALL", True), ("TZ", True)),
        *(("LD_PRELOAD", True), ("EDITOR", False)),
    ],
)
def test_variables_that_python_looks_at_count(
    monkeypatch: pytest.MonkeyPatch, name: str, counts: bool
) -> None:
    before = identity.described()
    monkeypatch.setenv(name, "other")
    assert (identity.described() != before) is counts


def test_another_python_says_the_same_of_itself_every_time() -> None:
    command = [sys.executable, "-I", str(identity.__file__)]
    said = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert said[0] == said[1]
    assert json.loads(said[0])[0][0] == sys.version


def test_the_sandbox_is_another_with_another_python(sandbox: SandboxRunner, tmp_path: Path) -> None:
    assert SandboxRunner().identity() == sandbox.identity()
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nTZ=FAR-13:45 exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    told = SandboxRunner(str(other)).identity()
    assert told != sandbox.identity()
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert SandboxRunner(str(other)).identity() != told
