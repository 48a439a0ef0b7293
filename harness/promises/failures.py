"""What a failing script says of its failure, in cases of derived suites.

Lines that the usual case prints as well say nothing about the failure, and neither do the lines of
code in a traceback.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence

from harness.cases.case import Outcome
from harness.promises import Evidence
from harness.promises.tracebacks import Printed, Traceback, parse
from harness.worlds.tree import is_under

# Numbers, addresses and the names of days and months: they are others in every run.
_VARYING = re.compile(
    r"0x[0-9a-f]+|\d+|\b(?:{})\b".format(
        "|".join(name for name in (*calendar.day_abbr, *calendar.month_abbr) if name)
    )
)
# As argparse and click report a wrong command line: arguments, whatever is wrong, then the error.
_USAGE = re.compile(r"^usage: .*\n(?:[ \t]+.*\n)*", re.MULTILINE | re.IGNORECASE)
_FRAME = re.compile(r'^.*File ".*", line \d+')
# With the program's name before it, alone, or as the title of a frame.
_USAGE_ERROR = re.compile(r"^(?:[^\s:].*: error: |\W*error\b)", re.MULTILINE | re.IGNORECASE)
_USAGE_EXIT_CODE = 2


def own_lines(evidence: Evidence) -> tuple[str, ...]:
    """The lines outside tracebacks that the usual case does not print."""
    lines = [line for one in _streams(evidence.outcome) for line in one.lines]
    return _unusual(evidence, without_code(lines))


def messages(evidence: Evidence) -> tuple[str, ...]:
    """Those lines, and the messages of exceptions that the usual case does not print."""
    return _unusual(evidence, _messages(evidence.outcome))


def names_cause(evidence: Evidence) -> bool:
    """Whether the failure names all that it must name."""
    text = "\n".join(messages(evidence))
    return all(wanted.is_in(text) for wanted in evidence.expected.error)


def is_usage_error(evidence: Evidence) -> bool:
    """Whether the script ended as argparse or click end it after a wrong command line."""
    if evidence.outcome.exit_code != _USAGE_EXIT_CODE:
        return False
    usage = _USAGE.search(evidence.outcome.stderr)
    return usage is not None and bool(_USAGE_ERROR.search(evidence.outcome.stderr, usage.end()))


def failed_handler(evidence: Evidence) -> Traceback | None:
    """The exception that the script's own handling of a failure ended with by accident, if any.

    A handler that raises an exception does so on purpose. One that meets the same kind of exception
    again, or one that names what is missing, was looking for it elsewhere.
    """
    folder = evidence.case.script_folder
    chain = parse(evidence.outcome.stderr).tracebacks[-2:]
    if len(chain) < 2 or chain[1].link != "during":
        return None
    handled, last = chain
    # The frames of an exception begin where it was caught: by the script, or within a library.
    caught_by_script = bool(handled.frames) and is_under(handled.frames[0].file, folder)
    frame = last.frame_in(folder)
    if not caught_by_script or frame is None or last.exception == handled.exception:
        return None
    if not frame.code or re.match(r"raise\b", frame.code):
        return None
    text = f"{last.exception}: {last.message}"
    named = evidence.expected.error and all(one.is_in(text) for one in evidence.expected.error)
    return None if named else last


def _unusual(evidence: Evidence, lines: Sequence[str]) -> tuple[str, ...]:
    if evidence.usual_outcome is None:
        return tuple(lines)
    usual = {_masked(line) for line in _messages(evidence.usual_outcome)}
    return tuple(line for line in lines if _masked(line) not in usual)


def _messages(outcome: Outcome) -> list[str]:
    return without_code([line for one in _streams(outcome) for line in one.messages])


def without_code(lines: Sequence[str]) -> list[str]:
    """The lines without those that show code, as `stack_info` of `logging` does."""
    kept: list[str] = []
    in_frame = False
    for line in lines:
        if _FRAME.match(line):
            in_frame = True
        elif not (in_frame and line.startswith("    ")):
            in_frame = False
            kept.append(line)
    return kept


def _streams(outcome: Outcome) -> tuple[Printed, Printed]:
    return parse(_USAGE.sub("", outcome.stdout)), parse(_USAGE.sub("", outcome.stderr))


def _masked(line: str) -> str:
    return _VARYING.sub("#", line).strip()
