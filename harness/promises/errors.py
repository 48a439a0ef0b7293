"""Errors: a failure names its cause, has a traceback, and says what to do about it."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise
from harness.promises.failures import (
    is_usage_error,
    messages,
    names_cause,
    own_lines,
    without_code,
)

_TRACEBACK = "Traceback (most recent call last):"
_BETWEEN_TRACEBACKS = ("During handling of the above", "The above exception was the direct cause")
_FRAME = re.compile(r'^.*File ".*", line \d+')
_EXCEPTION = re.compile(r"^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Found)\b")
# A shorter message may occur in any line by chance.
_MIN_MESSAGE_LENGTH = 10
_SIGNALS = signal.valid_signals()
_WORD = re.compile(r"[^\W\d_]{2,}")


def check_named(evidence: Evidence) -> Iterator[Breach]:
    """Each text that the error must hold and does not.

    In a derived suite neither the code in tracebacks counts, nor what the usual case prints too.
    """
    if not evidence.as_expected:
        return
    if evidence.expected.explained:
        text = error_text(evidence.outcome.stderr)
    elif evidence.expected.lacks == ("input",) and is_usage_error(evidence):
        # Told by `exit-code`.
        return
    else:
        text = "\n".join(messages(evidence))
    for wanted in evidence.expected.error:
        if not wanted.is_in(text):
            yield Breach(f"no-{wanted.key}", "standard error", wanted.meaning, _last_lines(text))


def check_traceback(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a failure comes without its traceback."""
    explained = evidence.expected.explained
    if explained and _fails(evidence) and _TRACEBACK not in evidence.outcome.stderr:
        got = _last_lines(evidence.outcome.stderr)
        yield Breach("no-traceback", "standard error", "the traceback of the error", got)


def check_advice(evidence: Evidence) -> Iterator[Breach]:
    """One breach when nothing of the script's own follows the error: what to do is for people."""
    if not _fails(evidence) or not evidence.expected.explained:
        return
    stderr = evidence.outcome.stderr
    # A line without a word, such as the lower edge of a box, says nothing.
    lines = [line for line in stderr.splitlines() if _WORD.search(line)]
    last = lines[-1] if lines else ""
    # An indented line may end a text of several lines, but not a traceback.
    told = [line for line in without_code(without_tracebacks(stderr)) if _WORD.search(line)]
    is_told = bool(told) and told[-1] == last
    if not is_told or not is_own_line(last, _last_exception(stderr)):
        yield Breach(
            "no-advice",
            "the last line of standard error",
            "a line of the script's own after the error, which says what to do",
            last or "nothing",
        )


def check_reported(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a traceback is all that a failure shows, without what is missing.

    Where what to do must be said, that is its words. Lines that the usual case prints do not count.
    """
    expected = evidence.expected
    if expected.explained or not evidence.as_expected or evidence.outcome.exit_code == 0:
        return
    is_named = bool(expected.error) and names_cause(evidence)
    is_allowed = bool(expected.damaged) or expected.own_value or expected.partial
    is_judged = expected.exit_code is None and not is_allowed
    if is_judged and not is_named and not own_lines(evidence):
        wanted = "a line of the script's own that says what failed"
        yield Breach(
            "bare-traceback", "standard error", wanted, _last_lines(evidence.outcome.stderr)
        )


def without_tracebacks(text: str) -> list[str]:
    """The lines of a text that are neither empty nor part of a traceback."""
    lines: list[str] = []
    in_traceback = False
    for line in text.splitlines():
        if line.endswith(_TRACEBACK):
            in_traceback = True
        elif in_traceback:
            # A traceback ends with the exception, which is not indented.
            in_traceback = line.startswith(" ")
        elif line.strip() and not line.startswith(_BETWEEN_TRACEBACKS):
            lines.append(line)
    return lines


def is_own_line(line: str, message: str) -> bool:
    """Whether a line says something beside the last exception, whose text is `message`.

    The words do not count: neither a traceback nor the exception's text again is one, whatever
    stands before it, such as the prefix of a log.
    """
    if _FRAME.match(line) or _TRACEBACK in line or _EXCEPTION.match(line):
        return False
    if len(message) >= _MIN_MESSAGE_LENGTH and message in line:
        line = line.rpartition(message)[2]
        return len(_WORD.findall(line)) > 1
    return bool(_WORD.search(line))


def error_text(stderr: str) -> str:
    """Standard error from the first traceback on, without the code lines of tracebacks.

    Earlier lines, such as those that log where inputs are searched, are not part of the error.
    """
    _, mark, text = stderr.partition(_TRACEBACK)
    lines = (mark + text if mark else stderr).splitlines()
    return "\n".join(without_code(lines))


def _fails(evidence: Evidence) -> bool:
    """Whether this is a failure that the script reports itself: no signal, no call."""
    code = evidence.outcome.exit_code or 0
    is_failure = code > 0 and code - 128 not in _SIGNALS
    return evidence.as_expected and is_failure and evidence.expected.call is None


def _last_exception(stderr: str) -> str:
    """The message of the exception that ends the last traceback."""
    last, in_frame = "", False
    for line in stderr.splitlines():
        if _FRAME.match(line):
            in_frame = True
        elif (in_frame and not line.startswith((" ", "\t"))) or _EXCEPTION.match(line):
            last, in_frame = line, False
    return last.partition(": ")[2].strip() or last


def _last_lines(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join(lines[-6:]) if lines else "nothing"


NAMED = Promise(
    "error-named",
    "An error names its code, or every place that was searched.",
    check_named,
    names_failure=True,
)
TRACEBACK = Promise(
    "error-traceback",
    "A failure is logged on standard error with its traceback.",
    check_traceback,
    practical="warning",
)
REPORTED = Promise(
    "error-told",
    "A failure is told: what is missing is named, or a line of the script's own says it.",
    check_reported,
    practical="warning",
    names_failure=True,
)
ADVICE = Promise(
    "error-advice",
    "The last line of standard error is the script's own: it says what to do about it.",
    check_advice,
    practical="warning",
)
