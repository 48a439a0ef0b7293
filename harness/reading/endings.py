"""What tests tell of the names in a folder: `path.suffix == ".csv"`, `name.endswith(".png")`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from harness.reading.conditions import Conditions
from harness.reading.texts import concat, is_listed
from harness.reading.values import (
    Many,
    Member,
    NamePart,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    join,
    known_text,
    of_key,
    options_of,
    text,
)

# An expression of these alone uses nothing: its value may be looked at again.
_PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.Set)
_PLAIN_CALLS = ("lower", "casefold", "str", "fspath", "basename", "splitext")
_MATCHING = ("match", "fnmatch", "fnmatchcase")
_SAME_NAME = ("?.lower", "?.casefold")
_MOST = 40


Told = list[tuple[Value, list[str]]]


class Endings(Conditions):
    """Takes it that names end as a test says."""

    def narrow(self, test: ast.expr, *, holds: bool) -> Told:
        """Go on with what the names of this scope may be when a test holds, or does not.

        Gives what the test tells, for `keep`.
        """
        told = list(self._told(test, holds))
        for whole, endings in told:
            for ending in endings if isinstance(whole, Text) else ():
                self.use_path(concat([whole, text(ending)]), "list", test)
        self.keep(told)
        return told

    def keep(self, told: Told) -> None:
        """Take it again that names are what a test has told."""
        for whole, endings in told:
            for name, value in self.scope.names.items():
                options = [
                    _ending_with(one, endings) if _is_of(one, whole) else one
                    for one in options_of(value)
                ]
                if any(_is_of(one, whole) for one in options_of(value)):
                    self.scope.names[name] = join(options)

    def _told(self, test: ast.expr, holds: bool) -> Iterator[tuple[Value, list[str]]]:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield from self._told(test.operand, not holds)
        elif isinstance(test, ast.BoolOp):
            parts = [list(self._told(one, holds)) for one in test.values]
            if isinstance(test.op, ast.And) == holds:
                yield from (one for part in parts for one in part)
            elif all(len(part) == 1 and part[0][0] == parts[0][0][0] for part in parts):
                yield parts[0][0][0], [one for part in parts for one in part[0][1]]
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            operator = test.ops[0]
            asked = (ast.Eq, ast.In) if holds else (ast.NotEq, ast.NotIn)
            if isinstance(operator, asked) and _is_plain(test.left):
                whole = _with_suffix(self.evaluate(test.left))
                yield from self._ending(whole, test.comparators[0])
        elif isinstance(test, ast.Call) and holds:
            name, values = _called(test.func), test.args
            if isinstance(test.func, ast.Attribute) and name in ("endswith", "match"):
                values = [test.func.value, *values]
            is_asked = name in ("endswith", *_MATCHING) and len(values) == 2
            if is_asked and _is_plain(values[0]):
                whole = _with_name(self.evaluate(values[0]))
                yield from self._ending(whole, values[1], is_pattern=name in _MATCHING)

    def _ending(
        self, whole: Value | None, node: ast.expr, *, is_pattern: bool = False
    ) -> Iterator[tuple[Value, list[str]]]:
        if whole is None or not _is_plain(node):
            return
        endings = list(dict.fromkeys(_texts(self.evaluate(node))))
        if is_pattern:
            endings = [one[1:] for one in endings if one[:1] == "*" and not set(one[1:]) & {*"*?["}]
        if endings and all("." in one for one in endings):
            yield whole, endings


def _is_of(value: Value, whole: Value) -> bool:
    """Whether a value is this path, or a path that ends with this name."""
    if isinstance(value, Text) and isinstance(whole, Unknown) and value.parts:
        return value.parts[-1] == whole
    return value == whole


def _ending_with(value: Value, endings: Sequence[str]) -> Value:
    return join([concat([value, text(one)]) for one in endings])


def _is_plain(node: ast.expr) -> bool:
    parts = [one for one in ast.walk(node) if isinstance(one, ast.expr)]
    called = [_called(one.func) for one in parts if isinstance(one, ast.Call)]
    return all(isinstance(one, (*_PLAIN, ast.Call)) for one in parts) and all(
        one in _PLAIN_CALLS for one in called
    )


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _with_suffix(value: Value) -> Value | None:
    """The path whose suffix a value is."""
    if isinstance(value, Result) and value.name in _SAME_NAME:
        return _with_suffix(value.of)
    return value.whole if isinstance(value, NamePart) and value.of == "suffix" else None


def _with_name(value: Value) -> Value | None:
    """The path that ends as a value does, where its end is not known."""
    if isinstance(value, Result) and value.name in _SAME_NAME:
        return _with_name(value.of)
    if isinstance(value, Member) and value.name in ("name", "path"):
        return _with_name(value.owner)
    if isinstance(value, NamePart):
        return value.whole if value.of == "name" else None
    return value if is_listed(value) else None


def _texts(value: Value) -> Iterator[str]:
    """The texts that a value may be, or that are in it."""
    if isinstance(value, Row | Table):
        items = value.items if isinstance(value, Row) else [of_key(one) for one in value.items]
        for one in items[:_MOST] if value.whole else ():
            yield from _texts(one)
    elif isinstance(value, Many):
        for one in value.options:
            yield from _texts(one)
    elif (known := known_text(value)) is not None:
        yield known
