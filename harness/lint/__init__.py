"""Checks a script against its contract without running it; imports `reading` and below.

A check gets a subject, the facts of a script and its contract, and yields problems. To add one,
write a function in one of the modules here, and list it in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness.cases.code_beside import imported_modules, with_package
from harness.contracts.contract import Contract
from harness.lint import (
    archives,
    arguments,
    exits,
    failures,
    imports,
    managers,
    noqa,
    paths,
    programs,
    promises,
    shape,
    threads,
    unpacking,
    variables,
)
from harness.lint.choice import Choice
from harness.lint.problem import Problem, problem_of
from harness.lint.subject import Subject
from harness.reading import reader
from harness.reading.facts import Facts
from harness.reading.source import NotPython, TooNew

CHECKS: tuple[Callable[[Subject], Iterator[Problem]], ...] = (
    paths.undeclared_paths,
    paths.unused_paths,
    paths.lost_outputs,
    paths.other_files,
    paths.unwritten_files,
    paths.demanded_inputs,
    paths.misplaced_writes,
    paths.work_at_import,
    promises.no_encoding,
    promises.relative_paths,
    promises.unsorted_listings,
    promises.scratch_left,
    promises.unseeded_random,
    promises.stamped_outputs,
    promises.told_secrets,
    variables.undeclared_variables,
    variables.undeclared_channels,
    variables.unread_variables,
    variables.different_variables,
    variables.overwritten_variables,
    arguments.undeclared_arguments,
    arguments.undeclared_words,
    arguments.missing_arguments,
    arguments.short_names,
    arguments.different_arguments,
    arguments.misread_arguments,
    arguments.unparsed_arguments,
    arguments.unused_arguments,
    shape.main_function,
    shape.main_guard,
    shape.missing_keys,
    shape.wrong_calls,
    archives.unsafe_extraction,
    unpacking.unpacked_by_hand,
    failures.hidden_failure,
    programs.unchecked_programs,
    failures.unread_results,
    managers.swallowing_managers,
    threads.unseen_failures,
    exits.unused_exit_codes,
    exits.undeclared_exit_codes,
    imports.missing_requirements,
    imports.engines,
    imports.gone_modules,
    imports.installs,
    imports.too_new,
)


def lint(
    contract: Contract, script: Path, source: bytes, choice: Choice | None = None
) -> tuple[Problem, ...]:
    """Every problem of a script and its contract, by file and line.

    A script that cannot be parsed has that problem only, and one of a Python that is newer than
    this has none. `# noqa: CODE` silences a line, `choice` says which codes are looked at.
    """
    choice = choice or Choice()
    try:
        subject = Subject(contract, _facts(contract, script, source))
        found = [problem for check in CHECKS for problem in check(subject)]
    except NotPython as error:
        fix = "mend the syntax; Python says what it expected"
        return (problem_of("STEP100", str(error), fix, script, error.line, error.column),)
    except TooNew:
        return ()
    except (RecursionError, MemoryError):
        message = "is nested too deeply to be looked at"
        return (problem_of("STEP100", message, "split the deepest expression", script, 1, 1),)
    chosen = [one for one in found if choice.takes(one.code, contract, one.file)]
    reported = _not_silenced(subject, [choice.rated(one) for one in chosen], choice)
    return tuple(sorted(reported, key=_order))


def _facts(contract: Contract, script: Path, source: bytes) -> Facts:
    if not contract.module:
        return reader.read(script, source, imported_modules(contract.folder, source))
    package = contract.code_path.rpartition("/")[0]
    beside = with_package(contract.folder, package.partition("/")[0], source)
    return reader.read(script, source, beside, contract.folder, package.replace("/", "."))


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    return str(problem.file), problem.line, problem.column, problem.code, problem.message


def _not_silenced(subject: Subject, found: Iterable[Problem], choice: Choice) -> Iterator[Problem]:
    """The problems that no comment silences, and the comments that silence nothing."""
    comments = {one.script: noqa.comments("\n".join(one.lines)) for one in subject.modules}
    for problem in found:
        silencing = [
            one
            for one in comments.get(problem.file, ())
            if one.silences(problem.code, problem.line)
        ]
        if not silencing:
            yield problem
    script = subject.script.script
    for comment in comments[script]:
        codes = [one for one in comment.unused if choice.takes(one, subject.contract, script)]
        if codes and choice.takes("STEP901", subject.contract, script):
            message = f"`# noqa` silences nothing: {', '.join(codes)}"
            made = problem_of(
                "STEP901", message, "take it out", script, comment.line, comment.column
            )
            yield choice.rated(made)
