"""What the tests of a script tell of variables and arguments: that they are given, or not."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.reading.expressions import Expressions
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Class,
    Constant,
    Environ,
    External,
    Instance,
    Member,
    Namespace,
    Parsed,
    Row,
    Table,
    Text,
    Value,
    Variable,
    known_text,
    options_of,
    text,
)


class Conditions(Expressions):
    """Reads tests."""

    def guard(self, values: Sequence[Value]) -> set[str]:
        """Take it that these variables are set; gives the names that were not so before."""
        options = [one for value in values for one in options_of(value)]
        added = {one.name for one in options if isinstance(one, Variable)} - self.guarded
        self.guarded |= added
        return added

    def absent(self, test: ast.expr) -> list[Value]:
        """The variables and arguments that are not given when a test holds."""
        return self._given(test, holds=True)

    def present(self, test: ast.expr) -> list[Value]:
        """The variables and arguments that are given when a test holds."""
        return self._given(test, holds=False)

    def _given(self, test: ast.expr, *, holds: bool) -> list[Value]:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._given(test.operand, holds=not holds)
        if isinstance(test, ast.BoolOp):
            if isinstance(test.op, ast.Or) == holds:
                return [one for part in test.values for one in self._given(part, holds=holds)]
            return []
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._compared(test, holds)
        if isinstance(test, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            value = self._quietly(test)
            if isinstance(value, Row) and value.absent:
                return list(value.absent) if holds else []
            return [] if holds else [value]
        return []

    def _compared(self, test: ast.Compare, holds: bool) -> list[Value]:
        operator, right = test.ops[0], test.comparators[0]
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(self._quietly(right), Environ):
                key = self._quietly(test.left)
                if isinstance(operator, ast.In) != holds and isinstance(key, Text) and key.known:
                    return [Variable(key.known)]
                return []
            if isinstance(operator, ast.NotIn) == holds:
                names = [known_text(one) for one in options_of(self._quietly(test.left))]
                return [Variable(one) for one in names if one is not None]
            return []
        value = self._quietly(right)
        is_empty = value in (NONE, text(""))
        if is_empty and isinstance(operator, ast.Is | ast.Eq) == holds:
            return [self._quietly(test.left)]
        counts = test.left.args if isinstance(test.left, ast.Call) else []
        if isinstance(operator, ast.Gt) and holds and value == Constant(0) and counts:
            counted = self._quietly(counts[0])
            return list(counted.absent) if isinstance(counted, Row) else []
        return []

    def _quietly(self, node: ast.expr) -> Value:
        """The value of a simple expression; others were evaluated before, and are not again."""
        if isinstance(node, ast.Name | ast.Constant):
            return self.evaluate(node)
        if isinstance(node, ast.Attribute):
            owner = self._quietly(node.value)
            if isinstance(owner, External | Instance | Class):
                return self.attribute(owner, node.attr, node)
            if isinstance(owner, Namespace):
                for one in owner.parser.arguments:
                    if one.dest == node.attr:
                        return Parsed(one)
            return UNKNOWN
        if isinstance(node, ast.Subscript):
            owner, key = self._quietly(node.value), self._quietly(node.slice)
            if isinstance(owner, Environ) and (name := known_text(key)) is not None:
                return Variable(name)
            if isinstance(owner, Table):
                return owner.items.get(known_text(key), UNKNOWN)
            return UNKNOWN
        if isinstance(node, ast.Call) and node.args:
            function = self._quietly(node.func)
            name = known_text(self._quietly(node.args[0]))
            is_read = isinstance(function, External) and function.name == "os.getenv"
            if isinstance(function, Member) and isinstance(function.owner, Environ):
                is_read = function.name == "get"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                is_read = is_read or isinstance(self._quietly(node.func.value), Environ)
            return (
                Variable(name) if is_read and name is not None and len(node.args) == 1 else UNKNOWN
            )
        return UNKNOWN
