"""Other values than a default, where neither a contract nor samples have one."""

from __future__ import annotations

import math

# The choice of an axis.
OTHER = "other"


def other_number(default: float) -> float:
    """A number near the default, of the same sign; of a fraction, one that may be a part too."""
    return default + 1 if isinstance(default, int) else default / 2 or 0.5


def is_switch(text: str) -> bool:
    """Whether a text is true or false."""
    return text.lower() in ("true", "false")


def other_text(default: str) -> str | None:
    """The opposite of true or false, and a number near a number; None for another text."""
    if is_switch(default):
        opposite = "false" if default.lower() == "true" else "true"
        same_case = str.upper if default.isupper() else str.title if default.istitle() else str
        return same_case(opposite)
    for kind in (int, float):
        try:
            number = kind(default)
        except ValueError:
            continue
        return str(other_number(number)) if math.isfinite(number) else None
    return None
