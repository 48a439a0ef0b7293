"""What the fork server compiles before it forks a child: scripts, and regular expressions.

The result does not depend on the case. Only what compiles without a warning is kept, so that each
case that should warn does.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import re
import types
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

# `re` itself keeps at most 512 patterns and drops the oldest.
_MAX_PATTERNS = 256
_MAX_LENGTH = 10_000


@lru_cache(maxsize=8)
def compile_script(source: bytes, path: str) -> types.CodeType:
    """The script's code; compiled before the fork, it is cached in every child."""
    return compile(source, path, "exec", dont_inherit=True)


@lru_cache(maxsize=8)
def lines_of(source: bytes) -> list[str]:
    """The script's lines for tracebacks; made before the fork, every child has them."""
    return source.decode("utf-8", "replace").splitlines(keepends=True)


def compile_ahead(source: bytes, path: str) -> None:
    """Compile the script before the fork; its syntax errors are raised in the child."""
    lines_of(source)
    with contextlib.suppress(SyntaxError, ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile_script(source, path)


def new_patterns(inherited: int) -> list[list[Any]]:
    """The patterns compiled after the first `inherited` ones: text, whether it is bytes, flags."""
    new = itertools.islice(reversed(_re_cache()), max(0, len(_re_cache()) - inherited))
    return [
        [pattern if isinstance(pattern, str) else pattern.decode("latin-1"), kind is bytes, flags]
        for kind, pattern, flags in new
        if kind in (str, bytes) and len(pattern) <= _MAX_LENGTH
    ]


def keep_patterns(patterns: Sequence[tuple[str | bytes, int]]) -> None:
    """Compile the patterns of a child."""
    for pattern, flags in patterns[: _MAX_PATTERNS - pattern_count()]:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            # The flag DEBUG prints.
            if not flags & (re.LOCALE | re.DEBUG) and len(pattern) <= _MAX_LENGTH:
                re.compile(pattern, flags)
    if patterns:
        gc.freeze()


def pattern_count() -> int:
    """The number of patterns that `re` has cached."""
    return len(_re_cache())


def _re_cache() -> dict[tuple[type, Any, int], Any]:
    """The cache of `re`, oldest first: (type, pattern, flags) → compiled pattern."""
    cache: dict[tuple[type, Any, int], Any] = re._cache  # type: ignore[attr-defined]
    return cache
