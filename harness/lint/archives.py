"""Archives: whether a tar is extracted without checking its members."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import replace

from harness.lint.problem import Edit, Problem
from harness.lint.subject import Subject
from harness.lint.syntax import Function, Syntax, constant_suffix

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_TAR_FORMATS = ("tar", "gztar", "bztar", "xztar")
_FIX = 'pass filter="data", or check every member first and pass members='
# Values of `filter` that check nothing.
_TRUSTING_FILTERS = (None, "fully_trusted")
_ALL_MEMBERS = ("getmembers", "getnames")
# Arguments of extractall() that say nothing of its members.
_NOT_MEMBERS = ("path", "numeric_owner")


def unsafe_extraction(subject: Subject) -> Iterator[Problem]:
    """Each extraction of a tar whose members are not filtered, selected or checked."""
    for facts in subject.syntaxes():
        # `TarFile.extraction_filter` is set for all archives.
        attributes = (node for node in facts.nodes if isinstance(node, ast.Attribute))
        if any(node.attr == "extraction_filter" for node in attributes):
            return
    for facts in subject.syntaxes():
        tars = {
            one.place.line
            for one in subject.facts.paths
            if one.place.file == facts.script and one.path.endswith(_TAR_SUFFIXES)
        }
        for node, message, fix in _unsafe(facts, tars):
            problem = subject.at_node(facts, "STEP501", message, fix, node)
            yield replace(problem, edit=_edit(facts, node))


def _edit(facts: Syntax, node: ast.Call) -> Edit | None:
    """The change that adds the filter, where the call is on one line and has no members."""
    if node.end_lineno != node.lineno or not (node.args or node.keywords):
        return None
    source = ast.get_source_segment("\n".join(facts.lines), node)
    has_more = len(node.args) > 1 or any(one.arg not in _NOT_MEMBERS for one in node.keywords)
    if source is None or not source.endswith(")") or has_more:
        return None
    return Edit(facts.script, node.lineno, source, f'{source[:-1].rstrip(", ")}, filter="data")')


def _unsafe(facts: Syntax, tars: set[int]) -> Iterator[tuple[ast.Call, str, str]]:
    """The calls that extract without a look; `tars` are the lines that use a tar by its name."""
    modules = {name.partition(".")[0] for name in facts.imports.values()}
    for node in facts.calls():
        if facts.called_name(node) == "shutil.unpack_archive":
            is_tar = _is_tar(facts, node) or (len(node.args) < 3 and node.lineno in tars)
            if is_tar and not _has_filter(facts, node):
                yield (
                    node,
                    "unpack_archive() writes wherever the archive says",
                    'pass filter="data"',
                )
        elif (
            "tarfile" in modules
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("extractall", "extract")
            and (node.func.attr == "extractall" or _is_whole_loop(facts, node))
            and _is_tar_archive(facts, node)
            and not (
                _has_filter(facts, node)
                or (node.func.attr == "extractall" and _selects_members(facts, node))
                or _checks_members(facts, node)
            )
        ):
            yield node, f"{node.func.attr}() writes wherever the archive says", _FIX


def _is_whole_loop(facts: Syntax, node: ast.Call) -> bool:
    """Whether `extract` gets each member of the archive in turn, and nothing asks about it."""
    member = node.args[0] if node.args else None
    if not isinstance(member, ast.Name):
        return False
    for one in facts.ancestors(node):
        if isinstance(one, ast.If) and member.id in _names(one.test):
            return False
        if isinstance(one, ast.For) and member.id in _names(one.target):
            return bool(_names(_archive(node)) & _names(one.iter))
    return False


def _is_tar_archive(facts: Syntax, node: ast.Call) -> bool:
    """Whether an archive is a tar, by what it was opened as; zips check the names themselves."""
    archive = _archive(node)
    kinds = set(_kinds(facts, archive, node, 0))
    return not kinds or "tar" in kinds or (kinds == {"?"} and "zipfile" not in _modules(facts))


def _modules(facts: Syntax) -> set[str]:
    return {name.partition(".")[0] for name in facts.imports.values()}


def _kinds(facts: Syntax, archive: ast.expr, place: ast.AST, depth: int) -> Iterator[str]:
    """What a value was opened as: "tar", "zip", or "?"."""
    if depth > 4:
        yield "?"
    elif isinstance(archive, ast.Call):
        name = facts.called_name(archive)
        is_zip = name.endswith("ZipFile")
        is_tar = name.startswith("tarfile.") or name.endswith(("TarFile", "TarFile.open"))
        yield "zip" if is_zip else "tar" if is_tar else "?"
    elif isinstance(archive, ast.Attribute):
        values = [
            one.value
            for one in facts.nodes
            if isinstance(one, ast.Assign)
            and any(isinstance(t, ast.Attribute) and t.attr == archive.attr for t in one.targets)
        ]
        for value in values:
            yield from _kinds(facts, value, place, depth + 1)
        if not values:
            yield "?"
    elif isinstance(archive, ast.Name):
        yield from _kinds_of_name(facts, archive, place, depth)
    else:
        yield "?"


def _kinds_of_name(facts: Syntax, name: ast.Name, place: ast.AST, depth: int) -> Iterator[str]:
    scope = _scope(facts, place)
    assigned = [
        (where.lineno, value)
        for one, where, value in _bindings(facts)
        if one == name.id and where.lineno <= name.lineno and _scope(facts, where) is scope
    ]
    if assigned:
        value = max(assigned, key=lambda one: one[0])[1]
        yield from _kinds(facts, value, value, depth + 1)
        return
    if isinstance(scope, Function):
        parameters = [one.arg for one in (*scope.args.posonlyargs, *scope.args.args)]
        if name.id in parameters:
            position = parameters.index(name.id)
            calls = [one for one in facts.calls() if facts.called_name(one) == scope.name]
            for call in calls:
                named = [one.value for one in call.keywords if one.arg == name.id]
                given = [*call.args[position : position + 1], *named]
                for value in given:
                    yield from _kinds(facts, value, call, depth + 1)
            if calls:
                return
    elif (constant := facts.constants.get(name.id)) is not None:
        yield from _kinds(facts, constant, constant, depth + 1)
        return
    yield "?"


def _scope(facts: Syntax, node: ast.AST) -> ast.AST:
    return next(
        (one for one in facts.ancestors(node) if isinstance(one, Function | ast.Module)), facts.tree
    )


def _is_tar(facts: Syntax, node: ast.Call) -> bool:
    """Whether the archive of an `unpack_archive` call is known to be a tar."""
    arguments = {one.arg: one.value for one in node.keywords}
    archive_format = node.args[2] if len(node.args) > 2 else arguments.get("format")
    if archive_format is not None:
        if isinstance(archive_format, ast.Name):
            archive_format = facts.constants.get(archive_format.id, archive_format)
        return isinstance(archive_format, ast.Constant) and archive_format.value in _TAR_FORMATS
    file = node.args[0] if node.args else arguments.get("filename")
    if isinstance(file, ast.Name):
        file = facts.constants.get(file.id)
    return file is not None and constant_suffix(file).endswith(_TAR_SUFFIXES)


def _bindings(facts: Syntax) -> Iterator[tuple[str, ast.expr, ast.expr]]:
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


def _has_filter(facts: Syntax, node: ast.Call) -> bool:
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


def _selects_members(facts: Syntax, node: ast.Call) -> bool:
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


def _checks_members(facts: Syntax, node: ast.Call) -> bool:
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
        if uses_archive and any(_may_raise(facts, one, 0) for one in ast.walk(part)):
            return True
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            arguments = [*part.args, *(one.value for one in part.keywords)]
            passed = {one.id for one in arguments if isinstance(one, ast.Name)}
            if archive.id in passed and not hasattr(builtins, part.func.id):
                return True
    return False


def _may_raise(facts: Syntax, node: ast.AST, depth: int) -> bool:
    """Whether a node raises, or calls a function of the script that does."""
    if isinstance(node, ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.Call) and depth < 3:
        name = facts.called_name(node)
        called = facts.functions.get(name)
        if called is None and isinstance(node.func, ast.Attribute):
            called = next(
                (
                    one
                    for one in facts.nodes
                    if isinstance(one, Function) and one.name == node.func.attr
                ),
                None,
            )
        if called is not None:
            return any(_may_raise(facts, one, depth + 1) for one in ast.walk(called))
        return name in ("sys.exit", "exit", "quit")
    return False


def _archive(node: ast.Call) -> ast.expr:
    assert isinstance(node.func, ast.Attribute)
    return node.func.value


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
