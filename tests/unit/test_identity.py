"""The description of a Python changes whenever a verdict may change."""

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
def describe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], object]:
    """Describes a Python with a folder and an editable package on its path."""
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
    return identity.describe_python


@pytest.mark.parametrize(
    ("name", "changes"),
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
def test_importable_files_change_the_description(
    describe: Callable[[], object], tmp_path: Path, name: str, changes: bool
) -> None:
    before = describe()
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("A = 2")
    assert (describe() != before) is changes


def test_virtual_environments_and_unreadable_folders_are_skipped(
    describe: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = describe()
    (tmp_path / "mine" / "venv").mkdir()
    (tmp_path / "mine" / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "mine" / "venv" / "module.py").write_text("")
    (tmp_path / "mine" / "round").symlink_to(tmp_path / "mine")
    assert describe() == before
    monkeypatch.setattr(os, "access", lambda path, _: "package" not in Path(path).name)
    assert describe() != before


def test_times_do_not_change_the_description(
    describe: Callable[[], object], tmp_path: Path
) -> None:
    before = describe()
    os.utime(tmp_path / "mine" / "package" / "module.py", (FIXED_MTIME, FIXED_MTIME))
    assert describe() == before


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *(("PYTHONPATH", True), ("PYTHONWARNINGS", True), ("LC_ALL", True), ("TZ", True)),
        *(("LD_PRELOAD", True), ("EDITOR", False)),
    ],
)
def test_variables_that_python_reads_change_the_description(
    monkeypatch: pytest.MonkeyPatch, name: str, changes: bool
) -> None:
    before = identity.describe_python()
    monkeypatch.setenv(name, "other")
    assert (identity.describe_python() != before) is changes


def test_the_description_is_reproducible() -> None:
    command = [sys.executable, "-I", str(identity.__file__)]
    outputs = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0])[0][0] == sys.version


def test_another_python_changes_the_identity_of_the_sandbox_runner(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    assert SandboxRunner().identity() == sandbox.identity()
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nTZ=FAR-13:45 exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    changed = SandboxRunner(str(other)).identity()
    assert changed != sandbox.identity()
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert SandboxRunner(str(other)).identity() != changed
