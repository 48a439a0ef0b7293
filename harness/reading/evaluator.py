"""What the parts of the reader ask of one another."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Sequence

from harness.reading.values import Function, Module, Table, Value


class Evaluator(ABC):
    """What each part of the reader may call, wherever it is defined."""

    @abstractmethod
    def block(self, body: Sequence[ast.stmt]) -> frozenset[str]:
        """Run statements; how they may end."""

    @abstractmethod
    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a target."""

    @abstractmethod
    def guard(self, values: Sequence[Value]) -> set[str]:
        """Take it that these variables are set; gives the names that were not so before."""

    @abstractmethod
    def absent(self, test: ast.expr) -> list[Value]:
        """The variables and arguments that are not given when a test holds."""

    @abstractmethod
    def present(self, test: ast.expr) -> list[Value]:
        """The variables and arguments that are given when a test holds."""

    @abstractmethod
    def narrow(self, test: ast.expr, *, holds: bool) -> object:
        """Go on with what the names of this scope may be when a test holds, or does not."""

    @abstractmethod
    def attribute(self, owner: Value, name: str, node: ast.AST) -> Value:
        """The member of a value."""

    @abstractmethod
    def set_item(self, table: Table, key: Value, value: Value) -> None:
        """`table[key] = value`."""

    @abstractmethod
    def is_given(self, table: Table) -> bool:
        """Whether a dictionary is one that this function was called with."""

    @abstractmethod
    def catches(self, exception: str) -> bool:
        """Whether an exception is handled here."""

    @abstractmethod
    def truth(self, test: ast.expr) -> bool | None:
        """Whether a test holds, where that is known."""

    @abstractmethod
    def item(self, owner: Value, key: Value, node: ast.AST) -> Value:
        """The item of a container."""

    @abstractmethod
    def overlay(self, table: Table) -> None:
        """Somebody else's keys come on top: each value may be another."""

    @abstractmethod
    def evaluate(self, node: ast.expr | None) -> Value:
        """The value of an expression."""

    @abstractmethod
    def call(
        self, function: Value, given: Sequence[Value], named: dict[str, Value], node: ast.AST
    ) -> Value:
        """The value of a call."""

    @abstractmethod
    def function_from(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        """A function of the script."""

    @abstractmethod
    def import_module(self, name: str) -> Module | None:
        """A module beside the script."""

    @abstractmethod
    def catches_absence(self) -> bool:
        """Whether the script handles here that a file is not there."""

    @abstractmethod
    def bind_imports(self, node: ast.Import | ast.ImportFrom) -> None:
        """Bind the names of an import."""

    @abstractmethod
    def elements(self, value: Value) -> tuple[list[Value], bool]:
        """The elements of what a loop goes through, and whether they are all."""
