"""Command line arguments: those of the script against those of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.contracts.arguments import Argument as DeclaredArgument
from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.reading.platform import is_of_platform, normalised
from harness.reading.values import Argument
from harness.worlds.job_type import job_type

_VARIABLE_PREFIX = "SM_HP_"
# Types of which `type=` makes something else than their name says.
_MISREAD = {
    "bool": 'every text but "" for True',
    "?bool": 'every text but "" for True',
    "?list": "a text apart into its characters",
    "?tuple": "a text apart into its characters",
    "?dict": "no text at all",
}
# What a plain description of an argument says of it: `default 3`, `training or testing`.
_SAYS_DEFAULT = re.compile(r"default:?\s+(?P<value>[^\s,;]+)", re.I)
_SAYS_CHOICES = re.compile(r"[\w.-]+((, | or |, or | \| |\|)[\w.-]+)+")
_SAYS_REQUIRED = re.compile(r"required\b(?! (unless|if))", re.I)


def undeclared_arguments(subject: Subject) -> Iterator[Problem]:
    """Each argument of a parser that the contract does not declare.

    Those whose default is a variable of the platform, or a path of it, need no word of it; nor do
    those that a declared variable gives.
    """
    declared = {normalised(name) for name in subject.contract.arguments}
    environment = subject.contract.environment
    variables = {*environment.required, *environment.optional, *environment.always}
    seen: set[tuple[str, ...]] = set()
    for one in subject.facts.arguments:
        names = {normalised(name) for name in (*one.names, one.dest)}
        if declared & names or one.names in seen or is_of_platform(one) or one.position:
            continue
        if one.source in ("click", "typer") and variables & set(one.variables):
            continue
        if not subject.counts(one.place, one.reached):
            continue
        seen.add(one.names)
        yield subject.problem(
            "STEP301",
            f"the argument {one.names[0]} is not declared by the contract",
            "declare it under arguments",
            one.place,
            subject.new_key("arguments", one.dest, _described(one)),
        )


def undeclared_words(subject: Subject) -> Iterator[Problem]:
    """Each `sys.argv[n]` that no job of the contract passes: it has fewer words than that.

    The service passes the program of an image of one's own a word, such as `train`.
    """
    declared = subject.contract.arguments.values()
    count = sum(
        1 if isinstance(one, DeclaredArgument) and (one.flag or one.positional) else 2
        for one in declared
    )
    count += not subject.script.script.suffix
    if any(one.source == "argv" and not one.position for one in subject.facts.arguments):
        # The script looks for flags among its words, and those are told by their names.
        return
    for one in subject.facts.arguments:
        is_own = one.position > count and not is_of_platform(one)
        if is_own and subject.counts(one.place, one.reached):
            message = f"the argument {one.names[0]} is not declared by the contract"
            fix = "declare it under arguments, as positional"
            yield subject.problem("STEP301", message, fix, one.place)


def _described(one: Argument) -> str:
    """What an argument is, in a few words of YAML."""
    if one.required:
        return "required"
    return f'"default {one.default}"' if one.default is not None else '""'


def missing_arguments(subject: Subject) -> Iterator[Problem]:
    """Each declared argument that the script does not accept.

    The hyperparameters of a training job are its arguments, however the script reads them.
    """
    facts = subject.facts
    if facts.words_escape or not facts.complete:
        return
    if any(not one.name for one in facts.hyperparameters):
        return
    # With flags, the name of the attribute is not one that can be passed.
    known = {normalised(name) for one in facts.arguments for name in one.names}
    positional = (one for one in facts.arguments if one.positional)
    known |= {normalised(one.dest) for one in (*positional, *facts.commands)}
    known |= {normalised(one.name) for one in facts.hyperparameters}
    known |= {
        normalised(one.name.removeprefix(_VARIABLE_PREFIX).lower())
        for one in facts.variables
        if one.name.startswith(_VARIABLE_PREFIX)
    }
    for name in subject.contract.arguments:
        if normalised(name) not in known:
            yield subject.in_contract(
                "STEP302",
                f"the declared argument {name} is not one that the script knows",
                "add it to the parser, or take it out of the contract",
                *("arguments", name),
            )


def short_names(subject: Subject) -> Iterator[Problem]:
    """Each name of one letter that the training toolkit passes with one dash, and nobody knows."""
    job = job_type(subject.contract)
    if job.arguments_from != "training-toolkit":
        return
    for name in subject.contract.arguments:
        found = [one for one in subject.facts.arguments if f"--{name}" in one.names]
        if len(name) == 1 and found and not any(f"-{name}" in one.names for one in found):
            message = f"the training toolkit passes -{name}, and the parser knows --{name} alone"
            fix = f'add "-{name}" beside "--{name}"'
            yield subject.problem("STEP302", message, fix, found[0].place)


def different_arguments(subject: Subject) -> Iterator[Problem]:
    """Each argument whose type, default or choices differ from what is declared."""
    by_name = {
        normalised(name): one
        for one in subject.facts.arguments
        for name in (*one.names, one.dest)
        if one.source != "argv"
    }
    for name, declared in subject.contract.arguments.items():
        found = by_name.get(normalised(name))
        if found is None:
            continue
        if isinstance(declared, DeclaredArgument):
            what = next(_differences(found, declared), None)
        else:
            what = next(_text_differences(found, declared), None)
        if what is not None:
            yield subject.problem(
                "STEP303",
                f"the argument {found.names[0]} {what}",
                "make the contract and the script say the same",
                found.place,
            )


def _differences(found: Argument, declared: DeclaredArgument) -> Iterator[str]:
    is_optional = not declared.required
    if found.required and is_optional and not declared.flag:
        yield "is required, and optional in the contract"
    if not found.required and declared.required and found.has_default:
        yield f"has the default {found.default!r}, and is required in the contract"
    if found.choices is not None and declared.choices:
        texts = {declared.text(one) for one in declared.choices}
        if texts != {str(one) for one in found.choices}:
            yield f"has the choices {_listed(found.choices)}, and others in the contract"
    has_both = declared.default is not None and found.default is not None
    if has_both and not _is_same(declared.text(declared.default), found.default):
        yield f"has the default {found.default!r}, and {declared.default!r} in the contract"
    if found.is_switch and not declared.flag and declared.type != "bool":
        yield "takes no value, and has one in the contract"
    if declared.flag and not found.is_switch:
        yield "takes a value, and is a flag in the contract"
    kinds = {"int": ("int",), "float": ("float", "int"), "str": ("str", "json")}
    expected = kinds.get(found.type or "", ())
    is_value = not found.is_switch and not declared.flag
    # A text takes any value; int() does not take those of a float.
    is_narrower = found.type != "str" and declared.type != "bool"
    if expected and declared.type not in expected and is_value and is_narrower:
        yield f"is of type {found.type}, and {declared.type} in the contract"


def _text_differences(found: Argument, declared: str) -> Iterator[str]:
    """What a description says otherwise than the script, where it says it plainly."""
    default = _SAYS_DEFAULT.match(declared.strip())
    if default is not None:
        value = default["value"].strip("\"'`.")
        if found.required:
            yield f"is required, and has the default {value} in the contract"
        elif found.default is not None and not _is_same(value, found.default):
            yield f"has the default {found.default!r}, and {value} in the contract"
    if found.choices is not None and _SAYS_CHOICES.fullmatch(declared.strip()):
        said = set(re.split(r", or |, | or | \| |\|", declared.strip()))
        if said != {str(one) for one in found.choices}:
            yield f"has the choices {_listed(found.choices)}, and the contract says {declared}"
    if _SAYS_REQUIRED.match(declared.strip()) and found.has_default:
        yield f"has the default {found.default!r}, and is required in the contract"


def _listed(choices: tuple[object, ...]) -> str:
    return ", ".join(str(one) for one in choices)


def _is_same(text: str, value: object) -> bool:
    if text.strip().lower() == str(value).strip().lower():
        return True
    try:
        return float(text) == float(str(value))
    except ValueError:
        return False


def misread_arguments(subject: Subject) -> Iterator[Problem]:
    """Each argument whose type takes any text for something else than it says."""
    for one in subject.facts.arguments:
        what = _MISREAD.get(one.type or "")
        if what is None or one.source != "argparse" or is_of_platform(one):
            continue
        if subject.counts(one.place, one.reached):
            kind = (one.type or "").lstrip("?")
            message = f"the argument {one.names[0]} is of type={kind}, which takes {what}"
            fix = 'action="store_true", choices, or a function that reads the text'
            yield subject.problem("STEP306", message, fix, one.place)


def unparsed_arguments(subject: Subject) -> Iterator[Problem]:
    """Each attribute of parsed arguments that no parser gives."""
    seen: set[str] = set()
    for one in subject.facts.missing:
        if one.what == "argument" and one.key not in seen:
            seen.add(one.key)
            yield subject.problem(
                "STEP304",
                f"{one.key} is no argument that is parsed",
                f"there are {', '.join(one.known)}" if one.known else "parse it",
                one.place,
            )


def unused_arguments(subject: Subject) -> Iterator[Problem]:
    """Each declared argument that is parsed and never used."""
    facts = subject.facts
    if not facts.parses or not facts.complete:
        return
    declared = {normalised(name): name for name in subject.contract.arguments}
    dests = {one.dest for one in facts.arguments if one.used}
    for one in facts.arguments:
        names = {normalised(name) for name in (*one.names, one.dest)} & declared.keys()
        is_unused = not one.used and one.dest not in dests
        if one.source == "argparse" and names and is_unused and not is_of_platform(one):
            yield subject.problem(
                "STEP305",
                f"the argument {one.names[0]} is parsed and never used",
                "use it, or take it out of the contract and the parser",
                one.place,
            )
