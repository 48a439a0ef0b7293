"""Comprehensions, and the elements of what loops go through."""

from __future__ import annotations

import ast

from harness.reading.members import Members
from harness.reading.recorder import MOST_STEPS
from harness.reading.values import (
    UNKNOWN,
    Arguments,
    Class,
    Document,
    Environ,
    Row,
    Scope,
    Table,
    Text,
    Value,
    join,
    of_key,
    options_of,
)
from harness.reading.words import WORD

_UNROLLED = 40


class Comprehensions(Members):
    """Evaluates comprehensions."""

    def _ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        row = Row()
        absent: list[Value] = []

        def one() -> None:
            row.items.append(self.evaluate(node.elt))

        row.whole = self._comprehend(node.generators, one, absent)
        row.absent = tuple(absent)
        return row

    _SetComp = _GeneratorExp = _ListComp

    def _DictComp(self, node: ast.DictComp) -> Value:
        table = Table()

        def one() -> None:
            self.set_item(table, self.evaluate(node.key), self.evaluate(node.value))

        table.whole = self._comprehend(node.generators, one, []) and table.whole
        return table

    def _comprehend(
        self, generators: list[ast.comprehension], body: object, absent: list[Value]
    ) -> bool:
        """Go through the elements of a comprehension; whether all of them are known."""
        assert callable(body)
        outer = self.scope
        self.scope = Scope(outer=outer)
        whole = True

        def go(number: int) -> None:
            nonlocal whole
            self.steps += 1
            if self.steps > MOST_STEPS:
                whole = self.facts.complete = False
                return
            if number == len(generators):
                body()
                return
            one = generators[number]
            rows, known = self.elements(self.evaluate(one.iter))
            whole = whole and known
            for element in rows:
                self.bind(one.target, element)
                names: set[str] = set()
                for test in one.ifs:
                    self.evaluate(test)
                    absent.extend(self.absent(test))
                    names |= self.guard(self.present(test))
                    self.narrow(test, holds=True)
                    whole = False
                go(number + 1)
                self.guarded -= names

        try:
            go(0)
        finally:
            self.scope = outer
        return whole

    def elements(self, value: Value) -> tuple[list[Value], bool]:
        """The elements of what a loop goes through, and whether they are all."""
        if isinstance(value, Row):
            if value.whole and len(value.items) <= _UNROLLED:
                return list(value.items), True
            return [join(value.items)] if value.items else [UNKNOWN], False
        if isinstance(value, Table):
            keys: list[Value] = [of_key(one) for one in value.items]
            return keys if keys and value.whole else [UNKNOWN], value.whole
        if isinstance(value, Class):
            if value.is_enumeration:
                return value.members, True
            members = [one for one in value.scope.names.values() if isinstance(one, Text)]
            return list(members) or [UNKNOWN], False
        if any(isinstance(one, Arguments) for one in options_of(value)):
            return [WORD], False
        if isinstance(value, Environ):
            self.facts.environment_escapes = True
        if isinstance(value, Document):
            self.read_hyperparameter(value, "", None)
        return [UNKNOWN], False
