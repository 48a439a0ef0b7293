"""When to interrupt a script: a share of what it does to the file system, seen from outside.

What a run did is a text with a letter for each effect, in order. A script is in the middle of its
work after an effect that one more creation or write follows. A creation is no moment: no script can
handle a signal between the call that creates a temporary file and the `try` that removes it.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

CREATED, WRITTEN, CLOSED, MOVED, REMOVED = "CWLMR"
_MOMENTS = (WRITTEN, CLOSED, MOVED)


def moment(effects: str, at: float) -> Optional[int]:
    """The index of the effect after which to interrupt, `at` a share of the work (0 to 1).

    None when there is no effect in the middle of the work.
    """
    fit, last = _fit(effects)
    return next((index for index in fit if index >= at * last), fit[-1] if fit else None)


def nearest(effects: str, index: int) -> Optional[int]:
    """The nearest other effect after which a script can be interrupted; None if there is none."""
    fit = [one for one in _fit(effects)[0] if one != index]
    return min(fit, key=lambda one: abs(one - index), default=None)


def _fit(effects: str) -> Tuple[List[int], int]:
    """The effects in the middle of the work that are moments, and the one that ends it."""
    last = max(effects.rfind(CREATED), effects.rfind(WRITTEN))
    return [index for index in range(last) if effects[index] in _MOMENTS], last


def is_done(effects: str, rehearsed: str) -> bool:
    """Whether a run has done all that another did; writes do not count, of which some are merged.

    Neither does a removal, which may belong to the handling of the signal. Of a run that left
    nothing to be counted it is unknown.
    """
    wanted = {one: rehearsed.count(one) for one in (CREATED, CLOSED, MOVED)}
    return any(wanted.values()) and all(effects.count(one) >= wanted[one] for one in wanted)


def came_too_late(before: str, after: str, rehearsed: str, ignored: bool) -> bool:
    """Whether a signal may have come after the work, for a run that ended like the rehearsal.

    `before` and `after` are the effects of the run before and after the signal. Without any effect
    only a script that has `ignored` the signal is known to have been at work.
    """
    if CREATED in after or WRITTEN in after:
        return False
    nothing_to_see = not is_done(rehearsed, rehearsed)
    return not ignored if nothing_to_see else is_done(before + after, rehearsed)


def waited(effects: str, rehearsed: str, held: bool, ends_as_stopped: bool) -> bool:
    """Whether a signal that came while a script held it back had to wait until all was done.

    A script that commits, with signals masked, and then ends as the signal wants, leaves its whole
    work: nothing shows that it would have gone on at any other moment.
    """
    return held and ends_as_stopped and is_done(effects, rehearsed)
