"""Goes through a script as it would run, without running it, and tells its facts.

Branches whose tests are not known are both taken. Functions are gone through for each of their
calls; those that nothing calls are gone through last, with arguments that are not known.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from harness.reading.calls import Calls
from harness.reading.facts import Facts
from harness.reading.source import NotPython, TooNew, parse
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Class,
    Constant,
    Environ,
    External,
    Function,
    Instance,
    Many,
    Module,
    Namespace,
    Parsed,
    Result,
    Row,
    Scope,
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

# Statements; a script that takes more is gone through in part.
_MOST_STEPS = 12_000
_FALLS = frozenset({"falls"})
_MAIN = "__main__"
_BROAD = ("Exception", "BaseException")
_KEY_ERRORS = ("KeyError", "LookupError")


def read(script: Path, source: bytes, beside: Mapping[str, bytes]) -> Facts:
    """The facts of a script; `beside` are the modules in its folder: relative name → source.

    Raises `NotPython` and `TooNew`.
    """
    facts = Facts(script=script)
    code, tree = parse(script, source)
    main = _module(_MAIN, script, code, tree)
    reader = Reader(facts, main, script.parent, beside)
    reader.run()
    return facts


def _module(name: str, file: Path, code: str, tree: ast.Module) -> Module:
    scope = Scope({"__name__": text(name), "__file__": text(f"{{script_dir}}/{file.name}")})
    return Module(name, scope, file, tuple(code.split("\n")), tree)


class Reader(Calls):
    """Runs statements."""

    def __init__(
        self, facts: Facts, main: Module, folder: Path, beside: Mapping[str, bytes]
    ) -> None:
        """Begin with the main module; `folder` is where the modules beside it lie."""
        super().__init__(facts, main)
        self._folder = folder
        self._beside = {
            _dotted(name): (name, source) for name, source in beside.items() if name.endswith(".py")
        }
        self._modules: dict[str, Module] = {_MAIN: main}
        self._functions: list[Function] = []
        # The exceptions that are handled here, each with the depth of calls where; how loops go
        # on that end without a break; the statements after this one.
        self._caught: list[tuple[int, tuple[str, ...]]] = []
        self._after_loops: list[frozenset[str]] = []
        self._following: Sequence[ast.stmt] = ()
        self._top = main
        facts.modules = self._modules

    def run(self) -> None:
        """Go through the script, then through what nothing has called."""
        self.block(self._top.tree.body)
        self.reached, self.at_import = False, False
        for function in list(self._functions):
            if function.node not in self.facts.reached:
                self.module, self.scope, self.depth = function.module, function.scope, 1
                names = {
                    one.arg: self._unknown_parameter(one)
                    for one in (*function.node.args.posonlyargs, *function.node.args.args)
                }
                owner = function.owner
                if owner is not None and names and function.kind != "static":
                    first = next(iter(names))
                    names[first] = owner if function.kind == "class" else self._made(owner)
                if function.kind in ("click", "typer"):
                    self.run_command(function, {}, function.node)
                else:
                    self.call(function, list(names.values()), {}, function.node)

    def _unknown_parameter(self, one: ast.arg) -> Value:
        if one.arg in ("ctx", "context"):
            return Unknown("context")
        # Whoever calls main gives it the variables of the job.
        return Environ() if one.arg == "environ_vars" else UNKNOWN

    def _made(self, owner: Class) -> Instance:
        made = Instance(owner)
        for name in owner.fields:
            value = owner.find(name)
            if value is not None and not isinstance(value, Result):
                made.attributes[name] = value
        return made

    # Modules.

    def import_module(self, name: str) -> Module | None:
        """A module beside the script."""
        if name in self._modules:
            return self._modules[name]
        if name not in self._beside:
            return None
        relative, source = self._beside[name]
        try:
            code, tree = parse(self._folder / relative, source)
        except (NotPython, TooNew, RecursionError, MemoryError):
            return None
        module = _module(name, self._folder / relative, code, tree)
        module.scope.names["__file__"] = text(f"{{script_dir}}/{relative}")
        self._modules[name] = module
        kept = (self.module, self.scope, self.depth)
        self.module, self.scope = module, module.scope
        self.block(tree.body)
        self.module, self.scope, self.depth = kept
        return module

    def _import(self, node: ast.Import) -> None:
        for one in node.names:
            found = self.import_module(one.name)
            top = one.name.partition(".")[0]
            if one.asname:
                self.scope.names[one.asname] = found or External(one.name)
            else:
                inner = self.import_module(top)
                self.scope.names[top] = inner or found or External(top)

    def _import_from(self, node: ast.ImportFrom) -> None:
        name = node.module or ""
        if node.level:
            parts = self.module.name.split(".") if self.module is not self._top else [""]
            is_package = self.module.file.name == "__init__.py"
            base = parts[: len(parts) - node.level + is_package]
            name = ".".join([*(one for one in base if one), *([name] if name else [])])
        module = self.import_module(name) if name else None
        for one in node.names:
            if one.name == "*":
                if module is not None:
                    public = {
                        key: value
                        for key, value in module.scope.names.items()
                        if not key.startswith("_")
                    }
                    self.scope.names.update(public)
                continue
            inner = f"{name}.{one.name}" if name else one.name
            value: Value | None = module.scope.names.get(one.name) if module else None
            value = value or self.import_module(inner)
            if value is None:
                value = UNKNOWN if module is not None else External(inner)
                if isinstance(value, External):
                    value = self._external(inner)
            self.scope.names[one.asname or one.name] = value

    # Statements.

    def block(self, body: Sequence[ast.stmt]) -> frozenset[str]:
        """Run statements; how they may end: they fall through, return, fail, exit or loop."""
        outcomes = set(_FALLS)
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
        if self.steps > _MOST_STEPS:
            self.facts.complete = False
            return _FALLS
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
            ended = self.ended
            for target in node.targets:
                self.bind(target, value)
            self.ended = ended
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.bind(node.target, self.evaluate(node.value))
        elif isinstance(node, ast.AugAssign):
            self._augmented(node)
        elif isinstance(node, ast.Import):
            self._import(node)
            self.ended = frozenset()
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node)
            self.ended = frozenset()
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Subscript):
                    self.evaluate(target.value)
        elif isinstance(node, ast.Assert):
            self.evaluate(node.test)
            self.demand(self._lacking(node.test))
            self.guarded |= self.guard(self.present(node.test))
            self.ended = frozenset()
        ended = self.ended
        self.ended = frozenset()
        return ended or _FALLS

    def _lacking(self, test: ast.expr) -> list[Value]:
        """What a test that must hold asks for."""
        return self.absent(ast.UnaryOp(ast.Not(), test))

    def _augmented(self, node: ast.AugAssign) -> None:
        value = self.evaluate(node.value)
        if isinstance(node.target, ast.Name):
            old = self.scope.find(node.target.id) or UNKNOWN
            new: Value = UNKNOWN
            if isinstance(old, Row) and isinstance(value, Row):
                new = Row([*old.items, *value.items], old.whole and value.whole)
            elif isinstance(node.op, ast.Add) and isinstance(old, Text):
                from harness.reading.values import concat

                new = concat([old, value])
            self.bind(node.target, new)

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a target."""
        if isinstance(target, ast.Name):
            self._scope_of(target.id).names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, Row([UNKNOWN], whole=False))
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value)
            if isinstance(owner, Instance):
                if isinstance(value, Namespace) and _has_foreign_base(owner.kind):
                    # Methods that the base calls may use any of them.
                    self.use_all(value.parser)
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
            if isinstance(owner, Table):
                self.set_item(owner, key, value)
            elif isinstance(owner, Environ):
                if (name := known_text(key)) is not None:
                    self.facts.set_variables.add(name)
            elif isinstance(owner, Row):
                owner.whole = False

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
        elif isinstance(value, Result) and value.name.endswith("mkstemp"):
            items = [UNKNOWN] * len(targets)
        for number, target in enumerate(targets):
            self.bind(target, items[number] if items else UNKNOWN)

    def _do_Global(self, node: ast.Global) -> frozenset[str]:
        for name in node.names:
            self.scope.names[f"global {name}"] = NONE
        return _FALLS

    def _Lambda(self, node: ast.Lambda) -> Value:
        made = self.function_from(node)
        self._functions.append(made)
        return made

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        made = self.function_from(node)
        self._functions.append(made)
        self.scope.names[node.name] = made

    def _do_FunctionDef(self, node: ast.FunctionDef) -> frozenset[str]:
        self._define(node)
        return _FALLS

    def _do_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> frozenset[str]:
        self._define(node)
        return _FALLS

    def _do_ClassDef(self, node: ast.ClassDef) -> frozenset[str]:
        self.scope.names[node.name] = self.define_class(node)
        return _FALLS

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
            name = _last_name(node.exc.func)
            value = self.evaluate(node.exc.args[0]) if node.exc.args else NONE
            if name == "SystemExit":
                self.end(value, node)
            elif name == "Exit" and isinstance(self.evaluate(node.exc.func), External):
                named = [one.value for one in node.exc.keywords if one.arg == "code"]
                code = self.evaluate(named[0]) if named else value
                self.end(Constant(0) if code == NONE else code, node)
            else:
                self.failures += 1
            ended, self.ended = self.ended, frozenset()
            return ended or frozenset({"fails"})
        if node.exc is not None and _last_name(node.exc) == "SystemExit":
            self.end(NONE, node)
            ended, self.ended = self.ended, frozenset()
            return ended
        self.failures += 1
        return frozenset({"fails"})

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
        if _last_name(test) == "TYPE_CHECKING":
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
        absent, present = self.absent(node.test), self.present(node.test)
        before = dict(self.scope.names)
        self.conditional += 1
        self.branches += 1
        added = self.guard(present)
        body = self.block(node.body)
        self.guarded -= added
        taken, self.scope.names = self.scope.names, dict(before)
        added = self.guard(absent)
        other = self.block(node.orelse) if node.orelse else _FALLS
        self.guarded -= added
        self.conditional -= 1
        self.branches -= 1
        self.scope.names = _merged(
            taken if _goes_on(body) else None, self.scope.names if _goes_on(other) else None, before
        )
        given = [one for value in present for one in options_of(value)]
        for one in given if not other <= {"fails"} else ():
            if isinstance(one, Variable | Parsed):
                tested |= {text.text for text in self.alternatives(one)}
        fails = body <= {"fails"} or (bool(node.orelse) and other <= {"fails"})
        (self.facts.demanded if fails else self.facts.dispensable).update(tested)
        if body <= {"fails"}:
            self.demand(absent)
            self.guard(absent)
        if other <= {"fails"}:
            self.demand(present)
            self.guard(present)
        if body <= {"fails", "exits", "returns", "loops"}:
            self.guard(absent)
        self._narrow(node.test, body)
        return body | other

    def _narrow(self, test: ast.expr, body: frozenset[str]) -> None:
        """After `if x is None: x = ...` a name is no longer None."""

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
            self.scope.names = _merged(self.scope.names, None, before)
        other = self.block(node.orelse) if node.orelse else _FALLS
        outcomes -= {"loops", "falls"}
        has_break = any(isinstance(one, ast.Break) for one in _own_loop(node))
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
        suppresses = False
        for one in node.items:
            value = self.evaluate(one.context_expr)
            if isinstance(value, Result) and value.name == "contextlib.suppress":
                suppresses = True
            if one.optional_vars is not None:
                entered = value
                if isinstance(value, Instance):
                    enter = value.kind.find("__enter__")
                    if isinstance(enter, Function):
                        entered = self.call(enter, [value], {}, node)
                self.bind(one.optional_vars, entered)
        caught = ("Exception",) if suppresses else ()
        self._caught.append((self.depth, caught))
        outcomes = self.block(node.body)
        self._caught.pop()
        return outcomes | _FALLS if suppresses else outcomes

    _do_AsyncWith = _do_With

    def _do_Match(self, node: ast.Match) -> frozenset[str]:
        self.evaluate(node.subject)
        outcomes: set[str] = set(_FALLS)
        self.conditional += 1
        for case in node.cases:
            outcomes |= self.block(case.body)
        self.conditional -= 1
        return frozenset(outcomes)

    def catches(self, exception: str) -> bool:
        """Whether an exception is handled here."""
        names = {
            one
            for depth, caught in self._caught
            for one in caught
            if one != "*" or depth == self.depth
        }
        return bool(names & {exception, "LookupError", "*"})

    def _do_Try(self, node: ast.Try) -> frozenset[str]:
        return self._do_try(node, ())

    _do_TryStar = _do_Try

    def _do_try(self, node: ast.Try, following: Sequence[ast.stmt]) -> frozenset[str]:
        caught = tuple(name for one in node.handlers for name in _types(one))
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
            outcomes = set(last) if "falls" not in last else outcomes | (last - _FALLS)
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
            self.scope.names[handler.name] = Unknown("exception")
        before = dict(self.scope.names)
        failures = self.failures
        self.conditional += 1
        self.branches += 1
        outcomes = self.block(handler.body)
        self.conditional -= 1
        self.branches -= 1
        may_fail = self.failures > failures
        after = self._after_loops[-1] if self._after_loops else frozenset()
        follows = "falls" in outcomes and "fails" in rest
        repeats = outcomes & {"falls", "loops"} and "fails" in after
        if may_fail or follows or (repeats and not _breaks(handler)):
            self.facts.failing.add(handler)
        taken = self.scope.names if _goes_on(outcomes) else None
        self.scope.names = _merged(taken, before, before)
        names = set(_types(handler))
        handles = bool(names & set(_KEY_ERRORS)) or (small and bool(names & {*_BROAD, ""}))
        if handles and not outcomes <= {"fails"} and handler not in self.facts.failing:
            for read in self.facts.variables[first:]:
                read.required = None if read.required else read.required
        return outcomes

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

    def _Yield(self, node: ast.Yield | ast.YieldFrom) -> Value:
        value = self.evaluate(node.value)
        if isinstance(node, ast.YieldFrom) and isinstance(value, Row):
            self.yields += value.items
        else:
            self.yields.append(value)
        return UNKNOWN

    _YieldFrom = _Yield


