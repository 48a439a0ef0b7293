"""How contracts are read: the form of a file, and what is asked for beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts.contract import Contract


@dataclass(frozen=True)
class Options:
    """Which step of a file that holds several, the folder of its code, another script for it.

    `promises` are the names that waivers may have; None when waivers are not looked at.
    """

    step: str | None = None
    code: Path | None = None
    script: Path | None = None
    promises: Sequence[str] | None = None


@dataclass(frozen=True)
class StepInFile:
    """A step that a file holds; `unfit` says why it is none that can be proved, "" if it can."""

    name: str
    unfit: str = ""


@dataclass(frozen=True)
class Loader:
    """One form of contracts: whether a file is of it, and how it is read.

    `steps` lists those that a file holds, where this form holds several. All raise `WrongContract`.
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path, Options], Contract]
    steps: Callable[[Path], tuple[StepInFile, ...]] | None = None
