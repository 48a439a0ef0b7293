"""Calls of the script's own functions and classes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from harness.reading.classes import Classes
from harness.reading.facts import WrongCall
from harness.reading.recorder import Recorder
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Argument,
    Arguments,
    Bound,
    Class,
    Constant,
    External,
    Function,
    Given,
    Instance,
    Many,
    Member,
    Module,
    NamePart,
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
)
from harness.reading.words import HARMLESS

_DEEPEST_CALL = 14
# Of a function; more differ in values that no fact depends on.
_MOST_CALLS = 60
# They run a function with arguments from the command line.
_RUNS_FUNCTION = ("typer.run", "fire.Fire", "plac.call", "defopt.run", "cyclopts.run", "tyro.cli")
_OPTIONS = ("click.option", "click.argument", "rich_click.option", "rich_click.argument")
# Methods that a base brings, and that give the fields of an object.
_AS_TABLE = ("model_dump", "dict", "_asdict", "model_dump_json", "json")
_COMMANDS = ("click.command", "click.group", "rich_click.command")


class Calls(Classes):
    """Evaluates calls and definitions of functions and classes."""

    def __init__(self, *given: object) -> None:
        """Nothing is called yet."""
        Recorder.__init__(self, *given)  # type: ignore[arg-type]
        self._known: dict[object, tuple[Value, frozenset[str], bool]] = {}
        # What the keys of known calls name by its identity must not make room for something else.
        self._kept: list[object] = []
        self._counts: dict[ast.AST, int] = {}
        self.yields: list[Value] = []
        self.returns: list[Value] = []
        self._given_tables: set[int] = set()
        # Dictionaries of modules that nothing changes.
        self.fixed_tables: list[Table] = []
        self._commands: list[Function] = []
        # How loops go on that end without a break.
        self._after_loops: list[frozenset[str]] = []

    def call(
        self, function: Value, given: Sequence[Value], named: dict[str, Value], node: ast.AST
    ) -> Value:
        """The value of a call."""
        loose, self.loose = self.loose, False
        self.ended = frozenset()
        if isinstance(function, Bound):
            self.loose = loose
            named = {**function.named, **named}
            return self.call(function.function, [*function.given, *given], named, node)
        if isinstance(function, Function):
            if function.kind in ("click", "typer") and self.depth < 3:
                return self.run_command(function, named, node)
            return self._call_function(function, list(given), named, node, loose)
        if isinstance(function, Class):
            return self._instance(function, list(given), named, node, loose)
        if isinstance(function, External):
            if function.name in _RUNS_FUNCTION:
                return self._run_library(function.name, given, node)
            if function.name in ("importlib.import_module", "builtins.__import__") and given:
                name = known_text(given[0])
                found = self.import_module(name) if name else None
                return found or (External(name) if name else UNKNOWN)
            known = len(self.facts.arguments)
            value = self.call_external(function.name, Given(given, named, node))
            is_harmless = function.name.rpartition(".")[2] in HARMLESS
            if not is_harmless and len(self.facts.arguments) == known:
                self.lose_words(*given, *named.values())
            return value
        if isinstance(function, Member):
            if isinstance(function.owner, Instance | Class):
                self.hand_over(given, named, node)
                owner = function.owner
                if isinstance(owner, Instance) and function.name in _AS_TABLE:
                    return Table.of(owner.attributes, whole=False)
                return UNKNOWN
            return self.call_member(function.owner, function.name, Given(given, named, node))
        if isinstance(function, Result) and function.name == "typer.Typer":
            for one in self._commands:
                self.run_command(one, {}, node)
            return UNKNOWN
        self.use_by_name("?", Given(given, named, node))
        self.lose_words(*given, *named.values())
        self.hand_over(given, named, node)
        return UNKNOWN

    def _run_library(self, name: str, given: Sequence[Value], node: ast.AST) -> Value:
        function = given[0] if given else UNKNOWN
        if isinstance(function, Function):
            function.kind = "typer"
            # These take every parameter by its name.
            function.by_name = name != "typer.run"
            return self.run_command(function, {}, node)
        self.facts.words_escape = True
        return UNKNOWN

    def _call_function(
        self,
        function: Function,
        given: list[Value],
        named: dict[str, Value],
        node: ast.AST,
        loose: bool,
    ) -> Value:
        names = self._bound(function, given, named, node, loose)
        if isinstance(node, ast.Call):
            for value in names.values():
                self._pass_paths(value, node)
        key = (function.node, id(function.scope), tuple((k, _key(v)) for k, v in names.items()))
        if (key in self._known) and (self.reached is False or function.node in self.facts.reached):
            value, outcomes, fails = self._known[key]
            self._conclude(outcomes, fails)
            return value
        count = self._counts.get(function.node, 0)
        if self.depth >= _DEEPEST_CALL or count >= _MOST_CALLS:
            self.facts.complete = False
            return UNKNOWN
        self._counts[function.node] = count + 1
        self._kept.append((function.scope, names))
        # A function that calls itself gets what is not known.
        self._known[key] = (UNKNOWN, frozenset({"returns"}), False)
        failures = self.failures
        value, outcomes = self._run(function, names)
        fails = self.failures > failures
        self._known[key] = (value, outcomes, fails)
        self._conclude(outcomes, fails)
        return value

    def _pass_paths(self, value: Value, node: ast.AST, depth: int = 0) -> None:
        """Keep the paths that a function of the script is given, for one that does not use them."""
        if isinstance(value, Row | Table) and depth < 2:
            items = value.items if isinstance(value, Row) else list(value.items.values())
            for one in items[:50]:
                self._pass_paths(one, node, depth + 1)
        elif isinstance(value, Text | Variable | Parsed | Many) and any(
            one.text.startswith("/opt/ml") for one in self.alternatives(value)
        ):
            self.use_path(value, "name", node, passed=True)

    def _conclude(self, outcomes: frozenset[str], fails: bool) -> None:
        self.failures += fails
        if outcomes and outcomes <= {"fails", "exits"}:
            self.ended = outcomes
        else:
            self.ended = frozenset()

    def _run(self, function: Function, names: dict[str, Value]) -> tuple[Value, frozenset[str]]:
        kept = (self.module, self.scope, self.yields, self.returns, self.guarded)
        tables = {id(one) for one in names.values() if isinstance(one, Table)}
        kept_tables, self._given_tables = self._given_tables, tables
        self.module = function.module
        self.scope = Scope(dict(names), function.scope)
        self.yields, self.returns = [], []
        self._after_loops, loops = [], self._after_loops
        self.depth += 1
        if self.reached:
            self.facts.reached.add(function.node)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body), frozenset({"returns"})
            outcomes = self.block(function.node.body)
            if "falls" in outcomes:
                self.returns.append(NONE)
            value = join(self.returns) if self.returns else NONE
            if self.yields:
                is_context = function.kind == "context"
                value = join(self.yields) if is_context else Row(list(self.yields), whole=False)
            return value, outcomes
        finally:
            self.depth -= 1
            self.module, self.scope, self.yields, self.returns, self.guarded = kept
            self._given_tables = kept_tables
            self._after_loops = loops

    def is_given(self, table: Table) -> bool:
        """Whether a dictionary is one that this function was called with, or never changes."""
        return id(table) in self._given_tables or any(one is table for one in self.fixed_tables)

    def _bound(
        self,
        function: Function,
        given: list[Value],
        named: dict[str, Value],
        node: ast.AST,
        loose: bool,
    ) -> dict[str, Value]:
        parameters = function.node.args
        positional = [one.arg for one in (*parameters.posonlyargs, *parameters.args)]
        names: dict[str, Value] = dict(zip(positional, given, strict=False))
        keywords = [one.arg for one in parameters.kwonlyargs]
        rest: dict[str, Value] = {}
        for name, value in named.items():
            if name in positional or name in keywords:
                names[name] = value
            else:
                rest[name] = value
        missing = [one for one in (*positional, *keywords) if one not in names]
        lacking = [one for one in missing if one not in function.defaults]
        checked, self.checks_calls = self.checks_calls, True
        if checked and not loose and isinstance(node, ast.Call) and not function.kind:
            self._check_call(function, given, positional, lacking, rest, node)
        for one in missing:
            names[one] = UNKNOWN if loose else function.defaults.get(one, UNKNOWN)
        if parameters.vararg is not None:
            names[parameters.vararg.arg] = Row(given[len(positional) :], not loose)
        if parameters.kwarg is not None:
            names[parameters.kwarg.arg] = Table.of(rest, not loose)
        return names

    def _check_call(
        self,
        function: Function,
        given: list[Value],
        positional: list[str],
        lacking: list[str],
        rest: dict[str, Value],
        node: ast.Call,
    ) -> None:
        """Keep that a call does not fit the parameters of a function."""
        parameters = function.node.args
        what = ""
        if len(given) > len(positional) and parameters.vararg is None:
            what = f"takes {len(positional)} arguments, and gets {len(given)}"
        elif lacking:
            what = f"is called without {', '.join(lacking)}"
        elif rest and parameters.kwarg is None:
            what = f"has no parameter {', '.join(rest)}"
        # Other decorators may change the parameters.
        is_plain = isinstance(function.node, ast.Lambda) or not function.node.decorator_list
        if what and is_plain and function.name:
            self.facts.wrong_calls.append(WrongCall(function.name, what, self.place(node)))

    def function_from(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        """A function of the script."""
        parameters = node.args
        names = [one.arg for one in (*parameters.posonlyargs, *parameters.args)]
        values = [self.evaluate(one) for one in parameters.defaults]
        defaults = dict(zip(names[len(names) - len(values) :], values, strict=True))
        for one, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
            if default is not None:
                defaults[one.arg] = self.evaluate(default)
        made = Function(node, self.module, self.scope, defaults)
        for decorator in () if isinstance(node, ast.Lambda) else node.decorator_list:
            self._decorate(made, decorator)
        made.options = tuple(reversed(made.options))
        return made

    def _decorate(self, function: Function, decorator: ast.expr) -> None:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        target = self.evaluate(called)
        name = target.name if isinstance(target, External | Member) else ""
        last = name.rpartition(".")[2]
        given: list[Value] = []
        named: dict[str, Value] = {}
        if isinstance(decorator, ast.Call):
            given = [self.evaluate(one) for one in decorator.args]
            named = {one.arg: self.evaluate(one.value) for one in decorator.keywords if one.arg}
        if name in _OPTIONS:
            argument = self.click_option(name, given, named, decorator)
            function.options += (argument,) if argument is not None else ()
        elif name in _COMMANDS or (last in ("command", "group") and _is_click_group(target)):
            function.kind = "click"
            settings = named.get("context_settings")
            if isinstance(settings, Table):
                prefix = settings.items.get("auto_envvar_prefix", UNKNOWN)
                function.prefix = known_text(prefix)
            if isinstance(target, Member) and isinstance(target.owner, Result):
                function.kind = "typer"
            if function.kind == "typer" or isinstance(target, Member):
                self._commands.append(function)
        elif last in ("pass_context", "pass_obj"):
            function.passes_context = True
        elif last in ("staticmethod", "classmethod", "property", "cached_property"):
            kinds = {"staticmethod": "static", "classmethod": "class"}
            function.kind = kinds.get(last, "property")
        elif last in ("contextmanager", "asynccontextmanager"):
            function.kind = "context"
        elif isinstance(target, Function) and isinstance(decorator, ast.Call):
            # Options that are added by a function of the script.
            pass


def _is_click_group(target: Value) -> bool:
    if not isinstance(target, Member):
        return False
    owner = target.owner
    if isinstance(owner, Result):
        return owner.name == "typer.Typer"
    return isinstance(owner, Function) and owner.kind == "click"


def _key(value: Value) -> object:
    """What tells values apart in the arguments of a call."""
    if isinstance(value, Text):
        return ("text", tuple(one if isinstance(one, str) else _key(one) for one in value.parts))
    if isinstance(value, Constant):
        return ("constant", type(value.value).__name__, repr(value.value))
    if isinstance(value, External):
        return ("external", value.name)
    if isinstance(value, Arguments):
        return ("words", value.skipped)
    if isinstance(value, Unknown):
        whole = _key(value.whole) if isinstance(value, NamePart) else ""
        return ("unknown", value.of, whole)
    return id(value)


__all__ = ["Argument", "Calls", "Module"]
