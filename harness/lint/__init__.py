"""Checks a script against its contract without running it; imports `worlds` and below.

A check gets the facts of a script and its contract, and yields problems. To add one, write a
function in one of the modules here, and list it in `CHECKS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.contracts.contract import Contract
from harness.lint import archives, arguments, failures, imports, paths, shape, variables
from harness.lint.facts import Facts, NotPython, read
from harness.lint.problem import Problem, printable

CHECKS: tuple[Callable[[Facts, Contract], Iterator[Problem]], ...] = (
    paths.undeclared_paths,
    paths.unused_paths,
    paths.lost_outputs,
    variables.undeclared_variables,
    variables.unread_variables,
    arguments.undeclared_arguments,
    arguments.missing_arguments,
    imports.missing_requirements,
    shape.main_function,
    shape.main_guard,
    archives.unsafe_extraction,
    failures.hidden_failure,
)
_NOQA = re.compile(
    r"#\s*noqa\b(?!\s*:)|#\s*noqa\s*:\s*(?P<codes>[A-Z]\d+(?:[\s,]+[A-Z]\d+)*)", re.I
)


def lint(contract: Contract, script: Path, source: bytes) -> tuple[Problem, ...]:
    """Every problem of a script, by line; a script that cannot be parsed has that problem only.

    `# noqa: CODE` silences a line, as in other linters.
    """
    try:
        facts = read(script, source)
        found = [problem for check in CHECKS for problem in check(facts, contract)]
    except NotPython as error:
        fix = "mend the syntax; Python says what it expected"
        return (Problem("H100", printable(str(error)), fix, script, error.line, error.column),)
    except (RecursionError, MemoryError):
        message = "is nested too deeply to be looked at"
        return (Problem("H100", message, "split the deepest expression", script, 1, 1),)
    reported = [one for one in found if not _is_silenced(one, facts.lines)]
    return tuple(sorted(reported, key=lambda one: (one.line, one.column, one.code)))


def _is_silenced(problem: Problem, lines: tuple[str, ...]) -> bool:
    noqa = _NOQA.search("".join(lines[problem.line - 1 : problem.line]))
    if noqa is None:
        return False
    return noqa["codes"] is None or problem.code in re.split(r"[\s,]+", noqa["codes"].upper())
