"""What other Pythons get of the harness: compiled for the same version, as source for others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.runners.inside import frames
from harness.runners.real import sent

_USE = "\nfrom harness.runners.inside import frames\nprint(frames.receive.__code__.co_filename)"


def loaded_from(text: str) -> str:
    """The file of the code that a Python without the harness has after the text."""
    command = [sys.executable, "-I", "-S", "-c", text + _USE]
    return subprocess.run(command, stdout=-1, check=True, text=True).stdout.strip()


def test_the_same_version_loads_what_is_compiled() -> None:
    assert loaded_from(sent.text_of([frames])) == frames.__file__


def test_another_version_compiles_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent, "MAGIC_NUMBER", b"\0\0\r\n")
    assert loaded_from(sent.text_of([frames])) == "<harness.runners.inside.frames>"
