"""What is asked of a loader beside the file: which step in it, and where its script may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.contract import Contract


@dataclass(frozen=True)
class Ask:
    """Which step of a file that holds several, the folder of its code, another script for it."""

    step: str | None = None
    code: Path | None = None
    script: Path | None = None


@dataclass(frozen=True)
class Held:
    """A step that a file holds; `unfit` says why it is none that can be proved, "" if it can."""

    name: str
    unfit: str = ""


@dataclass(frozen=True)
class Loader:
    """One form of contracts: whether a file is of it, and how it is read.

    `steps` lists those that a file holds, where this form holds several. All raise `WrongContract`.
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path, Ask], Contract]
    steps: Callable[[Path], tuple[Held, ...]] | None = None


def one(read: Callable[[Path], Contract]) -> Callable[[Path, Ask], Contract]:
    """The `read` of a form that holds one contract a file, whatever else is asked."""
    return lambda path, _ask: read(path)