def _merged(
    one: dict[str, Value] | None, other: dict[str, Value] | None, before: dict[str, Value]
) -> dict[str, Value]:
    """The names after two branches, either of which may not go on."""
    if one is None:
        return other if other is not None else before
    if other is None:
        return one
    merged = dict(one)
    for name, value in other.items():
        first = one.get(name)
        merged[name] = value if first is None else first if first is value else join([first, value])
    return merged


def _breaks(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(one, ast.Break) for one in _own_loop(handler))


def _has_foreign_base(kind: Class) -> bool:
    return any(not isinstance(one, Class) or _has_foreign_base(one) for one in kind.bases)


def _goes_on(outcomes: frozenset[str]) -> bool:
    return bool(outcomes & {"falls", "loops"})


def _own_loop(node: ast.AST) -> list[ast.AST]:
    """The nodes of a loop, without those of loops and functions within it."""
    found: list[ast.AST] = []
    pending = list(ast.iter_child_nodes(node))
    while pending:
        part = pending.pop()
        found.append(part)
        if not isinstance(
            part, ast.For | ast.While | ast.AsyncFor | ast.FunctionDef | ast.Lambda | ast.ClassDef
        ):
            pending += ast.iter_child_nodes(part)
    return found


def _types(handler: ast.ExceptHandler) -> tuple[str, ...]:
    caught = handler.type
    if caught is None:
        return ("",)
    return tuple(_last_name(one) for one in getattr(caught, "elts", [caught]))


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _dotted(name: str) -> str:
    parts = PurePosixPath(name).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


__all__ = ["Reader", "Variable", "read"]
