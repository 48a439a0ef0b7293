"""The harness's own form of contract, `contract.yaml`: its keys are the fields of `Contract`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.contracts.checks import LINT_CODE, find_errors
from harness.contracts.contract import LOADER_FIELDS, MAIN_FILE, Contract, JobSettings, Unresolved
from harness.contracts.meanings import WithMeanings
from harness.contracts.reading import Options, module_file
from harness.files import yaml_file

FILE_NAME = "contract.yaml"
# For the required keys that are missing, so that the other keys can be checked.
_DEFAULTS: Mapping[str, Any] = {
    "name": "x",
    "entry_point": "x.py",
    "outputs": {},
    "exit_codes": {0: ""},
}
_HINT = "mend that key; `harness schema --markdown` lists all keys"
_IN_FOLDER = re.compile(r"([^/\0]*[^/.\0][^/\0]*/)+[^/\0]*[^/.\0][^/\0]*")
_EXIT_CODE = r"^(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$"


def matches(path: Path) -> bool:
    """Whether the file is a `contract.yaml`."""
    return path.name == FILE_NAME


def read(path: Path, options: Options) -> Contract:
    """Read a contract; raises `WrongContract`."""
    document = yaml_file.read(path)
    module = document.get("module")
    if isinstance(module, str) and module and "entry_point" not in document:
        folder = path.parent if options.code is None else options.code
        document["entry_point"] = module_file(folder, module)
    elif isinstance(module, str) and document.get("entry_point") in _files_of(module):
        document["entry_point"] = Path(document["entry_point"]).name
    # The script may lie in a folder beside the contract, from which its modules are imported.
    entry_point = document.get("entry_point")
    folder_of_script = Path()
    if isinstance(entry_point, str) and _IN_FOLDER.fullmatch(entry_point) and not module:
        folder_of_script = Path(entry_point).parent
        document["entry_point"] = Path(entry_point).name
    contract = yaml_file.validate(
        Contract,
        path,
        document,
        checks=lambda contract: find_errors(contract, options.promises, path.parent),
        defaults=_DEFAULTS,
        unknown=LOADER_FIELDS,
        hint=_HINT,
    )
    return contract.model_copy(update={"folder": folder_of_script})


def _files_of(module: str) -> tuple[str, str]:
    """The paths of the file that `python -m MODULE` runs: of a package, and of a module."""
    path = module.replace(".", "/")
    return f"{path}/{MAIN_FILE}", f"{path}.py"


def schema(promises: Sequence[str]) -> dict[str, Any]:
    """The JSON Schema of `contract.yaml`, for editors; waivers may name these promises.

    It accepts what `read` accepts, and also duplicate names and keys that contradict each other,
    which `read` refuses.
    """
    document = Contract.model_json_schema(schema_generator=WithMeanings)
    for name in LOADER_FIELDS:
        del document["properties"][name]
    for model in (JobSettings, Unresolved):
        del document["$defs"][model.__name__]
    name = document["properties"]["entry_point"]
    document["properties"]["entry_point"] = {
        "anyOf": [name, {"type": "string", "pattern": f"^{_IN_FOLDER.pattern}$"}]
    }
    document["properties"]["exit_codes"]["propertyNames"] = {"pattern": _EXIT_CODE}
    document["properties"]["waivers"]["propertyNames"] = {
        "anyOf": [{"enum": list(promises)}, {"pattern": f"^{LINT_CODE.pattern}$"}]
    }
    # A sink has no outputs, every other step has.
    document["if"] = {"properties": {"sink": {"const": True}}, "required": ["sink"]}
    document["then"] = {"properties": {"outputs": {"maxProperties": 0}}}
    document["else"] = {"properties": {"outputs": {"minProperties": 1}}}
    document["required"].remove("entry_point")
    document["anyOf"] = [{"required": [name]} for name in ("entry_point", "module")]
    for node in (document, *document["$defs"].values()):
        for part in node.get("properties", {}).values():
            if "patternProperties" in part:
                part["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
