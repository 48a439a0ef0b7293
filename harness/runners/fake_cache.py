"""What a zygote has compiled already when a child is made: code, and regular expressions.

Both are the same in every case that asks for them, whatever happened in another. Only what compiles
without a word is kept, so that a warning comes in each case anew.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import re
import types
import warnings
from functools import lru_cache
from typing import Any

# A pattern, text or bytes, and its flags.
_Expression = tuple[Any, int]
# As many expressions are kept: as many as `re` itself keeps.
_MOST = 512
_SIZE = 8


@lru_cache(maxsize=8)
def compiled(source: bytes, path: str) -> types.CodeType:
    """The script's code; asked for before a child is made, it is there in every child."""
    return compile(source, path, "exec", dont_inherit=True)


def compile_ahead(source: bytes, path: str) -> None:
    """Have the script's code ready; what is wrong with it shows in the child."""
    with contextlib.suppress(SyntaxError, ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled(source, path)


def packed(report: object) -> bytes:
    """A child's report, with the expressions that it has compiled."""
    expressions = pickle.dumps([(pattern, flags) for _, pattern, flags in _kept()])
    return len(expressions).to_bytes(_SIZE, "little") + expressions + pickle.dumps(report)


def learn(message: bytes) -> bytes:
    """Keep the expressions of a child's message; returns its report, which stays packed."""
    size = int.from_bytes(message[:_SIZE], "little")
    known = {(pattern, flags) for _, pattern, flags in _kept()}
    expressions: list[_Expression] = pickle.loads(message[_SIZE : _SIZE + size])
    fresh = [one for one in expressions if one not in known][: _MOST - len(known)]
    for pattern, flags in fresh:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern, flags)
    if fresh:
        gc.freeze()
    return message[_SIZE + size :]


def _kept() -> list[Any]:
    """The keys under which `re` keeps what it has compiled: type, pattern, flags."""
    return [one for one in list(re._cache) if not one[2] & re.LOCALE]  # type: ignore[attr-defined]
