"""Threads and processes that a script starts by itself: whether anybody learns that they failed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax, walk_body
from harness.reading.facts import READING, WRITING
from harness.worlds.tree import is_under

_STARTERS = {
    "threading.Thread": "thread",
    "multiprocessing.Process": "process",
    "multiprocessing.get_context.Process": "process",
}
# Whoever has one of these learns of failures.
_LEARNING = ("excepthook", "exitcode", "sentinel")
_FIX = "use an executor and ask for result(), or look at exitcode"


def unseen_failures(subject: Subject) -> Iterator[Problem]:
    """Each thread or process that writes an output, and whose failure nobody learns of.

    The function may tell of it in many ways: it counts only where it catches, keeps and hands on
    nothing, and where nobody looks at the output afterwards.
    """
    for facts in subject.syntaxes():
        if any(isinstance(one, ast.Attribute) and one.attr in _LEARNING for one in facts.nodes):
            continue
        for node in facts.calls():
            what = _STARTERS.get(facts.called_name(node))
            target = next((one.value for one in node.keywords if one.arg == "target"), None)
            function = (
                facts.functions.get(target.id) if what and isinstance(target, ast.Name) else None
            )
            if function is None or _tells(function) or not _writes_unseen(subject, facts, function):
                continue
            message = f"a failure in {function.name} ends the {what} alone, and is never seen"
            yield subject.at_node(facts, "STEP503", message, _FIX, node)


def _tells(function: Function) -> bool:
    """Whether a function catches a failure, or hands on or keeps anything."""
    for node in walk_body(function):
        if isinstance(node, ast.Try | ast.Global | ast.Nonlocal):
            return True
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(one, ast.Attribute | ast.Subscript) for one in targets):
            return True
        called = node.func if isinstance(node, ast.Call) else None
        method = called.attr if isinstance(called, ast.Attribute) else ""
        if method in ("append", "put", "set", "add", "update", "send", "put_nowait"):
            return True
    return False


def _writes_unseen(subject: Subject, facts: Syntax, function: Function) -> bool:
    """Whether a function writes into an output at which nobody else looks."""
    lines = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    folders = subject.contract.output_folders
    written, looked_at = set(), set()
    for one in subject.facts.paths:
        is_own = one.place.file == facts.script and one.place.line in lines
        folder = next((path for path in folders if is_under(one.path, path)), None)
        if folder is not None and is_own and one.use in WRITING:
            written.add(folder)
        elif folder is not None and not is_own and one.use in (*READING, "test"):
            looked_at.add(folder)
    return bool(written - looked_at)
