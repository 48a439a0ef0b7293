"""Patterns of names: which paths they match, and which folders lead to such paths."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(relative: str, pattern: str) -> bool:
    """Whether a path matches a glob pattern, or is the same text."""
    return relative == pattern or _match(relative.split("/"), pattern.split("/"), whole=True)


def matches_input(relative: str, pattern: str) -> bool:
    """Whether a file of an input matches a pattern: there `*` also reaches into folders."""
    return fnmatchcase(relative, pattern) or matches(relative, pattern)


def is_pattern(name: str) -> bool:
    """Whether a name of a file may stand for several."""
    return any(letter in name for letter in "*?[")


def leads_to(folder: str, pattern: str) -> bool:
    """Whether what a pattern matches may lie in a folder."""
    return _match(folder.split("/"), pattern.split("/"), whole=False)


def _match(parts: list[str], patterns: list[str], *, whole: bool) -> bool:
    """Whether the patterns match all parts; without `whole`, some must be left over."""
    if not patterns:
        return whole and not parts
    if patterns[0] == "**":
        return (
            (not whole and not parts)
            or _match(parts, patterns[1:], whole=whole)
            or (bool(parts) and _match(parts[1:], patterns, whole=whole))
        )
    if not parts:
        return not whole
    return fnmatchcase(parts[0], patterns[0]) and _match(parts[1:], patterns[1:], whole=whole)
