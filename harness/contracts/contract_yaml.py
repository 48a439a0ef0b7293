"""Our own contracts, `contract.yaml`: every key is one of `Contract`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.contracts.checks import wrong_parts
from harness.contracts.contract import ADDED, Contract, Given, Open
from harness.contracts.reading import Options
from harness.files import yaml_file

FILE_NAME = "contract.yaml"
_EXIT_CODE = r"^(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$"


def matches(path: Path) -> bool:
    """Whether the file is one of these."""
    return path.name == FILE_NAME


def read(path: Path, options: Options) -> Contract:
    """Read one; raises `WrongContract`."""
    document = yaml_file.read(path)
    for name in ADDED:
        if name in document:
            raise yaml_file.wrong(path, document, (name,), "is not a key that is known here")
    contract = yaml_file.validated(Contract, path, document)
    for where, what in wrong_parts(contract, options.promises):
        raise yaml_file.wrong(path, document, where, what)
    return contract


def schema(promises: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of these files, for editors; waivers may name these promises.

    It takes what `read` takes, and refuses what that refuses, but for a name that is given twice.
    """
    document = Contract.model_json_schema()
    for name in ADDED:
        del document["properties"][name]
    for model in (Given, Open):
        del document["$defs"][model.__name__]
    document["properties"]["exit_codes"]["propertyNames"] = {"pattern": _EXIT_CODE}
    document["properties"]["waivers"]["propertyNames"] = {"enum": list(promises)}
    for node in (document, *document["$defs"].values()):
        for part in node["properties"].values():
            if "patternProperties" in part:
                part["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
