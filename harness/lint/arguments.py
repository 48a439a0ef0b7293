"""Command line arguments: those that the script takes against those of the contract."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function

# argparse, optparse, click.
_ADD = re.compile(r"(.*\.)?add_(argument|option)|(rich_)?click\.(option|argument)")
# What parsers take without a word in the contract.
_ACTIONS = ("help", "version")
# These make arguments of what functions take, or of what the documentation says.
_FROM_FUNCTIONS = ("typer", "fire", "cyclopts", "plac", "defopt")
_FROM_DOCSTRING = "docopt"


def undeclared_arguments(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each argument of a parser that the contract does not declare."""
    declared = {_plain(name) for name in contract.arguments}
    for names, node in _arguments(facts):
        if not declared & {_plain(name) for name in names}:
            yield facts.problem(
                "H301",
                f"the argument {names[0]} is not declared by the contract",
                "declare it under arguments",
                node,
            )


def missing_arguments(facts: Facts, contract: Contract) -> Iterator[Problem]:
    """Each declared argument that no parser of the script takes."""
    known = {_plain(name) for names, _ in _arguments(facts) for name in names}
    known |= {_plain(name) for name in _elsewhere(facts)}
    flags = [facts.texts.of(flag) for node in _added(facts) for flag in node.args]
    if not all(flag is not None and flag.whole for flag in flags):
        # The flags are put together at run time, from names that are somewhere.
        known |= {_plain(text.value) for text in facts.texts.every}
    for name in contract.arguments:
        if _plain(name) not in known:
            yield facts.problem(
                "H302",
                f"the declared argument {name} is not one that the script knows",
                "add it to the parser, or take it out of the contract",
            )


def _arguments(facts: Facts) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    """The names of each argument, and where it is added."""
    for node in _added(facts):
        given = {one.arg: one.value for one in node.keywords}
        action = given.get("action")
        if isinstance(action, ast.Constant) and action.value in _ACTIONS:
            continue
        choices = [list(facts.texts.choices(one)) for one in node.args]
        dest = facts.texts.of(given["dest"]) if "dest" in given else None
        if len(choices) == 1 and len(choices[0]) > 1:
            # In a loop over the flags.
            for one in choices[0]:
                yield (one.value,), one.node
        elif names := tuple(one.value for flags in choices for one in flags):
            yield (*names, *((dest.value,) if dest else ())), node


def _added(facts: Facts) -> Iterator[ast.Call]:
    return (node for node in facts.calls() if _ADD.fullmatch(facts.called(node)))


def _elsewhere(facts: Facts) -> Iterator[str]:
    """Names of arguments that the script takes in another way.

    By hand from `sys.argv`, or by `getopt`: then a text has the name.
    """
    modules = {name.partition(".")[0] for name in facts.imports.values()}
    for text in facts.texts.every:
        if text.value.startswith("-") or ("getopt" in modules and text.value.endswith("=")):
            yield text.value
    for node in facts.nodes:
        if isinstance(node, Function) and modules.intersection(_FROM_FUNCTIONS):
            arguments = node.args
            yield from (one.arg for one in (*arguments.args, *arguments.kwonlyargs))
    if _FROM_DOCSTRING in modules:
        yield from re.findall(r"--[\w-]+", ast.get_docstring(facts.tree) or "")


def _plain(name: str) -> str:
    return name.lstrip("-").rstrip("=:").replace("_", "-")
