"""The line of a contract that a problem is about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.contracts import script_contract, step_interface
from harness.contracts.contract import Contract
from harness.errors import HarnessError
from harness.files import yaml_file

_IN_INTERFACE = {"environment": "env_vars"}
_IN_SCRIPT_CONTRACT = {
    ("environment", "required"): "required_env_vars",
    ("environment", "optional"): "optional_env_vars",
    ("inputs",): "expected_input_paths",
    ("outputs",): "expected_output_paths",
    ("arguments",): "expected_arguments",
}


def line_of(contract: Contract, keys: Sequence[str]) -> tuple[int, int]:
    """Line and column of the innermost of these keys that the file of a contract has."""
    file = contract.origin
    try:
        if script_contract.matches(file):
            return _in_script_contract(file, keys), 1
        document = _read(file, file.stat().st_mtime_ns)
        if step_interface.matches(file):
            keys = ("contract", *(_IN_INTERFACE.get(one, one) for one in keys))
        return _in_document(document, keys)
    except (HarnessError, OSError):
        return 1, 1


@lru_cache(maxsize=4)
def _read(file: Path, _changed: int) -> Any:
    return yaml_file.read(file)


def _in_document(document: Any, keys: Sequence[str]) -> tuple[int, int]:
    line, column = 1, 1
    for key in keys:
        position = getattr(document, "lc", None)
        if isinstance(document, dict):
            # An exit code is a number in YAML.
            found = next((one for one in document if str(one) == key), None)
            if found is None or position is None:
                break
            line, column = (one + 1 for one in position.key(found))
            document = document[found]
        elif isinstance(document, list) and key in document and position is not None:
            line, column = (one + 1 for one in position.item(document.index(key)))
            break
        else:
            break
    return line, column


def _in_script_contract(file: Path, keys: Sequence[str]) -> int:
    parts = tuple(keys)
    for where, attribute in _IN_SCRIPT_CONTRACT.items():
        if parts[: len(where)] == where:
            text = file.read_text(encoding="utf-8")
            lines = text.splitlines()
            begins = next((n for n, one in enumerate(lines, 1) if attribute in one), 1)
            names = [f'"{one}"' for one in parts[len(where) : len(where) + 1]]
            names += [one.replace('"', "'") for one in names]
            rest = enumerate(lines[begins - 1 :], begins)
            return next((n for n, one in rest if any(name in one for name in names)), begins)
    return 1
