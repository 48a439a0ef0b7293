"""What has brought a breach about, so that all breaches with one cause are one defect."""

from __future__ import annotations

import ast
import builtins
import errno
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from harness.promises import Breach, Evidence
from harness.promises.failures import messages
from harness.promises.tracebacks import Traceback, last_failure, parse
from harness.promises.usual_outputs import outputs, writes_nothing
from harness.worlds.tree import is_under

# Parts of names that are other ones in each run.
_RANDOM = re.compile(r"tmp\w{8}|[0-9a-f]{8,}|\d+")
# As the system's errors are printed, with the path at their end.
_SYSTEM_ERROR = re.compile(r"\[Errno \d+\] [^:]*: '(?P<path>[^']*)'")
# As other programs print them, with the path before what the system says.
_REFUSALS = tuple(os.strerror(one) for one in (errno.EROFS, errno.EACCES, errno.EPERM))
_PATH = re.compile(r"/[^\s:'\"]+")


def of_path(evidence: Evidence, breach: Breach) -> str:
    """What was done to a path, whose parts that differ by chance are left out.

    What was done to several files of one input was done by the same line. A name that the usual
    case writes elsewhere is written to the working folder, or beside it, by the same one.
    """
    if cause := _of_usual_name(evidence, breach):
        return cause
    mounts = [mount for one in evidence.contract.inputs.values() for mount in one.mounts]
    where = next((one for one in mounts if is_under(breach.where, one)), breach.where)
    return f"{breach.key} {_RANDOM.sub('…', where)}"


def _of_usual_name(evidence: Evidence, breach: Breach) -> str:
    """The cause of a file of this name in the usual case, which this one has not at that path."""
    after = evidence.outcome.after
    if evidence.usual is None or after is None:
        return ""
    name = PurePosixPath(breach.where).name
    same = [
        one.cause
        for one in evidence.usual.findings
        if one.key == breach.key and one.where not in after and one.where.endswith(f"/{name}")
    ]
    return same[0] if same else ""


def of_missing(evidence: Evidence, breach: Breach) -> str:
    """What was written in place of an output, else that nothing is in its folder."""
    before, after, contract = evidence.outcome.before, evidence.outcome.after, evidence.contract
    output = next(
        (one for one in contract.outputs.values() if is_under(breach.where, one.path)), None
    )
    if after is None or output is None:
        return ""
    others = [
        path
        for path, entry in sorted(after.added_or_changed(before))
        if entry.kind == "file" and path not in before and not contract.may_write(path)
    ]
    names = [PurePosixPath(breach.where).name]
    if breach.where == output.path:
        names = [PurePosixPath(one).name for one in output.files]
    beside = [path for path in others if is_under(path, output.path)]
    elsewhere = [path for path in others if PurePosixPath(path).name in names]
    if taken := elsewhere or beside:
        return of_path(evidence, replace(breach, key="written", where=taken[0]))
    is_empty = not any(entry.kind == "file" for _, entry in after.under(output.path))
    return f"nothing in {output.path}" if is_empty else ""


def of_message(evidence: Evidence) -> str:
    """The exception whose message says too little: another cause than that it was raised."""
    failure = last_failure(evidence.outcome.stderr, evidence.case.script_folder)
    return failure and f"what is said of {failure}"


def of_wrong_code(evidence: Evidence) -> str:
    """What ended a failure with a code that it must not have: the last exception, or the code."""
    printed = parse(evidence.outcome.stderr)
    if printed.ends_with_traceback and printed.tracebacks:
        last = printed.tracebacks[-1]
        if (frame := last.frame_in(evidence.case.script_folder)) is not None:
            return f"{last.exception} that ends the script at line {frame.line}"
    return f"exit code {evidence.outcome.exit_code} of a failure"


def of_end(evidence: Evidence) -> str:
    """Why a script ended otherwise than it must; "" when that cannot be told."""
    if evidence.outcome.exit_code == 0:
        return _of_success(evidence)
    if path := _refused_path(evidence):
        return path
    if failure := last_failure(evidence.outcome.stderr, evidence.case.script_folder):
        return failure
    told = [match["path"] for line in messages(evidence) for match in _SYSTEM_ERROR.finditer(line)]
    return f"OSError of {told[-1]}" if told else ""


