"""Checks that the types of a contract cannot express: names that clash, unknown promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.contracts.contract import Contract

KeyPath = tuple[int | str, ...]


def find_errors(
    contract: Contract, promises: Sequence[str] | None
) -> Iterator[tuple[KeyPath, str]]:
    """The errors of a contract: the keys of each, and what is wrong.

    Waivers may name these `promises`; with None waivers are not checked.
    """
    for name in contract.waivers:
        if promises is not None and name not in promises:
            yield ("waivers", name), f"is no promise; they are: {', '.join(promises)}"
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
