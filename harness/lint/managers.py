"""Context managers of the script's own: whether they keep failures to themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.lint.failures import ExitCodeScope
from harness.lint.problem import Problem
from harness.lint.propagation import (
    exception_types,
    is_broad,
    only_cleans_up_or_imports,
    propagates,
)
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax, walk_body, walk_scope

_FIX = "let the exception through, or end with sys.exit(1)"
_EXITS = ("__exit__", "__aexit__")


def swallowing_managers(subject: Subject) -> Iterator[Problem]:
    """Each `with` around the work of the step whose manager lets no failure through."""
    facts = subject.script
    nodes = ExitCodeScope(facts).nodes
    for node in facts.nodes:
        if not isinstance(node, ast.With | ast.AsyncWith) or node not in nodes:
            continue
        for call in (one.context_expr for one in node.items):
            made = call.func if isinstance(call, ast.Call) else call
            name = facts.dotted_name(made).rpartition(".")[2]
            swallows = any(_swallows(one, name) for one in subject.syntaxes())
            if swallows and not only_cleans_up_or_imports(node):
                message = f"`with {ast.unparse(call)}` swallows every failure"
                yield subject.at_node(facts, "STEP502", message, _FIX, call)


def _swallows(facts: Syntax, name: str) -> bool:
    """Whether the function or class of this name makes a manager that keeps every failure."""
    for node in facts.nodes:
        if isinstance(node, Function) and node.name == name and _is_manager(facts, node):
            attempts = (one for one in walk_body(node) if isinstance(one, ast.Try))
            return any(_keeps(facts, one) for one in attempts)
        if isinstance(node, ast.ClassDef) and node.name == name:
            methods = (one for one in node.body if isinstance(one, Function))
            return any(one.name in _EXITS and _denies(facts, one) for one in methods)
    return False


def _is_manager(facts: Syntax, function: Function) -> bool:
    names = {facts.dotted_name(one).rpartition(".")[2] for one in function.decorator_list}
    return bool(names & {"contextmanager", "asynccontextmanager"})


def _keeps(facts: Syntax, attempt: ast.Try) -> bool:
    """Whether a `try` around the `yield` of a manager handles every failure."""
    yields = any(
        isinstance(one, ast.Yield) for statement in attempt.body for one in walk_scope(statement)
    )
    return yields and any(
        is_broad(facts, exception_types(one), True) and not propagates(facts, one)
        for one in attempt.handlers
    )


def _denies(facts: Syntax, method: Function) -> bool:
    """Whether `__exit__` returns True whatever the failure, and neither keeps nor raises it."""
    parts = [*walk_body(method)]
    if any(isinstance(one, ast.Raise) or _is_passed_on(one) for one in parts):
        return False
    for one in parts:
        is_true = (
            isinstance(one, ast.Return)
            and isinstance(one.value, ast.Constant)
            and one.value.value is True
        )
        around = [outer for outer in facts.ancestors(one) if outer in parts]
        tests = [outer.test for outer in around if isinstance(outer, ast.If)]
        # Whatever else is asked may be which failure it is.
        if is_true and all(_is_any_failure(test) for test in tests):
            return True
    return False


def _is_any_failure(test: ast.expr) -> bool:
    """Whether a condition only asks whether there is a failure."""
    if isinstance(test, ast.Compare):
        (operator,), (other,) = test.ops[:1], test.comparators[:1]
        is_none = isinstance(other, ast.Constant) and other.value is None
        return isinstance(test.left, ast.Name) and isinstance(operator, ast.IsNot) and is_none
    return isinstance(test, ast.Name)


def _is_passed_on(node: ast.AST) -> bool:
    """Whether a failure is kept for later, or ends the process."""
    if isinstance(node, ast.Assign):
        return any(isinstance(one, ast.Attribute | ast.Subscript) for one in node.targets)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name in ("exit", "_exit", "append", "put", "abort")
    return False
