"""Failures: whether the script lets them become its exit code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function, own

_BROAD = ("BaseException", "Exception")
_EXITS = ("sys.exit", "os._exit", "exit", "quit", "SystemExit")
_DEATHS = ("os.abort", "os.kill", "signal.raise_signal")
# Keeps the error for later: errors.append(error).
_KEEPERS = ("append", "add", "extend", "put", "put_nowait")
# A failure of these alone harms nobody.
_TIDYING = (
    *("close", "unlink", "remove", "rmdir", "rmtree", "removedirs", "cleanup", "clean_up"),
    *("flush", "shutdown", "terminate", "kill", "stop", "join", "release"),
)
_FIX = "raise again, or end with sys.exit(1)"


def hidden_failure(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """Each place that swallows a failure where the exit code is made.

    `except:` and `except BaseException` swallow it everywhere, since they catch `SystemExit`;
    `except Exception` does in main, in what calls main, and on the top level. So does
    `contextlib.suppress`, and a `finally` that returns or exits.
    """
    deciding = _Deciding(facts)
    for node in facts.nodes:
        if isinstance(node, ast.ExceptHandler):
            decides = node in deciding.nodes
            broad = _is_broad(facts, _kinds(node.type), decides)
            if not broad or _is_harmless(facts.parents[node]):
                continue
            if not goes_on(facts, node):
                what = f"`{_head(node)}` swallows every failure, and the exit code stays 0"
                yield facts.problem("H502", what, _FIX, node)
            elif node in deciding.dropped and not _goes_on(facts, node, by_return=False):
                what = f"`{_head(node)}` returns what nobody makes an exit code of"
                fix = "raise again, or call it as sys.exit(main(...))"
                yield facts.problem("H502", what, fix, node)
        elif isinstance(node, ast.With):
            for call in (item.context_expr for item in node.items):
                if isinstance(call, ast.Call) and facts.called(call) == "contextlib.suppress":
                    broad = _is_broad(facts, call.args, node in deciding.nodes)
                    if broad and not _is_harmless(node):
                        what = f"`{ast.unparse(call)}` swallows every failure"
                        yield facts.problem("H502", what, "suppress what may happen here", call)
        elif node in deciding.nodes:
            for part in (one for last in getattr(node, "finalbody", []) for one in own(last)):
                if isinstance(part, ast.Return) or _ends_well(facts, part):
                    assert isinstance(part, ast.stmt | ast.expr)
                    what = f"`{ast.unparse(part)}` in finally swallows every failure"
                    yield facts.problem("H502", what, "move it out of the finally", part)


class _Deciding:
    """Where the exit code is made: the top level, main, and each function that calls such a one.

    In `dropped` are the parts of those whose value nobody looks at.
    """

    def __init__(self, facts: Facts) -> None:
        """Go from main outwards."""
        names = {"main"}
        calls = {
            name: {facts.called(part) for part in own(node) if isinstance(part, ast.Call)}
            for name, node in facts.functions.items()
        }
        while more := {name for name in calls.keys() - names if calls[name] & names}:
            names |= more
        statements = [
            one for one in facts.tree.body if not isinstance(one, Function | ast.ClassDef)
        ]
        self.nodes = {part for one in statements for part in own(one)}
        self.dropped: set[ast.AST] = set()
        for name in names & facts.functions.keys():
            parts = set(own(facts.functions[name]))
            self.nodes |= parts
            uses = [node for node in facts.calls() if facts.called(node) == name]
            if uses and all(facts.is_dropped(node) for node in uses):
                self.dropped |= parts


def goes_on(facts: Facts, node: ast.ExceptHandler) -> bool:
    """Whether the failure goes on from here: raised, returned, kept, or made the exit code."""
    return _goes_on(facts, node, by_return=True)


def _goes_on(facts: Facts, node: ast.ExceptHandler, by_return: bool) -> bool:
    for part in own(node):
        if by_return and isinstance(part, ast.Return) and not _is_nothing(part.value):
            return True
        if _fails(facts, part) or _keeps(facts, node, part):
            return True
        called = facts.functions.get(facts.called(part)) if isinstance(part, ast.Call) else None
        if called is not None and any(_fails(facts, one) for one in own(called)):
            return True
    return False


def _fails(facts: Facts, node: ast.AST) -> bool:
    """Whether a node raises, or ends the process with another exit code than 0."""
    if isinstance(node, ast.Raise):
        return node.exc is None or not _ends_well(facts, node.exc)
    if not isinstance(node, ast.Call):
        return False
    name = facts.called(node)
    if name in _EXITS:
        return not _ends_well(facts, node)
    return name in _DEATHS or _is_parsers(facts, node)


def _is_parsers(facts: Facts, node: ast.Call) -> bool:
    """Whether it is `parser.error(...)`, which exits with 2."""
    if not (isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
        return False
    made = facts.constants.get(node.func.value.id)
    is_parser = isinstance(made, ast.Call) and facts.called(made).endswith("ArgumentParser")
    return is_parser and node.func.attr == "error"


def _ends_well(facts: Facts, node: ast.AST) -> bool:
    """Whether a node ends the process with exit code 0."""
    if isinstance(node, ast.Call):
        return facts.called(node) in _EXITS and _is_nothing(*node.args[:1])
    return isinstance(node, ast.expr) and facts.dotted(node) == "SystemExit"


def _is_nothing(node: ast.expr | None = None) -> bool:
    """Whether a value is none, or an exit code that says success."""
    return node is None or (
        isinstance(node, ast.Constant) and node.value in (0, None) and node.value is not False
    )


def _keeps(facts: Facts, handler: ast.ExceptHandler, node: ast.AST) -> bool:
    """Whether a node in a handler keeps something that is looked at after it.

    An error that is put aside (`errors.append(error)`), an exit code, a value to go on with.
    """
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPERS
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    if any(isinstance(one, ast.Attribute | ast.Subscript) for one in targets):
        return True
    names = {part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)}
    return any(
        handler not in facts.around(use) for name in names for use in facts.uses.get(name, ())
    )


def _is_broad(facts: Facts, kinds: list[ast.expr] | None, decides: bool) -> bool:
    """Whether it is all that is caught: with `SystemExit`, or where the exit code is made."""
    if kinds is None:
        return True
    names = {facts.dotted(kind).rpartition(".")[2] for kind in kinds}
    return "BaseException" in names or (decides and "Exception" in names)


def _kinds(kind: ast.expr | None) -> list[ast.expr] | None:
    return kind.elts if isinstance(kind, ast.Tuple) else None if kind is None else [kind]


def _is_harmless(node: ast.AST) -> bool:
    """Whether all that is tried or done in a block is to tidy up, or to import."""
    body: list[ast.stmt] = getattr(node, "body", [])
    return all(_tidies(one) or isinstance(one, ast.Import | ast.ImportFrom) for one in body)


def _tidies(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    return getattr(call.func, "attr", getattr(call.func, "id", "")) in _TIDYING


def _head(node: ast.ExceptHandler) -> str:
    return "except:" if node.type is None else f"except {ast.unparse(node.type)}:"
