"""Whether a script does anything with an argument or a variable, as far as its code says."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.cases.case import Case

# Calls that declare an argument, that print a value, and that read all arguments at once.
_DECLARES = ("add_argument", "add_option", "argument", "option")
_TELLS = ("print", "echo", "log", "debug", "info", "warning", "error", "critical")
_READS_ALL = ("vars", "asdict", "_get_kwargs")
# Calls that return the arguments as attributes; else they may be the parameters of a function.
_AS_ATTRIBUTES = ("parse_args", "parse_known_args")


def is_read(case: Case, name: str, *, is_argument: bool = True) -> bool:
    """Whether code in the script's folder names it anywhere but to declare or print it.

    Code that reads all arguments at once, or that is no Python, may read it.
    """
    nodes = _code(case, printed=False)
    return nodes is None or _is_read(nodes, name, is_argument)


def is_key_read(case: Case, key: str, *, printed: bool = False) -> bool:
    """Whether code in the script's folder names a key of settings; `printed` where printing counts.

    A variable of that name is no key, unless a function gets all keys as its parameters.
    """
    nodes = _code(case, printed=printed)
    if nodes is None:
        return True
    if not any(isinstance(one, ast.keyword) and one.arg is None for one in nodes):
        nodes = [one for one in nodes if not isinstance(one, ast.Name)]
    return _is_read(nodes, key, is_argument=False)


def _code(case: Case, *, printed: bool) -> list[ast.AST] | None:
    """The code in the script's folder, without declarations; None for what is no Python."""
    if case.is_other_program:
        return None
    nodes: list[ast.AST] = []
    for path, entry in case.tree.under(case.import_folder):
        is_code = path == case.script or path.endswith(".py")
        if entry.kind == "file" and is_code:
            try:
                nodes += _without_declarations(ast.parse(entry.data), printed)
            except (SyntaxError, ValueError):
                return None
    return nodes


def _is_read(nodes: list[ast.AST], name: str, is_argument: bool) -> bool:
    words = {name.lstrip("-"), name.lstrip("-").replace("-", "_")}
    spelled = words | {f"--{one}" for one in words} | {f"SM_HP_{one.upper()}" for one in words}
    called = {_called(node) for node in nodes if isinstance(node, ast.Call)}
    by_attribute = is_argument and not called.isdisjoint(_AS_ATTRIBUTES)
    # What else is named so is another variable, a column, or a key of another mapping.
    asked = {
        id(one) for node in nodes if _called_by_name(node) for one in ast.iter_child_nodes(node)
    }
    return any(
        _names(node, spelled)
        for node in nodes
        if not by_attribute or id(node) in asked or not _is_plain(node, words)
    )


def _called_by_name(node: ast.AST) -> bool:
    """Whether it is a call that asks for a value by its name."""
    return isinstance(node, ast.Call) and _called(node) in ("get", "getattr")


def _is_plain(node: ast.AST, words: set[str]) -> bool:
    """Whether it is a variable, or a text that is one of these words and no more."""
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and node.value in words)


def _without_declarations(node: ast.AST, printed: bool) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call) and _called(node) in _DECLARES:
        return
    told = node.value if isinstance(node, ast.Expr) else None
    if isinstance(told, ast.Call) and _called(told) in _TELLS and not printed:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _without_declarations(child, printed)


def _names(node: ast.AST, words: set[str]) -> bool:
    if isinstance(node, ast.Call):
        return _called(node) in _READS_ALL
    if isinstance(node, ast.Attribute):
        return node.attr in words or node.attr in ("__dict__", "argv")
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and _is_part(node.value, words)
    if isinstance(node, ast.AnnAssign):
        # The field of a class of settings, which reads the variable of its name.
        field = node.target.id if isinstance(node.target, ast.Name) else ""
        return bool(field) and any(one.upper().endswith(field.upper()) for one in words)
    return isinstance(node, ast.Name) and node.id in words


def _is_part(text: str, words: set[str]) -> bool:
    """Whether a text is one of the words, or the end of a variable's name after a prefix."""
    is_end = text.isupper() and any(one.endswith(f"_{text}") for one in words)
    return is_end or text in words or text in ("SM_HPS", "SM_USER_ARGS")


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))
