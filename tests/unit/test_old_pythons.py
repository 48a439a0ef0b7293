"""Code that other Pythons run is Python 3.8: the step, and what the harness sends them."""

from __future__ import annotations

from pathlib import Path

import pytest
import vermin

ROOT = Path(__file__).parents[2]
SENT = ("agent", "driver", "faults", "moments", "mounts", "serve", "stamps", "watch", "world")
FILES = (
    "dummy_training/dummy_training.py",
    *(f"harness/runners/inside/{name}.py" for name in SENT),
)


def oldest_python(source: str) -> tuple[int, int]:
    """The oldest Python 3 that a source can run on."""
    newest: tuple[int, int] = vermin.detect(source)[1]
    return newest


@pytest.mark.parametrize("file", FILES)
def test_it_runs_on_python_3_8(file: str) -> None:
    assert oldest_python((ROOT / file).read_text()) <= (3, 8)


@pytest.mark.parametrize(
    "source",
    ["def f(x):\n    match x:\n        case 1: pass", "print('abc'.removeprefix('a'))"],
)
def test_newer_syntax_and_methods_are_detected(source: str) -> None:
    assert oldest_python(source) > (3, 8)
