"""Programs that a script starts: whether anybody looks at their exit codes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Syntax

# They give an exit code, and raise nothing.
_PROGRAMS = ("subprocess.run", "subprocess.call", "os.system")
_STARTED = "subprocess.Popen"
# They give what a program prints, and no exit code.
_PRINTING = ("os.popen", "subprocess.getoutput")
_IN_A_SHELL = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
# Whoever uses these looks at the exit code, or ends the program and need not.
_CODES = ("returncode", "check_returncode", "poll", "terminate", "kill", "send_signal")
_UNCHECKED = ast.Constant(False)
_ROOT = "/opt/ml"
_FIX = "subprocess.run(..., check=True)"


def unchecked_programs(subject: Subject) -> Iterator[Problem]:
    """Each program that is given a folder of the job, and whose exit code nobody looks at.

    That of a shell with several programs in a row is the last one's.
    """
    given = {one.place for one in subject.facts.paths if one.path.startswith(_ROOT)}
    given |= {place for _, place in subject.facts.texts}
    lines = {(one.file, one.line, one.column) for one in given}
    for facts in subject.syntaxes():
        for node in facts.calls():
            message, fix = _wrong_with(facts, node)
            problem = subject.at_node(facts, "STEP502", message, fix, node)
            if message and (problem.file, problem.line, problem.column) in lines:
                yield problem


def _wrong_with(facts: Syntax, node: ast.Call) -> tuple[str, str]:
    """Why the failure of a program is not seen, and what to do; "" where it is."""
    name = facts.called_name(node)
    words = {one.arg: one.value for one in node.keywords}
    if name in _PRINTING:
        return f"{name}() gives no exit code, whatever the program does", _FIX
    is_shell = name in _IN_A_SHELL or (
        name.startswith("subprocess.") and getattr(words.get("shell"), "value", None) is True
    )
    if is_shell and node.args and _hides_all_but_the_last(node.args[0]):
        fix = "set -o pipefail in bash, or start the programs one by one"
        return "only the last of the programs in this shell is looked at", fix
    check = words.get("check", _UNCHECKED)
    is_checked = None in words or not isinstance(check, ast.Constant) or check.value is True
    if name in _PROGRAMS and not is_checked and not _is_asked(facts, node, of_result=True):
        return f"{name}() may fail, and nobody looks at its exit code", _FIX
    if name == _STARTED and not _is_asked(facts, node, of_result=False):
        return f"{name}() may fail, and nobody looks at its exit code", _FIX
    return "", ""


def _is_asked(facts: Syntax, node: ast.Call, *, of_result: bool) -> bool:
    """Whether something is done with the exit code of a program.

    A call that waits for it has a result, and a process that is started has members.
    """
    outer = facts.parents.get(node)
    if isinstance(outer, ast.Expr):
        # Nobody waits for the end of one that is started: it may be meant to go on.
        return not of_result
    if isinstance(outer, ast.Attribute):
        call = facts.parents.get(outer)
        waits = isinstance(call, ast.Call) and outer.attr in ("wait", "communicate")
        return not (waits and isinstance(call, ast.Call) and facts.is_value_unused(call))
    names = [one.id for one in getattr(outer, "targets", []) if isinstance(one, ast.Name)]
    if not isinstance(outer, ast.Assign) or len(names) != len(outer.targets):
        return True
    for use in (one for name in names for one in facts.uses.get(name, ())):
        member = facts.parents.get(use)
        if not isinstance(member, ast.Attribute) or member.attr in _CODES:
            return True
        call = facts.parents.get(member)
        is_waiting = member.attr == "wait" and isinstance(call, ast.Call)
        if is_waiting and isinstance(call, ast.Call) and not facts.is_value_unused(call):
            return True
    return facts.called_name(node) in ("subprocess.call", "os.system")


def _hides_all_but_the_last(command: ast.expr) -> bool:
    """Whether a command for a shell is a pipeline into a file, whose failure does not count."""
    parts = [
        one.value
        for one in ast.walk(command)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    text = "".join(parts)
    is_pipeline = "|" in text.replace("||", "").replace("\\|", "")
    # What is in quotes may be for one of the programs.
    return is_pipeline and ">" in text and "pipefail" not in text and not {"'", '"'} & set(text)
