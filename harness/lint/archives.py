"""Archives: whether a tar is extracted without checking its members."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.lint.facts import Facts
from harness.lint.problem import Problem
from harness.lint.syntax import Function
from harness.lint.texts import constant_suffix

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_TAR_FORMATS = ("tar", "gztar", "bztar", "xztar")
_FIX = 'pass filter="data", or check every member first and pass members='
# Values of `filter` that check nothing.
_TRUSTING_FILTERS = (None, "fully_trusted")
_ALL_MEMBERS = ("getmembers", "getnames")


def unsafe_extraction(facts: Facts, _contract: Contract) -> Iterator[Problem]:
    """Each extraction of a tar whose members are not filtered, selected or checked."""
    modules = {name.partition(".")[0] for name in facts.imports.values()}
    # `TarFile.extraction_filter` is set for all archives.
    attributes = (node for node in facts.nodes if isinstance(node, ast.Attribute))
    if any(node.attr == "extraction_filter" for node in attributes):
        return
    for node in facts.calls():
        if facts.called_name(node) == "shutil.unpack_archive":
            if _is_tar(facts, node) and not _has_filter(facts, node):
                message = "unpack_archive() writes wherever the archive says"
                yield facts.problem("H501", message, 'pass filter="data"', node)
        elif (
            "tarfile" in modules
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "extractall"
            and not _is_zip(facts, node.func.value)
            and not (
                _has_filter(facts, node)
                or _selects_members(facts, node)
                or _checks_members(facts, node)
            )
        ):
            message = "extractall() writes wherever the archive says"
            yield facts.problem("H501", message, _FIX, node)


def _is_tar(facts: Facts, node: ast.Call) -> bool:
    """Whether the archive of an `unpack_archive` call is known to be a tar."""
    arguments = {one.arg: one.value for one in node.keywords}
    archive_format = node.args[2] if len(node.args) > 2 else arguments.get("format")
    if archive_format is not None:
        text = facts.texts.text_of(archive_format)
        return text is not None and text.value in _TAR_FORMATS
    file = node.args[0] if node.args else arguments.get("filename")
    if isinstance(file, ast.Name):
        file = facts.constants.get(file.id)
    return file is not None and constant_suffix(file).endswith(_TAR_SUFFIXES)


def _is_zip(facts: Facts, archive: ast.expr) -> bool:
    """Whether an archive was opened as a zip, by the last assignment to its name."""
    if isinstance(archive, ast.Name):
        assignments = [
            (place.lineno, value)
            for name, place, value in _bindings(facts)
            if name == archive.id and place.lineno <= archive.lineno
        ]
        archive = max(assignments, key=lambda one: one[0])[1] if assignments else archive
    return isinstance(archive, ast.Call) and facts.called_name(archive).endswith("ZipFile")


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


def _has_filter(facts: Facts, node: ast.Call) -> bool:
    """Whether a call passes a filter; `**options` may hold one."""
    for one in node.keywords:
        if one.arg is None:
            return True
        if one.arg == "filter":
            value = one.value
            is_trusting = facts.dotted_name(value) == "tarfile.fully_trusted_filter"
            return not is_trusting and not (
                isinstance(value, ast.Constant) and value.value in _TRUSTING_FILTERS
            )
    return False


def _selects_members(facts: Facts, node: ast.Call) -> bool:
    """Whether a call passes `members` other than all of them."""
    arguments = [*node.args[1:2], *(one.value for one in node.keywords if one.arg == "members")]
    if not arguments:
        return False
    members = arguments[0]
    if isinstance(members, ast.Name):
        members = facts.constants.get(members.id, members)
    if isinstance(members, ast.Call):
        return facts.called_name(members).rpartition(".")[2] not in _ALL_MEMBERS
    is_archive = isinstance(members, ast.Name) and ast.dump(members) == ast.dump(_archive(node))
    return not is_archive and not (isinstance(members, ast.Constant) and members.value is None)


def _checks_members(facts: Facts, node: ast.Call) -> bool:
    """Whether the members were checked before, in the same function.

    The check is a loop or an `if` that may raise, over the archive or a value derived from it, or
    a call of a function with the archive.
    """
    scope = next(
        (one for one in facts.ancestors(node) if isinstance(one, Function | ast.Module)), facts.tree
    )
    archive = _archive(node)
    if not isinstance(archive, ast.Name):
        return False
    names = {archive.id}
    for name, place, value in sorted(_bindings(facts), key=lambda one: one[1].lineno):
        if place.lineno <= node.lineno and names & _names(value):
            names.add(name)
    for part in ast.walk(scope):
        if getattr(part, "lineno", node.lineno) >= node.lineno:
            continue
        head = part.iter if isinstance(part, ast.For) else getattr(part, "test", None)
        uses_archive = head is not None and bool(names & _names(head))
        if uses_archive and any(isinstance(one, ast.Raise) for one in ast.walk(part)):
            return True
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            arguments = [*part.args, *(one.value for one in part.keywords)]
            passed = {one.id for one in arguments if isinstance(one, ast.Name)}
            if archive.id in passed and not hasattr(builtins, part.func.id):
                return True
    return False


def _archive(node: ast.Call) -> ast.expr:
    assert isinstance(node.func, ast.Attribute)
    return node.func.value


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
