"""What the command line and the variables of a script are, and how it ends."""

from __future__ import annotations

import ast
import signal
from collections.abc import Iterator
from dataclasses import replace

from harness.reading.facts import Facts
from harness.reading.platform import SET_BY_PLATFORM, is_of_platform, names_platform_path
from harness.reading.values import Argument
from harness.worlds.tree import is_under

_PROCESSING = "/opt/ml/processing"
_STOPPED = 128 + signal.SIGTERM
_SEVERAL = 2


def arguments(facts: Facts) -> Iterator[Argument]:
    """The arguments that a job may give, those that the platform gives left out."""
    seen: set[str] = set()
    # With flags among them, the place of a word tells nothing.
    has_flags = any(one.source == "argv" and not one.position for one in facts.arguments)
    # Where there are several commands, each does something else: which one is not known.
    for one in facts.commands:
        if one.reached and one.dest not in seen:
            seen.add(one.dest)
            yield one if len(one.choices or ()) < _SEVERAL else replace(one, choices=None)
    for one in sorted(facts.arguments, key=lambda each: each.position):
        if one.position and has_flags:
            continue
        is_own = not is_of_platform(one) or _is_of_processing(one)
        if one.reached and one.dest not in seen and is_own:
            seen.add(one.dest)
            yield one


def _is_of_processing(one: Argument) -> bool:
    """Whether the default of an argument is a folder of a processing job, which others may be."""
    return isinstance(one.default, str) and is_under(one.default, _PROCESSING)


def variables(facts: Facts) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """The variables without which the script fails, and the others with what stands for each."""
    required: list[str] = []
    optional: dict[str, str | None] = {}
    own = facts.set_variables | facts.kept_variables
    for one in facts.variables:
        skipped = SET_BY_PLATFORM.fullmatch(one.name) or one.name in own or one.implicit
        of_platform = one.of_settings and names_platform_path(one.default)
        if not one.reached or skipped or of_platform:
            continue
        if one.required:
            optional.pop(one.name, None)
            required.append(one.name)
        elif one.name not in required:
            optional[one.name] = optional.get(one.name) or one.default
    return tuple(dict.fromkeys(required)), optional


def ends_when_stopped(facts: Facts) -> bool:
    """Whether the handler of SIGTERM is known to end nothing, as one that sets a flag."""
    handler = facts.signals.get(signal.SIGTERM)
    codes = {one.code for one in facts.exits}
    if handler is None or facts.runs_programs or codes & {None, _STOPPED}:
        return False
    return not any(isinstance(one, ast.Raise) for one in ast.walk(handler.node))


def exit_codes(facts: Facts) -> dict[int, str]:
    """The exit codes, each with what it means, "" where that is not known."""
    own = [one.code for one in facts.exits if one.reached and one.code not in (None, 0, _STOPPED)]
    # A script that ends failures with another code may have caught them all.
    codes = {0: "done", 1: "" if own and 1 not in own and not facts.parses else "failed"}
    if facts.parses and any(one.source != "argv" for one in facts.arguments):
        codes[2] = "wrong arguments"
    for one in facts.exits:
        if one.reached and one.code is not None and one.code != 130:
            codes.setdefault(one.code, "")
    if signal.SIGTERM in facts.signals and not ends_when_stopped(facts):
        codes[_STOPPED] = "SIGTERM"
    return dict(sorted(codes.items()))
