"""How blocks of statements end, and what their parts are."""

from __future__ import annotations

import ast

from harness.reading.values import (
    Class,
    Value,
    join,
)

# A block that ends with its last statement.
FALLS = frozenset({"falls"})
_CHANGING = ("update", "setdefault", "pop", "popitem", "clear", "__setitem__")


def merged(
    one: dict[str, Value] | None, other: dict[str, Value] | None, before: dict[str, Value]
) -> dict[str, Value]:
    """The names after two branches, either of which may not go on."""
    if one is None:
        return other if other is not None else before
    if other is None:
        return one
    merged = dict(one)
    for name, value in other.items():
        first = one.get(name)
        merged[name] = value if first is None else first if first is value else join([first, value])
    return merged


def changed_names(tree: ast.AST) -> set[str]:
    """The names of values that are changed somewhere: items are set, or a method changes them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        owner: ast.AST | None = None
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            owner = node.value
        elif isinstance(node, ast.AugAssign):
            owner = node.target
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value if node.func.attr in _CHANGING else None
        if isinstance(owner, ast.Name):
            found.add(owner.id)
    return found


def breaks(handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends the loop that it is in."""
    return any(isinstance(one, ast.Break) for one in own_loop(handler))


def has_foreign_base(kind: Class) -> bool:
    """Whether a class, or one of its bases, has a base that is none of the script's."""
    return any(not isinstance(one, Class) or has_foreign_base(one) for one in kind.bases)


def goes_on(outcomes: frozenset[str]) -> bool:
    """Whether a block may go on behind it, or in a loop."""
    return bool(outcomes & {"falls", "loops"})


def own_loop(node: ast.AST) -> list[ast.AST]:
    """The nodes of a loop, without those of loops and functions within it."""
    found: list[ast.AST] = []
    pending = list(ast.iter_child_nodes(node))
    while pending:
        part = pending.pop()
        found.append(part)
        if not isinstance(
            part, ast.For | ast.While | ast.AsyncFor | ast.FunctionDef | ast.Lambda | ast.ClassDef
        ):
            pending += ast.iter_child_nodes(part)
    return found


def caught_types(handler: ast.ExceptHandler) -> tuple[str, ...]:
    """The names of the exceptions that a handler catches; "" for a bare `except:`."""
    caught = handler.type
    if caught is None:
        return ("",)
    return tuple(last_name(one) for one in getattr(caught, "elts", [caught]))


def last_name(node: ast.AST) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
