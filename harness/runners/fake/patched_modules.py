"""What a fork_server has compiled already when a child is made: code, and regular expressions.

Both are the same in every case that asks for them, whatever happened in another. Only what compiles
without a word is kept, so that a warning comes in each case anew.
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
_Expression = tuple[Any, int]
# As many expressions are kept; `re` itself keeps 512, and forgets the oldest then.
_MOST = 256
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


def packed(report: object, known: int) -> bytes:
    """A child's report, with the expressions that it has compiled beside the `known` first ones."""
    fresh = itertools.islice(reversed(_compiled()), max(0, len(_compiled()) - known))
    expressions = pickle.dumps([(pattern, flags) for _, pattern, flags in fresh])
    return len(expressions).to_bytes(_SIZE, "little") + expressions + pickle.dumps(report)


def learn(message: bytes) -> bytes:
    """Keep the expressions of a child's message; returns its report, which stays packed."""
    size = int.from_bytes(message[:_SIZE], "little")
    expressions: list[_Expression] = pickle.loads(message[_SIZE : _SIZE + size])
    for pattern, flags in expressions[: _MOST - known()]:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            if not flags & re.LOCALE:
                re.compile(pattern, flags)
    if expressions:
        gc.freeze()
    return message[_SIZE + size :]


def known() -> int:
    """How many expressions are kept."""
    return len(_compiled())


def _compiled() -> dict[tuple[type, Any, int], Any]:
    """What `re` has compiled, oldest first, under type, pattern and flags."""
    cache: dict[tuple[type, Any, int], Any] = re._cache  # type: ignore[attr-defined]
    return cache
