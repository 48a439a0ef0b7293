"""What the fork server compiles before it forks a child: scripts, and regular expressions.

The result does not depend on the case. Only what compiles without a warning is kept, so that each
case that should warn does.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import pickle
import re
import types
import warnings
from functools import lru_cache
from typing import Any

# A pattern, text or bytes, and its flags.
_Pattern = tuple[Any, int]
# `re` itself keeps at most 512 patterns and drops the oldest.
_MAX_PATTERNS = 256
_HEADER_SIZE = 8


@lru_cache(maxsize=8)
def compile_script(source: bytes, path: str) -> types.CodeType:
    """The script's code; compiled before the fork, it is cached in every child."""
    return compile(source, path, "exec", dont_inherit=True)


def compile_ahead(source: bytes, path: str) -> None:
    """Compile the script before the fork; its syntax errors are raised in the child."""
    with contextlib.suppress(SyntaxError, ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile_script(source, path)


def pack_report(report: object, inherited: int) -> bytes:
    """A child's report, preceded by the patterns compiled after the first `inherited` ones."""
    new = itertools.islice(reversed(_re_cache()), max(0, len(_re_cache()) - inherited))
    new_patterns = pickle.dumps([(pattern, flags) for _, pattern, flags in new])
    return len(new_patterns).to_bytes(_HEADER_SIZE, "little") + new_patterns + pickle.dumps(report)


def keep_patterns(message: bytes) -> bytes:
    """Compile the patterns of a child's message, and return its report, still pickled."""
    size = int.from_bytes(message[:_HEADER_SIZE], "little")
    patterns: list[_Pattern] = pickle.loads(message[_HEADER_SIZE : _HEADER_SIZE + size])
    for pattern, flags in patterns[: _MAX_PATTERNS - pattern_count()]:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            if not flags & re.LOCALE:
                re.compile(pattern, flags)
    if patterns:
        gc.freeze()
    return message[_HEADER_SIZE + size :]


def pattern_count() -> int:
    """The number of patterns that `re` has cached."""
    return len(_re_cache())


def _re_cache() -> dict[tuple[type, Any, int], Any]:
    """The cache of `re`, oldest first: (type, pattern, flags) → compiled pattern."""
    cache: dict[tuple[type, Any, int], Any] = re._cache  # type: ignore[attr-defined]
    return cache
