"""The shape of a step script: main with its four parameters, the main guard, and calls that fit."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax

SIGNATURE = ("input_paths", "output_paths", "environ_vars", "job_args")
_SIGNATURE = f"main({', '.join(SIGNATURE)})"


def main_function(subject: Subject) -> Iterator[Problem]:
    """A problem when main cannot be called with the four arguments in their order.

    A main that is imported, or the value of a call, is accepted. A program of a container that is
    no module, such as `train`, is not called so.
    """
    script = subject.script
    if not _is_module(script):
        return
    fix = f"define {_SIGNATURE}, and call it below the main guard"
    known = [
        node for node in script.top_level if isinstance(node, Function) and node.name == "main"
    ]
    value = script.constants.get("main")
    if not known and isinstance(value, ast.Name) and value.id in script.functions:
        known = [script.functions[value.id]]
    for node in known:
        arguments = ast.unparse(node.args)
        if isinstance(node, ast.AsyncFunctionDef):
            message = f"async def main is not {_SIGNATURE}: a call of it alone runs nothing"
            fix = f"define {_SIGNATURE}, with asyncio.run in it"
            yield subject.at_node(script, "STEP401", message, fix, node)
        elif not _accepts_signature(node.args):
            message = f"{node.name}({arguments}) is not {_SIGNATURE}"
            yield subject.at_node(script, "STEP401", message, fix, node)
    if not known and value is None and not {"main", "*"} & script.imports.keys():
        yield subject.problem("STEP401", f"there is no {_SIGNATURE}", fix, None)


def main_guard(subject: Subject) -> Iterator[Problem]:
    """A problem when a module has no main guard."""
    if _is_module(subject.script) and not has_main_guard(subject.script):
        yield subject.problem(
            "STEP402",
            'there is no `if __name__ == "__main__":`',
            "put what runs the step below it, so that the script can be imported",
            None,
        )


def has_main_guard(script: Syntax) -> bool:
    """Whether what runs the script is kept from an import of it."""
    for node in script.top_level:
        if isinstance(node, ast.If):
            parts = list(ast.walk(node.test))
            names = {part.id for part in parts if isinstance(part, ast.Name)}
            texts = {part.value for part in parts if isinstance(part, ast.Constant)}
            texts |= {
                value.value
                for name in names
                if isinstance(value := script.constants.get(name), ast.Constant)
            }
            if "__name__" in names and "__main__" in texts:
                return True
    return False


def missing_keys(subject: Subject) -> Iterator[Problem]:
    """Each key that a dictionary which a function is given never has."""
    seen: set[tuple[str, int]] = set()
    for one in subject.facts.missing:
        if one.what != "key" or (one.key, one.place.line) in seen:
            continue
        seen.add((one.key, one.place.line))
        known = ", ".join(one.known) or "nothing"
        yield subject.problem(
            "STEP403",
            f"the key {one.key} is not in the dictionary that is passed here, which has {known}",
            "pass it, in the order of the parameters",
            one.place,
        )


def wrong_calls(subject: Subject) -> Iterator[Problem]:
    """Each call of a function of the script that does not fit its parameters."""
    seen: set[object] = set()
    for one in subject.facts.wrong_calls:
        if one.place not in seen:
            seen.add(one.place)
            message = f"{one.function}() {one.what}"
            yield subject.problem("STEP404", message, "make call and function fit", one.place)


def _is_module(script: Syntax) -> bool:
    """Whether another module can import the script."""
    return script.script.suffix == ".py"


def _accepts_signature(arguments: ast.arguments) -> bool:
    """Whether these parameters accept the four arguments in their order."""
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    required = len(names) - len(arguments.defaults)
    return (
        tuple(names[: len(SIGNATURE)]) == SIGNATURE
        and required <= len(SIGNATURE)
        and all(default is not None for default in arguments.kw_defaults)
    )
