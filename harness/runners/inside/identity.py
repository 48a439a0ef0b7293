"""What a Python says of itself: all of it that a script's verdict may depend on.

Runs on Python 3.8 and newer with the standard library alone, as `python -I identity.py`, which
prints it as JSON, or as `described` in the Python that runs the harness.
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

# Variables that change how Python, or a library in C, does its work.
_VARIABLES = ("LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "TZ")
# Where the harness itself lies, whose sources are looked at elsewhere.
_OWN = Path(__file__).resolve().parents[3]


def described() -> list[Any]:
    """The interpreter, its system and settings, and what can be imported; as JSON has it."""
    variables = sorted(item for item in os.environ.items() if item[0].startswith(_VARIABLES))
    return [
        [sys.version, platform.platform(), list(sys.flags), list(time.tzname), os.geteuid()],
        [list(item) for item in variables],
        [_held(folder) for folder in map(Path, sys.path) if folder.is_dir()],
    ]


def _held(folder: Path) -> Any:
    """What can be imported from a folder of `sys.path`, by version where it has any."""
    if folder.name in ("site-packages", "dist-packages"):
        inside = sorted(path for path in folder.iterdir() if path.name != "__pycache__")
        links = (_link(path) for path in inside if path.suffix == ".dist-info")
        return [
            [path.name for path in inside],
            [_sources(link) for link in links if link is not None],
        ]
    if str(folder).startswith((sys.base_prefix + os.sep, sys.base_exec_prefix + os.sep)):
        # The standard library, whose version is told.
        return str(folder)
    return _sources(folder)


def _link(installed: Path) -> Any:
    """The folder of a distribution that is not copied but linked to (`pip install -e`)."""
    try:
        origin = json.loads((installed / "direct_url.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(urllib.request.url2pathname(urllib.parse.urlparse(origin["url"]).path))


def _sources(folder: Path) -> str:
    """A digest of the Python files below a folder; "" for that of the harness."""
    if folder.resolve() == _OWN:
        return ""
    total = hashlib.sha256()
    for path in _below(folder):
        total.update(os.fsencode(path.relative_to(folder)) + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _below(folder: Path) -> Iterator[Path]:
    """The Python files below a folder; not those of hidden folders and other environments."""
    for path in sorted(folder.iterdir()) if os.access(folder, os.R_OK | os.X_OK) else ():
        if path.is_dir() and not path.is_symlink():
            if not path.name.startswith(".") and not (path / "pyvenv.cfg").exists():
                yield from _below(path)
        elif path.suffix in (".py", ".so") and os.access(path, os.R_OK):
            yield path


if __name__ == "__main__":
    json.dump(described(), sys.stdout)
