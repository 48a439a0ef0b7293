"""The texts that a script makes, as far as they are known without running it.

A text that is put together from constants (`BASE + "/x"`, `Path(BASE) / "x"`, an f-string,
`os.path.join(PATHS["base"], "x")`, `"{}/x".format(BASE)`) is known; where a part is not, its
beginning is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from harness.lint.syntax import Function, Syntax

_PATHS = {"Path", "PurePath", "PosixPath", "PurePosixPath", "str", "fspath", "abspath", "normpath"}
_DEPTH = 40
# Names of names of names: more would multiply without an end.
_CHOICES_DEPTH = 3
# Far longer than any name: what doubles and doubles again must end somewhere.
_LONGEST = 10_000
_UNKNOWN = ast.Constant(None)
_NAMES = (ast.Name, ast.Attribute, ast.Subscript)


@dataclass(frozen=True)
class Text:
    """A text that the script makes: all of it, or with `whole` false how it begins."""

    value: str
    whole: bool
    node: ast.expr


class Texts:
    """The texts of one script."""

    def __init__(self, syntax: Syntax) -> None:
        """Look at nothing yet."""
        self._syntax = syntax
        self._names: dict[str, tuple[str, bool] | None] = {}

    @cached_property
    def every(self) -> tuple[Text, ...]:
        """Every text in the script but docstrings, the longest where one is part of another."""
        inside: set[ast.AST] = set()
        found: list[Text] = []
        for node in self._syntax.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                inside.add(node.value)
            # A name says again what is said where it is assigned.
            if node in inside or not isinstance(node, ast.expr) or isinstance(node, _NAMES):
                continue
            if (text := self.of(node)) is not None:
                found.append(text)
                inside.update(ast.walk(node))
        return tuple(found)

    @cached_property
    def parts(self) -> frozenset[ast.expr]:
        """What names stand for that are nothing but the beginnings of longer texts.

        `BASE` is one where the script says `BASE + "/input"`, and `BASE` nowhere else.
        """
        syntax = self._syntax
        inside = {part for text in self.every for part in ast.walk(text.node)}
        return frozenset(
            value
            for name, value in syntax.constants.items()
            if (uses := syntax.uses.get(name)) and inside.issuperset(uses)
            # Those of a class have other names too: self.BASE.
            if not any(isinstance(node, ast.ClassDef) for node in syntax.around(value))
        )

    def of(self, node: ast.expr) -> Text | None:
        """The text that an expression makes; None when not even its beginning is known."""
        value = self._value(node, 0)
        return None if value is None or not value[0] else Text(*value, node)

    def choices(self, node: ast.expr, depth: int = 0) -> Iterator[Text]:
        """Every whole text that an expression may be, each at the place that says it.

        A name that a loop binds is each element of what is looped over; a parameter is what the
        calls of its function pass.
        """
        text = self.of(node)
        if text is not None and text.whole:
            yield text
        elif isinstance(node, ast.Name) and depth < _CHOICES_DEPTH:
            for value in self._bound(node):
                yield from self.choices(value, depth + 1)

    def _bound(self, name: ast.Name) -> Iterator[ast.expr]:
        inner: ast.AST = name
        for node in self._syntax.around(name):
            loops = [node] if isinstance(node, ast.For) else getattr(node, "generators", [])
            for loop in loops:
                if inner is not loop.iter and (found := self._elements(loop, name.id)):
                    yield from found
                    return
            if isinstance(node, Function):
                names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
                if name.id in names:
                    yield from self._passed(node.name, names.index(name.id), name.id)
                    return
            inner = node

    def _passed(self, function: str, position: int, name: str) -> Iterator[ast.expr]:
        for call in self._syntax.calls():
            if isinstance(call.func, ast.Name) and call.func.id == function:
                yield from call.args[position : position + 1]
                yield from (one.value for one in call.keywords if one.arg == name)

    def _elements(self, loop: ast.For | ast.comprehension, name: str) -> list[ast.expr]:
        """What a loop gives to a name, where it binds it and runs over constants."""
        over, first = loop.iter, False
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute):
            first = over.func.attr == "items"
            over = over.func.value if over.func.attr in ("items", "keys") else over
        elif isinstance(over, ast.Call) and over.args:
            wraps = self._syntax.called(over) in ("sorted", "list", "tuple", "set", "iter")
            over = over.args[0] if wraps else over
        if isinstance(over, ast.Name):
            over = self._syntax.constants.get(over.id, over)
        if isinstance(over, ast.Dict):
            elements = [key for key in over.keys if key is not None]
        elif isinstance(over, ast.Tuple | ast.List | ast.Set):
            elements = over.elts
        else:
            return []
        if isinstance(loop.target, ast.Name):
            return elements if loop.target.id == name else []
        if not isinstance(loop.target, ast.Tuple):
            return []
        bound = [one.id if isinstance(one, ast.Name) else "" for one in loop.target.elts]
        if name not in bound:
            return []
        place = bound.index(name)
        if first:
            return elements if place == 0 else []
        rows = [one.elts for one in elements if isinstance(one, ast.Tuple | ast.List)]
        return [row[place] for row in rows if place < len(row)]

    def _value(self, node: ast.expr, depth: int) -> tuple[str, bool] | None:
        if depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return (node.value, True) if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self._named(node.id, depth)
        if isinstance(node, ast.Subscript | ast.Attribute):
            part = self._part(node)
            return None if part is None else self._value(part, depth + 1)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, "", depth)
        if isinstance(node, ast.FormattedValue):
            return self._value(node.value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
            joint = "/" if isinstance(node.op, ast.Div) else ""
            return self._joined([node.left, node.right], joint, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self._formatted(node.left, values, depth, old=True)
        if isinstance(node, ast.Call) and node.args and not node.keywords:
            return self._called(node, depth)
        return None

    def _named(self, name: str, depth: int) -> tuple[str, bool] | None:
        if name not in self._names:
            known = self._syntax.constants.get(name)
            # Unknown meanwhile, which ends a circle.
            self._names[name] = None
            self._names[name] = None if known is None else self._value(known, depth + 1)
        return self._names[name]

    def _part(self, node: ast.Subscript | ast.Attribute) -> ast.expr | None:
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

    def _called(self, node: ast.Call, depth: int) -> tuple[str, bool] | None:
        name = self._syntax.called(node)
        last = name.rpartition(".")[2]
        if last in _PATHS or name == "os.path.join":
            return self._joined(node.args, "/", depth)
        if isinstance(node.func, ast.Attribute) and last == "joinpath":
            return self._joined([node.func.value, *node.args], "/", depth)
        if isinstance(node.func, ast.Attribute) and last == "format":
            return self._formatted(node.func.value, node.args, depth)
        return None

    def _formatted(
        self, template: ast.expr, values: list[ast.expr], depth: int, old: bool = False
    ) -> tuple[str, bool] | None:
        text = self._value(template, depth + 1)
        if text is None:
            return None
        form = text[0].replace("{", "{{").replace("}", "}}").replace("%s", "{}") if old else text[0]
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
            if not value[1] or len(text) > _LONGEST:
                return text[:_LONGEST], False
        return text, whole


def ending(node: ast.expr) -> str:
    """How the text of an expression ends, as far as the last part of it is a constant."""
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
