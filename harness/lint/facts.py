"""What a script's syntax tree tells: its nodes, its constants, and the texts they make.

Nothing is run. A text that is put together from constants (`BASE + "/x"`, `Path(BASE) / "x"`,
`os.path.join(BASE, "x")`, an f-string) is known; where a part is not, its beginning is.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PATHS = {"Path", "PurePath", "PosixPath", "PurePosixPath", "str", "fspath", "abspath", "normpath"}
_DEPTH = 40


class NotPython(Exception):
    """The file cannot be parsed; `line` says where."""

    def __init__(self, message: str, line: int = 1) -> None:
        """Keep the line beside the message."""
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Text:
    """A text that the script makes: all of it, or with `whole` false how it begins."""

    value: str
    whole: bool
    node: ast.expr


@dataclass(frozen=True)
class Facts:
    """A parsed script."""

    script: Path
    tree: ast.Module

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        """Names that the module assigns once, and what to."""
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
    def texts(self) -> tuple[Text, ...]:
        """Every text in the script but docstrings, the longest where one is part of another."""
        inside = {id(node) for node in self._docstrings()}
        found: list[Text] = []
        for node in self.nodes:
            # A name alone says again what is said where it is assigned.
            if id(node) in inside or not isinstance(node, ast.expr) or isinstance(node, ast.Name):
                continue
            if (text := self.text(node)) is not None:
                found.append(text)
                inside.update(id(part) for part in ast.walk(node))
        return tuple(found)

    def text(self, node: ast.expr, depth: int = 0) -> Text | None:
        """The text that an expression makes; None when not even its beginning is known."""
        value = self._value(node, depth)
        return None if value is None or not value[0] else Text(*value, node)

    def _value(self, node: ast.expr, depth: int) -> tuple[str, bool] | None:
        if depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return (node.value, True) if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            known = self.constants.get(node.id)
            return None if known is None else self._value(known, depth + 1)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, "", depth)
        if isinstance(node, ast.FormattedValue):
            return self._value(node.value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
            joint = "/" if isinstance(node.op, ast.Div) else ""
            return self._joined([node.left, node.right], joint, depth)
        if isinstance(node, ast.Call) and node.args and not node.keywords:
            name = called(node)
            if name.rpartition(".")[2] in _PATHS or name in ("os.path.join", "path.join"):
                return self._joined(node.args, "/", depth)
        return None

    def _joined(self, parts: list[ast.expr], joint: str, depth: int) -> tuple[str, bool] | None:
        text, whole = "", True
        for number, part in enumerate(parts):
            value = self._value(part, depth + 1)
            if value is None:
                return (text, False) if number else None
            if joint and number and not value[0].startswith("/"):
                text = text.rstrip("/") + joint
            elif joint:
                text = ""
            text += value[0]
            if not value[1]:
                return text, False
        return text, whole

    def _docstrings(self) -> Iterator[ast.AST]:
        for node in self.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield node.value

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the script."""
        return (node for node in self.nodes if isinstance(node, ast.Call))


def read(script: Path, source: bytes) -> Facts:
    """Parse a script; raises `NotPython`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Facts(script, ast.parse(source, str(script)))
    except SyntaxError as error:
        raise NotPython(f"cannot be parsed: {error.msg}", error.lineno or 1) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotPython(f"cannot be parsed: {error or type(error).__name__}") from None


def called(node: ast.Call) -> str:
    """The dotted name of what is called, as far as it is one."""
    parts: list[str] = []
    function: ast.expr = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    parts.append(function.id if isinstance(function, ast.Name) else "?")
    return ".".join(reversed(parts))


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that a node gives a value, and the value where it is a plain one."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
            else:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        yield part.id, None
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        if node.value is not None:
            yield node.target.id, node.value
    elif isinstance(node, ast.AugAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        yield node.target.id, None
    elif isinstance(node, ast.arg):
        yield node.arg, None
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        for part in ast.walk(node.target):
            if isinstance(part, ast.Name):
                yield part.id, None
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        for part in ast.walk(node.optional_vars):
            if isinstance(part, ast.Name):
                yield part.id, None
