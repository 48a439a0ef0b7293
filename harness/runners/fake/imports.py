"""Imports of modules from the fake file system, such as those beside the script.

Python's own import system reads the real file system, even while pyfakefs patches `os`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import linecache
import pathlib
import posixpath
import stat
import sys
import types
from collections.abc import Sequence
from importlib.util import decode_source, spec_from_loader
from typing import Any

from pyfakefs.fake_filesystem import FakeFilesystem

from harness.cases.case import Case
from harness.contracts.contract import MAIN_FILE
from harness.runners.fake import preload
from harness.runners.fake.unsupported import EXTENSIONS
from harness.worlds.tree import Tree

# The names of the script's modules, in the order of their imports.
_executed: list[str] = []


def unload_shadowed(folder: str, tree: Tree) -> None:
    """Unload the preloaded packages that a module in the script's folder shadows."""
    for name in preload.OPTIONAL:
        if f"{folder}/{name}" in tree or f"{folder}/{name}.py" in tree:
            for module in [one for one in sys.modules if one.split(".")[0] == name]:
                del sys.modules[module]


def unload_extensions() -> None:
    """Unload packages with modules in C that the harness, or a suite, has loaded.

    The script must import them itself, so that the import is seen, and refused.
    """
    known = {*sys.stdlib_module_names, *preload.OPTIONAL}
    loaded = {
        name.partition(".")[0]
        for name, module in sys.modules.items()
        if str(getattr(module, "__file__", None) or "").endswith(EXTENSIONS)
    }
    for name in [one for one in sys.modules if one.partition(".")[0] in loaded - known]:
        del sys.modules[name]


def import_packages(case: Case) -> str:
    """Import the packages of the case's module, as `python -m` does; the name of the innermost."""
    package = case.module
    if not case.script.endswith(f"/{MAIN_FILE}"):
        package = package.rpartition(".")[0]
    parts = package.split(".") if package else []
    for number in range(1, len(parts) + 1):
        name = ".".join(parts[:number])
        folder = posixpath.join(case.import_folder, *parts[:number])
        if f"{folder}/__init__.py" in case.tree:
            importlib.import_module(name)
        else:
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = [folder]
    return package


def executed_modules() -> tuple[str, ...]:
    """The names of the script's modules."""
    return "__main__", *_executed


class TreeFinder(importlib.abc.MetaPathFinder):
    """Finds modules and packages in the folders of `sys.path` in the fake file system."""

    def __init__(self, fs: FakeFilesystem) -> None:
        """Search in `fs`."""
        self._fs = fs

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module of that name, if one of the folders contains it."""
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else path:
            if not self._fs.isdir(folder):
                continue
            base = posixpath.join(folder, name)
            for file, is_package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
                if (source := self._source(file)) is not None:
                    loader = _Loader(file, source)
                    return spec_from_loader(fullname, loader, origin=file, is_package=is_package)
            if path is not None and self._fs.isdir(base):
                return _namespace(fullname, base)
        return None

    def _source(self, file: str) -> bytes | None:
        if not self._fs.exists(file):
            return None
        node = self._fs.resolve(file)
        return (node.byte_contents or b"") if stat.S_ISREG(node.st_mode) else None


if sys.version_info >= (3, 11):
    from importlib.resources.abc import TraversableResources
else:
    from importlib.abc import TraversableResources


class _Resources(TraversableResources):
    """The files beside a module; `pathlib` is the fake one while a script runs."""

    def __init__(self, file: str) -> None:
        self._folder = posixpath.dirname(file)

    def files(self) -> Any:
        return pathlib.Path(self._folder)


class NamespaceFinder(importlib.abc.MetaPathFinder):
    """Finds folders without `__init__.py`, after all finders: installed packages go first."""

    def __init__(self, fs: FakeFilesystem) -> None:
        """Search in `fs`."""
        self._fs = fs

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The first folder of that name in `sys.path`."""
        bases = [posixpath.join(one, fullname) for one in sys.path if path is None]
        return next((_namespace(fullname, one) for one in bases if self._fs.isdir(one)), None)


def _namespace(name: str, folder: str) -> importlib.machinery.ModuleSpec:
    """The package in a folder without `__init__.py`."""
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [folder]
    return spec


class _Loader(importlib.abc.InspectLoader):
    def __init__(self, file: str, source: bytes) -> None:
        self._file = file
        self._bytes = source

    def get_source(self, fullname: str) -> str:
        return decode_source(self._bytes)

    def is_package(self, fullname: str) -> bool:
        return self._file.endswith("/__init__.py")

    def get_filename(self, fullname: str) -> str:
        return self._file

    def get_data(self, path: str) -> bytes:
        return pathlib.Path(path).read_bytes()

    def get_resource_reader(self, fullname: str) -> _Resources:
        return _Resources(self._file)

    def exec_module(self, module: types.ModuleType) -> None:
        _executed.append(module.__name__)
        module.__file__ = self._file
        if self.is_package(module.__name__):
            module.__path__ = [posixpath.dirname(self._file)]
        lines = self.get_source(module.__name__).splitlines(keepends=True)
        linecache.cache[self._file] = (len(self._bytes), None, lines, self._file)
        exec(compile(self._bytes, self._file, "exec", dont_inherit=True), module.__dict__)
