"""Whether a script does anything with an argument, as far as its code says."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.cases.case import Case
from harness.worlds.tree import is_under

# Calls that declare an argument, that print a value, and that read all arguments at once.
_DECLARES = ("add_argument", "add_option", "argument", "option")
_TELLS = ("print", "echo", "log", "debug", "info", "warning", "error", "critical")
_READS_ALL = ("vars", "asdict", "_get_kwargs")
# Calls that return the arguments as attributes; else they may be the parameters of a function.
_AS_ATTRIBUTES = ("parse_args", "parse_known_args")


def is_read(case: Case, name: str) -> bool:
    """Whether code in the script's folder names an argument anywhere but to declare or print it.

    Code that reads all arguments at once, or that is no Python, may read it.
    """
    words = {name.lstrip("-"), name.lstrip("-").replace("-", "_")}
    spelled = words | {f"--{one}" for one in words} | {f"SM_HP_{one.upper()}" for one in words}
    nodes: list[ast.AST] = []
    for path, entry in case.tree:
        if entry.kind == "file" and path.endswith(".py") and is_under(path, case.import_folder):
            try:
                nodes += _without_declarations(ast.parse(entry.data))
            except (SyntaxError, ValueError):
                return True
    called = {_called(node) for node in nodes if isinstance(node, ast.Call)}
    if called.isdisjoint(_AS_ATTRIBUTES) and any(
        isinstance(node, ast.Name) and node.id in spelled for node in nodes
    ):
        return True
    return any(_names(node, spelled) for node in nodes) or case.is_other_program


def _without_declarations(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and _called(node) in _DECLARES:
        return
    told = node.value if isinstance(node, ast.Expr) else None
    if isinstance(told, ast.Call) and _called(told) in _TELLS:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _without_declarations(child)


def _names(node: ast.AST, words: set[str]) -> bool:
    if isinstance(node, ast.Call):
        return _called(node) in _READS_ALL
    if isinstance(node, ast.Attribute):
        return node.attr in words or node.attr in ("__dict__", "argv")
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value in words | {"SM_HPS", "SM_USER_ARGS"}
    )


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))
