"""Describes a Python environment: everything that a verdict on a script may depend on.

Runs on Python 3.8 and newer with the standard library alone, as `python -I identity.py`, which
prints the description as JSON, or as `describe_python` in the Python that runs the harness.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Variables (prefixes of names) that change how Python or a C library behaves.
_VARIABLES = ("LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "TZ")
# The folder of the `harness` package, whose sources the cache key covers anyway.
_HARNESS_ROOT = Path(__file__).resolve().parents[3]


def describe_python() -> list[Any]:
    """The interpreter, its system and settings, and the importable modules, as JSON values."""
    variables = sorted(item for item in os.environ.items() if item[0].startswith(_VARIABLES))
    return [
        [sys.version, platform.platform(), list(sys.flags), list(time.tzname), os.geteuid()],
        [list(item) for item in variables],
        [_describe_folder(folder) for folder in map(Path, sys.path) if folder.is_dir()],
    ]


def _describe_folder(folder: Path) -> Any:
    """What can be imported from a folder of `sys.path`: names with versions, or a digest."""
    if folder.name in ("site-packages", "dist-packages"):
        names = sorted(path for path in folder.iterdir() if path.name != "__pycache__")
        links = (editable_source(path) for path in names if path.suffix == ".dist-info")
        return [
            [path.name for path in names],
            [_digest_sources(link) for link in links if link is not None],
        ]
    if str(folder).startswith((sys.base_prefix + os.sep, sys.base_exec_prefix + os.sep)):
        # The standard library: the version of Python identifies it.
        return str(folder)
    return _digest_sources(folder)


def editable_source(installed: Path) -> Any:
    """The source folder of an editable installation (`pip install -e`); None for others."""
    try:
        origin = json.loads((installed / "direct_url.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(urllib.request.url2pathname(urllib.parse.urlparse(origin["url"]).path))


def _digest_sources(folder: Path) -> str:
    """A digest of the Python files below a folder; "" for that of the harness itself."""
    if folder.resolve() == _HARNESS_ROOT:
        return ""
    total = hashlib.sha256()
    for path in _python_files(folder):
        total.update(os.fsencode(path.relative_to(folder)) + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _python_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, without hidden folders and virtual environments."""
    for path in sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) else ():
        if path.is_dir() and not path.is_symlink():
            if not path.name.startswith(".") and not (path / "pyvenv.cfg").exists():
                yield from _python_files(path)
        elif path.suffix in (".py", ".so") and os.access(path, os.R_OK):
            yield path


if __name__ == "__main__":
    json.dump(describe_python(), sys.stdout)
