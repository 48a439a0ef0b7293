"""Our own contracts, `contract.yaml`: every key is one of `Contract`."""

from __future__ import annotations

from pathlib import Path

from harness import yaml_file
from harness.contract import ADDED, Contract
from harness.promises.all import PROMISES

FILE_NAME = "contract.yaml"


def matches(path: Path) -> bool:
    """Whether the file is one of these."""
    return path.name == FILE_NAME


def read(path: Path) -> Contract:
    """Read one; raises `WrongContract`."""
    document = yaml_file.read(path)
    for name in ADDED:
        if name in document:
            raise yaml_file.wrong(path, document, (name,), "is not a key that is known here")
    contract = yaml_file.validated(Contract, path, document)
    known = [promise.name for promise in PROMISES]
    for name in contract.waivers:
        if name not in known:
            what = f"is no promise; they are: {', '.join(known)}"
            raise yaml_file.wrong(path, document, ("waivers", name), what)
    return contract
