"""Lint: a script against its contract, without running it.

A check looks at the facts of a script and at its contract, and yields problems. A new one is a
function in one of the modules here, and a line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from harness.contract import Contract
from harness.lint import inputs, paths, shape
from harness.lint.facts import Facts, NotPython, read
from harness.lint.problem import Problem

CHECKS: tuple[Callable[[Facts, Contract], Iterator[Problem]], ...] = (
    paths.undeclared_paths,
    paths.unused_paths,
    inputs.undeclared_variables,
    inputs.unread_variables,
    inputs.undeclared_arguments,
    inputs.missing_arguments,
    inputs.missing_requirements,
    shape.main_function,
    shape.main_guard,
    shape.bare_extractall,
    shape.hidden_exit_code,
)


def lint(contract: Contract, script: Path, source: bytes) -> tuple[Problem, ...]:
    """Every problem of a script, by line; one that cannot be parsed has that problem alone."""
    try:
        facts = read(script, source)
    except NotPython as error:
        fix = "mend the syntax; Python says what it expected"
        return (Problem("H100", str(error), fix, script, error.line, 1),)
    found = [problem for check in CHECKS for problem in check(facts, contract)]
    return tuple(sorted(found, key=lambda one: (one.line, one.column, one.code)))