def _refused_path(evidence: Evidence) -> str:
    """The cause of what the usual case writes, where the system does not let it be written."""
    found = {one.where: one.cause for one in evidence.usual.findings} if evidence.usual else {}
    told: list[str] = []
    for line in messages(evidence):
        told += (match["path"] for match in _SYSTEM_ERROR.finditer(line))
        if any(one in line for one in _REFUSALS):
            told += _PATH.findall(line)
    refused = [posixpath.normpath(posixpath.join(evidence.case.cwd, one)) for one in told]
    return next((found[path] for path in reversed(refused) if path in found), "")


def _of_success(evidence: Evidence) -> str:
    """The handler that keeps a failure to itself, else what was not missed."""
    code = _code(evidence)
    places = [place for file, tree in code.items() for place in _swallowing(file, tree)]
    printed = f"{evidence.outcome.stdout}\n{evidence.outcome.stderr}"
    for one in reversed(parse(printed).tracebacks):
        if place := _handler_of(one, evidence.case.script_folder, code):
            return place
    if len(places) == 1 and (messages(evidence) or _lacks_an_output(evidence)):
        return places[0]
    wanted = evidence.expected.error
    if evidence.expected.lacks == ("argument",) and wanted:
        return f"success in place of a failure that {wanted[0].meaning}"
    return ""


def _lacks_an_output(evidence: Evidence) -> bool:
    """Whether a file is not there that the usual case writes."""
    if evidence.usual_outcome is None:
        return writes_nothing(evidence.contract, evidence.outcome)
    usual, now = (
        set(outputs(evidence, one, with_volatile=True))
        for one in (evidence.usual_outcome, evidence.outcome)
    )
    return not usual <= now


def _code(evidence: Evidence) -> dict[str, ast.Module]:
    """The Python files of the script's folder: path below it → syntax tree."""
    folder = evidence.case.script_folder
    found = {}
    for path, entry in evidence.outcome.before.under(folder):
        is_code = path.endswith(".py") or path == evidence.case.script
        if entry.kind == "file" and is_code:
            try:
                found[path[len(folder) :].lstrip("/")] = ast.parse(entry.data)
            except (SyntaxError, ValueError):
                continue
    return found


def _swallowing(file: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches(node) and _swallows(node):
            yield f"a failure that is kept to itself at {file}:{node.lineno}"


def _handler_of(traceback: Traceback, folder: str, code: dict[str, ast.Module]) -> str:
    """The handler that has printed a traceback, which begins where the exception was caught."""
    if not traceback.frames or not is_under(traceback.frames[0].file, folder):
        return ""
    first = traceback.frames[0]
    file = first.file[len(folder) :].lstrip("/")
    tries = [
        node
        for node in ast.walk(code.get(file, ast.Module([], [])))
        if isinstance(node, ast.Try)
        and any(one.lineno <= first.line <= (one.end_lineno or 0) for one in node.body)
    ]
    handlers = [one for node in reversed(tries) for one in node.handlers if _swallows(one)]
    return f"a failure that is kept to itself at {file}:{handlers[0].lineno}" if handlers else ""


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether it may catch an error of the system."""
    if handler.type is None:
        return True
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    kinds = [getattr(builtins, one.id, None) for one in named if isinstance(one, ast.Name)]
    return any(
        isinstance(kind, type) and (issubclass(OSError, kind) or issubclass(kind, OSError))
        for kind in kinds
    )


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a script goes on after it, or ends with 0."""
    for statement in handler.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Raise):
                return False
            if isinstance(node, ast.Return) and _is_exit_code(node.value):
                return False
            if isinstance(node, ast.Call) and _exits(node):
                return False
    return True


def _is_exit_code(value: ast.expr | None) -> bool:
    """Whether this is a number that tells a failure, as `main` returns it for `sys.exit`."""
    return isinstance(value, ast.Constant) and isinstance(value.value, int) and bool(value.value)


def _exits(call: ast.Call) -> bool:
    """Whether it ends the script with another code than 0."""
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", "")
    if name == "abort":
        return True
    values = [one.value if isinstance(one, ast.Constant) else one for one in call.args]
    return name in ("exit", "_exit") and any(values)
