"""How a script is run: as a file, or as a module of the package that it lies in."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from harness.cases.code_beside import imported_modules, with_package
from harness.contracts.contract import MAIN_FILE
from harness.contracts.loaders import read_script
from harness.errors import WrongUse
from harness.reading.facts import Facts
from harness.reading.reader import read
from harness.reading.source import NotPython, TooNew, parse


@dataclass(frozen=True)
class Program:
    """A script, the folder that it imports from, and its package; "" where it is run as a file."""

    script: Path
    folder: Path
    package: str
    source: bytes

    @property
    def module(self) -> str:
        """What `python -m` is given, "" where the script is run as a file."""
        if not self.package or self.script.name == MAIN_FILE:
            return self.package
        return f"{self.package}.{self.script.stem}"

    def facts(self) -> Facts:
        """What the script does; raises `WrongUse` where it is no Python script."""
        if self.package:
            top = self.package.partition(".")[0]
            beside = with_package(self.folder, top, self.source)
        else:
            beside = imported_modules(self.folder, self.source)
        try:
            return read(self.script, self.source, beside, self.folder, self.package)
        except (NotPython, TooNew) as error:
            raise WrongUse(f"{self.script}: {error}", "name a Python script") from None


def program_at(path: Path) -> Program:
    """The program at a path: a script, or the folder of a package with a `__main__.py`.

    Raises `WrongContract` where it cannot be read, and `WrongUse` where a folder has none.
    """
    if path.is_dir():
        if not (path / MAIN_FILE).is_file():
            raise WrongUse(
                f"{path} has no {MAIN_FILE}, so that it is no package that runs",
                "name a Python script",
            )
        path = path / MAIN_FILE
    if not path.exists():
        raise WrongUse(f"there is no script {path}", "name a Python script")
    source = read_script(path)
    package = _package_of(path, source)
    if not package:
        return Program(path, path.parent, "", source)
    path = Path.cwd() / path if len(path.parents) <= len(package) else path
    return Program(path, path.parents[len(package)], ".".join(package), source)


def _package_of(path: Path, source: bytes) -> tuple[str, ...]:
    """The names of the packages that a script runs in, from the outermost; none for a file."""
    names: list[str] = []
    folder = path.absolute().parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if not names:
        names, folder = [folder.name], folder.parent
    if not all(one.isidentifier() for one in names):
        return ()
    try:
        _, tree = parse(path, source)
    except (NotPython, TooNew, RecursionError, MemoryError):
        return ()
    imports = [one for one in ast.walk(tree) if isinstance(one, ast.Import | ast.ImportFrom)]
    is_inside = any(_imports_package(one, folder / names[0]) for one in imports)
    has_own = any(_imports_beside(one, path.parent) for one in imports)
    is_package = path.name == MAIN_FILE and (path.parent / "__init__.py").is_file()
    return tuple(names) if is_inside or (is_package and not has_own) else ()


def _imports_package(node: ast.Import | ast.ImportFrom, package: Path) -> bool:
    """Whether an import needs the package that the script lies in.

    The folder of a script may have the name of an installed package, which has other modules.
    """
    if isinstance(node, ast.ImportFrom) and node.level:
        return True
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{one.name}" for one in node.names]
    else:
        names = [one.name for one in node.names]
    for name in names:
        top, _, rest = name.partition(".")
        inner = package / rest.partition(".")[0]
        is_there = bool(rest) and (inner.with_suffix(".py").is_file() or inner.is_dir())
        if top == package.name and ((package / "__init__.py").is_file() or is_there):
            return True
    return False


def _imports_beside(node: ast.Import | ast.ImportFrom, folder: Path) -> bool:
    """Whether an import finds a module in the folder of the script."""
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    else:
        names = [one.name for one in node.names]
    tops = (one.partition(".")[0] for one in names)
    return any((folder / f"{top}.py").is_file() or (folder / top).is_dir() for top in tops if top)
