"""What a step script must look like, and what it must not do."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.contract import Contract
from harness.lint.facts import Facts, called
from harness.lint.problem import Problem

SIGNATURE = ("input_paths", "output_paths", "environ_vars", "job_args")
_EXITS = ("sys.exit", "os._exit", "exit", "quit", "os.abort", "os.kill")
_BROAD = ("BaseException", "Exception")


def main_function(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """One problem when other programs cannot call main as they expect."""
    signature = ", ".join(SIGNATURE)
    fix = f"define main({signature}), and call it below the main guard"
    for node in facts.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "main":
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            further = len(names) - len(SIGNATURE)
            if tuple(names[:4]) == SIGNATURE and further <= len(node.args.defaults):
                return
            got = f"main({ast.unparse(node.args)})"
            message = f"{got} is not main({signature})"
            yield Problem("H401", message, fix, facts.script, node.lineno, node.col_offset + 1)
            return
    yield Problem("H401", f"there is no main({signature})", fix, facts.script, 1, 1)


def main_guard(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """One problem when importing the script would run it, or running it would do nothing."""
    for node in facts.tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            return
    yield Problem(
        "H402",
        'there is no `if __name__ == "__main__":`',
        "put what runs the step below it, so that the script can be imported",
        facts.script,
        1,
        1,
    )


def bare_extractall(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """Each extraction of a tar that neither filters nor chooses its members."""
    names = {
        name.partition(".")[0]
        for node in facts.nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        + [alias.name for alias in node.names]
    }
    if "tarfile" not in names:
        return
    for node in facts.calls():
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "extractall":
            continue
        chosen = {keyword.arg for keyword in node.keywords} & {"filter", "members", None}
        if not chosen and len(node.args) < 2:
            yield Problem(
                "H501",
                "extractall() writes wherever the archive says",
                'pass filter="data", or check every member first and pass members=',
                facts.script,
                node.lineno,
                node.col_offset + 1,
            )


def hidden_exit_code(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """Each broad except that swallows a failure where the exit code is made.

    `except:` and `except BaseException` swallow it everywhere, since they catch `SystemExit`;
    `except Exception` does in main, below the main guard, and on the top level.
    """
    deciding = {id(part) for node in _deciding(facts) for part in ast.walk(node)}
    for node in facts.nodes:
        if not isinstance(node, ast.ExceptHandler):
            continue
        kinds = _kinds(node)
        catches_exit = node.type is None or "BaseException" in kinds
        broad = catches_exit or ("Exception" in kinds and id(node) in deciding)
        if broad and not _goes_on(node):
            yield Problem(
                "H502",
                f"`{_head(node)}` swallows every failure, and the exit code stays 0",
                "raise again, or end with sys.exit(1)",
                facts.script,
                node.lineno,
                node.col_offset + 1,
            )


def _deciding(facts: Facts) -> Iterator[ast.AST]:
    for node in facts.tree.body:
        is_main = isinstance(node, ast.FunctionDef) and node.name == "main"
        if is_main or isinstance(node, ast.If | ast.Try | ast.With):
            yield node


def _kinds(node: ast.ExceptHandler) -> list[str]:
    if node.type is None:
        return []
    types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return [ast.unparse(one).rpartition(".")[2] for one in types]


def _goes_on(node: ast.ExceptHandler) -> bool:
    """Whether the failure goes on from here: raised, returned, or made the exit code."""
    for part in ast.walk(node):
        if isinstance(part, ast.Raise) or (isinstance(part, ast.Return) and part.value is not None):
            return True
        if isinstance(part, ast.Call) and called(part) in _EXITS:
            return not (called(part) in ("sys.exit", "exit", "quit") and _is_success(part))
    return bool(node.name) and _is_kept(node)


def _is_success(node: ast.Call) -> bool:
    if not node.args:
        return True
    code = node.args[0]
    return isinstance(code, ast.Constant) and code.value in (0, None)


def _is_kept(node: ast.ExceptHandler) -> bool:
    """Whether the error is put aside for later: `failed = error`, `errors.append(error)`."""
    for part in ast.walk(node):
        value = part.value if isinstance(part, ast.Assign) else None
        if isinstance(value, ast.Name) and value.id == node.name:
            return True
        if isinstance(part, ast.Call) and called(part).endswith(".append"):
            return True
    return False


def _head(node: ast.ExceptHandler) -> str:
    return "except:" if node.type is None else f"except {ast.unparse(node.type)}:"
