"""The shape of a step script: main with its four parameters, and the main guard."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function

SIGNATURE = ("input_paths", "output_paths", "environ_vars", "job_args")
_SIGNATURE = f"main({', '.join(SIGNATURE)})"


def main_function(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """A problem when main cannot be called with the four arguments in their order.

    A main that is imported, or the value of a call, is accepted. A program of a container that is
    no module, such as `train`, is not called so.
    """
    if not _is_module(facts):
        return
    fix = f"define {_SIGNATURE}, and call it below the main guard"
    known = [node for node in facts.top_level if isinstance(node, Function) and node.name == "main"]
    value = facts.constants.get("main")
    if not known and isinstance(value, ast.Name) and value.id in facts.functions:
        known = [facts.functions[value.id]]
    for node in known:
        arguments = ast.unparse(node.args)
        if isinstance(node, ast.AsyncFunctionDef):
            message = f"async def main is not {_SIGNATURE}: a call of it alone runs nothing"
            yield facts.problem(
                "H401", message, f"define {_SIGNATURE}, with asyncio.run in it", node
            )
        elif not _accepts_signature(node.args):
            yield facts.problem("H401", f"{node.name}({arguments}) is not {_SIGNATURE}", fix, node)
    if not known and value is None and not {"main", "*"} & facts.imports.keys():
        yield facts.problem("H401", f"there is no {_SIGNATURE}", fix)


def main_guard(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """A problem when a module has no main guard."""
    if not _is_module(facts):
        return
    for node in facts.top_level:
        if isinstance(node, ast.If):
            parts = list(ast.walk(node.test))
            names = {part.id for part in parts if isinstance(part, ast.Name)}
            texts = {
                text.value
                for part in parts
                if isinstance(part, ast.expr)
                if (text := facts.texts.text_of(part))
            }
            if "__name__" in names and "__main__" in texts:
                return
    yield facts.problem(
        "H402",
        'there is no `if __name__ == "__main__":`',
        "put what runs the step below it, so that the script can be imported",
    )


def _is_module(facts: Facts) -> bool:
    """Whether another module can import the script."""
    return facts.script.suffix == ".py"


def _accepts_signature(arguments: ast.arguments) -> bool:
    """Whether these parameters accept the four arguments in their order."""
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    required = len(names) - len(arguments.defaults)
    return (
        tuple(names[: len(SIGNATURE)]) == SIGNATURE
        and required <= len(SIGNATURE)
        and all(default is not None for default in arguments.kw_defaults)
    )
