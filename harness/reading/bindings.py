"""Assignments: what names, attributes and items are from then on."""

from __future__ import annotations

import ast

from harness.reading.flow import (
    changed_names,
    has_foreign_base,
)
from harness.reading.handlers import Handlers
from harness.reading.texts import concat
from harness.reading.values import (
    UNKNOWN,
    Arguments,
    Class,
    Constant,
    Environ,
    Instance,
    Many,
    Module,
    Namespace,
    Result,
    Row,
    Scope,
    Table,
    Text,
    Value,
    join,
    known_text,
)

_MOST_HELD = 50


class Bindings(Handlers):
    """Binds values."""

    def _note_fixed(self, node: ast.Assign, value: Table) -> None:
        """Keep that a dictionary of the module has the keys that are written there, if it has."""
        target = node.targets[0]
        shown = node.value
        if isinstance(target, ast.Name) and isinstance(shown, ast.Dict) and shown.keys:
            is_plain = all(isinstance(one, ast.Constant) for one in shown.keys)
            if is_plain and target.id not in changed_names(self.module.tree):
                self.fixed_tables.append(value)

    def _augmented(self, node: ast.AugAssign) -> None:
        value = self.evaluate(node.value)
        if isinstance(node.target, ast.Name):
            old = self.scope.find(node.target.id) or UNKNOWN
            new: Value = UNKNOWN
            if isinstance(old, Row) and isinstance(value, Row):
                new = Row([*old.items, *value.items], old.whole and value.whole)
            elif isinstance(node.op, ast.Add) and isinstance(old, Text):
                new = concat([old, value])
            self.bind(node.target, new)

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a target."""
        if isinstance(target, ast.Name):
            self.name_word(value, target.id)
            self._scope_of(target.id).names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, Row([UNKNOWN], whole=False))
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value)
            if isinstance(owner, Instance):
                if isinstance(value, Namespace) and has_foreign_base(owner.kind):
                    # Methods that the base calls may use any of them.
                    self.use_all(value.parser)
                if isinstance(value, Table) and has_foreign_base(owner.kind):
                    self.take_all(value)
                old = owner.attributes.get(target.attr)
                known = old is None or not self.conditional
                owner.attributes[target.attr] = (
                    value if known or old is None else join([old, value])
                )
            elif isinstance(owner, Namespace):
                owner.added[target.attr] = value
            elif isinstance(owner, Class | Module):
                owner.scope.names[target.attr] = value
        elif isinstance(target, ast.Subscript):
            owner = self.evaluate(target.value)
            key = self.evaluate(target.slice)
            self.lose_words(key)
            if isinstance(owner, Table):
                self.set_item(owner, key, value)
            elif isinstance(owner, Environ):
                if (name := known_text(key)) is not None:
                    self._set_variable(name, value, target)
            elif isinstance(owner, Row):
                owner.whole = False
            elif isinstance(owner, Result) and len(owner.held) < _MOST_HELD:
                owner.held.append(value)

    def _set_variable(self, name: str, value: Value, node: ast.AST) -> None:
        self.facts.set_variables.add(name)
        was_read = any(one.name == name for one in self.facts.variables)
        is_plain = isinstance(value, Text | Constant) and known_text(value) is not None
        if is_plain and self.reached and not self.conditional and not was_read:
            self.facts.overwritten.setdefault(name, self.place(node))

    def _scope_of(self, name: str) -> Scope:
        if f"global {name}" in self.scope.names:
            return self.module.scope
        return self.scope

    def _unpack(self, targets: list[ast.expr], value: Value) -> None:
        items: list[Value] = []
        if isinstance(value, Row):
            if value.whole and len(value.items) == len(targets):
                items = value.items
            elif len(value.items) == 1:
                items = [value.items[0]] * len(targets)
        elif isinstance(value, Many):
            rows = [one for one in value.options if isinstance(one, Row)]
            if rows and all(len(one.items) == len(targets) for one in rows):
                items = [
                    join([one.items[number] for one in rows]) for number in range(len(targets))
                ]
        elif isinstance(value, Arguments):
            starred = [isinstance(one, ast.Starred) for one in targets]
            count = starred.index(True) if True in starred else len(targets)
            items = [self.word_at(value, Constant(one), targets[one]) for one in range(count)]
            items += [UNKNOWN] * (len(targets) - count)
        elif isinstance(value, Result) and value.name.endswith("mkstemp"):
            items = [UNKNOWN] * len(targets)
        for number, target in enumerate(targets):
            self.bind(target, items[number] if items else UNKNOWN)
