"""Lint: a script against its contract, without running it.

A check looks at the facts of a script and at its contract, and yields problems. A new one is a
function in one of the modules here, and a line in `CHECKS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.contracts.contract import Contract
from harness.lint import archives, arguments, failures, imports, paths, shape, variables
from harness.lint.facts import Facts, NotPython, read
from harness.lint.problem import Problem, plain

CHECKS: tuple[Callable[[Facts, Contract], Iterator[Problem]], ...] = (
    paths.undeclared_paths,
    paths.unused_paths,
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
    """Every problem of a script, by line; one that cannot be parsed has that problem alone.

    `# noqa: CODE` silences a line, as in other linters.
    """
    try:
        facts = read(script, source)
        found = [problem for check in CHECKS for problem in check(facts, contract)]
    except NotPython as error:
        fix = "mend the syntax; Python says what it expected"
        return (Problem("H100", plain(str(error)), fix, script, error.line, error.column),)
    except (RecursionError, MemoryError):
        message = "is nested too deeply to be looked at"
        return (Problem("H100", message, "take the deepest expression apart", script, 1, 1),)
    heard = [one for one in found if not _is_silenced(one, facts.lines)]
    return tuple(sorted(heard, key=lambda one: (one.line, one.column, one.code)))


def _is_silenced(problem: Problem, lines: tuple[str, ...]) -> bool:
    noqa = _NOQA.search("".join(lines[problem.line - 1 : problem.line]))
    if noqa is None:
        return False
    return noqa["codes"] is None or problem.code in re.split(r"[\s,]+", noqa["codes"].upper())
