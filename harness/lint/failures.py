"""Failures: whether they reach the exit code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from harness.lint.problem import Problem
from harness.lint.propagation import (
    EXITS,
    ends_with,
    except_clause,
    exception_types,
    exits_with_success,
    is_broad,
    is_success,
    only_cleans_up_or_imports,
    passes_on,
    propagates,
    undone_names,
)
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax, walk_scope
from harness.worlds.tree import is_under

_BROAD = ("BaseException", "Exception")
_ERROR_LEVELS = ("error", "exception", "critical", "fatal")
# Methods of executors that keep an exception for whoever asks for the result.
_HANDED = ("submit", "apply_async", "map_async", "starmap_async")
_TASKS = ("asyncio.create_task", "asyncio.ensure_future")
_ASKING = ("cancel", "result", "exception")
# What asks a future for its exception.
_ASKS = ("result", "exception", "add_done_callback", "wrap_future")
_FIX = "raise again, or end with sys.exit(1)"


def hidden_failure(subject: Subject) -> Iterator[Problem]:
    """Each place that keeps a failure from the exit code.

    `except:` and `except BaseException` count everywhere, since they catch `SystemExit`, and
    `except Exception` in main, in callers of main and on the top level; in other functions where
    the failure is logged as an error and nothing else. So do `contextlib.suppress`, a `finally`
    that returns or exits, and an exit with 0 behind a logged error.
    A handler that leaves an exit code as it was before the `try` keeps nothing.
    """
    for node, message, fix in _hidden(subject):
        yield subject.at_node(subject.script, "STEP502", message, fix, node)
    for facts in subject.modules[1:]:
        for node, message, fix in _hidden_beside(subject, facts):
            yield subject.at_node(facts, "STEP502", message, fix, node)
    required = [
        path for one in subject.contract.inputs.values() if one.required for path in one.mounts
    ]
    for path, place in subject.facts.excused.items():
        if any(is_under(path, one) for one in required):
            message = f"without {path}, of an input that is required, the script ends with 0"
            yield subject.problem("STEP502", message, "end with sys.exit(1)", place)


def _hidden_beside(subject: Subject, facts: Syntax) -> Iterator[tuple[ast.AST, str, str]]:
    """Each handler of a module beside the script that logs a failure, and goes on."""
    for node in facts.nodes:
        if not isinstance(node, ast.ExceptHandler) or node in subject.facts.failing:
            continue
        function = _function_of(facts, node)
        if function not in subject.facts.reached or propagates(facts, node):
            continue
        catches_all = is_broad(facts, exception_types(node), True)
        cleans_up = only_cleans_up_or_imports(facts.parents[node])
        if catches_all and not cleans_up and _only_logs(subject, facts, node):
            yield node, _swallowed(node), _FIX


def _ends_with_zero(subject: Subject, handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends the process with 0 alone, by whatever name."""
    module = subject.facts.modules["__main__"]
    places = {
        module.place(one) for one in walk_scope(handler) if isinstance(one, ast.Call | ast.Raise)
    }
    codes = {one.code for one in subject.facts.exits if one.place in places and one.reached}
    return codes == {0} and not any(isinstance(one, ast.Raise) for one in walk_scope(handler))


def _swallowed(node: ast.ExceptHandler) -> str:
    return f"`{except_clause(node)}` swallows every failure, and the exit code stays 0"


def _function_of(facts: Syntax, node: ast.AST) -> Function | None:
    return next((one for one in facts.ancestors(node) if isinstance(one, Function)), None)


