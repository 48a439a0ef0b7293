"""A world before and after a run as one listing, for reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.worlds.tree import Entry, Tree

_WORLD = PurePosixPath("/opt/ml")
_MOST = 80


def listing(before: Tree, after: Tree) -> tuple[str, ...]:
    """The entries below /opt/ml, and all that changed, indented as a tree, a line each.

    A line begins with `+` for what was added, `-` for what was removed, `~` for what changed.
    """
    marks = dict(_marks(before, after))
    wanted = [
        path for path, mark in marks.items() if mark != " " or _WORLD in PurePosixPath(path).parents
    ]
    lines: list[str] = []
    shown: set[PurePosixPath] = set()
    for path in sorted(wanted, key=lambda one: PurePosixPath(one).parts):
        if len(lines) >= _MOST:
            return (*lines, f"  … and more: {len(wanted)} in all")
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            if parent not in shown:
                shown.add(parent)
                mark = marks.get(str(parent), " ")
                lines.append(f"{mark} {_indent(parent)}{parent.name}/")
        if (name := PurePosixPath(path)) not in shown:
            shown.add(name)
            entry = after.get(path) or before.get(path)
            lines.append(f"{marks[path]} {_indent(name)}{name.name}{_described(entry)}")
    return tuple(lines)


def _marks(before: Tree, after: Tree) -> Iterator[tuple[str, str]]:
    for path, entry in before:
        new = after.get(path)
        if new is None:
            yield path, "-"
        else:
            yield path, " " if entry.same_content(new) and entry.mode == new.mode else "~"
    for path, _ in after:
        if path not in before:
            yield path, "+"


def _indent(path: PurePosixPath) -> str:
    return "  " * (len(path.parts) - 2)


def _described(entry: Entry | None) -> str:
    if entry is None or entry.kind == "directory":
        return "/"
    if entry.kind == "file":
        return f" ({len(entry.data)} bytes)"
    return f" -> {entry.target}" if entry.kind == "symlink" else f" ({entry.kind})"
