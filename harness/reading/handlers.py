"""Handlers of exceptions: what they catch, and whether the process fails all the same."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.reading.calls import Calls
from harness.reading.facts import Facts
from harness.reading.flow import (
    FALLS,
    breaks,
    caught_types,
    goes_on,
    merged,
)
from harness.reading.values import (
    UNKNOWN,
    Class,
    External,
    Instance,
    Module,
    Unknown,
    Value,
    join,
)

_BROAD = ("Exception", "BaseException")
# What a handler of another name catches too.
_ALSO = {"KeyError": ("LookupError",)}
_ABSENCES = ("FileNotFoundError", "OSError", "IOError", "EnvironmentError")
_KEY_ERRORS = ("KeyError", "LookupError")


class Handlers(Calls):
    """Runs `try` statements."""

    def __init__(self, facts: Facts, main: Module) -> None:
        """Nothing is caught yet."""
        super().__init__(facts, main)
        # The exceptions that are handled here, each with the depth of calls where.
        self._caught: list[tuple[int, tuple[str, ...]]] = []

    def catches(self, exception: str) -> bool:
        """Whether an exception is handled here."""
        names = {
            one
            for depth, caught in self._caught
            for one in caught
            if one != "*" or depth == self.depth
        }
        return bool(names & {exception, *_ALSO.get(exception, ()), "*"})

    def catches_absence(self) -> bool:
        """Whether the script handles here that a file is not there, and may do without it."""
        return any(self.catches(one) for one in _ABSENCES)

    def _do_Try(self, node: ast.Try) -> frozenset[str]:
        return self._do_try(node, ())

    _do_TryStar = _do_Try

    def _do_try(self, node: ast.Try, following: Sequence[ast.stmt]) -> frozenset[str]:
        caught = tuple(name for one in node.handlers for name in caught_types(one))
        small = len(node.body) <= 2
        broad = ("*",) if small and set(caught) & set(_BROAD) else ()
        self._caught.append((self.depth, (*caught, *broad)))
        first = len(self.facts.variables)
        body = self.block(node.body)
        self._caught.pop()
        outcomes = set(body)
        if "falls" in body and node.orelse:
            outcomes.discard("falls")
            outcomes |= self.block(node.orelse)
        # What fails in the body goes on in a handler.
        if node.handlers and set(caught) & {*_BROAD, ""}:
            outcomes.discard("fails")
        rest = self._end_of(following)
        for handler in node.handlers:
            outcomes |= self._handler(handler, node, first, rest, small)
        if node.finalbody:
            last = self.block(node.finalbody)
            outcomes = set(last) if "falls" not in last else outcomes | (last - FALLS)
        return frozenset(outcomes)

    def _handler(
        self,
        handler: ast.ExceptHandler,
        node: ast.Try,
        first: int,
        rest: frozenset[str],
        small: bool,
    ) -> frozenset[str]:
        if handler.name:
            self.scope.names[handler.name] = self._caught_value(handler)
        before = dict(self.scope.names)
        failures = self.failures
        self.conditional += 1
        self.branches += 1
        begin = len(self.facts.paths)
        outcomes = self.block(handler.body)
        self.clear_up(outcomes, begin)
        self.conditional -= 1
        self.branches -= 1
        may_fail = self.failures > failures
        after = self._after_loops[-1] if self._after_loops else frozenset()
        follows = "falls" in outcomes and "fails" in rest
        repeats = outcomes & {"falls", "loops"} and "fails" in after
        if may_fail or follows or (repeats and not breaks(handler)):
            self.facts.failing.add(handler)
        taken = self.scope.names if goes_on(outcomes) else None
        self.scope.names = merged(taken, before, before)
        names = set(caught_types(handler))
        handles = bool(names & set(_KEY_ERRORS)) or (small and bool(names & {*_BROAD, ""}))
        if handles and not outcomes <= {"fails"} and handler not in self.facts.failing:
            for read in self.facts.variables[first:]:
                read.required = None if read.required else read.required
        return outcomes

    def _caught_value(self, handler: ast.ExceptHandler) -> Value:
        """What a handler binds: an object of one of the script's classes, or what is not known."""
        caught = self.evaluate(handler.type) if handler.type is not None else UNKNOWN
        known = [
            one
            for module in self.facts.modules.values()
            for one in module.scope.names.values()
            if isinstance(one, Class) and isinstance(caught, Class) and one.derives_from(caught)
        ]
        # What __init__ keeps depends on where it was raised.
        if not known or any(one.find("__init__") is not None for one in known):
            return Unknown("exception")
        return join([Instance(one) for one in known])

    def _end_of(self, following: Sequence[ast.stmt]) -> frozenset[str]:
        """How the statements after a `try` end, as far as that is plain."""
        for one in following:
            if isinstance(one, ast.Raise):
                return frozenset({"fails"})
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call):
                called = self._quietly(one.value.func)
                name = called.name if isinstance(called, External) else ""
                if name in ("sys.exit", "os._exit", "builtins.exit"):
                    code = one.value.args[0] if one.value.args else None
                    is_zero = code is None or (
                        isinstance(code, ast.Constant) and code.value in (0, None)
                    )
                    return frozenset({"exits" if is_zero else "fails"})
                continue
            if not isinstance(one, ast.Expr):
                break
        return frozenset()
