"""What the steps beside this share: outputs that are whole or not there."""

from __future__ import annotations

import signal
import sys
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and put it there; leave nothing else behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def end_on_sigterm() -> None:
    """End as the service wants it, after whatever has to be cleaned up."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
