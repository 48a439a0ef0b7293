"""Failures: whether they reach the exit code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function, walk_scope

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
_FIX = "raise again, or end with sys.exit(1)"


def hidden_failure(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """Each place that keeps a failure from the exit code.

    `except:` and `except BaseException` count everywhere, since they catch `SystemExit`, and
    `except Exception` in main, in callers of main and on the top level. So do
    `contextlib.suppress`, and a `finally` that returns or exits.
    """
    exit_code_scope = _ExitCodeScope(facts)
    for node in facts.nodes:
        if isinstance(node, ast.ExceptHandler):
            in_exit_code_scope = node in exit_code_scope.nodes
            is_broad = _is_broad(facts, exception_types(node), in_exit_code_scope)
            if not is_broad or _only_cleans_up_or_imports(facts.parents[node]):
                continue
            if not propagates(facts, node):
                message = (
                    f"`{_except_clause(node)}` swallows every failure, and the exit code stays 0"
                )
                yield facts.problem("H502", message, _FIX, node)
            elif node in exit_code_scope.unused_results and not _propagates(
                facts, node, by_return=False
            ):
                message = f"`{_except_clause(node)}` returns what nobody makes an exit code of"
                fix = "raise again, or call it as sys.exit(main(...))"
                yield facts.problem("H502", message, fix, node)
        elif isinstance(node, ast.With):
            for call in (item.context_expr for item in node.items):
                if isinstance(call, ast.Call) and facts.called_name(call) == "contextlib.suppress":
                    is_broad = _is_broad(facts, call.args, node in exit_code_scope.nodes)
                    if is_broad and not _only_cleans_up_or_imports(node):
                        message = f"`{ast.unparse(call)}` swallows every failure"
                        yield facts.problem("H502", message, "suppress what may happen here", call)
        elif node in exit_code_scope.nodes:
            for part in (
                one for last in getattr(node, "finalbody", []) for one in walk_scope(last)
            ):
                if isinstance(part, ast.Return) or _exits_with_success(facts, part):
                    assert isinstance(part, ast.stmt | ast.expr)
                    message = f"`{ast.unparse(part)}` in finally swallows every failure"
                    yield facts.problem("H502", message, "move it out of the finally", part)


class _ExitCodeScope:
    """The code that decides the exit code: the top level, main, and the callers of main.

    `nodes` are its nodes, `unused_results` those in functions whose result no caller uses.
    """

    def __init__(self, facts: Facts) -> None:
        """Collect main and its direct and indirect callers."""
        names = {"main"}
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
        for name in names & facts.functions.keys():
            parts = set(walk_scope(facts.functions[name]))
            self.nodes |= parts
            uses = [node for node in facts.calls() if facts.called_name(node) == name]
            if uses and all(facts.is_value_unused(node) for node in uses):
                self.unused_results |= parts


def propagates(facts: Facts, node: ast.ExceptHandler) -> bool:
    """Whether a handler passes the failure on: it raises, returns, stores or exits with it."""
    return _propagates(facts, node, by_return=True)


def _propagates(facts: Facts, node: ast.ExceptHandler, by_return: bool) -> bool:
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


def _fails(facts: Facts, node: ast.AST) -> bool:
    """Whether a node raises, or ends the process with an exit code other than 0."""
    if isinstance(node, ast.Raise):
        return node.exc is None or not _exits_with_success(facts, node.exc)
    if not isinstance(node, ast.Call):
        return False
    name = facts.called_name(node)
    if name in _EXITS:
        return not _exits_with_success(facts, node)
    return name in _ABORTS or _is_parser_error(facts, node)


def _is_parser_error(facts: Facts, node: ast.Call) -> bool:
    """Whether the call is `parser.error(...)`, which exits with 2."""
    if not (isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
        return False
    value = facts.constants.get(node.func.value.id)
    is_parser = isinstance(value, ast.Call) and facts.called_name(value).endswith("ArgumentParser")
    return is_parser and node.func.attr == "error"


def _exits_with_success(facts: Facts, node: ast.AST) -> bool:
    """Whether a node ends the process with exit code 0."""
    if isinstance(node, ast.Call):
        return facts.called_name(node) in _EXITS and _is_success(*node.args[:1])
    return isinstance(node, ast.expr) and facts.dotted_name(node) == "SystemExit"


def _is_success(node: ast.expr | None = None) -> bool:
    """Whether a return value or exit code means success: missing, None or 0."""
    return node is None or (
        isinstance(node, ast.Constant) and node.value in (0, None) and node.value is not False
    )


def _stores_for_later(facts: Facts, handler: ast.ExceptHandler, node: ast.AST) -> bool:
    """Whether a node in a handler stores a value that is used after the handler.

    Such as an error (`errors.append(error)`), an exit code or a default.
    """
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in _COLLECTORS
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


def _is_broad(facts: Facts, types: list[ast.expr] | None, in_exit_code_scope: bool) -> bool:
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
