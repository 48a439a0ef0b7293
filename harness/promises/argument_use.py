"""Whether a script does anything with an argument, as far as its code says."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.cases.case import Case
from harness.worlds.tree import is_under

# Calls that declare an argument, and calls that read all arguments at once.
_DECLARES = ("add_argument", "add_option", "argument", "option")
_READS_ALL = ("vars", "asdict", "_get_kwargs")


def is_read(case: Case, name: str) -> bool:
    """Whether code in the script's folder names an argument anywhere but where it is declared.

    Code that reads all arguments at once, or that is no Python, may read it.
    """
    words = {name.lstrip("-"), name.lstrip("-").replace("-", "_")}
    spelled = words | {f"--{one}" for one in words} | {f"SM_HP_{one.upper()}" for one in words}
    for path, entry in case.tree:
        if entry.kind == "file" and path.endswith(".py") and is_under(path, case.import_folder):
            try:
                tree = ast.parse(entry.data)
            except (SyntaxError, ValueError):
                return True
            if any(_names(node, spelled) for node in _without_declarations(tree)):
                return True
    return case.is_other_program


def _without_declarations(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and _called(node) in _DECLARES:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _without_declarations(child)


def _names(node: ast.AST, words: set[str]) -> bool:
    if isinstance(node, ast.Call):
        return _called(node) in _READS_ALL
    if isinstance(node, ast.Attribute):
        return node.attr in words or node.attr in ("__dict__", "argv")
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value in words | {"SM_HPS", "SM_USER_ARGS"}
    return isinstance(node, ast.Name) and node.id in words


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))
