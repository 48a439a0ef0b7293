"""The syntax tree of a script, and what the names in it stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# How many names may stand for one another, or have dots between them: enough for people, and an
# end for circles.
_DEPTH = 20

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
        """The node that each node is a part of."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        """Names that the script assigns once, and what to."""
        once: dict[str, ast.expr] = {}
        again: set[str] = set()
        for node in self.nodes:
            for name, value in _assigned(node):
                if name in once or value is None:
                    again.add(name)
                else:
                    once[name] = value
        return {name: value for name, value in once.items() if name not in again}

    @cached_property
    def uses(self) -> Mapping[str, Sequence[ast.Name]]:
        """Where the value of each name is used."""
        uses: dict[str, list[ast.Name]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                uses.setdefault(node.id, []).append(node)
        return uses

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """Names that imports bind, and the dotted names of what they stand for."""
        bound: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.partition(".")[0]
                    bound[one.asname or top] = one.name if one.asname else top
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for one in node.names:
                    bound[one.asname or one.name] = f"{module}.{one.name}"
        return bound

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """The functions of the module by name; those inside of functions and classes are not."""
        return {node.name: node for node in self.top_level if isinstance(node, Function)}

    @cached_property
    def top_level(self) -> tuple[ast.stmt, ...]:
        """The statements that an import runs, those in an `if`, `try` or `with` included."""
        return tuple(_statements(self.tree))

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the script."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def called(self, node: ast.Call) -> str:
        """The dotted name of what is called."""
        return self.dotted(node.func)

    def dotted(self, node: ast.AST, depth: int = 0) -> str:
        """The dotted name of an expression, imports and other names for it seen through.

        `env` is `os.environ` after `from os import environ as env`; what is no name is `?`.
        """
        tail: list[str] = []
        while isinstance(node, ast.Attribute) and len(tail) < _DEPTH:
            tail.append(node.attr)
            node = node.value
        head = "?"
        if isinstance(node, ast.Name):
            other = self.constants.get(node.id)
            if node.id in self.imports:
                head = self.imports[node.id]
            elif isinstance(other, ast.Name | ast.Attribute) and depth < _DEPTH:
                head = self.dotted(other, depth + 1)
            else:
                head = node.id
        return ".".join([head, *reversed(tail)])

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes that a node is inside of, from the inside to the outside."""
        while (outer := self.parents.get(node)) is not None:
            yield outer
            node = outer

    def is_dropped(self, node: ast.expr) -> bool:
        """Whether an expression is a statement, so that nobody gets its value."""
        return isinstance(self.parents.get(node), ast.Expr)


def own(node: ast.AST) -> Iterator[ast.AST]:
    """The node and its parts, but not what the functions and classes in it hold."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [
            child
            for child in ast.iter_child_nodes(part)
            if not isinstance(child, Function | ast.ClassDef | ast.Lambda)
        ]


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, ast.stmt):
            yield part
        if not isinstance(part, Function | ast.ClassDef | ast.expr):
            waiting += ast.iter_child_nodes(part)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that a node gives a value, and the value where it is a plain one."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _pairs(target, node.value)
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


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | None]]:
    """`A, B = 1, 2` gives each name its own value."""
    if isinstance(target, ast.Name):
        yield target.id, value
        return
    values: list[ast.expr] = []
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        values = value.elts
    if isinstance(target, ast.Tuple) and len(values) == len(target.elts):
        for one, part in zip(target.elts, values, strict=True):
            yield from _pairs(one, part)
        return
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, None
