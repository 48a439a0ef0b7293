"""Loaders: one `Contract` from each form that people have theirs in. One module, one line each.

All are strict: what is missing, or of the wrong type, is a `WrongContract` that names the file, the
line and the key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.contract import Contract
from harness.errors import WrongContract
from harness.loaders import cursus, own, script_contract

# Each says whether a file is of its kind, and reads it.
LOADERS: Sequence[tuple[Callable[[Path], bool], Callable[[Path], Contract]]] = (
    (own.matches, own.read),
    (cursus.matches, cursus.read),
    (script_contract.matches, script_contract.read),
)
_KINDS = f"a {own.FILE_NAME}, a NAME{cursus.SUFFIX}, or a Python file with a script contract"


def find(path: Path) -> list[Path]:
    """The steps that a path names: itself, or those that lie in a folder that is none.

    These are the folder's `NAME.step.yaml` files and the folders in it that hold a `contract.yaml`.
    Raises `WrongContract` when it holds none.
    """
    if not path.is_dir() or (path / own.FILE_NAME).is_file():
        return [path]
    inside = [one.parent for one in path.glob(f"*/{own.FILE_NAME}")]
    found = sorted([*path.glob(f"*{cursus.SUFFIX}"), *inside])
    if not found:
        raise WrongContract(
            f"{path} is not a step: it has no {own.FILE_NAME}",
            f"name {_KINDS}, or a folder of steps",
        )
    return found


def load(path: Path, code: Path | None = None) -> Contract:
    """The contract at `path`: a file, or the folder of a step.

    `code` is the folder of the entry point where that does not lie beside the contract. Raises
    `WrongContract`.
    """
    file = path / own.FILE_NAME if path.is_dir() else path
    if not file.is_file():
        what = f"{path} is not a step: it has no {own.FILE_NAME}" if path.is_dir() else ""
        raise WrongContract(
            what or f"there is no contract {path}",
            f"name {_KINDS}, or the folder of a step",
        )
    for matches, read in LOADERS:
        if matches(file):
            contract = read(file)
            folder = file.parent / contract.folder if code is None else code
            return contract.model_copy(update={"folder": folder, "origin": file})
    raise WrongContract(f"{file} is no contract that can be read", f"name {_KINDS}")


def read_script(path: Path) -> bytes:
    """The source of an entry point; raises `WrongContract` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongContract(
            f"the entry point {path} cannot be read: {error.strerror}",
            "it must lie beside the contract or in the folder of --code; or name a --script",
        ) from None
