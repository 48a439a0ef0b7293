"""Regular expressions of users, within a time limit: one may go back and forth for ever."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.errors import WrongContract
from harness.files import own_code

# For one match, in seconds.
_TIME_LIMIT = 10.0


# A pattern without any of these tries each place of a text once: no limit is needed.
_REPEATING = frozenset("*+?{|")
# Of a text that is remembered, in characters: a script may write many millions.
_MAX_REMEMBERED = 10_000


def search(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
    """As `re.search`; raises `WrongContract` after the time limit."""
    if len(text) > _MAX_REMEMBERED:
        return _search.__wrapped__(pattern, text, flags)
    return _search(pattern, text, flags)


# Many cases say the same, and many promises ask for the same in it.
@lru_cache(maxsize=1024)
def _search(pattern: str, text: str, flags: int) -> re.Match[str] | None:
    if _REPEATING.isdisjoint(pattern):
        return re.search(pattern, text, flags)
    try:
        with own_code.contained(_TIME_LIMIT):
            return re.search(pattern, text, flags)
    except own_code.TooLong:
        raise WrongContract(
            f"the pattern {pattern!r:.100} has not found an answer within {_TIME_LIMIT:g} s",
            "write it so that no part can match the same text in many ways",
        ) from None
