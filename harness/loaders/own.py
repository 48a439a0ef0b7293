"""Our own contracts, `contract.yaml`: every key is one of `Contract`."""

from __future__ import annotations

from pathlib import Path

from harness.contract import ADDED, Contract
from harness.loaders import yaml_file

FILE_NAME = "contract.yaml"


def matches(path: Path) -> bool:
    """Whether the file is one of these."""
    return path.name == FILE_NAME


def read(path: Path) -> Contract:
    """Read one; raises `WrongContract`."""
    document = yaml_file.read(path)
    for name in ADDED:
        if name in document:
            raise yaml_file.wrong(path, document, (name,), "is not a key of a contract")
    return yaml_file.validated(Contract, path, document)
