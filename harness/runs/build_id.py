"""Which build of the harness this is: its version and a digest of its files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from harness.cases.code_beside import files_in
from harness.files.digest import digest

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Build:
    """The harness's version, the SHA-256 of its files, and when the newest of them was modified.

    `modified` is in seconds since the epoch.
    """

    version: str
    files_digest: str
    modified: float


@lru_cache(maxsize=1)
def this_build() -> Build:
    """The harness that this process runs, as its files were at the first call."""
    files = files_in(_PACKAGE)
    modified = max((_PACKAGE / name).stat().st_mtime for name in files)
    return Build(version("step-harness"), digest(files), modified)


def build_id() -> str:
    """A text that is the same in two processes if they run the same harness on the same Python."""
    build = this_build()
    python = ".".join(map(str, sys.version_info[:2]))
    return f"step-harness {build.version} ({build.files_digest[:8]}) on Python {python}"
