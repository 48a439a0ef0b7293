"""What a script needs beside it: the modules it imports that lie in its folder, and theirs.

A job has the whole source folder; what of it a script can reach is told by its imports, so that a
folder of many scripts does not come along with each.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.contracts.contract import Contract

_SAMPLES = "code"


def source_folder(contract: Contract, script: bytes) -> Mapping[str, bytes]:
    """The script under the entry point's name, and what it needs beside it: name → bytes.

    That is the modules it imports, and the files of the folder `code` among the step's samples.
    """
    return {
        **modules_beside(contract.folder, script),
        **files_in(contract.samples / _SAMPLES),
        contract.entry_point: script,
    }


def files_in(folder: Path) -> Mapping[str, bytes]:
    """All files below a folder, bytecode aside: name → bytes; none where there is no folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _inside(folder)}


def modules_beside(folder: Path, source: bytes) -> Mapping[str, bytes]:
    """The files of the modules and packages in `folder` that a source imports: name → bytes.

    Imports of what is imported are followed; names are relative to the folder.
    """
    found: dict[str, bytes] = {}
    waiting = [source]
    while waiting:
        for name in _imported(waiting.pop()):
            for path in _files(folder, name):
                relative = path.relative_to(folder).as_posix()
                if relative not in found:
                    found[relative] = path.read_bytes()
                    if path.suffix == ".py":
                        waiting.append(found[relative])
    return found


def _imported(source: bytes) -> Iterator[str]:
    """The first parts of the names that a source imports; none when it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _files(folder: Path, name: str) -> Iterator[Path]:
    module = folder / f"{name}.py"
    if module.is_file():
        yield module
    package = folder / name
    # A folder of other things, such as samples, may have the name of an installed package.
    if package.is_dir() and any(package.rglob("*.py")):
        yield from _inside(package)


def _inside(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
