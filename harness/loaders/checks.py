"""What no type of a contract's parts can say: names that clash, promises that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract import Contract
from harness.promises.all import PROMISES

PROMISE_NAMES = tuple(promise.name for promise in PROMISES)
Where = tuple[int | str, ...]


def wrong_parts(contract: Contract) -> Iterator[tuple[Where, str]]:
    """Where a contract, by its own keys, holds what cannot be, and what is wrong with it."""
    for name in contract.waivers:
        if name not in PROMISE_NAMES:
            yield ("waivers", name), f"is no promise; they are: {', '.join(PROMISE_NAMES)}"
    required = contract.environment.required
    for number, name in enumerate(required):
        if name in required[:number]:
            yield ("environment", "required", number), f"{name} is there twice"
        if name in contract.inputs:
            yield ("environment", "required", number), f"an input is named {name} too"
    for name in contract.environment.optional:
        if name in required:
            yield ("environment", "optional", name), "is a required variable too"
        if name in contract.inputs:
            yield ("environment", "optional", name), "an input is named so too"
