"""Which harness this is, so that workers elsewhere can tell whether theirs is the same."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from harness.cases.code_beside import files_in
from harness.files.digest import digest

_PACKAGE = Path(__file__).parents[2]


@lru_cache(maxsize=1)
def build_id() -> str:
    """Its version, the beginning of a digest of its files, and the Python that runs it."""
    files = digest(files_in(_PACKAGE))[:8]
    python = ".".join(map(str, sys.version_info[:2]))
    return f"step-harness {version('step-harness')} ({files}) on Python {python}"
