"""Archives: whether a tar is extracted without a look at its members."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function
from harness.lint.texts import ending

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_TAR_FORMATS = ("tar", "gztar", "bztar", "xztar")
_FIX = 'pass filter="data", or check every member first and pass members='
# Filters that look at nothing.
_NO_FILTERS = (None, "fully_trusted")
_NO_CHOICE = ("getmembers", "getnames")


def unsafe_extraction(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """Each extraction of a tar that neither filters nor chooses nor has checked its members."""
    modules = {name.partition(".")[0] for name in facts.imports.values()}
    # A filter that is set for all archives.
    attributes = (node for node in facts.nodes if isinstance(node, ast.Attribute))
    if any(node.attr == "extraction_filter" for node in attributes):
        return
    for node in facts.calls():
        if facts.called(node) == "shutil.unpack_archive":
            if _is_tar(facts, node) and not _filters(facts, node):
                message = "unpack_archive() writes wherever the archive says"
                yield facts.problem("H501", message, 'pass filter="data"', node)
        elif (
            "tarfile" in modules
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "extractall"
            and not _is_zip(facts, node.func.value)
            and not (_filters(facts, node) or _chooses(facts, node) or _has_looked(facts, node))
        ):
            message = "extractall() writes wherever the archive says"
            yield facts.problem("H501", message, _FIX, node)


def _is_tar(facts: Facts, node: ast.Call) -> bool:
    """Whether what `unpack_archive` is given is known to be a tar."""
    given = {one.arg: one.value for one in node.keywords}
    kind = node.args[2] if len(node.args) > 2 else given.get("format")
    if kind is not None:
        text = facts.texts.of(kind)
        return text is not None and text.value in _TAR_FORMATS
    file = node.args[0] if node.args else given.get("filename")
    if isinstance(file, ast.Name):
        file = facts.constants.get(file.id)
    return file is not None and ending(file).endswith(_TAR_SUFFIXES)


def _is_zip(facts: Facts, archive: ast.expr) -> bool:
    """Whether an archive was opened as a zip: its name, where it was last bound before."""
    if isinstance(archive, ast.Name):
        bound = [
            (place.lineno, value)
            for name, place, value in _bindings(facts)
            if name == archive.id and place.lineno <= archive.lineno
        ]
        archive = max(bound, key=lambda one: one[0])[1] if bound else archive
    return isinstance(archive, ast.Call) and facts.called(archive).endswith("ZipFile")


def _bindings(facts: Facts) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    for node in facts.nodes:
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            pairs = [(node.optional_vars, node.context_expr)]
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Name):
                yield target.id, target, value


def _filters(facts: Facts, node: ast.Call) -> bool:
    """Whether there is a filter; `**options` may hold one."""
    for one in node.keywords:
        if one.arg is None:
            return True
        if one.arg == "filter":
            value = one.value
            trusting = facts.dotted(value) == "tarfile.fully_trusted_filter"
            return not trusting and not (
                isinstance(value, ast.Constant) and value.value in _NO_FILTERS
            )
    return False


def _chooses(facts: Facts, node: ast.Call) -> bool:
    """Whether `members` is anything else than all of them."""
    given = [*node.args[1:2], *(one.value for one in node.keywords if one.arg == "members")]
    if not given:
        return False
    members = given[0]
    if isinstance(members, ast.Name):
        members = facts.constants.get(members.id, members)
    if isinstance(members, ast.Call):
        return facts.called(members).rpartition(".")[2] not in _NO_CHOICE
    same = isinstance(members, ast.Name) and ast.dump(members) == ast.dump(_archive(node))
    return not same and not (isinstance(members, ast.Constant) and members.value is None)


def _has_looked(facts: Facts, node: ast.Call) -> bool:
    """Whether the members were checked before, in the same function.

    By a loop or an `if` over the archive or what was taken from it that may raise, or by a function
    that is given the archive.
    """
    room = next(
        (one for one in facts.around(node) if isinstance(one, Function | ast.Module)), facts.tree
    )
    archive = _archive(node)
    if not isinstance(archive, ast.Name):
        return False
    names = {archive.id}
    for name, place, value in sorted(_bindings(facts), key=lambda one: one[1].lineno):
        if place.lineno <= node.lineno and names & _names(value):
            names.add(name)
    for part in ast.walk(room):
        if getattr(part, "lineno", node.lineno) >= node.lineno:
            continue
        head = part.iter if isinstance(part, ast.For) else getattr(part, "test", None)
        about = head is not None and bool(names & _names(head))
        if about and any(isinstance(one, ast.Raise) for one in ast.walk(part)):
            return True
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            given = [*part.args, *(one.value for one in part.keywords)]
            passed = {one.id for one in given if isinstance(one, ast.Name)}
            if archive.id in passed and not hasattr(builtins, part.func.id):
                return True
    return False


def _archive(node: ast.Call) -> ast.expr:
    assert isinstance(node.func, ast.Attribute)
    return node.func.value


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
