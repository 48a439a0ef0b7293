"""Which program runs a script: what its first line names."""

from __future__ import annotations


def is_other_program(script: bytes) -> bool:
    """Whether the first line names a program that is not Python, as `#!/bin/bash` does."""
    first, _, _ = script.partition(b"\n")
    return first.startswith(b"#!") and b"python" not in first
