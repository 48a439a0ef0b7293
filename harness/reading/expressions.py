"""What the expressions of a script are."""

from __future__ import annotations

import ast
from typing import Literal

from harness.reading.comprehensions import Comprehensions
from harness.reading.facts import MissingKey
from harness.reading.recorder import HYPERPARAMETER
from harness.reading.stamps import stamp_in
from harness.reading.texts import concat, joined_path, without_end
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Constant,
    Document,
    Environ,
    External,
    Function,
    Instance,
    Many,
    Parsed,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    Variable,
    join,
    known_text,
    options_of,
    text,
)
from harness.reading.words import is_word

_MOST_DEEP = 60


class Expressions(Comprehensions):
    """Evaluates expressions."""

    _nesting = 0

    def evaluate(self, node: ast.expr | None) -> Value:
        """The value of an expression."""
        if node is None:
            return NONE
        if self._nesting > _MOST_DEEP:
            return UNKNOWN
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.evaluate(child)
            return UNKNOWN
        self._nesting += 1
        try:
            value: Value = method(node)
        finally:
            self._nesting -= 1
        return value

    def _Constant(self, node: ast.Constant) -> Value:
        if isinstance(node.value, str):
            return text(node.value, self.place(node))
        return Constant(node.value)

    def _Name(self, node: ast.Name) -> Value:
        found = self.scope.find(node.id)
        return External(f"builtins.{node.id}") if found is None else found

    def _Attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.evaluate(node.value), node.attr, node)

    def _JoinedStr(self, node: ast.JoinedStr) -> Value:
        return self.placed(concat([self.evaluate(one) for one in node.values]), node)

    def _FormattedValue(self, node: ast.FormattedValue) -> Value:
        return self.evaluate(node.value)

    def _BinOp(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        made = self._combined(node, left, right)
        stamps = [stamp_in(one) for one in (left, right)] if made is UNKNOWN else [None]
        # What lies between two times is no time.
        return Result("changed", (left, right)) if any(stamps) and not all(stamps) else made

    def _combined(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        if isinstance(node.op, ast.Div) and not isinstance(left, Constant):
            if isinstance(left, Unknown | Result) and not isinstance(right, Text):
                # A number, as far as anybody knows.
                return UNKNOWN
            made = [joined_path([one, right]) for one in options_of(left)]
            return join([self.placed(one, node) for one in made])
        if isinstance(node.op, ast.Add):
            if isinstance(left, Row) and isinstance(right, Row):
                return Row([*left.items, *right.items], left.whole and right.whole)
            if isinstance(left, Constant) and isinstance(right, Constant):
                return _sum(left.value, right.value)
            if isinstance(left, Text | Many) or isinstance(right, Text):
                made = [concat([one, right]) for one in options_of(left)]
                return join([self.placed(one, node) for one in made])
            if isinstance(left, Variable | Parsed):
                return self.placed(concat([left, right]), node)
        if isinstance(node.op, ast.Mod) and isinstance(left, Text) and left.known is not None:
            values = right.items if isinstance(right, Row) else [right]
            form = left.known.replace("{", "{{").replace("}", "}}")
            for mark in ("%s", "%d", "%r", "%i"):
                form = form.replace(mark, "{}")
            return self.placed(self.formatted(Text((form,)), values, {}), node)
        if isinstance(node.op, ast.BitOr) and isinstance(left, Table) and isinstance(right, Table):
            return Table({**left.items, **right.items}, left.whole and right.whole)
        return UNKNOWN

    def _BoolOp(self, node: ast.BoolOp) -> Value:
        if isinstance(node.op, ast.And):
            names = self.guard(self.present(node.values[0]))
            values = [self.evaluate(one) for one in node.values]
            self.guarded -= names
            return join([values[-1], UNKNOWN])
        first = self.evaluate(node.values[0])
        rest = [self.evaluate(one) for one in node.values[1:]]
        options = [
            self.note_default(one, rest[-1]) if isinstance(one, Variable) else one
            for one in options_of(first)
        ]
        if all(isinstance(one, Variable) for one in options):
            return join(options)
        return join([*(one for one in options if one != NONE), *rest])

    def _IfExp(self, node: ast.IfExp) -> Value:
        known = self.truth(node.test)
        if known is not None:
            return self.evaluate(node.body if known else node.orelse)
        first = len(self.facts.paths)
        self.evaluate(node.test)
        tested = {one.path for one in self.facts.paths[first:] if one.use == "test"}
        self.facts.dispensable.update(tested)
        names = self.guard(self.present(node.test))
        self.branches += 1
        body = self.evaluate(node.body)
        self.guarded -= names
        other = self.evaluate(node.orelse)
        self.branches -= 1
        if names and isinstance(body, Variable) and body.name in names:
            return self.note_default(body, other)
        self.default_of_word(body, other)
        return join([body, other])

    def _Compare(self, node: ast.Compare) -> Value:
        values = [self.evaluate(one) for one in (node.left, *node.comparators)]
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            if isinstance(values[1], Environ):
                self.read_variable(values[0], node.left)
                for read in self.facts.variables[-1:]:
                    read.required = bool(read.required)
            elif isinstance(values[1], Arguments):
                self.word(values[0], node.left)
            elif is_word(values[0]):
                self.word_among(values[1], node)
        elif any(is_word(one) for one in values):
            for one, part in zip(values, (node.left, *node.comparators), strict=True):
                self.word(one, part)
        return UNKNOWN

    def _UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.evaluate(node.operand)
        if isinstance(value, Constant) and isinstance(value.value, int | float):
            if isinstance(node.op, ast.USub):
                return Constant(-value.value)
            if isinstance(node.op, ast.Not):
                return Constant(not value.value)
        return UNKNOWN

    def _Dict(self, node: ast.Dict) -> Value:
        table = Table()
        for key, value in zip(node.keys, node.values, strict=True):
            inner = self.evaluate(value)
            if key is not None:
                self.set_item(table, self.evaluate(key), inner)
            elif isinstance(inner, Environ):
                return Environ() if len(node.keys) == 1 else Table(table.items, False, inner)
            elif isinstance(inner, Table):
                table.items.update(inner.items)
                table.whole = table.whole and inner.whole
            else:
                self.escape(inner)
                self.overlay(table)
        return table

    def overlay(self, table: Table) -> None:
        """Somebody else's keys come on top: each value may be another."""
        table.whole = False
        for key, value in table.items.items():
            table.items[key] = join([value, UNKNOWN])

    def _List(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        row = Row()
        for one in node.elts:
            value = self.evaluate(one.value if isinstance(one, ast.Starred) else one)
            if not isinstance(one, ast.Starred):
                row.items.append(value)
            elif isinstance(value, Row):
                row.items += value.items
                row.whole = row.whole and value.whole
            else:
                row.whole = False
        return row

    _Tuple = _Set = _List

    def _Subscript(self, node: ast.Subscript) -> Value:
        owner = self.evaluate(node.value)
        if isinstance(node.slice, ast.Slice):
            for part in (node.slice.lower, node.slice.upper):
                self.evaluate(part)
            if isinstance(owner, Row):
                return Row(list(owner.items), whole=False)
            if isinstance(owner, Text) and (shorter := without_end(owner, node.slice)) is not None:
                return shorter
            if isinstance(owner, Arguments):
                return self.words_from(owner, self.evaluate(node.slice.lower))
            self.lose_words(owner)
            return Result("changed", (owner,)) if stamp_in(owner) else UNKNOWN
        key = self.evaluate(node.slice)
        self.lose_words(key)
        return join([self.item(one, key, node) for one in options_of(owner)])

    def item(self, owner: Value, key: Value, node: ast.AST) -> Value:
        """The item of a container."""
        if isinstance(owner, Environ):
            return self.read_variable(key, node, required=True)
        if isinstance(owner, Table):
            return self._table_item(owner, key, node)
        if isinstance(owner, Row):
            index = key.value if isinstance(key, Constant) else None
            if isinstance(index, int) and owner.whole and -len(owner.items) <= index:
                return owner.items[index] if index < len(owner.items) else UNKNOWN
            return join(owner.items)
        if isinstance(owner, Arguments):
            return self.word_at(owner, key, node)
        if isinstance(owner, Document):
            known = known_text(key)
            if known is None:
                self.read_hyperparameter(owner, "", node)
            elif owner.of.endswith("SM_TRAINING_ENV") and known == "hyperparameters":
                return Document("SM_HPS")
            else:
                self.read_hyperparameter(owner, known, node)
                return Unknown(f"{HYPERPARAMETER}{known}")
            return UNKNOWN
        if isinstance(owner, Result) and owner.name == "channels":
            channel = known_text(key)
            if channel is None:
                return UNKNOWN
            return self.read_variable(text(f"SM_CHANNEL_{channel.upper()}"), node, required=True)
        if isinstance(owner, Instance):
            method = owner.kind.find("__getitem__")
            if isinstance(method, Function):
                return self.call(method, [owner, key], {}, node)
        if isinstance(owner, Instance | Class) and (known := known_text(key)) is not None:
            return self.attribute(owner, known, node)
        return UNKNOWN

    def _table_item(self, owner: Table, key: Value, node: ast.AST) -> Value:
        known: object = key.value if isinstance(key, Constant) else known_text(key)
        if known in owner.items:
            return self.take(owner.items[known])
        if isinstance(owner.rest, Environ):
            return self.read_variable(key, node, required=True)
        if known is None:
            self.take_all(owner)
            found = [
                owner.items[one]
                for option in options_of(key)
                if (one := known_text(option)) is not None and one in owner.items
            ]
            return join(found or [*owner.items.values(), UNKNOWN])
        is_safe = owner.whole and isinstance(known, str) and known not in self.guarded
        is_fixed = owner.of_parser or self.is_given(owner)
        if is_safe and self.reached and is_fixed and not self.catches("KeyError"):
            keys = tuple(str(one) for one in owner.items)
            what: Literal["key", "argument"] = "argument" if owner.of_parser else "key"
            self.facts.missing.append(MissingKey(str(known), keys, self.place(node), what))
        return UNKNOWN

    def set_item(self, table: Table, key: Value, value: Value) -> None:
        """`table[key] = value`."""
        self.lose_words(key)
        known: object = key.value if isinstance(key, Constant) else known_text(key)
        options = [one for one in options_of(key) if known_text(one) is not None]
        if known is None and isinstance(key, Many) and len(options) == len(key.options):
            for one in options:
                table.items[known_text(one)] = value
        elif known is None and key != NONE:
            table.whole = False
        elif isinstance(known, str | int | float | bool) or known is None:
            table.items[known] = value

    def _Lambda(self, node: ast.Lambda) -> Value:
        return self.function_from(node)

    def _NamedExpr(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.bind(node.target, value)
        return value

    def _Starred(self, node: ast.Starred) -> Value:
        return self.evaluate(node.value)

    def _Await(self, node: ast.Await) -> Value:
        return self.evaluate(node.value)

    def _Call(self, node: ast.Call) -> Value:
        function = self.evaluate(node.func)
        given: list[Value] = []
        named: dict[str, Value] = {}
        loose = False
        for one in node.args:
            value = self.evaluate(one)
            if not isinstance(one, ast.Starred):
                given.append(value)
            elif isinstance(value, Row) and value.whole:
                given += value.items
            else:
                loose = True
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                named[keyword.arg] = value
            elif isinstance(value, Table):
                self.take_all(value)
                named.update({key: v for key, v in value.items.items() if isinstance(key, str)})
                loose = loose or not value.whole
            else:
                self.escape(value)
                loose = True
        values: list[Value] = []
        for option in options_of(function):
            self.loose = loose
            values.append(self.call(option, given, dict(named), node))
        return join(values)


def _sum(left: object, right: object) -> Value:
    if isinstance(left, int | float) and isinstance(right, int | float):
        return Constant(left + right)
    return UNKNOWN


__all__ = ["Bound", "Expressions", "Function"]
