"""The source folder of a script: the modules in its folder that it imports, and theirs.

A job has the whole folder; only imported modules are kept, since folders often hold many scripts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.contracts.contract import Contract

_CODE_SAMPLES = "code"


def source_folder(contract: Contract, script: bytes) -> Mapping[str, bytes]:
    """The files of the source folder: name → bytes.

    They are the script under the entry point's name, the modules that it imports, and the files of
    the samples folder `code`.
    """
    return {
        **imported_modules(contract.folder, script),
        **files_in(contract.samples / _CODE_SAMPLES),
        contract.entry_point: script,
    }


def files_in(folder: Path) -> Mapping[str, bytes]:
    """All files below a folder except bytecode: relative name → bytes; none without a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files_below(folder)}


def imported_modules(folder: Path, source: bytes) -> Mapping[str, bytes]:
    """The modules and packages in `folder` that a source imports: relative name → bytes.

    Includes what imported modules import.
    """
    found: dict[str, bytes] = {}
    pending = [source]
    while pending:
        for name in _imported_names(pending.pop()):
            for path in _module_files(folder, name):
                relative = path.relative_to(folder).as_posix()
                if relative not in found:
                    found[relative] = path.read_bytes()
                    if path.suffix == ".py":
                        pending.append(found[relative])
    return found


def _imported_names(source: bytes) -> Iterator[str]:
    """The top-level names that a source imports; none when it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _module_files(folder: Path, name: str) -> Iterator[Path]:
    module = folder / f"{name}.py"
    if module.is_file():
        yield module
    package = folder / name
    # A folder of other things, such as samples, may have the name of an installed package.
    if package.is_dir() and any(package.rglob("*.py")):
        yield from _files_below(package)


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
