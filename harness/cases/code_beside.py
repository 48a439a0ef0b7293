"""The source folder of a script: the modules in its folder that it imports, and theirs.

A job has the whole folder. Folders often hold many scripts; so only imported modules are kept, and
the files and folders that code names, such as a configuration or templates.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from harness.contracts.contract import Contract
from harness.errors import WrongContract

CODE_SAMPLES = "code"
# A longer text is no name of a file.
_LONGEST_NAME = 200
# What is larger, in bytes, is a copy of data that lies beside the script by chance; and so is a
# folder of more files.
_LARGEST = 10_000_000
_MOST_FILES = 1000
# What adds a folder to those that modules are imported from.
_SEARCHED = {("sys", "path"), ("site", "addsitedir")}
# Parts of no name below a folder: it would be the folder itself, above it, or begin at the root.
_NO_NAME = {"", ".", ".."}


def source_folder(contract: Contract, script: bytes) -> Mapping[str, bytes]:
    """The files of the source folder: name → bytes.

    They are the script under the entry point's name, the modules that it imports, the files beside
    that these name, and the files of the samples folder `code`; of a module its whole package.
    """
    package = contract.code_path.partition("/")[0] if "/" in contract.code_path else ""
    files = with_package(contract.folder, package, script)
    code = (script, *(data for name, data in files.items() if name.endswith(".py")))
    named = named_files(contract.folder, code, contract.samples)
    samples = files_in(contract.samples / CODE_SAMPLES)
    return {**named, **files, **samples, contract.code_path: script}


def named_files(folder: Path, code: Iterable[bytes], apart: Path) -> Mapping[str, bytes]:
    """The files in a folder whose names are texts in the code: relative name → bytes.

    `"config/model.yaml"` names one, and `"config"` all that this folder holds, unless that is too
    much. The folder `apart` is left out.
    """
    words = {word for source in code for word in _names_in(source).texts}
    found: dict[str, bytes] = {}
    pending = [folder]
    while pending:
        inner = pending.pop()
        for word in words:
            path = inner / word
            name = path.relative_to(folder).as_posix()
            try:
                if path.is_dir() and not path.is_symlink() and path != apart:
                    held = [] if apart.is_relative_to(path) else _held_by(path)
                    found |= {one.relative_to(folder).as_posix(): one.read_bytes() for one in held}
                    pending += [] if held else [path]
                elif path.is_file() and path.stat().st_size <= _LARGEST:
                    found[name] = path.read_bytes()
            except OSError:
                # It is no name of a file, or one that cannot be read here.
                continue
    return dict(sorted(found.items()))


def _held_by(folder: Path) -> list[Path]:
    """Every file below a folder, bytecode aside; none where they are too many or too large."""
    files: list[Path] = []
    size = 0
    for top, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one != "__pycache__"]
        for one in (Path(top, name) for name in names):
            if one.is_file():
                files.append(one)
                size += one.stat().st_size
        if len(files) > _MOST_FILES or size > _LARGEST:
            return []
    return files


def with_package(folder: Path, package: str, script: bytes) -> Mapping[str, bytes]:
    """The modules in `folder` that a script imports, and the package that it lies in, "" for none.

    Relative name → bytes; of the package every file, with the modules that these import.
    """
    below = files_in(folder / package) if package else {}
    files = {f"{package}/{name}": data for name, data in below.items()}
    for source in (script, *(data for name, data in files.items() if name.endswith(".py"))):
        files = {**imported_modules(folder, source), **files}
    return files


def image_files(contract: Contract) -> Mapping[str, tuple[bytes, int]]:
    """The files of the image outside `/opt/ml`: absolute path → bytes and mode.

    Raises `WrongContract` when one of them is not beside the contract.
    """
    found: dict[str, tuple[bytes, int]] = {}
    for path, name in contract.image.items():
        source = contract.origin.parent / name
        files = [(path, source)]
        if source.is_dir():
            files = [
                (f"{path.rstrip('/')}/{one.relative_to(source).as_posix()}", one)
                for one in _files_below(source)
            ]
        for at, file in files:
            try:
                found[at] = file.read_bytes(), 0o755 if file.stat().st_mode & 0o100 else 0o644
            except OSError as error:
                raise WrongContract(
                    f"{contract.origin}: image.{path}: {file} cannot be read: {error.strerror}",
                    "it must lie beside the contract",
                ) from None
    return found


def files_in(folder: Path) -> Mapping[str, bytes]:
    """All files below a folder except bytecode: relative name → bytes; none without a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files_below(folder)}


def imported_modules(folder: Path, source: bytes) -> Mapping[str, bytes]:
    """The modules and packages in `folder` that a source imports: relative name → bytes.

    Includes what imported modules import, and what lies in folders there that one of them names and
    adds to `sys.path`.
    """
    found: dict[str, bytes] = {}
    searched: dict[Path, None] = {folder: None}
    imported: dict[str, None] = {}
    pending = [source]
    while pending:
        names = _names_in(pending.pop())
        if names.extends_path:
            searched.update(dict.fromkeys(_folders_named(folder, names.texts)))
        imported.update(dict.fromkeys(names.imported))
        # A module may be imported by one that comes before the one that adds its folder.
        places = ((at, name) for name in imported for at in searched)
        for path in (one for at, name in places for one in _module_files(at, name)):
            relative = path.relative_to(folder).as_posix()
            if relative not in found:
                found[relative] = path.read_bytes()
                if path.suffix == ".py":
                    pending.append(found[relative])
    return found


def _folders_named(folder: Path, words: Iterable[str]) -> list[Path]:
    """The folders below that are named, as `"src/lib"` or as `"src"` and `"lib"`."""
    found: list[Path] = []
    pending = [folder]
    while pending:
        inner = pending.pop()
        for path in (inner / word for word in sorted(words)):
            with suppress(OSError):
                if path.is_dir() and not path.is_symlink() and path not in found:
                    found.append(path)
                    pending.append(path)
    return found


class _Names(NamedTuple):
    """What a source names: the top-level modules that it imports, and texts like a file's name.

    `extends_path` says that it adds folders to those that modules are imported from.
    """

    imported: tuple[str, ...]
    texts: frozenset[str]
    extends_path: bool = False


@lru_cache(maxsize=64)
def _names_in(source: bytes) -> _Names:
    """The names in a source; none when it is not Python.

    A run asks several times, and a long source takes some 30 ms.
    """
    imported: list[str] = []
    texts: set[str] = set()
    extends_path = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Import):
                    imported += [alias.name.partition(".")[0] for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.append(node.module.partition(".")[0])
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.add(node.value)
                elif isinstance(node, ast.Attribute):
                    of = node.value.id if isinstance(node.value, ast.Name) else ""
                    extends_path |= (of, node.attr) in _SEARCHED
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Names((), frozenset())
    return _Names(tuple(imported), frozenset(filter(_may_name_a_file, texts)), extends_path)


def _may_name_a_file(text: str) -> bool:
    """Whether a text may name a file below the folder of the code."""
    return len(text) <= _LONGEST_NAME and not _NO_NAME & set(text.split("/"))


def _module_files(folder: Path, name: str) -> Iterator[Path]:
    module = folder / f"{name}.py"
    try:
        is_file = module.is_file()
    except OSError:
        # The name is too long for the file system.
        return
    if is_file:
        yield module
    package = folder / name
    # A folder of other things, such as samples, may have the name of an installed package.
    if package.is_dir() and any(package.rglob("*.py")):
        yield from _files_below(package)


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
