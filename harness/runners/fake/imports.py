"""Imports of modules from the fake file system, such as those beside the script.

Python's own import system makes them: it is given the functions that look for files and folders.
What is the interpreter's own it finds in the real file system.
"""

from __future__ import annotations

import importlib
import itertools
import linecache
import sys
import tokenize
import types
from collections.abc import Callable
from importlib.machinery import FileFinder
from typing import Any

from pyfakefs.fake_filesystem_unittest import DynamicPatcher

from harness.cases.case import Case
from harness.contracts.contract import MAIN_FILE
from harness.runners.fake import preload
from harness.runners.fake.unsupported import EXTENSIONS, shadowed
from harness.worlds.tree import Tree

# The import system, whose `io` is that of the fake file system already.
_SYSTEM: Any = importlib._bootstrap_external
# The kinds of modules, in the order in which they are looked for.
_LOADERS = _SYSTEM._get_supported_file_loaders()
# Python's own functions for lines of code.
_LINES: dict[str, Any] = {one: vars(linecache)[one] for one in ("updatecache", "checkcache")}


class _Start:
    """The last of the modules that were loaded when the script began."""

    module = ""


_start = _Start()


def use_fake_files(fake_open: Any, fake_os: Any, is_own: Callable[[str], bool]) -> None:
    """Import from the fake file system, but what `is_own` of the interpreter from the real one."""
    # pyfakefs's own way knows of no package in a zip, and of no order of the folders.
    setattr(DynamicPatcher, "fake_module_path", lambda *_: "")  # noqa: B010
    _SYSTEM._os = _Os(_SYSTEM._os, fake_os, is_own)
    # That of folders which Python has put there comes last.
    sys.path_hooks.insert(len(sys.path_hooks) - 1, _finder_for(is_own))
    for folder in [one for one in sys.path_importer_cache if not is_own(one)]:
        del sys.path_importer_cache[folder]
    # Where lines of code are looked for, as by tracebacks. pyfakefs keeps it from its files.
    vars(linecache).update(_LINES, os=fake_os)
    vars(tokenize).update(_builtin_open=fake_open)


class _Os:
    """The module `posix` as the import system uses it."""

    def __init__(self, real: Any, fake: Any, is_own: Callable[[str], bool]) -> None:
        self.is_own = is_own
        self._real = real
        self._fake = fake

    def stat(self, path: Any) -> Any:
        return (self._real if self.is_own(path) else self._fake).stat(path)

    def listdir(self, path: Any) -> Any:
        return (self._real if self.is_own(path) else self._fake).listdir(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fake, name)


class _Everything:
    """Names of files of which each may be there."""

    def __contains__(self, name: object) -> bool:
        return True


class _FolderFinder(FileFinder):
    """Looks for the files that a module may have, and lists no folder.

    Which other files are in the folder makes no difference to what the script sees.
    """

    def _fill_cache(self) -> None:
        self._path_cache = _Everything()


def _finder_for(is_own: Callable[[str], bool]) -> Callable[[str], _FolderFinder]:
    def finder(path: str) -> _FolderFinder:
        if is_own(path) or not _SYSTEM._path_isdir(path):
            raise ImportError("only folders of the tree are supported", path=path)
        return _FolderFinder(path, *_LOADERS)

    return finder


def unload_shadowed(folder: str, tree: Tree) -> None:
    """Unload the preloaded packages that a module in the script's folder shadows."""
    for name in preload.OPTIONAL:
        if f"{folder}/{name}" in tree or f"{folder}/{name}.py" in tree:
            for module in [one for one in sys.modules if one.split(".")[0] == name]:
                del sys.modules[module]


def shadowed_in(folder: str, tree: Tree) -> str:
    """A module in a folder that has the name of one of Python's that is loaded; "" for none."""
    below = (path[len(folder) + 1 :] for path, _ in tree.under(folder))
    names = {path.partition("/")[0].removesuffix(".py") for path in below}
    return next(iter(shadowed(names)), "")


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
    if package:
        importlib.import_module(package)
    return package


def begin() -> None:
    """What is loaded from now on may be the script's."""
    _start.module = next(reversed(sys.modules))


def executed_modules() -> tuple[str, ...]:
    """The names of the script's modules, the main one first, then in the order of their imports."""
    new = [*itertools.takewhile(lambda one: one != _start.module, reversed(sys.modules))]
    return "__main__", *(one for one in reversed(new) if _is_of_tree(sys.modules[one]))


def _is_of_tree(module: types.ModuleType) -> bool:
    """Whether a module is not the interpreter's: its finder is that of a tree, or it has none."""
    file = getattr(module, "__file__", None)
    return module.__spec__ is None if file is None else not _SYSTEM._os.is_own(file)
