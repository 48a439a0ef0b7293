"""The script ends by itself, with the exit code that the contract gives."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when the exit code is another, or there is none."""
    wanted, got = evidence.expected.exit_code, evidence.outcome.exit_code
    if wanted is None:
        expected = "a failure: an exit code that is not 0"
    else:
        meaning = evidence.contract.exit_codes.get(wanted, "")
        expected = f"exit code {wanted}" + (f" ({meaning})" if meaning else "")
    # A job that is stopped, or ended, is over whatever the script makes of it.
    hurts = evidence.case.interrupt is None and got in (None, 0)
    if got is None:
        timeout = evidence.case.timeout
        yield Breach("hangs", "", expected, f"no end within {timeout:g} s", hurts=hurts)
    elif not evidence.as_expected:
        key = f"{got}-for-{'failure' if wanted is None else wanted}"
        yield Breach(key, "", expected, f"exit code {got}{_signal(got)}", hurts=hurts)


def _signal(code: int) -> str:
    try:
        return f" (ended by {signal.Signals(code - 128).name})"
    except ValueError:
        return ""


PROMISE = Promise(
    "exit-code", "The script ends by itself, with the exit code that the contract gives.", check
)
