"""Command line arguments: those of the script against those of the contract."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint import beside
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function

# argparse, optparse, click.
_ADD_ARGUMENT = re.compile(r"(.*\.)?add_(argument|option)|(rich_)?click\.(option|argument)")
# Actions of arguments that the contract need not declare.
_IGNORED_ACTIONS = ("help", "version")
# Libraries that derive arguments from function parameters, and from the docstring.
_FROM_FUNCTIONS = ("typer", "fire", "cyclopts", "plac", "defopt")
_FROM_DOCSTRING = "docopt"
# Where a training job has its hyperparameters: a file, a variable for all, and one for each.
_HYPERPARAMETERS = "hyperparameters.json"
_VARIABLES = ("SM_HPS", "SM_TRAINING_ENV", "SM_USER_ARGS")
_VARIABLE_PREFIX = "SM_HP_"
_WHOLE_MAPPINGS = ("items", "update", "keys", "values")


def undeclared_arguments(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each argument of a parser that the contract does not declare."""
    declared = {_normalised(name) for name in contract.arguments}
    for names, node in _arguments(facts):
        if not declared & {_normalised(name) for name in names}:
            yield facts.problem(
                "H301",
                f"the argument {names[0]} is not declared by the contract",
                "declare it under arguments",
                node,
            )


def missing_arguments(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each declared argument that no parser of the script accepts, nor of a module beside it.

    The hyperparameters of a training job are its arguments, however the script reads them.
    """
    names_taken: set[str] = set()
    for one in beside.with_modules(facts, contract):
        reading = _reads_hyperparameters(one)
        if reading and _passes_on_mappings(one):
            return
        names_taken |= _names_taken(one, any_text=reading)
    for name in contract.arguments:
        if _normalised(name) not in names_taken:
            yield facts.problem(
                "H302",
                f"the declared argument {name} is not one that the script knows",
                "add it to the parser, or take it out of the contract",
            )


def _names_taken(facts: Facts, *, any_text: bool) -> set[str]:
    """The names of the arguments that a module accepts; with `any_text` each text may be one."""
    names_taken = {_normalised(name) for names, _ in _arguments(facts) for name in names}
    names_taken |= {_normalised(name) for name in _other_arguments(facts)}
    flags = [facts.texts.text_of(flag) for node in _parser_calls(facts) for flag in node.args]
    texts = {text.value for text in facts.texts.all}
    if any_text or not all(flag is not None and flag.is_complete for flag in flags):
        # Flags are built at run time; any text in the script may be part of one.
        names_taken |= {_normalised(text) for text in texts}
    # The service sets a variable for each hyperparameter.
    prefix = _VARIABLE_PREFIX
    return names_taken | {
        _normalised(one.removeprefix(prefix).lower()) for one in texts if one.startswith(prefix)
    }


def _reads_hyperparameters(facts: Facts) -> bool:
    """Whether a module names the file, or the variable, that holds all hyperparameters."""
    return any(
        text.value.endswith(_HYPERPARAMETERS) or text.value in _VARIABLES
        for text in facts.texts.all
    )


def _passes_on_mappings(facts: Facts) -> bool:
    """Whether a module passes on a mapping as a whole, so that its keys are not known."""
    return any(
        any(keyword.arg is None for keyword in node.keywords)
        or (isinstance(node.func, ast.Attribute) and node.func.attr in _WHOLE_MAPPINGS)
        for node in facts.calls()
    )


def _arguments(facts: Facts) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    """The names of each argument, and the node that adds it."""
    for node in _parser_calls(facts):
        keywords = {one.arg: one.value for one in node.keywords}
        action = keywords.get("action")
        if isinstance(action, ast.Constant) and action.value in _IGNORED_ACTIONS:
            continue
        choices = [list(facts.texts.possible_texts(one)) for one in node.args]
        dest = facts.texts.text_of(keywords["dest"]) if "dest" in keywords else None
        if len(choices) == 1 and len(choices[0]) > 1:
            # The call is in a loop over flags.
            for one in choices[0]:
                yield (one.value,), one.node
        elif names := tuple(one.value for flags in choices for one in flags):
            yield (*names, *((dest.value,) if dest else ())), node


def _parser_calls(facts: Facts) -> Iterator[ast.Call]:
    return (node for node in facts.calls() if _ADD_ARGUMENT.fullmatch(facts.called_name(node)))


def _other_arguments(facts: Facts) -> Iterator[str]:
    """Names of arguments that the script reads without `add_argument`.

    From `sys.argv` or by `getopt`, when a text has the name; by other libraries.
    """
    modules = {name.partition(".")[0] for name in facts.imports.values()}
    for text in facts.texts.all:
        if text.value.startswith("-") or ("getopt" in modules and text.value.endswith("=")):
            yield text.value
    for node in facts.nodes:
        if isinstance(node, Function) and modules.intersection(_FROM_FUNCTIONS):
            arguments = node.args
            yield from (one.arg for one in (*arguments.args, *arguments.kwonlyargs))
    if _FROM_DOCSTRING in modules:
        yield from re.findall(r"--[\w-]+", ast.get_docstring(facts.tree) or "")


def _normalised(name: str) -> str:
    return name.lstrip("-").rstrip("=:").replace("_", "-")
