"""Runs a case that is interrupted: a rehearsal, then runs until the signal comes at its moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from harness.cases.case import Case, Interrupt, Outcome
from harness.runners.inside import moments
from harness.runners.real.exchange import Response, outcome_of

# How often each way to find the moment is tried: a busy machine may see a script's end too late.
_TRIES = 8
# So often at least; after so many seconds no more often.
_LEAST_TRIES = 3
_LONGEST = 20.0
NOT_DELIVERED = "the signal was not delivered: the script was at its end each time"
# Sends a task, with the plan of an interrupt, and returns the response.
Send = Callable[[dict[str, Any] | None], Response]


def run(case: Case, send: Send) -> Outcome:
    """Run a case; `send(plan)` sends its task to an agent in a new world.

    The moment of an interrupt is an effect in the middle of the script's work; a script that does
    its work at once is interrupted at a share of its time, while it reads and computes.
    """
    interrupt = case.interrupt
    if interrupt is None:
        return outcome_of(case, send(None))
    rehearsal = response = send({})
    if rehearsal.outcome["exit_code"] is None:
        return outcome_of(case, rehearsal)
    seen = rehearsal.outcome["seen"]
    known = {
        "signal": int(interrupt.signal),
        "unhandled": interrupt.unhandled,
        "rehearsed": seen["effects"],
        "began": seen["began"],
        "handles": seen["handles"],
    }
    started = time.monotonic()
    for number, plan in enumerate(_plans(interrupt, seen)):
        if number >= 2 * _LEAST_TRIES and time.monotonic() - started > _LONGEST:
            break
        response = send({**plan, **known})
        if _is_delivered(response.outcome, rehearsal.outcome, interrupt.signal):
            return outcome_of(case, response)
    return replace(outcome_of(case, response), unproven=NOT_DELIVERED, must_be_proven=False)


def _plans(interrupt: Interrupt, seen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    effects, at = seen["effects"], interrupt.at
    # The start of the interpreter, where only that is known, comes before that of the script.
    share = at if seen["began"] else (1 + at) / 2
    for number in range(_TRIES):
        # Sooner each time: the script may have been too fast.
        effect = moments.moment(effects, at * (1 - number / _TRIES))
        if effect is not None:
            yield {"effect": effect}
        if effect is None or number >= _LEAST_TRIES:
            yield {"seconds": seen["seconds"] * share * 0.9**number}


def _is_delivered(outcome: dict[str, Any], rehearsal: dict[str, Any], number: int) -> bool:
    """Whether the signal was sent while the script was at work."""
    seen = outcome["seen"]
    sent_after = seen["sent_after"]
    if sent_after is None:
        return False
    rehearsed = rehearsal["seen"]["effects"]
    if outcome["exit_code"] != rehearsal["exit_code"]:
        stopped = outcome["exit_code"] == 128 + number
        return not moments.waited(seen["effects"], rehearsed, seen["held"], stopped)
    before, after = seen["effects"][:sent_after], seen["effects"][sent_after:]
    return not moments.came_too_late(before, after, rehearsed, seen["ignored"])
