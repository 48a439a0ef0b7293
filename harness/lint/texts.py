"""The texts of a script, as far as they are known without running it.

A text built from constants (`BASE + "/x"`, `Path(BASE) / "x"`, an f-string,
`os.path.join(PATHS["base"], "x")`, `"{}/x".format(BASE)`) is known; when a part of it is not, its
beginning is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from harness.lint.syntax import Function, Syntax

_PATH_FUNCTIONS = {
    "Path",
    "PurePath",
    "PosixPath",
    "PurePosixPath",
    "str",
    "fspath",
    "abspath",
    "normpath",
}
_MAX_DEPTH = 40
# The limit for chains of variables with several values, whose number grows exponentially.
_MAX_NAME_DEPTH = 3
# In characters; the limit for texts that scripts double again and again.
_MAX_LENGTH = 10_000
_UNKNOWN = ast.Constant(None)
_NAMES = (ast.Name, ast.Attribute, ast.Subscript)


@dataclass(frozen=True)
class Text:
    """A text of the script, or only its beginning when it is not `is_complete`."""

    value: str
    is_complete: bool
    node: ast.expr


class Texts:
    """The texts of one script."""

    def __init__(self, syntax: Syntax) -> None:
        """Evaluate nothing yet."""
        self._syntax = syntax
        self._values_by_name: dict[str, tuple[str, bool] | None] = {}

    @cached_property
    def all(self) -> tuple[Text, ...]:
        """Every text except docstrings; texts that are part of another are left out."""
        excluded: set[ast.AST] = set()
        found: list[Text] = []
        for node in self._syntax.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                excluded.add(node.value)
            # The value of a name is found at its assignment.
            if node in excluded or not isinstance(node, ast.expr) or isinstance(node, _NAMES):
                continue
            if (text := self.text_of(node)) is not None:
                found.append(text)
                excluded.update(ast.walk(node))
        return tuple(found)

    @cached_property
    def prefixes(self) -> frozenset[ast.expr]:
        """The values of names that are used only within longer texts.

        Such as that of `BASE`, when each use is like `BASE + "/input"`.
        """
        syntax = self._syntax
        excluded = {part for text in self.all for part in ast.walk(text.node)}
        return frozenset(
            value
            for name, value in syntax.constants.items()
            if (uses := syntax.uses.get(name)) and excluded.issuperset(uses)
            # Names of a class may also be used as attributes: self.BASE.
            if not any(isinstance(node, ast.ClassDef) for node in syntax.ancestors(value))
        )

    def text_of(self, node: ast.expr) -> Text | None:
        """The text of an expression; None when not even its beginning is known."""
        value = self._value(node, 0)
        return None if value is None or not value[0] else Text(*value, node)

    def possible_texts(self, node: ast.expr, depth: int = 0) -> Iterator[Text]:
        """Every complete text that an expression may be, each with its own node.

        A loop variable has the elements of the iterable as values, a parameter the arguments of
        the calls of its function.
        """
        text = self.text_of(node)
        if text is not None and text.is_complete:
            yield text
        elif isinstance(node, ast.Name) and depth < _MAX_NAME_DEPTH:
            for value in self._values_of_variable(node):
                yield from self.possible_texts(value, depth + 1)

    def _values_of_variable(self, name: ast.Name) -> Iterator[ast.expr]:
        child: ast.AST = name
        for node in self._syntax.ancestors(name):
            loops = [node] if isinstance(node, ast.For) else getattr(node, "generators", [])
            for loop in loops:
                if child is not loop.iter and (found := self._loop_elements(loop, name.id)):
                    yield from found
                    return
            if isinstance(node, Function):
                names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
                if name.id in names:
                    yield from self._passed_arguments(node.name, names.index(name.id), name.id)
                    return
            child = node

    def _passed_arguments(self, function: str, position: int, name: str) -> Iterator[ast.expr]:
        for call in self._syntax.calls():
            if isinstance(call.func, ast.Name) and call.func.id == function:
                yield from call.args[position : position + 1]
                yield from (one.value for one in call.keywords if one.arg == name)

    def _loop_elements(self, loop: ast.For | ast.comprehension, name: str) -> list[ast.expr]:
        """The values of a loop variable, when the loop binds it and iterates over constants."""
        iterable, is_items = loop.iter, False
        if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Attribute):
            is_items = iterable.func.attr == "items"
            iterable = iterable.func.value if iterable.func.attr in ("items", "keys") else iterable
        elif isinstance(iterable, ast.Call) and iterable.args:
            wraps = self._syntax.called_name(iterable) in ("sorted", "list", "tuple", "set", "iter")
            iterable = iterable.args[0] if wraps else iterable
        if isinstance(iterable, ast.Name):
            iterable = self._syntax.constants.get(iterable.id, iterable)
        if isinstance(iterable, ast.Dict):
            elements = [key for key in iterable.keys if key is not None]
        elif isinstance(iterable, ast.Tuple | ast.List | ast.Set):
            elements = iterable.elts
        else:
            return []
        if isinstance(loop.target, ast.Name):
            return elements if loop.target.id == name else []
        if not isinstance(loop.target, ast.Tuple):
            return []
        bound = [one.id if isinstance(one, ast.Name) else "" for one in loop.target.elts]
        if name not in bound:
            return []
        position = bound.index(name)
        if is_items:
            return elements if position == 0 else []
        rows = [one.elts for one in elements if isinstance(one, ast.Tuple | ast.List)]
        return [row[position] for row in rows if position < len(row)]

    def _value(self, node: ast.expr, depth: int) -> tuple[str, bool] | None:
        if depth > _MAX_DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return (node.value, True) if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self._value_of_name(node.id, depth)
        if isinstance(node, ast.Subscript | ast.Attribute):
            part = self._member_value(node)
            return None if part is None else self._value(part, depth + 1)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, "", depth)
        if isinstance(node, ast.FormattedValue):
            return self._value(node.value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
            separator = "/" if isinstance(node.op, ast.Div) else ""
            return self._joined([node.left, node.right], separator, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._formatted(node.left, values, depth, percent=True)
        if isinstance(node, ast.Call) and node.args and not node.keywords:
            return self._value_of_call(node, depth)
        return None

    def _value_of_name(self, name: str, depth: int) -> tuple[str, bool] | None:
        if name not in self._values_by_name:
            known = self._syntax.constants.get(name)
            # None while it is evaluated, for circular definitions.
            self._values_by_name[name] = None
            self._values_by_name[name] = None if known is None else self._value(known, depth + 1)
        return self._values_by_name[name]

    def _member_value(self, node: ast.Subscript | ast.Attribute) -> ast.expr | None:
        """The value of `PATHS["data"]`, or of `Paths.DATA`."""
        if not isinstance(node.value, ast.Name):
            return None
        if isinstance(node, ast.Attribute):
            return self._class_constants.get((node.value.id, node.attr))
        known = self._syntax.constants.get(node.value.id)
        if isinstance(known, ast.Dict) and isinstance(node.slice, ast.Constant):
            for key, value in zip(known.keys, known.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == node.slice.value:
                    return value
        return None

    @cached_property
    def _class_constants(self) -> dict[tuple[str, str], ast.expr]:
        return {
            (owner.name, target.id): node.value
            for owner in self._syntax.nodes
            if isinstance(owner, ast.ClassDef)
            for node in owner.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def _value_of_call(self, node: ast.Call, depth: int) -> tuple[str, bool] | None:
        name = self._syntax.called_name(node)
        last = name.rpartition(".")[2]
        if last in _PATH_FUNCTIONS or name == "os.path.join":
            return self._joined(node.args, "/", depth)
        if isinstance(node.func, ast.Attribute) and last == "joinpath":
            return self._joined([node.func.value, *node.args], "/", depth)
        if isinstance(node.func, ast.Attribute) and last == "format":
            return self._formatted(node.func.value, node.args, depth)
        return None

    def _formatted(
        self, template: ast.expr, values: list[ast.expr], depth: int, percent: bool = False
    ) -> tuple[str, bool] | None:
        text = self._value(template, depth + 1)
        if text is None:
            return None
        form = (
            text[0].replace("{", "{{").replace("}", "}}").replace("%s", "{}")
            if percent
            else text[0]
        )
        parts: list[ast.expr] = []
        try:
            for literal, field, _, _ in Formatter().parse(form):
                parts += [ast.Constant(literal)] if literal else []
                if field is not None:
                    number = int(field) if field.isdigit() else sum(one in values for one in parts)
                    known = (field == "" or field.isdigit()) and number < len(values)
                    parts.append(values[number] if known else _UNKNOWN)
        except ValueError:
            return None
        return self._joined(parts, "", depth)

    def _joined(self, parts: list[ast.expr], separator: str, depth: int) -> tuple[str, bool] | None:
        text, is_complete = "", True
        for number, part in enumerate(parts):
            value = self._value(part, depth + 1)
            if value is None:
                return (text, False) if number else None
            if separator and number and not value[0].startswith("/"):
                text = text.rstrip("/") + separator
            elif separator:
                text = ""
            text += value[0]
            if not value[1] or len(text) > _MAX_LENGTH:
                return text[:_MAX_LENGTH], False
        return text, is_complete


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
