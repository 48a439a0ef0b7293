"""Archives that a script unpacks by itself: whether a member's name may lead anywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from harness.lint.problem import Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax

_OPENERS = ("tarfile.open", "tarfile.TarFile", "tarfile.TarFile.open", "zipfile.ZipFile")
# They give the members of an archive, or their names.
_MEMBERS = ("getmembers", "getnames", "infolist", "namelist")
_NAMES = ("name", "filename", "path")
# What makes a path of a name, and keeps its `..` and its slash at the beginning.
_JOINING = ("os.path.join", "pathlib.Path", "pathlib.PurePath", "str", "os.fspath")
_JOINING_METHODS = ("joinpath",)
_WRITING_METHODS = ("write_bytes", "write_text")
# Questions that say nothing of where a member's name leads.
_OF_KIND = ("isfile", "isreg", "isdir", "issym", "islnk", "is_dir", "is_file", "endswith", "exists")
_FIX = "refuse names that are absolute or have '..' in them"


def unpacked_by_hand(subject: Subject) -> Iterator[Problem]:
    """Each file that is written where the name of an archive's member says, unasked."""
    for facts in subject.syntaxes():
        for loop in facts.nodes:
            if isinstance(loop, ast.For) and (names := _member_names(facts, loop)):
                for node in _writes(facts, loop, names):
                    message = f"`{ast.unparse(node)}` writes wherever the archive says"
                    yield subject.at_node(facts, "STEP501", message, _FIX, node)


def _member_names(facts: Syntax, loop: ast.For) -> set[str]:
    """The variable of a loop through the members of an archive; none of another loop."""
    over = loop.iter
    if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute):
        is_listing = over.func.attr in _MEMBERS
        over = over.func.value if is_listing else over
    if not isinstance(loop.target, ast.Name) or not isinstance(over, ast.Name):
        return set()
    opened = (
        node
        for node in facts.nodes
        if isinstance(node, ast.withitem | ast.Assign)
        and over.id in {one.id for one in _targets(node) if isinstance(one, ast.Name)}
    )
    values = [one.context_expr if isinstance(one, ast.withitem) else one.value for one in opened]
    is_archive = any(
        isinstance(one, ast.Call) and facts.called_name(one) in _OPENERS for one in values
    )
    return {loop.target.id} if is_archive else set()


def _targets(node: ast.withitem | ast.Assign) -> Sequence[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.optional_vars] if node.optional_vars is not None else []


def _writes(facts: Syntax, loop: ast.For, names: set[str]) -> Iterator[ast.Call]:
    """The calls in a loop that write where a member's name says; none where that is asked about."""
    members = set(names)
    parts = [one for statement in loop.body for one in ast.walk(statement)]
    assigned = [one for one in parts if isinstance(one, ast.Assign)]
    while more := {
        target.id
        for one in assigned
        if _leads(facts, one.value, names, members)
        for target in one.targets
        if isinstance(target, ast.Name) and target.id not in names
    }:
        names |= more
    around = next((one for one in facts.ancestors(loop) if isinstance(one, Function)), loop)
    if any(_asks(one, names) for one in ast.walk(around)):
        return
    for one in parts:
        path = _written(facts, one) if isinstance(one, ast.Call) else None
        if isinstance(one, ast.Call) and path is not None and _leads(facts, path, names, members):
            yield one


def _written(facts: Syntax, node: ast.Call) -> ast.expr | None:
    """The path that a call writes to; None for other calls."""
    name = facts.called_name(node)
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    modes = [*node.args, *(one.value for one in node.keywords if one.arg == "mode")]
    is_writing = any(
        isinstance(one, ast.Constant) and isinstance(one.value, str) and set("wxa") & set(one.value)
        for one in modes
    )
    if name in ("open", "io.open") and node.args and is_writing:
        return node.args[0]
    if isinstance(node.func, ast.Attribute) and (
        method in _WRITING_METHODS or (method == "open" and is_writing)
    ):
        return node.func.value
    return None


def _leads(facts: Syntax, node: ast.expr, names: set[str], members: set[str]) -> bool:
    """Whether a value is a path with a member's name in it, as it stands in the archive."""

    def leads(one: ast.expr) -> bool:
        return _leads(facts, one, names, members)

    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute):
        owner = node.value
        return node.attr in _NAMES and isinstance(owner, ast.Name) and owner.id in members
    if isinstance(node, ast.BinOp):
        return leads(node.right) or leads(node.left)
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(one, ast.FormattedValue) and leads(one.value) for one in node.values)
    if isinstance(node, ast.Call):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        is_joining = facts.called_name(node) in _JOINING or method in _JOINING_METHODS
        return is_joining and any(map(leads, node.args))
    return False


def _asks(node: ast.AST, names: set[str]) -> bool:
    """Whether a condition, or a call of a function of somebody's, looks at the name."""
    if isinstance(node, ast.If | ast.Assert | ast.IfExp):
        test = node.test
        if isinstance(test, ast.UnaryOp):
            test = test.operand
        is_of_kind = (
            isinstance(test, ast.Call)
            and isinstance(test.func, ast.Attribute)
            and test.func.attr in _OF_KIND
        )
        return not is_of_kind and bool(_named(test) & names)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value
        # A function of the script's own, or of another module, may raise.
        return isinstance(call.func, ast.Name) and bool(
            {one.id for one in call.args if isinstance(one, ast.Name)} & names
        )
    if isinstance(node, ast.comprehension):
        return any(_named(one) for one in node.ifs)
    return False


def _named(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
