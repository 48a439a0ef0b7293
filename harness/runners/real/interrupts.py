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
LOST_AT_ONE_MOMENT = (
    "the script goes on where the signal comes at this moment, and stops where it comes at the "
    "nearest: Python loses what a handler raises in a finaliser, as of a file left open, or an "
    "`except` of the script catches it"
)
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
    started = time.monotonic()
    for number, plan in enumerate(_plans(interrupt, rehearsal, send)):
        if number >= 2 * _LEAST_TRIES and time.monotonic() - started > _LONGEST:
            break
        response = send(plan)
        if _is_delivered(response.outcome, plan["rehearsed"], rehearsal, interrupt.signal):
            if _heeds_another(response, plan, rehearsal, send):
                return replace(
                    outcome_of(case, response), unproven=LOST_AT_ONE_MOMENT, must_be_proven=False
                )
            return outcome_of(case, response)
    return replace(outcome_of(case, response), unproven=NOT_DELIVERED, must_be_proven=False)


def _plans(interrupt: Interrupt, rehearsal: Response, send: Send) -> Iterator[dict[str, Any]]:
    """How to find the moment, one way after the other.

    Step by step it is found on the busiest machine, where the kernel can do that, but what the
    script does to files is then slower.
    """
    seen, at = rehearsal.outcome["seen"], interrupt.at
    effects, known = seen["effects"], _known(interrupt, seen)
    # The start of the interpreter, where only that is known, comes before that of the script.
    share = at if seen["began"] else (1 + at) / 2
    for number in range(_TRIES):
        if number == _LEAST_TRIES:
            yield _step_by_step(interrupt, send)
        # Sooner each time: the script may have been too fast.
        effect = moments.moment(effects, at * (1 - number / _TRIES))
        if effect is not None:
            yield {**known, "effect": effect}
        if effect is None or number >= _LEAST_TRIES:
            yield {**known, "seconds": seen["seconds"] * share * 0.9**number}


def _step_by_step(interrupt: Interrupt, send: Send) -> dict[str, Any]:
    """The plan after a rehearsal that misses nothing of what the script does."""
    seen = send({"stepped": ""}).outcome["seen"]
    effect = moments.moment(seen["effects"], interrupt.at)
    if effect is None:
        return {**_known(interrupt, seen), "stepped": "open", "seconds": 0}
    return {**_known(interrupt, seen), "stepped": "", "effect": effect}


def _known(interrupt: Interrupt, seen: dict[str, Any]) -> dict[str, Any]:
    """What each plan has that follows from what was seen in a rehearsal."""
    return {
        "signal": int(interrupt.signal),
        "unhandled": interrupt.unhandled,
        "rehearsed": seen["effects"],
        "began": seen["began"],
        "handles": seen["handles"],
    }


def _heeds_another(
    response: Response, plan: dict[str, Any], rehearsal: Response, send: Send
) -> bool:
    """Whether a script that went on after a signal stops where it comes at the nearest moment.

    What a handler raises while Python finalises an object is lost, which a script cannot help: the
    object may be a file that it has not closed. So is what an `except` of its own catches there.
    """
    code, seen = rehearsal.outcome["exit_code"], response.outcome["seen"]
    went_on = response.outcome["exit_code"] == code and not seen["ignored"]
    if not went_on or not plan["handles"] or "effect" not in plan:
        return False
    effect = moments.nearest(plan["rehearsed"], plan["effect"])
    if effect is None:
        return False
    other = send({**plan, "effect": effect}).outcome
    return other["seen"]["sent_after"] is not None and other["exit_code"] != code


def _is_delivered(
    outcome: dict[str, Any], rehearsed: str, rehearsal: Response, number: int
) -> bool:
    """Whether the signal was sent while the script was at work."""
    seen = outcome["seen"]
    sent_after = seen["sent_after"]
    if sent_after is None:
        return False
    if outcome["exit_code"] != rehearsal.outcome["exit_code"]:
        stopped = outcome["exit_code"] == 128 + number
        return not moments.waited(seen["effects"], rehearsed, seen["held"], stopped)
    before, after = seen["effects"][:sent_after], seen["effects"][sent_after:]
    return not moments.came_too_late(before, after, rehearsed, seen["ignored"])
