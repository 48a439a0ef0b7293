"""What functions make of dictionaries, lists and objects."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.reading.texts import concat, is_listed
from harness.reading.uses import PathUses
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Environ,
    Function,
    Given,
    Instance,
    Namespace,
    Result,
    Row,
    Scope,
    Table,
    Unknown,
    Value,
    join,
    known_text,
    text,
)
from harness.reading.words import WORD


class Containers(PathUses):
    """Evaluates functions of containers."""

    def _container(self, name: str, call: Given) -> Value | None:
        given, named, node = call
        first = given[0] if given else UNKNOWN
        if name in ("builtins.dict", "collections.OrderedDict"):
            if isinstance(first, Environ):
                return first
            table = Table.of(named)
            if isinstance(first, Table):
                table.items = {**first.items, **table.items}
                table.whole = first.whole
            elif isinstance(first, Row):
                for pair in first.items:
                    if isinstance(pair, Row) and len(pair.items) == 2:
                        self.set_item(table, pair.items[0], pair.items[1])
                table.whole = table.whole and first.whole
            elif given:
                table.whole = False
            return table
        if name == "builtins.vars" and isinstance(first, Namespace):
            return self.table_of_namespace(first)
        if name == "builtins.enumerate" and isinstance(first, Row):
            pairs: list[Value] = [Row([UNKNOWN, one]) for one in first.items]
            return Row(pairs, first.whole)
        if name == "builtins.zip" and given and all(isinstance(one, Row) for one in given):
            rows = [one.items for one in given if isinstance(one, Row)]
            return Row([Row(list(one)) for one in zip(*rows, strict=False)])
        if name in ("builtins.map", "builtins.filter") and len(given) > 1:
            made = [
                self.call(first, [one], {}, node)
                for one in (given[1].items if isinstance(given[1], Row) else [UNKNOWN])[:20]
            ]
            if name.endswith("map") or not isinstance(given[1], Row):
                return Row(made, whole=False) if name.endswith("map") else given[1]
            kept = [self._passing(first, one) for one in given[1].items]
            return Row(kept, whole=False)
        if name == "fnmatch.filter" and len(given) > 1 and isinstance(given[0], Row):
            pattern = known_text(given[1]) or ""
            if all(is_listed(one) for one in given[0].items) and pattern[:1] == "*":
                return Row([concat([one, text(pattern[1:])]) for one in given[0].items], False)
            return given[0]
        if name == "builtins.next" and isinstance(first, Row):
            return join([*first.items, *given[1:]])
        if name == "builtins.next" and isinstance(first, Arguments):
            return WORD
        if name in ("builtins.getattr", "builtins.hasattr") and len(given) > 1:
            return self._getattr(name, first, given, node)
        if name == "builtins.setattr" and len(given) > 2 and isinstance(first, Namespace):
            if (key := known_text(given[1])) is not None:
                first.added[key] = given[2]
            return NONE
        if name == "functools.partial":
            return Bound(first, tuple(given[1:]), named)
        if name == "builtins.super":
            return Unknown("super")
        if name == "dataclasses.fields":
            if isinstance(first, Class):
                fields: list[Value] = [
                    Result("field", (text(one),), {"name": text(one)}) for one in first.fields
                ]
                return Row(fields)
            return Row([UNKNOWN], whole=False)
        if name == "dataclasses.asdict" and isinstance(first, Instance):
            return Table.of(first.attributes)
        return None

    def _passing(self, test: Value, value: Value) -> Value:
        """What a value is that passes the test of a filter."""
        if not isinstance(test, Function):
            return value
        body, names = test.node.body, test.node.args.args
        if isinstance(body, list):
            last = body[-1]
            body = last.value if isinstance(last, ast.Return) and last.value else ast.Constant(None)
        if not names:
            return value
        outer, self.scope = self.scope, Scope({names[0].arg: value}, test.scope)
        self.narrow(body, holds=True)
        passing = self.scope.names[names[0].arg]
        self.scope = outer
        return passing

    def _getattr(self, name: str, first: Value, given: Sequence[Value], node: ast.AST) -> Value:
        key = known_text(given[1])
        if isinstance(first, Namespace):
            if key is None:
                self.use_all(first.parser)
                return UNKNOWN
            known = {one.dest for one in first.parser.arguments}
            if key not in known and (len(given) > 2 or name.endswith("hasattr")):
                return given[2] if len(given) > 2 else UNKNOWN
            return self.attribute_of_namespace(first, key, node)
        if isinstance(first, Instance | Class) and key is not None:
            return join([self.attribute(first, key, node), *given[2:]])
        return UNKNOWN
