"""What a source imports: modules and their members, and whether it goes on without them.

The source is parsed, not run.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

# What they say is what the interpreter is and has.
_INTERPRETER = {"sys", "platform", "importlib", "pkgutil"}
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}
_BROAD_ERRORS = {"Exception", "BaseException"}


@dataclass(frozen=True)
class Import:
    """An imported module, such as `google.cloud.storage`.

    `optional` if the source handles that it is missing, asks first whether it is there, or never
    imports it when it runs.
    """

    module: str
    optional: bool = False

    @property
    def package(self) -> str:
        """The first part of the name."""
        return self.module.partition(".")[0]


def imports_of(source: bytes) -> tuple[Import, ...]:
    """Every absolute import of a source, in its order; none when it is not Python."""
    tree = _parse(source)
    optional = {*_optional_nodes(tree), *chosen_by_interpreter(tree)}
    made = modules_made(tree)
    found: list[Import] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        found += [Import(name, node in optional) for name in names if name not in made]
    return tuple(dict.fromkeys(found))


def modules_made(tree: ast.AST) -> frozenset[str]:
    """The modules that a source makes itself, and puts into `sys.modules`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = [one for one in node.targets if isinstance(one, ast.Subscript)]
            names = [one.slice for one in targets if _last_name(one.value) == "modules"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_default = node.func.attr == "setdefault" and _last_name(node.func.value) == "modules"
            names = node.args[:1] if is_default else []
        found |= {str(one.value) for one in names if isinstance(one, ast.Constant)}
    return frozenset(found)


def chosen_by_interpreter(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run only where the interpreter is of a version or a kind, or has a module."""
    asking = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and _top_of(node) in _INTERPRETER
        for alias in node.names
    } | _INTERPRETER
    bound = [*_bound(tree)]
    while more := {name for name, node in bound if name not in asking and _asks(node, asking)}:
        asking |= more
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _asks(node.test, asking):
            for block in (*node.body, *node.orelse):
                yield from ast.walk(block)


def _top_of(node: ast.ImportFrom) -> str:
    return (node.module or "").partition(".")[0]


def _bound(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names of a source that stand for a value or a function, and these."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for one in node.targets:
                if isinstance(one, ast.Name):
                    yield one.id, node.value
        elif isinstance(node, ast.FunctionDef):
            for part in ast.walk(node):
                if isinstance(part, ast.Return) and part.value is not None:
                    yield node.name, part.value


def _asks(node: ast.AST, asking: set[str]) -> bool:
    """Whether a value comes of what the interpreter says of itself, and not of its arguments."""
    parts = [*ast.walk(node)]
    is_argument = any(isinstance(one, ast.Attribute) and one.attr == "argv" for one in parts)
    return not is_argument and any(isinstance(one, ast.Name) and one.id in asking for one in parts)


def members_of(source: bytes) -> frozenset[str]:
    """The members of imported modules that a source names, such as `os.fork`, under any alias."""
    tree = _parse(source)
    modules: dict[str, str] = {}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update((one.asname or one.name, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{one.name}" for one in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            found |= {f"{module}.{node.attr}"} if module else set()
    return frozenset(found)


def names_of(source: bytes) -> frozenset[str]:
    """Every attribute that a source names, as `one.name` or in a text for `getattr`."""
    nodes = [*ast.walk(_parse(source))]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return frozenset(attributes | {one for one in texts if isinstance(one, str)})


def _parse(source: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _optional_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        blocks: list[ast.stmt] = []
        if isinstance(node, ast.Try):
            caught = [one for one in node.handlers if _catches_import_error(one)]
            blocks += node.body if caught else []
            # Each of them may replace what is missing.
            blocks += [one for handler in caught for one in handler.body]
        elif isinstance(node, ast.If) and _last_name(node.test) == "TYPE_CHECKING":
            blocks += node.body
        elif isinstance(node, ast.With):
            calls = [one.context_expr for one in node.items]
            suppresses = any(
                isinstance(one, ast.Call) and _last_name(one.func) == "suppress" for one in calls
            )
            blocks += node.body if suppresses else []
        for block in blocks:
            yield from ast.walk(block)


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failed import, and does not only raise again."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {_last_name(one) for one in kinds if one is not None}
    if names & _IMPORT_ERRORS:
        return True
    broad = handler.type is None or bool(names & _BROAD_ERRORS)
    return broad and not any(
        isinstance(one, ast.Raise) or "exit" in _called(one)
        for block in handler.body
        for one in ast.walk(block)
    )


def _called(node: ast.AST) -> str:
    return _last_name(node.func) if isinstance(node, ast.Call) else ""


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
