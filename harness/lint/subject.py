"""What a check gets: a contract, the facts of its script, and the syntax trees."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from harness.contracts.contract import Contract
from harness.lint.codes import CODES
from harness.lint.locate import line_of
from harness.lint.problem import Edit, Problem, printable
from harness.lint.syntax import Syntax
from harness.reading.facts import Facts
from harness.reading.values import Place
from harness.worlds.jobs import TRAINING

# Where the model of a training job is uploaded from.
_MODEL = "/opt/ml/model"


class Subject:
    """A script, the modules beside it that it imports, and its contract."""

    def __init__(self, contract: Contract, facts: Facts) -> None:
        """Take the parts."""
        self.contract = contract
        self.facts = facts
        self.modules: tuple[Syntax, ...] = tuple(
            Syntax(one.file, one.tree, tuple(one.lines)) for one in facts.modules.values()
        )

    @property
    def script(self) -> Syntax:
        """The script itself."""
        return self.modules[0]

    def counts(self, place: Place, reached: bool) -> bool:
        """Whether something at a place counts against the script.

        In the script itself everything does, in a module beside it what the script reaches; and
        the rest of it if no other script there imports it.
        """
        return reached or place.file == self.script.script or place.file in self._own_modules

    @cached_property
    def _own_modules(self) -> set[Path]:
        """The modules beside the script that no other program there imports."""
        own = {one.script for one in self.modules[1:]}
        others = [
            path
            for path in sorted(self.script.script.parent.glob("*.py"))[:200]
            if path != self.script.script and path not in own
        ]
        for path in others:
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for module in list(own):
                if re.search(rf"\b(import|from)\b[^\n]*\b{re.escape(module.stem)}\b", text):
                    own.discard(module)
        return own

    def problem(
        self, code: str, message: str, fix: str, place: Place | None, edit: Edit | None = None
    ) -> Problem:
        """A problem at a place of the script, or at its beginning."""
        at = place or Place(self.script.script)
        return Problem(
            code,
            printable(message),
            printable(fix),
            at.file,
            at.line,
            at.column,
            at.end_line,
            at.end_column,
            CODES[code].severity,
            edit,
        )

    def at_node(self, syntax: Syntax, code: str, message: str, fix: str, node: ast.AST) -> Problem:
        """A problem at a node of a module."""
        module = next(one for one in self.facts.modules.values() if one.file == syntax.script)
        return self.problem(code, message, fix, module.place(node))

    def in_contract(
        self, code: str, message: str, fix: str, *keys: str, edit: Edit | None = None
    ) -> Problem:
        """A problem of the contract, at the key that it is about."""
        file = self.contract.origin
        if not file.name:
            return self.problem(code, message, fix, None)
        line, column = line_of(self.contract, keys)
        place = Place(file, line, column, line, column)
        return self.problem(code, message, fix, place, edit)

    def new_key(self, part: str, key: str, value: str) -> Edit | None:
        """The change that adds a key to a part of a contract.yaml; None where it is not plain."""
        file = self.contract.origin
        if file.suffix != ".yaml" or not file.is_file() or file.name.endswith(".step.yaml"):
            return None
        lines = file.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if line.rstrip() == f"{part}:":
                return Edit(file, number, "", f"  {key}: {value}")
            if line.rstrip() == f"{part}: {{}}":
                return Edit(file, number, line, f"{part}:\n  {key}: {value}")
            found = re.fullmatch(rf"{part}: \{{(.+)\}}\s*", line)
            if found:
                return Edit(file, number, f"{found[1]}}}", f"{found[1]}, {key}: {value}}}")
        if lines:
            return Edit(file, len(lines), "", f"{part}:\n  {key}: {value}")
        return None

    # What several checks ask of a contract.

    @cached_property
    def declared_paths(self) -> Mapping[str, tuple[str, str, str]]:
        """Every absolute path of the contract → part, name, and key of the part."""
        declared: dict[str, tuple[str, str, str]] = {}
        for name, one in self.contract.inputs.items():
            for key, paths in (("mounts", one.mounts), ("source", one.source)):
                for path in paths:
                    if path.startswith("/"):
                        declared.setdefault(posixpath.normpath(path), ("inputs", name, key))
        for name, output in self.contract.outputs.items():
            declared.setdefault(posixpath.normpath(output.path), ("outputs", name, "path"))
        return declared

    @cached_property
    def is_training(self) -> bool:
        """Whether the step is, or may be, a training job."""
        job = self.contract.job
        below = (TRAINING.channels, _MODEL)
        return (job is not None and job.profile != "processing") or any(
            path == one or path.startswith(f"{one}/")
            for path in self.declared_paths
            for one in below
        )

    @cached_property
    def channels(self) -> frozenset[str]:
        """The channels of a training job, in lower case."""
        return frozenset(
            posixpath.basename(path).lower()
            for path, (part, _, _) in self.declared_paths.items()
            if part == "inputs" and posixpath.dirname(path) == TRAINING.channels
        )

    @cached_property
    def says_failures(self) -> bool:
        """Whether the contract lists exit codes of failures."""
        return bool(self.contract.failure_codes)

    def syntaxes(self) -> Iterator[Syntax]:
        """The script and the modules beside it."""
        yield from self.modules
