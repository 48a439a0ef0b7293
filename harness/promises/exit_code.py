"""The script ends by itself, with the exit code that the contract gives."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise
from harness.promises.failures import failed_handler, is_usage_error, names_cause


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when the exit code is another, or there is none.

    In a derived suite a failure must end with a code that the contract lists, if it lists any, and
    not by an accident in the script's own handling of it. A wrong command line ends with argparse's
    exit code 2; an input that is missing must not be reported as one.
    """
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
        hint = "a step that takes longer has `timeout:` in its contract"
        yield Breach("hangs", "", expected, f"no end within {timeout:g} s; {hint}", hurts=hurts)
    elif not evidence.as_expected:
        key = f"{got}-for-{'failure' if wanted is None else wanted}"
        yield Breach(key, "", expected, f"exit code {got}{_signal(got)}", hurts=hurts)
    elif wanted is None and not evidence.expected.explained:
        yield from _check_failure(evidence, got)


def _check_failure(evidence: Evidence, got: int) -> Iterator[Breach]:
    """What is wrong with the end of a failure, if anything."""
    codes = evidence.contract.failure_codes
    lacks = evidence.expected.lacks
    is_usage = is_usage_error(evidence)
    accident = failed_handler(evidence) if lacks and evidence.usual_outcome else None
    if accident is not None:
        expected = "a failure that the script handles"
        message = f"{accident.exception}: {accident.message}"
        yield Breach("handler-fails", "", expected, f"its handling fails: {message}")
    elif is_usage and lacks == ("input",) and evidence.usual_outcome and not names_cause(evidence):
        expected = "a failure to read an input"
        yield Breach("usage-error", "", expected, f"exit code {got} and a message about arguments")
    elif codes and got not in codes and not (is_usage and "argument" in lacks):
        listed = ", ".join(str(code) for code in codes)
        expected = f"an exit code that the contract lists for a failure: {listed}"
        yield Breach(f"undeclared-{got}", "", expected, f"exit code {got}{_signal(got)}")


def _signal(code: int) -> str:
    try:
        return f" (ended by {signal.Signals(code - 128).name})"
    except ValueError:
        return ""


PROMISE = Promise(
    "exit-code", "The script ends by itself, with the exit code that the contract gives.", check
)
