"""Environment variables: those of the script against those of the contract."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.reading.facts import VariableRead
from harness.reading.platform import SET_BY_PLATFORM, names_platform_path
from harness.reading.recorder import CHANNEL_VARIABLE, PLATFORM_PATHS
from harness.worlds.jobs import TRAINING, Request

_TOOLKIT = re.compile(r"SM_\w+")
_TOOLKIT_FAMILIES = re.compile(r"SM_(CHANNEL|HP)_\w+")
_TOOLKIT_VARIABLES = tuple(
    name for name in (*TRAINING.variables(Request()), *PLATFORM_PATHS) if name.startswith("SM_")
)
# How alike two names are, of which one is a slip of the other.
_ALIKE = 0.86


def undeclared_variables(subject: Subject) -> Iterator[Problem]:
    """Each environment variable that is read and not declared."""
    variables = subject.contract.environment
    declared = {*variables.required, *variables.optional, *variables.always}
    # Settings of pydantic take a variable in any case.
    any_case = {one.upper() for one in declared}
    seen: set[str] = set()
    for one in subject.facts.variables:
        name = one.name
        is_known = name in declared or (one.of_settings and name.upper() in any_case)
        is_known = is_known or (one.of_settings and names_platform_path(one.default))
        if is_known or name in seen or one.implicit or not subject.counts(one.place, one.reached):
            continue
        if name in subject.facts.set_variables | subject.facts.kept_variables:
            continue
        fix = "declare it under environment, as required or as optional with its default"
        message = f"the environment variable {name} is read, and the contract does not declare it"
        if slip := _slip(name):
            message, fix = f"there is no variable {name}; {slip} is meant", f"read {slip}"
        elif SET_BY_PLATFORM.fullmatch(name):
            continue
        seen.add(name)
        yield subject.problem("STEP201", message, fix, one.place)


def _slip(name: str) -> str | None:
    """The variable of the toolkit that is meant by a name that it does not have."""
    if not _TOOLKIT.fullmatch(name) or name in _TOOLKIT_VARIABLES:
        return None
    if _TOOLKIT_FAMILIES.fullmatch(name):
        return None
    prefix = "_".join(name.split("_")[:2])
    if len(name.split("_")) > 2 and difflib.SequenceMatcher(None, prefix, "SM_CHANNEL").ratio() > (
        _ALIKE
    ):
        return f"{CHANNEL_VARIABLE}{name.split('_', 2)[2]}"
    close = difflib.get_close_matches(name, _TOOLKIT_VARIABLES, 1, _ALIKE)
    return close[0] if close and not name.startswith(close[0]) else None


def undeclared_channels(subject: Subject) -> Iterator[Problem]:
    """Each channel of a training job whose variable is read, and that is not declared."""
    if not subject.channels:
        return
    seen: set[str] = set()
    for one in subject.facts.variables:
        if not one.name.startswith(CHANNEL_VARIABLE) or one.name in seen:
            continue
        channel = one.name.removeprefix(CHANNEL_VARIABLE).lower()
        known = {name.replace("-", "_") for name in subject.channels}
        if channel.replace("-", "_") in known or not subject.counts(one.place, one.reached):
            continue
        if one.name in subject.facts.set_variables:
            continue
        seen.add(one.name)
        names = ", ".join(sorted(subject.channels))
        yield subject.problem(
            "STEP204",
            f"{one.name} is read, and the contract has no channel {channel}",
            f"declare the channel; there are {names}",
            one.place,
        )


def unread_variables(subject: Subject) -> Iterator[Problem]:
    """Each declared variable that is never read, where all reads are known."""
    facts = subject.facts
    if facts.environment_escapes or facts.runs_programs or not facts.complete:
        return
    read = {one.name for one in facts.variables} | facts.kept_variables
    read |= {name.upper() for name in read}
    of_settings = {one.name.upper() for one in facts.variables if one.of_settings}
    packages = {
        node.partition(".")[0].lower() for one in subject.modules for node in one.imports.values()
    }
    variables = subject.contract.environment
    for part, names in (("required", variables.required), ("optional", variables.optional)):
        for name in names:
            # A library reads the variables that begin with its name.
            of_library = name.partition("_")[0].lower() in packages
            is_read = name in read or name.upper() in of_settings or of_library
            if is_read or SET_BY_PLATFORM.fullmatch(name):
                continue
            yield subject.in_contract(
                "STEP202",
                f"the {part} environment variable {name} is never read",
                "read it, or take it out of the contract",
                *("environment", part, name),
            )


def different_variables(subject: Subject) -> Iterator[Problem]:
    """Each optional variable that the script fails without, or takes another default for."""
    if subject.contract.job is not None:
        # The definition of the job sets them.
        return
    by_name: dict[str, list[VariableRead]] = {}
    for one in subject.facts.variables:
        if one.reached and not one.implicit:
            by_name.setdefault(one.name, []).append(one)
    for name, default in subject.contract.environment.optional.items():
        reads = by_name.get(name, [])
        if not reads or name in subject.facts.set_variables | subject.facts.kept_variables:
            continue
        if all(one.required for one in reads):
            message = (
                f"the environment variable {name} is optional, and the script fails without it"
            )
            fix = f"read it with its default: os.environ.get({name!r}, {default!r})"
            yield subject.problem("STEP203", message, fix, reads[0].place)
        elif default and all(one.default_known and one.default for one in reads):
            others = [one for one in reads if not _is_same(one.default or "", default)]
            if len(others) == len(reads):
                taken = others[0].default
                message = f"the default of {name} is {taken!r}, and {default!r} in the contract"
                yield subject.problem("STEP203", message, "make them the same", others[0].place)


def overwritten_variables(subject: Subject) -> Iterator[Problem]:
    """Each declared variable that the script sets itself before anything has read it."""
    environment = subject.contract.environment
    for name, place in subject.facts.overwritten.items():
        if name in environment.required or name in environment.optional:
            message = f"the script sets {name} itself, whatever the job says"
            fix = f"os.environ.setdefault({name!r}, ...), or take it out of the contract"
            yield subject.problem("STEP203", message, fix, place)


def _is_same(one: str, other: str) -> bool:
    if one.strip().lower() == other.strip().lower():
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False