def _hidden(subject: Subject) -> Iterator[tuple[ast.AST, str, str]]:
    facts, failing = subject.script, subject.facts.failing
    exit_code_scope = ExitCodeScope(facts)
    for node in facts.nodes:
        if isinstance(node, ast.ExceptHandler):
            in_exit_code_scope = (
                node in exit_code_scope.nodes
                or _only_logs(subject, facts, node)
                or _gives_up(facts, node)
            )
            catches_all = is_broad(facts, exception_types(node), in_exit_code_scope)
            if not catches_all or only_cleans_up_or_imports(facts.parents[node]):
                continue
            if not propagates(facts, node) or _ends_with_zero(subject, node):
                by_return = node not in exit_code_scope.unused_results
                if node in failing or ends_with(facts, undone_names(facts, node), node, by_return):
                    continue
                yield node, _swallowed(node), _FIX
            elif node in exit_code_scope.unused_results and not (
                node in failing or passes_on(facts, node, by_return=False)
            ):
                message = f"`{except_clause(node)}` returns what nobody makes an exit code of"
                yield node, message, "raise again, or call it as sys.exit(main(...))"
        elif isinstance(node, ast.With):
            for call in (item.context_expr for item in node.items):
                if isinstance(call, ast.Call) and facts.called_name(call) == "contextlib.suppress":
                    catches_all = is_broad(facts, call.args, node in exit_code_scope.nodes)
                    if catches_all and not only_cleans_up_or_imports(node):
                        message = f"`{ast.unparse(call)}` swallows every failure"
                        yield call, message, "suppress what may happen here"
        elif node in exit_code_scope.nodes:
            for part in (
                one for last in getattr(node, "finalbody", []) for one in walk_scope(last)
            ):
                if isinstance(part, ast.Return):
                    is_hidden = not _returns_what_failed(facts, node, part)
                else:
                    is_hidden = exits_with_success(facts, part)
                if is_hidden:
                    message = f"`{ast.unparse(part)}` in finally swallows every failure"
                    yield part, message, "move it out of the finally"
    yield from _success_after_error(facts, exit_code_scope)
    yield from _unused_codes(facts, exit_code_scope)


def _returns_what_failed(facts: Syntax, attempt: ast.AST, result: ast.Return) -> bool:
    """Whether a `finally` returns what a handler before it has set, or left as it was."""
    names = {one.id for one in ast.walk(result) if isinstance(one, ast.Name)}
    for handler in getattr(attempt, "handlers", []):
        told = {
            part.id
            for part in walk_scope(handler)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        is_told = names & (told | undone_names(facts, handler))
        if is_told and is_broad(facts, exception_types(handler), True):
            return True
    return False


def _unused_codes(facts: Syntax, scope: ExitCodeScope) -> Iterator[tuple[ast.AST, str, str]]:
    """Each exit code that main returns, where nobody ends with it."""
    for node in facts.nodes:
        if not isinstance(node, ast.Return) or node not in scope.unused_results:
            continue
        value = node.value
        is_code = isinstance(value, ast.Constant) and type(value.value) is int and value.value
        handlers = [one for one in facts.ancestors(node) if isinstance(one, ast.ExceptHandler)]
        if is_code and not any(is_broad(facts, exception_types(one), True) for one in handlers):
            message = f"`{ast.unparse(node)}` is no exit code: nobody ends with it"
            yield node, message, "call it as sys.exit(main(...))"


def _only_logs(subject: Subject, facts: Syntax, handler: ast.ExceptHandler) -> bool:
    """Whether a handler in a function logs an error and goes on as if nothing had happened."""
    statements = [one for one in handler.body if not _returns_nothing(one)]
    calls = [one.value for one in statements if isinstance(one, ast.Expr)]
    if len(calls) != len(statements) or not all(isinstance(one, ast.Call) for one in calls):
        return False
    names = [facts.called_name(one) for one in calls if isinstance(one, ast.Call)]
    is_logged = any(name.rpartition(".")[2] in _ERROR_LEVELS for name in names)
    function = _function_of(facts, handler)
    if not is_logged or function is None or _is_followed(facts, handler):
        return False
    called = {function.name, *_decorated_with(subject, facts, function)}
    uses = [
        one.is_value_unused(node)
        for one in subject.syntaxes()
        for node in one.calls()
        if one.called_name(node).rpartition(".")[2] in called
    ]
    return bool(uses) and all(uses)


def _returns_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Return) and is_success(node.value))


