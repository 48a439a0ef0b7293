"""Which program runs a script: what its first line names."""

from __future__ import annotations


def is_other_program(script: bytes) -> bool:
    """Whether the first line names a program that is not Python, as `#!/bin/bash` does."""
    first, _, _ = script.partition(b"\n")
    return first.startswith(b"#!") and b"python" not in first


def interpreter_of(script: bytes) -> tuple[str, ...]:
    """The program that the first line names, and its argument, as the kernel takes them."""
    first, _, _ = script.partition(b"\n")
    words = first[2:].decode("utf-8", "surrogateescape").strip().split(None, 1)
    return tuple(words) if first.startswith(b"#!") else ()
