"""Exit codes: those that the script gives against those of the contract."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from harness.lint.problem import Problem
from harness.lint.subject import Subject

_STOPPED = 128 + signal.SIGTERM
_INTERRUPTED = 128 + signal.SIGINT
# argparse and click end with it when the arguments are wrong.
_WRONG_ARGUMENTS = 2


def unused_exit_codes(subject: Subject) -> Iterator[Problem]:
    """Each declared exit code that the script cannot give, where all of them are known.

    Any script may end with 0 and, for an exception, with 1.
    """
    facts = subject.facts
    if not subject.says_failures or not facts.complete:
        return
    codes = {one.code for one in facts.exits}
    can = {0, 1, *codes}
    if facts.parses or facts.words_escape:
        can.add(_WRONG_ARGUMENTS)
    for code in subject.contract.exit_codes:
        if code == _STOPPED:
            if _has_handler(subject) and (code in codes or not _never_stops(subject, codes)):
                continue
            if _has_handler(subject):
                yield subject.in_contract(
                    "STEP504",
                    f"the exit code {code} is declared, and no handler of SIGTERM ends with it",
                    "sys.exit(143) in the handler, or after it",
                    *("exit_codes", str(code)),
                )
                continue
            yield subject.in_contract(
                "STEP504",
                f"the exit code {code} is declared, and the script handles no SIGTERM",
                "signal.signal(signal.SIGTERM, ...), with sys.exit(143) in the handler",
                *("exit_codes", str(code)),
            )
        elif code not in can and None not in codes and not facts.runs_programs:
            yield subject.in_contract(
                "STEP504",
                f"the script never ends with the declared exit code {code}",
                "take it out of the contract, or end with it",
                *("exit_codes", str(code)),
            )


def _never_stops(subject: Subject, codes: set[int | None]) -> bool:
    """Whether the handler of SIGTERM is known, and nothing ends with the code of the signal."""
    is_known = subject.facts.signals.get(int(signal.SIGTERM)) is not None
    return is_known and None not in codes and not subject.facts.runs_programs


def _has_handler(subject: Subject) -> bool:
    """Whether the script handles SIGTERM, or may do so in a way that is not known."""
    if int(signal.SIGTERM) in subject.facts.signals:
        return True
    names = {name for one in subject.syntaxes() for name in one.imports.values()}
    calls = {"signal.signal", "asyncio", "signal.sigwait", "signal.set_wakeup_fd"}
    used = {one.called_name(node) for one in subject.syntaxes() for node in one.calls()}
    return bool(calls & used) or "asyncio" in names


def undeclared_exit_codes(subject: Subject) -> Iterator[Problem]:
    """Each exit code that the script names and the contract does not declare."""
    if not subject.says_failures:
        return
    seen: set[int] = set()
    for one in subject.facts.exits:
        if one.code is None or one.code in subject.contract.exit_codes or one.code in seen:
            continue
        is_usage = one.code == _WRONG_ARGUMENTS and subject.facts.parses
        if (
            one.code in (0, _STOPPED, _INTERRUPTED)
            or is_usage
            or not subject.counts(one.place, one.reached)
        ):
            continue
        seen.add(one.code)
        yield subject.problem(
            "STEP505",
            f"the script ends with {one.code}, and the contract does not declare it",
            "declare it under exit_codes, with what it means",
            one.place,
        )