def _decorated_with(subject: Subject, facts: Syntax, function: Function) -> Iterator[str]:
    """The functions that a decorator replaces with this one, which is defined in it."""
    outer = _function_of(facts, function)
    if outer is None:
        return
    for syntax in subject.syntaxes():
        for node in syntax.nodes:
            for decorator in node.decorator_list if isinstance(node, Function) else ():
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if syntax.dotted_name(called).rpartition(".")[2] == outer.name:
                    yield getattr(node, "name", "")


def _gives_up(facts: Syntax, handler: ast.ExceptHandler) -> bool:
    """Whether a function tries something in a loop, and returns nothing when that never works."""
    attempt = facts.parents[handler]
    loop = facts.parents.get(attempt)
    function = _function_of(facts, handler)
    if not isinstance(loop, ast.For | ast.While) or function is None or loop.orelse:
        return False
    results = [
        one.value
        for statement in getattr(attempt, "body", [])
        for one in walk_scope(statement)
        if isinstance(one, ast.Return)
    ]
    gives = any(one is not None and not is_success(one) for one in results)
    leaves = any(isinstance(one, ast.Break | ast.Return) for one in walk_scope(handler))
    return gives and not leaves and function.body[-1] is loop


def _is_followed(facts: Syntax, handler: ast.ExceptHandler) -> bool:
    """Whether what was tried is tried again, or in another way, after the handler."""
    attempt = facts.parents[handler]
    outer = facts.parents.get(attempt)
    if isinstance(outer, ast.For | ast.While):
        return True
    body: list[ast.stmt] = getattr(outer, "body", [])
    return attempt in body and body.index(attempt) < len(body) - 1


def _success_after_error(facts: Syntax, scope: ExitCodeScope) -> Iterator[tuple[ast.AST, str, str]]:
    """Each exit with 0, or return of 0 from main, whose statement before logs an error."""
    for node in facts.nodes:
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if not isinstance(body, list):
                continue
            if isinstance(node, ast.ExceptHandler) and is_broad(
                facts, exception_types(node), node in scope.nodes
            ):
                continue
            for first, second in pairwise(body):
                if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Call)):
                    continue
                name = facts.called_name(first.value)
                owner, _, method = name.rpartition(".")
                exits = second.value if isinstance(second, ast.Expr) else None
                if isinstance(second, ast.Raise):
                    exits = second.exc
                if isinstance(second, ast.Return) and second in scope.nodes:
                    is_zero = isinstance(second.value, ast.Constant) and second.value.value == 0
                    exits = second.value if is_zero and scope.uses_results else None
                is_logged = method in _ERROR_LEVELS and "log" in owner.lower()
                is_success = isinstance(second, ast.Return) or (
                    exits is not None and exits_with_success(facts, exits)
                )
                if is_logged and exits is not None and is_success:
                    message = f"`{ast.unparse(second)}` ends a failure that is logged with 0"
                    yield exits, message, "end with sys.exit(1)"


def unread_results(subject: Subject) -> Iterator[Problem]:
    """Each piece of work that is handed to an executor, and whose result is never asked for."""
    for facts in subject.syntaxes():
        modules = {name.partition(".")[0] for name in facts.imports.values()}
        for node in _unread_tasks(facts) if "asyncio" in modules else ():
            message = f"an exception in `{ast.unparse(node)}` is never seen"
            fix = "await it without return_exceptions, or look at what it returns"
            yield subject.at_node(facts, "STEP503", message, fix, node)
        if not modules & {"concurrent", "multiprocessing"}:
            continue
        for node in facts.calls():
            if not isinstance(node.func, ast.Attribute):
                continue
            owner, method = node.func.value, node.func.attr
            is_kept = not facts.is_value_unused(node)
            is_handed = method in _HANDED or (
                method == "map" and "concurrent" in modules and not is_kept
            )
            is_told = any(one.arg == "error_callback" for one in node.keywords)
            if not is_handed or is_told or (is_kept and _is_asked(subject, method)):
                continue
            if _is_executor(facts, owner):
                message = f"an exception in `{ast.unparse(node)}` is never seen"
                fix = "call result()" if is_kept else "keep the future, and call result()"
                yield subject.at_node(facts, "STEP503", message, fix, node)


