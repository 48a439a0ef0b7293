"""Failures: whether they reach the exit code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax, walk_scope
from harness.worlds.tree import is_under

_BROAD = ("BaseException", "Exception")
_EXITS = ("sys.exit", "os._exit", "exit", "quit", "SystemExit")
_ABORTS = ("os.abort", "os.kill", "signal.raise_signal")
# Methods that store an error for later: errors.append(error).
_COLLECTORS = ("append", "add", "extend", "put", "put_nowait")
# A failure of these functions may be ignored.
_CLEANUP_FUNCTIONS = (
    *("close", "unlink", "remove", "rmdir", "rmtree", "removedirs", "cleanup", "clean_up"),
    *("flush", "shutdown", "terminate", "kill", "stop", "join", "release"),
)
_ERROR_LEVELS = ("error", "exception", "critical", "fatal")
# Methods of executors that keep an exception for whoever asks for the result.
_HANDED = ("submit", "apply_async", "map_async", "starmap_async")
_FIX = "raise again, or end with sys.exit(1)"
# They give an exit code, and raise nothing.
_PROGRAMS = ("subprocess.run", "subprocess.call", "os.system")
_UNCHECKED = ast.Constant(False)
_ROOT = "/opt/ml"


def hidden_failure(subject: Subject) -> Iterator[Problem]:
    """Each place that keeps a failure from the exit code.

    `except:` and `except BaseException` count everywhere, since they catch `SystemExit`, and
    `except Exception` in main, in callers of main and on the top level; in other functions where
    the failure is logged as an error and nothing else. So do `contextlib.suppress`, a `finally`
    that returns or exits, and an exit with 0 behind a logged error.
    """
    for node, message, fix in _hidden(subject.script, subject.facts.failing):
        yield subject.at_node(subject.script, "STEP502", message, fix, node)
    required = [
        path for one in subject.contract.inputs.values() if one.required for path in one.mounts
    ]
    for path, place in subject.facts.excused.items():
        if any(is_under(path, one) for one in required):
            message = f"without {path}, of an input that is required, the script ends with 0"
            yield subject.problem("STEP502", message, "end with sys.exit(1)", place)


def unchecked_programs(subject: Subject) -> Iterator[Problem]:
    """Each program that is given a folder of the job, and whose exit code nobody looks at."""
    given = {one.place for one in subject.facts.paths if one.path.startswith(_ROOT)}
    given |= {place for _, place in subject.facts.texts}
    lines = {(one.file, one.line, one.column) for one in given}
    for facts in subject.syntaxes():
        for node in facts.calls():
            name = facts.called_name(node)
            if name not in _PROGRAMS or not facts.is_value_unused(node):
                continue
            words = {one.arg: one.value for one in node.keywords}
            is_checked = None in words or not isinstance(
                words.get("check", _UNCHECKED), ast.Constant
            )
            check = words.get("check")
            is_checked = is_checked or (isinstance(check, ast.Constant) and check.value is True)
            problem = subject.at_node(facts, "STEP502", "", "", node)
            if not is_checked and (problem.file, problem.line, problem.column) in lines:
                message = f"{name}() may fail, and nobody looks at its exit code"
                fix = "subprocess.run(..., check=True)"
                yield subject.at_node(facts, "STEP502", message, fix, node)


def _hidden(facts: Syntax, failing: set[ast.AST]) -> Iterator[tuple[ast.AST, str, str]]:
    exit_code_scope = _ExitCodeScope(facts)
    for node in facts.nodes:
        if isinstance(node, ast.ExceptHandler):
            in_exit_code_scope = node in exit_code_scope.nodes or _only_logs(facts, node)
            is_broad = _is_broad(facts, exception_types(node), in_exit_code_scope)
            if not is_broad or _only_cleans_up_or_imports(facts.parents[node]):
                continue
            if not propagates(facts, node):
                if node in failing:
                    continue
                message = (
                    f"`{_except_clause(node)}` swallows every failure, and the exit code stays 0"
                )
                yield node, message, _FIX
            elif node in exit_code_scope.unused_results and not (
                node in failing or _propagates(facts, node, by_return=False)
            ):
                message = f"`{_except_clause(node)}` returns what nobody makes an exit code of"
                yield node, message, "raise again, or call it as sys.exit(main(...))"
        elif isinstance(node, ast.With):
            for call in (item.context_expr for item in node.items):
                if isinstance(call, ast.Call) and facts.called_name(call) == "contextlib.suppress":
                    is_broad = _is_broad(facts, call.args, node in exit_code_scope.nodes)
                    if is_broad and not _only_cleans_up_or_imports(node):
                        message = f"`{ast.unparse(call)}` swallows every failure"
                        yield call, message, "suppress what may happen here"
        elif node in exit_code_scope.nodes:
            for part in (
                one for last in getattr(node, "finalbody", []) for one in walk_scope(last)
            ):
                if isinstance(part, ast.Return) or _exits_with_success(facts, part):
                    message = f"`{ast.unparse(part)}` in finally swallows every failure"
                    yield part, message, "move it out of the finally"
    yield from _success_after_error(facts, exit_code_scope)
    yield from _unused_codes(facts, exit_code_scope)


def _unused_codes(facts: Syntax, scope: _ExitCodeScope) -> Iterator[tuple[ast.AST, str, str]]:
    """Each exit code that main returns, where nobody ends with it."""
    for node in facts.nodes:
        if not isinstance(node, ast.Return) or node not in scope.unused_results:
            continue
        value = node.value
        is_code = isinstance(value, ast.Constant) and type(value.value) is int and value.value
        handlers = [one for one in facts.ancestors(node) if isinstance(one, ast.ExceptHandler)]
        if is_code and not any(_is_broad(facts, exception_types(one), True) for one in handlers):
            message = f"`{ast.unparse(node)}` is no exit code: nobody ends with it"
            yield node, message, "call it as sys.exit(main(...))"


def _only_logs(facts: Syntax, handler: ast.ExceptHandler) -> bool:
    """Whether a handler in a function logs an error and goes on as if nothing had happened."""
    statements = handler.body
    calls = [one.value for one in statements if isinstance(one, ast.Expr)]
    if len(calls) != len(statements) or not all(isinstance(one, ast.Call) for one in calls):
        return False
    names = [facts.called_name(one) for one in calls if isinstance(one, ast.Call)]
    is_logged = any(name.rpartition(".")[2] in _ERROR_LEVELS for name in names)
    function = next((one for one in facts.ancestors(handler) if isinstance(one, Function)), None)
    if not is_logged or function is None or _is_followed(facts, handler):
        return False
    uses = [node for node in facts.calls() if facts.called_name(node) == function.name]
    return bool(uses) and all(facts.is_value_unused(node) for node in uses)


def _is_followed(facts: Syntax, handler: ast.ExceptHandler) -> bool:
    """Whether what was tried is tried again, or in another way, after the handler."""
    attempt = facts.parents[handler]
    outer = facts.parents.get(attempt)
    if isinstance(outer, ast.For | ast.While):
        return True
    body: list[ast.stmt] = getattr(outer, "body", [])
    return attempt in body and body.index(attempt) < len(body) - 1


def _success_after_error(
    facts: Syntax, scope: _ExitCodeScope
) -> Iterator[tuple[ast.AST, str, str]]:
    """Each exit with 0, or return of 0 from main, whose statement before logs an error."""
    for node in facts.nodes:
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if not isinstance(body, list):
                continue
            if isinstance(node, ast.ExceptHandler) and _is_broad(
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
                    exits is not None and _exits_with_success(facts, exits)
                )
                if is_logged and exits is not None and is_success:
                    message = f"`{ast.unparse(second)}` ends a failure that is logged with 0"
                    yield exits, message, "end with sys.exit(1)"


def unread_results(subject: Subject) -> Iterator[Problem]:
    """Each piece of work that is handed to an executor, and whose result is never asked for."""
    for facts in subject.syntaxes():
        modules = {name.partition(".")[0] for name in facts.imports.values()}
        if not modules & {"concurrent", "multiprocessing"}:
            continue
        for node in facts.calls():
            if not isinstance(node.func, ast.Attribute) or not facts.is_value_unused(node):
                continue
            owner = node.func.value
            is_handed = node.func.attr in _HANDED or (
                node.func.attr == "map" and "concurrent" in modules
            )
            if is_handed and _is_executor(facts, owner):
                message = f"an exception in `{ast.unparse(node)}` is never seen"
                fix = "keep the future, and call result()"
                yield subject.at_node(facts, "STEP503", message, fix, node)


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


class _ExitCodeScope:
    """The code that decides the exit code: the top level, main, and the callers of main.

    `nodes` are its nodes, `unused_results` those in functions whose result no caller uses.
    """

    def __init__(self, facts: Syntax) -> None:
        """Collect main and its direct and indirect callers."""
        names = {"main"}
        if "main" not in facts.functions:
            names |= _only_call(facts)
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


def _only_call(facts: Syntax) -> set[str]:
    """The function that does the work of a script without main: the only one that it calls."""
    own = {
        facts.called_name(node.value)
        for node in facts.top_level
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    } & facts.functions.keys()
    return own if len(own) == 1 else set()


def propagates(facts: Syntax, node: ast.ExceptHandler) -> bool:
    """Whether a handler passes the failure on: it raises, returns, stores or exits with it."""
    return _propagates(facts, node, by_return=True)


def _propagates(facts: Syntax, node: ast.ExceptHandler, by_return: bool) -> bool:
    for part in walk_scope(node):
        if by_return and isinstance(part, ast.Return) and not _is_success(part.value):
            return True
        if _fails(facts, part) or _stores_for_later(facts, node, part):
            return True
        called = (
            facts.functions.get(facts.called_name(part)) if isinstance(part, ast.Call) else None
        )
        if called is not None and any(_fails(facts, one) for one in walk_scope(called)):
            return True
    return False


def _fails(facts: Syntax, node: ast.AST) -> bool:
    """Whether a node raises, or ends the process with an exit code other than 0."""
    if isinstance(node, ast.Raise):
        return node.exc is None or not _exits_with_success(facts, node.exc)
    if not isinstance(node, ast.Call):
        return False
    name = facts.called_name(node)
    if name in _EXITS:
        return not _exits_with_success(facts, node)
    return name in _ABORTS or _is_parser_error(facts, node)


def _is_parser_error(facts: Syntax, node: ast.Call) -> bool:
    """Whether the call is `parser.error(...)`, which exits with 2."""
    if not (isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
        return False
    value = facts.constants.get(node.func.value.id)
    is_parser = isinstance(value, ast.Call) and facts.called_name(value).endswith("ArgumentParser")
    return is_parser and node.func.attr == "error"


def _exits_with_success(facts: Syntax, node: ast.AST) -> bool:
    """Whether a node ends the process with exit code 0."""
    if isinstance(node, ast.Call):
        return facts.called_name(node) in _EXITS and _is_success(*node.args[:1])
    return isinstance(node, ast.expr) and facts.dotted_name(node) == "SystemExit"


def _is_success(node: ast.expr | None = None) -> bool:
    """Whether a return value or exit code means success: missing, None or 0."""
    return node is None or (
        isinstance(node, ast.Constant) and node.value in (0, None) and node.value is not False
    )


def _stores_for_later(facts: Syntax, handler: ast.ExceptHandler, node: ast.AST) -> bool:
    """Whether a node in a handler stores a value that is used after the handler.

    Such as an error (`errors.append(error)`), an exit code or a default.
    """
    if isinstance(node, ast.Call):
        is_collector = isinstance(node.func, ast.Attribute) and node.func.attr in _COLLECTORS
        return is_collector or _is_stored_by(facts, handler, node)
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    if any(isinstance(one, ast.Attribute | ast.Subscript) for one in targets):
        return True
    names = {part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)}
    return any(
        handler not in facts.ancestors(use) for name in names for use in facts.uses.get(name, ())
    )


def _is_stored_by(facts: Syntax, handler: ast.ExceptHandler, node: ast.Call) -> bool:
    """Whether a function of the script gets the exception and keeps it."""
    given = {one.id for one in node.args if isinstance(one, ast.Name)}
    if handler.name is None or handler.name not in given:
        return False
    name = facts.called_name(node).rpartition(".")[2]
    called = [one for one in facts.nodes if isinstance(one, Function) and one.name == name]
    for function in called:
        for part in ast.walk(function):
            target = part.targets[0] if isinstance(part, ast.Assign) else None
            if isinstance(target, ast.Attribute | ast.Subscript):
                return True
            method = part.func if isinstance(part, ast.Call) else None
            if isinstance(method, ast.Attribute) and method.attr in _COLLECTORS:
                return True
    return False


def _is_broad(facts: Syntax, types: list[ast.expr] | None, in_exit_code_scope: bool) -> bool:
    """Whether these types catch every failure, also `SystemExit` outside the exit code scope."""
    if types is None:
        return True
    names = {facts.dotted_name(one).rpartition(".")[2] for one in types}
    return "BaseException" in names or (in_exit_code_scope and "Exception" in names)


def exception_types(handler: ast.ExceptHandler) -> list[ast.expr] | None:
    """The exceptions that a handler names; None for a bare `except:`."""
    caught = handler.type
    if caught is None:
        return None
    return caught.elts if isinstance(caught, ast.Tuple) else [caught]


def _only_cleans_up_or_imports(node: ast.AST) -> bool:
    """Whether a block only cleans up or imports."""
    body: list[ast.stmt] = getattr(node, "body", [])
    return all(_is_cleanup(one) or isinstance(one, ast.Import | ast.ImportFrom) for one in body)


def _is_cleanup(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in _CLEANUP_FUNCTIONS


def _except_clause(node: ast.ExceptHandler) -> str:
    return "except:" if node.type is None else f"except {ast.unparse(node.type)}:"
