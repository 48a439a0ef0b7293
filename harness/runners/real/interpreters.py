"""Which Python runs the script in a sandbox, and which modules it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

VARIABLE = "HARNESS_PYTHON"
_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
_FOLDERS = (".venv", "venv")
_TIMEOUT_SECONDS = 60.0
# A namespace has no file of its own: then the next part of the name is looked up.
_PROBE = """
import importlib.util, json, sys

def found(name):
    parts = name.split(".")
    for number in range(1, len(parts) + 1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:number]))
        except Exception:
            spec = None
        if spec is None:
            return False
        if spec.origin is not None:
            return True
    return True

print(json.dumps([name for name in json.loads(sys.argv[1]) if not found(name)]))
"""


def find(modules: Collection[str], folders: Sequence[Path]) -> str:
    """The Python for a script that imports `modules`, and whose environment may be in `folders`.

    The one that HARNESS_PYTHON names, else that of the active virtual environment, else that of an
    environment in one of the folders which has the modules, else this one.
    """
    if python := os.environ.get(VARIABLE):
        return python
    for variable in _ACTIVE:
        for python in _pythons(Path(os.environ.get(variable) or os.devnull)):
            return python
    places = [folder.resolve() / name for folder in folders for name in _FOLDERS]
    for python in (one for place in places for one in _pythons(place)):
        if missing(python, modules) == ():
            return python
    return sys.executable


def missing(python: str, modules: Collection[str]) -> tuple[str, ...] | None:
    """The modules that a Python cannot import; None if it cannot be run."""
    return _missing(python, tuple(dict.fromkeys(modules)))


@lru_cache(maxsize=64)
def _missing(python: str, modules: tuple[str, ...]) -> tuple[str, ...] | None:
    command = [python, "-I", "-c", _PROBE, json.dumps(modules)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_SECONDS)
        return tuple(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _pythons(environment: Path) -> Iterator[str]:
    """The Python of a virtual environment, if it is one."""
    python = environment / "bin" / "python"
    if python.is_file() and os.access(python, os.X_OK):
        yield str(python)
