"""Goes through a script as it would run, without running it, and tells its facts.

Branches whose tests are not known are both taken. Functions are gone through for each of their
calls; those that nothing calls are gone through last, with arguments that are not known.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.reading.facts import Facts
from harness.reading.source import NotPython, TooNew, parse
from harness.reading.statements import Statements
from harness.reading.values import (
    UNKNOWN,
    Class,
    Environ,
    External,
    Instance,
    Module,
    Result,
    Scope,
    Unknown,
    Value,
    Variable,
    text,
)

_MAIN = "__main__"


def read(
    script: Path,
    source: bytes,
    beside: Mapping[str, bytes],
    folder: Path | None = None,
    package: str = "",
) -> Facts:
    """The facts of a script; `beside` are the modules in `folder`: relative name → source.

    The folder is that of the script by default, and for a script that `python -m` runs the one that
    its `package` lies in. Raises `NotPython` and `TooNew`.
    """
    facts = Facts(script=script, folder=folder or script.parent, package=package)
    code, tree = parse(script, source)
    reader = Reader(facts, _module(_MAIN, script, script.name, code, tree), beside)
    reader.run()
    return facts


def _module(name: str, file: Path, relative: str, code: str, tree: ast.Module) -> Module:
    scope = Scope({"__name__": text(name), "__file__": text(f"{{script_dir}}/{relative}")})
    return Module(name, scope, file, tuple(code.split("\n")), tree)


class Reader(Statements):
    """Goes through the modules of a script."""

    def __init__(self, facts: Facts, main: Module, beside: Mapping[str, bytes]) -> None:
        """Begin with the main module."""
        super().__init__(facts, main)
        self._beside = {
            _dotted(name): (name, source) for name, source in beside.items() if name.endswith(".py")
        }
        self._modules: dict[str, Module] = {_MAIN: main}
        facts.modules = self._modules

    def run(self) -> None:
        """Go through the script, then through what nothing has called."""
        if self.facts.package:
            self._import_parents(f"{self.facts.package}.")
        self.block(self._top.tree.body)
        for function, given, node in self.at_exit:
            self.call(function, list(given), {}, node)
        self.reached, self.at_import = False, False
        for function in list(self._functions):
            if function.node not in self.facts.reached:
                self.module, self.scope, self.depth = function.module, function.scope, 1
                names = {
                    one.arg: self._unknown_parameter(one)
                    for one in (*function.node.args.posonlyargs, *function.node.args.args)
                }
                owner = function.owner
                if owner is not None and names and function.kind != "static":
                    first = next(iter(names))
                    names[first] = owner if function.kind == "class" else self._made(owner)
                if function.kind in ("click", "typer"):
                    self.run_command(function, {}, function.node)
                else:
                    self.call(function, list(names.values()), {}, function.node)

    def _unknown_parameter(self, one: ast.arg) -> Value:
        if one.arg in ("ctx", "context"):
            return Unknown("context")
        # Whoever calls main gives it the variables of the job.
        return Environ() if one.arg == "environ_vars" else UNKNOWN

    def _made(self, owner: Class) -> Instance:
        made = Instance(owner)
        for name in owner.fields:
            value = owner.find(name)
            if value is not None and not isinstance(value, Result):
                made.attributes[name] = value
        return made

    # Modules.

    def import_module(self, name: str) -> Module | None:
        """A module beside the script."""
        if name in self._modules:
            return self._modules[name]
        self._import_parents(name)
        if name not in self._beside:
            return None
        relative, source = self._beside[name]
        file = self.facts.folder / relative
        try:
            code, tree = parse(file, source)
        except (NotPython, TooNew, RecursionError, MemoryError):
            return None
        start = self.facts.package.replace(".", "/") or "."
        module = _module(name, file, posixpath.relpath(relative, start), code, tree)
        self._modules[name] = module
        kept = (self.module, self.scope, self.depth)
        self.module, self.scope = module, module.scope
        self.block(tree.body)
        self.module, self.scope, self.depth = kept
        return module

    def _import_parents(self, name: str) -> None:
        """Go through the packages that a module lies in, as Python does first."""
        parent = name.rpartition(".")[0]
        if parent and parent not in self._modules and parent in self._beside:
            self.import_module(parent)

    def bind_imports(self, node: ast.Import | ast.ImportFrom) -> None:
        """Bind the names of an import."""
        if isinstance(node, ast.Import):
            self._import(node)
        else:
            self._import_from(node)

    def _import(self, node: ast.Import) -> None:
        for one in node.names:
            found = self.import_module(one.name)
            top = one.name.partition(".")[0]
            if one.asname:
                self.scope.names[one.asname] = found or External(one.name)
            else:
                inner = self.import_module(top)
                self.scope.names[top] = inner or found or External(top)

    def _import_from(self, node: ast.ImportFrom) -> None:
        name = node.module or ""
        if node.level:
            own = self.module is not self._top
            parts = (self.module.name if own else f"{self.facts.package}.").split(".")
            is_package = own and self.module.file.name == "__init__.py"
            base = parts[: len(parts) - node.level + is_package]
            name = ".".join([*(one for one in base if one), *([name] if name else [])])
        module = self.import_module(name) if name else None
        for one in node.names:
            if one.name == "*":
                if module is not None:
                    public = {
                        key: value
                        for key, value in module.scope.names.items()
                        if not key.startswith("_")
                    }
                    self.scope.names.update(public)
                continue
            inner = f"{name}.{one.name}" if name else one.name
            value: Value | None = module.scope.names.get(one.name) if module else None
            value = value or self.import_module(inner)
            if value is None:
                value = UNKNOWN if module is not None else External(inner)
                if isinstance(value, External):
                    value = self._external(inner)
            self.scope.names[one.asname or one.name] = value


def _dotted(name: str) -> str:
    parts = PurePosixPath(name).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


__all__ = ["Reader", "Variable", "read"]
