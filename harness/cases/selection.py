"""Which cases are meant: by an expression on their ids, or by one id that is close to another."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from harness.errors import WrongUse


def unknown_case(case_id: str, ids: Sequence[str]) -> WrongUse:
    """The error for an unknown id, with the most similar ones."""
    near = difflib.get_close_matches(case_id, ids, n=3, cutoff=0.0)
    return WrongUse(f"there is no case {case_id!r}", "the nearest are:\n  " + "\n  ".join(near))


def select(ids: Sequence[str], expression: str) -> tuple[str, ...]:
    """The ids that an expression such as `job=training and not (embedded=root)` selects.

    A word is true for an id that contains it. Raises `WrongUse` when the expression is malformed
    or selects nothing.
    """
    import boolean

    algebra = boolean.BooleanAlgebra(allowed_in_token=(*"._-=/:,",))
    try:
        parsed: Any = algebra.parse(expression)
        words = sorted({str(symbol.obj) for symbol in parsed.symbols})
    except (boolean.ParseError, TypeError, IndexError, RecursionError) as error:
        raise WrongUse(
            f"-k {expression!r:.200} is not an expression: {error}",
            "write words with and, or, not and brackets, as in: -k 'job=training and not root'",
        ) from None
    try:
        picked = tuple(one for one in ids if _is_selected(parsed, algebra, words, one))
    except RecursionError:
        raise WrongUse(f"-k {expression!r:.60}… is nested too deeply", "use fewer words") from None
    if not picked:
        near = {n for word in words for n in difflib.get_close_matches(word, ids, n=2, cutoff=0.0)}
        raise WrongUse(
            f"-k {expression!r:.200} selects none of {len(ids)} cases",
            "the nearest are:\n  " + "\n  ".join(sorted(near)),
        )
    return picked


def _is_selected(parsed: Any, algebra: Any, words: Sequence[str], case_id: str) -> bool:
    values = {
        algebra.Symbol(word): algebra.TRUE if word in case_id else algebra.FALSE for word in words
    }
    return bool(parsed.subs(values, simplify=True) == algebra.TRUE)
