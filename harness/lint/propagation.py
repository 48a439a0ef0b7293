"""What becomes of a failure that a handler catches: whether it is passed on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from harness.lint.syntax import Function, Syntax, walk_scope

EXITS = ("sys.exit", "os._exit", "exit", "quit", "SystemExit")
_ABORTS = ("os.abort", "os.kill", "signal.raise_signal")
# Methods that store an error for later: errors.append(error).
_COLLECTORS = ("append", "add", "extend", "put", "put_nowait")
# A failure of these functions may be ignored.
_CLEANUP_FUNCTIONS = (
    *("close", "unlink", "remove", "rmdir", "rmtree", "removedirs", "cleanup", "clean_up"),
    *("flush", "shutdown", "terminate", "kill", "stop", "join", "release"),
)


def propagates(facts: Syntax, node: ast.ExceptHandler) -> bool:
    """Whether a handler passes the failure on: it raises, returns, stores or exits with it."""
    return passes_on(facts, node, by_return=True)


def passes_on(facts: Syntax, node: ast.ExceptHandler, by_return: bool) -> bool:
    """The same; a returned value counts where `by_return` is true."""
    for part in walk_scope(node):
        if by_return and isinstance(part, ast.Return) and not is_success(part.value):
            return True
        if _fails(facts, part) or _stores_for_later(facts, node, part):
            return True
        called = (
            facts.functions.get(facts.called_name(part)) if isinstance(part, ast.Call) else None
        )
        if called is not None and any(_fails(facts, one) for one in walk_scope(called)):
            return True
    return False


def undone_names(facts: Syntax, handler: ast.ExceptHandler) -> set[str]:
    """The names that still tell of the failure behind a handler.

    `code = 1` before the `try` and `code = 0` in it: where it fails, the code stays 1. Of the names
    that the handler sets itself, `passes_on` knows.
    """
    attempt = facts.parents[handler]
    function = next((one for one in facts.ancestors(attempt) if isinstance(one, Function)), None)
    scope = [*walk_scope(function or facts.tree)]
    before = {
        name
        for name, value, line in _constants_set(scope)
        if not is_success(value) and line < getattr(attempt, "lineno", 0)
    }
    body = [part for one in getattr(attempt, "body", []) for part in walk_scope(one)]
    done = {name for name, _, _ in _constants_set(body)}
    return (before & done) - {name for name, _, _ in _constants_set([*walk_scope(handler)])}


def ends_with(facts: Syntax, names: set[str], after: ast.AST, by_return: bool) -> bool:
    """Whether the function, or the script, that `after` is in ends with one of these names.

    It makes an exit code of it, fails where a test of it says so, or returns it, which counts where
    `by_return` is true.
    """
    function = next((one for one in facts.ancestors(after) if isinstance(one, Function)), None)
    for node in walk_scope(function or facts.tree):
        asked: ast.AST | None = None
        if isinstance(node, ast.Return):
            asked = node.value if by_return else None
        elif isinstance(node, ast.Call) and facts.called_name(node) in EXITS:
            asked = node
        elif isinstance(node, ast.If) and any(
            _fails(facts, part)
            or (by_return and isinstance(part, ast.Return) and not is_success(part.value))
            for one in (*node.body, *node.orelse)
            for part in walk_scope(one)
        ):
            asked = node.test
        if asked is not None and names & {
            one.id for one in ast.walk(asked) if isinstance(one, ast.Name)
        }:
            return True
    return False


def _constants_set(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.Constant, int]]:
    """Each name that is set to a constant, with the constant and the line."""
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value, node.lineno


def _fails(facts: Syntax, node: ast.AST) -> bool:
    """Whether a node raises, or ends the process with an exit code other than 0."""
    if isinstance(node, ast.Raise):
        return node.exc is None or not exits_with_success(facts, node.exc)
    if not isinstance(node, ast.Call):
        return False
    name = facts.called_name(node)
    if name in EXITS:
        return not exits_with_success(facts, node)
    return name in _ABORTS or _is_parser_error(facts, node)


def _is_parser_error(facts: Syntax, node: ast.Call) -> bool:
    """Whether the call is `parser.error(...)`, which exits with 2."""
    if not (isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
        return False
    value = facts.constants.get(node.func.value.id)
    is_parser = isinstance(value, ast.Call) and facts.called_name(value).endswith("ArgumentParser")
    return is_parser and node.func.attr == "error"


def exits_with_success(facts: Syntax, node: ast.AST) -> bool:
    """Whether a node ends the process with exit code 0."""
    if isinstance(node, ast.Call):
        return facts.called_name(node) in EXITS and is_success(*node.args[:1])
    return isinstance(node, ast.expr) and facts.dotted_name(node) == "SystemExit"


def is_success(node: ast.expr | None = None) -> bool:
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


def is_broad(facts: Syntax, types: list[ast.expr] | None, in_exit_code_scope: bool) -> bool:
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


def only_cleans_up_or_imports(node: ast.AST) -> bool:
    """Whether a block only cleans up or imports."""
    body: list[ast.stmt] = getattr(node, "body", [])
    return all(_is_cleanup(one) or isinstance(one, ast.Import | ast.ImportFrom) for one in body)


def _is_cleanup(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in _CLEANUP_FUNCTIONS


def except_clause(node: ast.ExceptHandler) -> str:
    """How a handler begins, for messages."""
    return "except:" if node.type is None else f"except {ast.unparse(node.type)}:"
