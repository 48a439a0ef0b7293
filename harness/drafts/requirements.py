"""The packages that a contract must name for a script."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.cases.imports import imports_of
from harness.reading.facts import Facts
from harness.reading.packages import engines_of, packages_of, with_all_brought
from harness.reading.platform import STANDARD_LIBRARY


def requirements_of(facts: Facts) -> tuple[str, ...]:
    """The packages that a script imports, and those that pandas needs for what it reads."""
    imported = set(_imported(facts))
    return tuple(sorted({*imported, *_engines(facts, imported)}))


def _imported(facts: Facts) -> Iterator[str]:
    beside = {name.partition(".")[0] for name in facts.modules}
    for module in facts.modules.values():
        source = "\n".join(module.lines).encode("utf-8", "surrogatepass")
        for one in imports_of(source):
            name = one.package
            lies_beside = _lies_in(facts.folder, name)
            if one.optional or name in beside or name in STANDARD_LIBRARY or lies_beside:
                continue
            if name == "google":
                parts = one.module.split(".")
                yield "-".join(parts[:3]) if len(parts) > 2 else "protobuf"
            else:
                package = packages_of(name)[0]
                yield package.replace("_", "-") if package == name else package


def _engines(facts: Facts, named: Iterable[str]) -> Iterator[str]:
    """What pandas reads and writes with another package, where none of those is named."""
    brought = with_all_brought(named)
    if "pandas" not in brought:
        return
    for module in facts.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                packages = engines_of(node.func.attr)
                if packages and not brought & set(packages):
                    yield packages[0]


def _lies_in(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
