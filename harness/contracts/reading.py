"""The interface of loaders: what a form of contract implements, and the options it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts.contract import MAIN_FILE, Contract
from harness.errors import WrongContract

Apart = Callable[[Path, Callable[[], Contract]], Contract]


@dataclass(frozen=True)
class Options:
    """The options of `loaders.load`.

    `promises` are the names that waivers may have; None when waivers are not checked. `apart` reads
    a contract that must be executed, the file and what reads it, in a process of its own; None when
    it is executed in this one.
    """

    step: str | None = None
    code: Path | None = None
    script: Path | None = None
    promises: Sequence[str] | None = None
    apart: Apart | None = None


@dataclass(frozen=True)
class StepInFile:
    """A step of a file; `unfit` is the reason why it cannot be proved, "" when it can.

    `error` is what is wrong with its part of the file; such a step may have no name.
    """

    name: str
    unfit: str = ""
    error: WrongContract | None = None


@dataclass(frozen=True)
class Loader:
    """One form of contract: whether a file has it, and how it is read.

    `steps` lists the steps of a file, for a form with several in one file. `read` and `steps`
    raise `WrongContract`.
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path, Options], Contract]
    steps: Callable[[Path], tuple[StepInFile, ...]] | None = None


def module_file(folder: Path, module: str) -> str:
    """The name of the file that `python -m MODULE` runs from a folder."""
    is_package = folder.joinpath(*module.split("."), MAIN_FILE).is_file()
    return MAIN_FILE if is_package else f"{module.rpartition('.')[2]}.py"