def _is_asked(subject: Subject, method: str) -> bool:
    """Whether code somewhere asks for results of work that was handed over so."""
    is_of_pool = method != "submit"
    for facts in subject.syntaxes():
        for node in facts.nodes:
            name = node.attr if isinstance(node, ast.Attribute) else ""
            if name in _ASKS or (is_of_pool and name == "successful"):
                return True
            # With an argument it is that of a mapping.
            is_get = isinstance(node, ast.Call) and facts.called_name(node).endswith(".get")
            if is_of_pool and is_get and not getattr(node, "args", []):
                return True
    return False


def _unread_tasks(facts: Syntax) -> Iterator[ast.Call]:
    """The tasks that are started and never awaited, or awaited with their failures kept."""
    for node in facts.calls():
        name = facts.called_name(node)
        outer = facts.parents.get(node)
        if name in _TASKS and isinstance(outer, ast.Expr):
            yield node
        elif name == "asyncio.gather" and isinstance(outer, ast.Await):
            words = {one.arg: one.value for one in node.keywords}
            kept = words.get("return_exceptions")
            function = _function_of(facts, node) or facts.tree
            # Tasks that were cancelled are waited for so, and others may be asked one by one.
            are_asked = any(
                isinstance(one, ast.Attribute) and one.attr in _ASKING for one in ast.walk(function)
            )
            is_kept = getattr(kept, "value", None) is True and not are_asked
            if facts.is_value_unused(outer) and is_kept:
                yield node


def _is_executor(facts: Syntax, owner: ast.expr) -> bool:
    name = owner.id if isinstance(owner, ast.Name) else None
    made: list[ast.expr] = [owner] if isinstance(owner, ast.Call) else []
    for node in facts.nodes:
        if isinstance(node, ast.withitem) and getattr(node.optional_vars, "id", "") == name:
            made.append(node.context_expr)
        elif isinstance(node, ast.Assign) and name is not None:
            made += [node.value for one in node.targets if getattr(one, "id", "") == name]
    return any(
        isinstance(one, ast.Call)
        and facts.called_name(one).endswith(("PoolExecutor", ".Pool", "ThreadPool"))
        for one in made
    )


class ExitCodeScope:
    """The code that decides the exit code: the top level, main, and the callers of main.

    `nodes` are its nodes, `unused_results` those in functions whose result no caller uses.
    """

    def __init__(self, facts: Syntax) -> None:
        """Collect main and its direct and indirect callers."""
        names = {"main"}
        if "main" not in facts.functions:
            names |= _exit_codes(facts) or _only_call(facts)
        calls = {
            name: {
                facts.called_name(part) for part in walk_scope(node) if isinstance(part, ast.Call)
            }
            for name, node in facts.functions.items()
        }
        while more := {name for name in calls.keys() - names if calls[name] & names}:
            names |= more
        statements = [
            one for one in facts.tree.body if not isinstance(one, Function | ast.ClassDef)
        ]
        self.nodes = {part for one in statements for part in walk_scope(one)}
        self.unused_results: set[ast.AST] = set()
        self.uses_results = False
        for name in names & facts.functions.keys():
            parts = set(walk_scope(facts.functions[name]))
            self.nodes |= parts
            uses = [node for node in facts.calls() if facts.called_name(node) == name]
            if uses and all(facts.is_value_unused(node) for node in uses):
                self.unused_results |= parts
            elif uses:
                self.uses_results = True


def _exit_codes(facts: Syntax) -> set[str]:
    """The functions whose results a script without main ends with: `sys.exit(run())`."""
    names: set[str] = set()
    for call in facts.calls():
        given = call.args[:1] if facts.called_name(call) in EXITS else []
        for part in (part for one in given for part in ast.walk(one)):
            value = facts.constants.get(part.id) if isinstance(part, ast.Name) else part
            if isinstance(value, ast.Call):
                names.add(facts.called_name(value))
    return names & facts.functions.keys()


def _only_call(facts: Syntax) -> set[str]:
    """The function that does the work of a script without main: the only one that it calls."""
    own = {
        facts.called_name(node.value)
        for node in facts.top_level
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    } & facts.functions.keys()
    return own if len(own) == 1 else set()
