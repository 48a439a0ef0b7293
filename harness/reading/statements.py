"""Runs the statements of a script, as far as that is known without running it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.reading.bindings import Bindings
from harness.reading.facts import Facts
from harness.reading.flow import (
    FALLS,
    goes_on,
    last_name,
    merged,
    own_loop,
)
from harness.reading.recorder import MOST_STEPS
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Bound,
    Class,
    Constant,
    External,
    Function,
    Instance,
    Module,
    Parsed,
    Result,
    Row,
    Table,
    Value,
    Variable,
    known_text,
    options_of,
)
from harness.reading.words import is_word


class Statements(Bindings):
    """Runs statements."""

    def __init__(self, facts: Facts, main: Module) -> None:
        """Begin with the main module."""
        super().__init__(facts, main)
        self._top = main
        self._functions: list[Function] = []
        # The statements after this one.
        self._following: Sequence[ast.stmt] = ()

    # Statements.

    def block(self, body: Sequence[ast.stmt]) -> frozenset[str]:
        """Run statements; how they may end: they fall through, return, fail, exit or loop."""
        outcomes = set(FALLS)
        before = set(self.guarded)
        for number, node in enumerate(body):
            if "falls" not in outcomes:
                self._define_only(body[number:])
                break
            outcomes.discard("falls")
            outcomes |= self._statement(node, body[number + 1 :])
        self.guarded = before
        return frozenset(outcomes)

    def _define_only(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._define(node)

    def _statement(self, node: ast.stmt, following: Sequence[ast.stmt]) -> frozenset[str]:
        self.steps += 1
        if self.steps > MOST_STEPS:
            self.facts.complete = False
            return FALLS
        method = getattr(self, f"_do_{type(node).__name__}", None)
        if method is None:
            return self._simple(node)
        if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            outcomes: frozenset[str] = self._do_try(node, following)  # type: ignore[arg-type]
            return outcomes
        self._following = following
        ended: frozenset[str] = method(node)
        return ended

    def _simple(self, node: ast.stmt) -> frozenset[str]:
        """A statement that has expressions alone; it ends as the calls in it do."""
        self.ended = frozenset()
        if isinstance(node, ast.Expr):
            self.unused.add(node.value)
            self.evaluate(node.value)
        elif isinstance(node, ast.Assign):
            value = self.evaluate(node.value)
            if isinstance(value, Table) and self.scope is self.module.scope:
                self._note_fixed(node, value)
            ended = self.ended
            for target in node.targets:
                self.bind(target, value)
            self.ended = ended
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.bind(node.target, self.evaluate(node.value))
        elif isinstance(node, ast.AugAssign):
            self._augmented(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.bind_imports(node)
            self.ended = frozenset()
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Subscript):
                    self.evaluate(target.value)
        elif isinstance(node, ast.Assert):
            self.evaluate(node.test)
            self.demand(self._lacking(node.test))
            self.guarded |= self.guard(self.present(node.test))
            self.narrow(node.test, holds=True)
            self.ended = frozenset()
        ended = self.ended
        self.ended = frozenset()
        return ended or FALLS

    def _lacking(self, test: ast.expr) -> list[Value]:
        """What a test that must hold asks for."""
        return self.absent(ast.UnaryOp(ast.Not(), test))

    def _do_Global(self, node: ast.Global) -> frozenset[str]:
        for name in node.names:
            self.scope.names[f"global {name}"] = NONE
        return FALLS

    def _Lambda(self, node: ast.Lambda) -> Value:
        made = self.function_from(node)
        self._functions.append(made)
        return made

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        made = self.function_from(node)
        self._functions.append(made)
        self.scope.names[node.name] = self._decorated(made, node)

    def _decorated(self, function: Function, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
        """What decorators of the script's own make of a function; methods stay what they are."""
        value: Value = function
        if self.scope in (one.scope for one in self.open_classes) or function.kind:
            return value
        for decorator in reversed(node.decorator_list):
            own = self.evaluate(decorator)
            if isinstance(own, Function | Bound):
                ended = self.ended
                made = self.call(own, [value], {}, decorator)
                value = made if isinstance(made, Function | Bound) else value
                self.ended = ended
        return value

    def _do_FunctionDef(self, node: ast.FunctionDef) -> frozenset[str]:
        self._define(node)
        return FALLS

    def _do_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> frozenset[str]:
        self._define(node)
        return FALLS

    def _do_ClassDef(self, node: ast.ClassDef) -> frozenset[str]:
        self.scope.names[node.name] = self.define_class(node)
        return FALLS

    def _do_Return(self, node: ast.Return) -> frozenset[str]:
        self.ended = frozenset()
        value = self.evaluate(node.value)
        ended, self.ended = self.ended, frozenset()
        if ended and isinstance(node.value, ast.Call):
            return ended
        self.returns.append(value)
        return frozenset({"returns"})

    def _do_Raise(self, node: ast.Raise) -> frozenset[str]:
        self.ended = frozenset()
        if isinstance(node.exc, ast.Call):
            name = last_name(node.exc.func)
            value = self.evaluate(node.exc.args[0]) if node.exc.args else NONE
            if name == "SystemExit":
                self.end(value, node)
            elif name == "Exit" and isinstance(self.evaluate(node.exc.func), External):
                named = [one.value for one in node.exc.keywords if one.arg == "code"]
                code = self.evaluate(named[0]) if named else value
                self.end(Constant(0) if code == NONE else code, node)
            else:
                self.failures += 1
                self._end_click(self.evaluate(node.exc.func), node)
            ended, self.ended = self.ended, frozenset()
            return ended or frozenset({"fails"})
        if node.exc is not None and last_name(node.exc) == "SystemExit":
            self.end(NONE, node)
            ended, self.ended = self.ended, frozenset()
            return ended
        self.failures += 1
        return frozenset({"fails"})

    def _end_click(self, kind: Value, node: ast.Raise) -> None:
        """Keep the exit code of an exception of the script's own that click makes one of."""
        if isinstance(kind, Class) and any(
            name.startswith(("click.", "typer.", "rich_click.")) for name in kind.foreign_bases
        ):
            code = kind.find("exit_code")
            if isinstance(code, Constant):
                self.end(code, node)

    def _do_Break(self, node: ast.Break) -> frozenset[str]:
        return frozenset({"loops"})

    def _do_Continue(self, node: ast.Continue) -> frozenset[str]:
        return frozenset({"loops"})

    def truth(self, test: ast.expr) -> bool | None:
        """Whether a test holds, where that is known."""
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            sides = [test.left, test.comparators[0]]
            if any(isinstance(one, ast.Name) and one.id == "__name__" for one in sides):
                names = {known_text(self.evaluate(one)) for one in sides}
                return len(names) == 1 if isinstance(test.ops[0], ast.Eq) else len(names) > 1
        if isinstance(test, ast.Constant):
            return bool(test.value)
        if last_name(test) == "TYPE_CHECKING":
            return False
        return None

    def _do_If(self, node: ast.If) -> frozenset[str]:
        known = self.truth(node.test)
        is_main = (
            known and self.scope is self._top.scope and not isinstance(node.test, ast.Constant)
        )
        if is_main:
            self.at_import = False
        if known is not None:
            return self.block(node.body if known else node.orelse)
        first = len(self.facts.paths)
        self.evaluate(node.test)
        tested = {one.path for one in self.facts.paths[first:] if one.use == "test"}
        self.ended = frozenset()
        exits = len(self.facts.exits)
        absent, present = self.absent(node.test), self.present(node.test)
        before = dict(self.scope.names)
        self.conditional += 1
        self.branches += 1
        added = self.guard(present)
        when_true = self.narrow(node.test, holds=True)
        body = self.block(node.body)
        self.clear_up(body, first)
        self.guarded -= added
        taken, self.scope.names = self.scope.names, dict(before)
        added = self.guard(absent)
        when_false = self.narrow(node.test, holds=False)
        other = self.block(node.orelse) if node.orelse else FALLS
        self.guarded -= added
        self.conditional -= 1
        self.branches -= 1
        self.scope.names = merged(
            taken if goes_on(body) else None, self.scope.names if goes_on(other) else None, before
        )
        if "falls" not in body:
            self.keep(when_false)
        if "falls" not in other:
            self.keep(when_true)
        given = [one for value in present for one in options_of(value)]
        for one in given if not other <= {"fails"} else ():
            if isinstance(one, Variable | Parsed):
                tested |= {text.text for text in self.alternatives(one)}
        fails = body <= {"fails"} or (bool(node.orelse) and other <= {"fails"})
        (self.facts.demanded if fails else self.facts.dispensable).update(tested)
        is_negative = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        if body == {"exits"} and is_negative and self.reached:
            place = self.facts.exits[exits].place if len(self.facts.exits) > exits else None
            self.facts.excused.update({path: place or self.place(node) for path in tested})
        if body <= {"fails"}:
            self.demand(absent)
            self.guard(absent)
        if other <= {"fails"}:
            self.demand(present)
            self.guard(present)
        if body <= {"fails", "exits", "returns", "loops"}:
            self.guard(absent)
        return body | other

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, rows: list[Value]) -> frozenset[str]:
        outcomes: set[str] = set()
        before = dict(self.scope.names)
        self._after_loops.append(self._end_of(node.orelse or self._following))
        for value in rows:
            if isinstance(node, ast.For | ast.AsyncFor):
                self.bind(node.target, value)
            outcomes |= self.block(node.body)
        self._after_loops.pop()
        if not rows or not isinstance(node, ast.While):
            self.scope.names = merged(self.scope.names, None, before)
        other = self.block(node.orelse) if node.orelse else FALLS
        outcomes -= {"loops", "falls"}
        has_break = any(isinstance(one, ast.Break) for one in own_loop(node))
        endless = (
            isinstance(node, ast.While)
            and isinstance(node.test, ast.Constant)
            and bool(node.test.value)
        )
        if has_break or (endless and not outcomes):
            return frozenset(outcomes | other | {"falls"})
        return frozenset(outcomes) if endless else frozenset(outcomes | other)

    def _do_For(self, node: ast.For | ast.AsyncFor) -> frozenset[str]:
        rows, known = self.elements(self.evaluate(node.iter))
        self.conditional += not known
        try:
            return self._loop(node, rows)
        finally:
            self.conditional -= not known

    _do_AsyncFor = _do_For

    def _do_While(self, node: ast.While) -> frozenset[str]:
        self.evaluate(node.test)
        self.conditional += 1
        try:
            return self._loop(node, [UNKNOWN])
        finally:
            self.conditional -= 1

    def _do_With(self, node: ast.With | ast.AsyncWith) -> frozenset[str]:
        caught: tuple[str, ...] = ()
        managers: list[Instance] = []
        for one in node.items:
            value = self.evaluate(one.context_expr)
            if isinstance(value, Result) and value.name == "contextlib.suppress":
                given = one.context_expr.args if isinstance(one.context_expr, ast.Call) else []
                caught += tuple(last_name(part) for part in given)
            entered = value
            if isinstance(value, Instance):
                managers.append(value)
                enter = value.kind.find("__enter__")
                if isinstance(enter, Function):
                    entered = self.call(enter, [value], {}, node)
            if one.optional_vars is not None:
                self.bind(one.optional_vars, entered)
        self._caught.append((self.depth, caught))
        outcomes = self.block(node.body)
        self._caught.pop()
        for manager in reversed(managers):
            leave = manager.kind.find("__exit__")
            if isinstance(leave, Function):
                self.call(leave, [manager, UNKNOWN, UNKNOWN, UNKNOWN], {}, node)
        return outcomes | FALLS if caught else outcomes

    _do_AsyncWith = _do_With

    def _do_Match(self, node: ast.Match) -> frozenset[str]:
        is_asked = is_word(self.evaluate(node.subject))
        outcomes: set[str] = set(FALLS)
        self.conditional += 1
        for case in node.cases if is_asked else ():
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchValue):
                    self.word(self.evaluate(part.value), part.value)
        for case in node.cases:
            outcomes |= self.block(case.body)
        self.conditional -= 1
        return frozenset(outcomes)

    def _Yield(self, node: ast.Yield | ast.YieldFrom) -> Value:
        value = self.evaluate(node.value)
        if isinstance(node, ast.YieldFrom) and isinstance(value, Row):
            self.yields += value.items
        else:
            self.yields.append(value)
        return UNKNOWN

    _YieldFrom = _Yield
