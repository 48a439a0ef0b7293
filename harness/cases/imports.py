"""What a source imports: modules and their members, and whether it goes on without them.

The source is parsed, not run.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}
_BROAD_ERRORS = {"Exception", "BaseException"}


@dataclass(frozen=True)
class Import:
    """An imported module, such as `google.cloud.storage`.

    `optional` if the source handles that it is missing, or never imports it when it runs.
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
    optional = set(_optional_nodes(tree))
    found: list[Import] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        found += [Import(name, node in optional) for name in names]
    return tuple(dict.fromkeys(found))


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
