"""Where files end up: drafts that are renamed, and what is made elsewhere first."""

from __future__ import annotations

from collections.abc import Mapping

from harness.reading.facts import Facts, PathUse
from harness.worlds.tree import is_under


def moves(facts: Facts) -> dict[str, str]:
    """Where each file that is moved or copied goes."""
    found: dict[str, str] = {}
    last: PathUse | None = None
    for one in facts.paths:
        if one.use == "write" and last is not None and last.place == one.place:
            found[last.path] = one.path
        last = one if one.use in ("remove", "read") else None
    return found


def moved(path: str, found: Mapping[str, str]) -> str:
    """Where a file ends up, by itself or with the folder that it lies in."""
    for source, target in found.items():
        if is_under(path, source):
            return target + path[len(source) :]
    return path
