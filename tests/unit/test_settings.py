"""The table `[tool.harness]` of a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import WrongContract
from harness.files.settings import Settings, settings


def put(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    put(tmp_path, '[tool.harness]\nlevel = "strict"\ntimeout = 3\n')
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    assert settings(inside) == Settings(level="strict", timeout=3)
    put(inside, "[project]\nname = 'x'\n")
    assert settings(inside) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.harness]\n\nlevle = 'strict'\n",
            r"pyproject.toml:3: tool.harness.levle: is not a k",
        ),
        ("[tool.harness]\nlevel = 'lax'\n", r"pyproject.toml:2: tool.harness.level: .*'strict' or"),
        ("[tool]\nharness = 3\n", r"pyproject.toml:1: tool.harness: should be a mapping"),
        ("[tool.harness]\ntimeout = 0\n", r":2: tool.harness.timeout: input should be greater"),
        ("[tool.harness\n", r"pyproject.toml: is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WrongContract, match=message):
        settings(put(tmp_path, text))
