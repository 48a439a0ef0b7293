"""The syntax tree of a script, and the values of its names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# The limit for chains of aliases and of attributes; circular aliases end there.
_MAX_DEPTH = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Syntax:
    """A parsed script, and its lines."""

    script: Path
    tree: ast.Module
    lines: tuple[str, ...]

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def parents(self) -> Mapping[ast.AST, ast.AST]:
        """Node → parent node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        """The names that the script assigns exactly once → their values."""
        once: dict[str, ast.expr] = {}
        reassigned: set[str] = set()
        for node in self.nodes:
            for name, value in _assigned(node):
                if name in once or value is None:
                    reassigned.add(name)
                else:
                    once[name] = value
        return {name: value for name, value in once.items() if name not in reassigned}

    @cached_property
    def uses(self) -> Mapping[str, Sequence[ast.Name]]:
        """Name → the nodes that read it."""
        uses: dict[str, list[ast.Name]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                uses.setdefault(node.id, []).append(node)
        return uses

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """The names that imports bind → their full dotted names."""
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.partition(".")[0]
                    names[one.asname or top] = one.name if one.asname else top
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for one in node.names:
                    names[one.asname or one.name] = f"{module}.{one.name}"
        return names

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """The top-level functions by name; nested functions and methods are not among them."""
        return {node.name: node for node in self.top_level if isinstance(node, Function)}

    @cached_property
    def top_level(self) -> tuple[ast.stmt, ...]:
        """The statements that an import runs, including those in an `if`, `try` or `with`."""
        return tuple(_top_level_statements(self.tree))

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the script."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def called_name(self, node: ast.Call) -> str:
        """The dotted name of the called function."""
        return self.dotted_name(node.func)

    def dotted_name(self, node: ast.AST, depth: int = 0) -> str:
        """The dotted name of an expression, with imports and aliases resolved.

        `env` is `os.environ` after `from os import environ as env`. It begins with `?` when the
        expression does not begin with a name.
        """
        tail: list[str] = []
        while isinstance(node, ast.Attribute) and len(tail) < _MAX_DEPTH:
            tail.append(node.attr)
            node = node.value
        head = "?"
        if isinstance(node, ast.Name):
            alias = self.constants.get(node.id)
            if node.id in self.imports:
                head = self.imports[node.id]
            elif isinstance(alias, ast.Name | ast.Attribute) and depth < _MAX_DEPTH:
                head = self.dotted_name(alias, depth + 1)
            else:
                head = node.id
        return ".".join([head, *reversed(tail)])

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes that contain a node, innermost first."""
        while (outer := self.parents.get(node)) is not None:
            yield outer
            node = outer

    def is_value_unused(self, node: ast.expr) -> bool:
        """Whether an expression is a statement, so that its value is not used."""
        return isinstance(self.parents.get(node), ast.Expr)


def walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The node and its descendants, except those within nested functions and classes."""
    pending = [node]
    while pending:
        part = pending.pop()
        yield part
        pending += [
            child
            for child in ast.iter_child_nodes(part)
            if not isinstance(child, Function | ast.ClassDef | ast.Lambda)
        ]


def walk_body(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    for one in function.body:
        yield from walk_scope(one)


def _top_level_statements(node: ast.AST) -> Iterator[ast.stmt]:
    pending = list(ast.iter_child_nodes(node))
    while pending:
        part = pending.pop(0)
        if isinstance(part, ast.stmt):
            yield part
        if not isinstance(part, Function | ast.ClassDef | ast.expr):
            pending += ast.iter_child_nodes(part)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a node binds, and their values; None where the value is not known."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _unpacked(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        if node.value is not None:
            yield node.target.id, node.value
    elif isinstance(node, ast.AugAssign | ast.For | ast.AsyncFor | ast.comprehension):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        targets = [node.optional_vars]
    elif isinstance(node, ast.arg):
        yield node.arg, None
    for target in targets:
        for part in ast.walk(target):
            if isinstance(part, ast.Name):
                yield part.id, None


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | None]]:
    """The names of a target and their values; those of `A, B = 1, 2` are paired."""
    if isinstance(target, ast.Name):
        yield target.id, value
        return
    values: list[ast.expr] = []
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        values = value.elts
    if isinstance(target, ast.Tuple) and len(values) == len(target.elts):
        for one, part in zip(target.elts, values, strict=True):
            yield from _unpacked(one, part)
        return
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, None


def constant_suffix(node: ast.expr) -> str:
    """The end of the text of an expression, when its last part is a constant; else ""."""
    while True:
        if isinstance(node, ast.BinOp):
            node = node.right
        elif isinstance(node, ast.JoinedStr) and node.values:
            node = node.values[-1]
        elif isinstance(node, ast.Call) and node.args:
            node = node.args[-1]
        else:
            break
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
