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
# Words of a line that reports a failure.
_FAILURE_WORDS = re.compile(
    r"error|exception|fail|fatal|critical|missing|not found|no such|does not exist|cannot|can't"
    r"|could not|unable|invalid|required|must|needs?\b|empty",
    re.IGNORECASE,
)
_FRAME = re.compile(r'^.*File ".*", line \d+')
_EXCEPTION = re.compile(r"^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Found)\b")
# Words of advice anywhere in a line …
_ADVICE_WORDS = r"""
    add | adjust | allow | ask | attach | avoid | bundle | change | check | choose | clean |
    configure | consult | contact | convert | copy | correct | create | delete | download |
    edit | enlarge | ensure | exclude | expand | export | extend | fetch | fill | fix | free |
    generate | give | grant | ha(?:s|ve)[ ]to | increase | inspect | install | investigate |
    keep | make | mend | mount | move | must | needs? | ought | pack | please | provide | put |
    rebuild | recheck | recreate | redownload | reexport | regenerate | remake | remove |
    rename | repack | repackage | repair | replace | request | rerun | resave | resend |
    restart | restore | retry | reupload | review | rewrite | save | see | set | should |
    shrink | specify | strip | submit | supply | switch | try | unset | update | upload | use |
    validate | verify | wait | re-\w+
"""
# … and words that are advice only at the beginning of a sentence.
_ADVICE_AT_START = (
    "drop|find|look|name|omit|open|pass|place|point|read|report|run|send|start|store|write"
)
_ADVICE_VERBS = rf"(?:{_ADVICE_WORDS}|{_ADVICE_AT_START}|to|then)\b"
_FLAGS = re.IGNORECASE | re.VERBOSE
_ADVICE_ANYWHERE = re.compile(rf"\b(?:{_ADVICE_WORDS})\b", _FLAGS)
_AFTER_STOP = re.compile(rf"[.;!?)\u2013\u2014]\s+{_ADVICE_VERBS}", _FLAGS)
_AFTER_MARK = re.compile(rf"(?:^|[.:;!?)\]>|\u2013\u2014\u2192-]\s+){_ADVICE_VERBS}", _FLAGS)
# Labels that introduce advice in any words.
_ADVICE_LABEL = re.compile(
    r"""\b(?:
        action(?:s|[ ]required)? | advice | fix | hints? | next[ ]steps? | remed(?:y|iation) |
        recommend\w* | (?:re)?solution | suggest\w* | tips? | to-?do | troubleshooting |
        what[ ]to[ ]do | how[ ]to[ ]\w+ | workaround
    )\b\s*(?:[:=>\u2013\u2014\u2192-]+)\s*["'\w`(…]""",
    _FLAGS,
)
# The same words in reports of a failure: "failed to create", "check failed", "see log".
_FAILURE_PHRASES = re.compile(
    r"""
    \b(?:fail(?:s|ed)|failure|unable|could[ ]not|couldn't|cannot|can't|did[ ]not|didn't)
        (?:[ ]to)?(?:[ ]be)?[ ]\w+
    | \b(?!and|or|then)\w+[ ](?:has[ ]|have[ ])?(?:failed|failure)\b
    | \bsee[ ](?:the[ ])?(?:above|below|details|errors?|logs?|trace(?:back)?)\b
    """,
    _FLAGS,
)
# A statement about what happened, not a sentence in the imperative.
_STATEMENT = re.compile(
    r"""^\W*(?!embed|exceed|feed|need|proceed|speed)\w+ed\b | \bclean(?:ed|ing)?[ ]?up\b | \b(?:
        abort\w* | bye | complete[ds]? | crash\w* | died? | done | end(?:ed|ing|s) | exit\w* |
        finish\w* | quit\w* | rc | return(?:ed|ing|s) | shut\w* | status | stop(?:ped|ping|s) |
        terminat\w* | un\w*success\w* |
        is | are | was | were | has | have | had | does | did | got | found | raised | occurred |
        happened | caught | contains? | holds? | leaves? | points?
    )\b""",
    _FLAGS,
)
_LOG_PREFIX = re.compile(r"^.*?\b(?:CRITICAL|FATAL|ERROR|WARN(?:ING)?|INFO)\b\W*(?:[\w.…]+:\W*)*")
# A shorter message may occur in any line by chance.
_MIN_MESSAGE_LENGTH = 10
_WORD = re.compile(r"[^\W\d_]{2,}")
# Paths, file names and identifiers, which are not advice: "model.tar.gz", "/opt/ml/model".
_NAMES = re.compile(r"[^\s:]*(?:/|_|\w\.\w)[^\s:]*?(?=[.,;:!?)]*(?:[\s:]|$))")


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
    """One breach when the last line only says what went wrong, or is a bare traceback."""
    if not _fails(evidence) or not evidence.expected.explained:
        return
    lines = [line for line in evidence.outcome.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if not is_advice(last, _last_exception(evidence.outcome.stderr)):
        yield Breach(
            "no-advice", "the last line of standard error", "what to do about it", last or "nothing"
        )


def check_reported(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a traceback is all that a failure shows, without what is missing.

    Where what to do must be said, that is its words. Lines that the usual case prints do not count.
    """
    expected = evidence.expected
    if expected.explained or not evidence.as_expected or evidence.outcome.exit_code == 0:
        return
    is_named = bool(expected.error) and names_cause(evidence)
    is_judged = expected.exit_code is None and not expected.damaged and not expected.own_value
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


def is_advice(line: str, message: str) -> bool:
    """Whether a line says what to do; `message` is that of the last exception.

    The last line of a traceback, or a line that repeats the message, is advice only when a
    sentence in it begins with a word of advice. Any other line is advice when it has such a word;
    without one, unless it reports a failure, since no list of verbs is complete.
    """
    if _FRAME.match(line):
        return False
    without_names = _FAILURE_PHRASES.sub("…", _NAMES.sub("…", line))
    if _EXCEPTION.match(line) or (len(message) >= _MIN_MESSAGE_LENGTH and message in line):
        return bool(_AFTER_STOP.search(without_names))
    if (
        _ADVICE_LABEL.search(without_names)
        or _ADVICE_ANYWHERE.search(without_names)
        or _AFTER_MARK.search(without_names)
    ):
        return True
    message_part = _LOG_PREFIX.sub("", without_names)
    if _FAILURE_WORDS.search(_NAMES.sub("…", line)) or _STATEMENT.search(message_part):
        return False
    return not line.startswith((" ", "\t")) and len(_WORD.findall(message_part)) > 1


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
    is_failure = code > 0 and code - 128 not in signal.valid_signals()
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
    "The last line of standard error says what to do about it.",
    check_advice,
    practical="warning",
)
