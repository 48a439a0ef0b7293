"""The script ends by itself, with the exit code that the contract gives."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from harness.promises import Difference, Evidence, Promise


def check(evidence: Evidence) -> Iterator[Difference]:
    """One difference when the exit code is another, or there is none."""
    wanted, got = evidence.expected.exit_code, evidence.outcome.exit_code
    meaning = evidence.contract.exit_codes.get(wanted, "")
    expected = f"exit code {wanted}" + (f" ({meaning})" if meaning else "")
    if got is None:
        timeout = evidence.case.timeout
        yield Difference("hangs", "", expected, f"no end within {timeout:g} s")
    elif got != wanted:
        yield Difference(f"{got}-for-{wanted}", "", expected, f"exit code {got}{_signal(got)}")


def _signal(code: int) -> str:
    try:
        return f" (ended by {signal.Signals(code - 128).name})"
    except ValueError:
        return ""


PROMISE = Promise(
    "exit-code", "The script ends by itself, with the exit code that the contract gives.", check
)
