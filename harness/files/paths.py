"""Absolute paths as texts."""

from __future__ import annotations


def same_folder(one: str, other: str) -> bool:
    """Whether two paths are the same, with a slash at the end or without."""
    return one.rstrip("/") == other.rstrip("/")
