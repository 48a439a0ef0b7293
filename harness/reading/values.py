"""The values that the reader of scripts knows: texts, environment variables, arguments, objects.

A value stands for what an expression may be when the script runs. What is not known is `UNKNOWN`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Place:
    """A part of a file; lines and columns count from 1, columns in characters."""

    file: Path
    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int = 1


class Value:
    """What an expression may be."""

    __slots__ = ()


@dataclass(frozen=True)
class Unknown(Value):
    """Anything; `of` names where it comes from, such as the called function."""

    of: str = ""


UNKNOWN = Unknown()


@dataclass(frozen=True)
class NamePart(Unknown):
    """The name or the suffix of a path whose last piece is not known; `of` says which."""

    whole: Value = UNKNOWN


@dataclass(frozen=True)
class Constant(Value):
    """A number, a truth value, bytes or None."""

    value: object


NONE = Constant(None)


@dataclass(frozen=True)
class Text(Value):
    """A text, or a path: known pieces, and values that become pieces of it."""

    parts: tuple[str | Value, ...]
    place: Place | None = field(default=None, compare=False)

    @property
    def known(self) -> str | None:
        """The whole text; None when a piece is not known."""
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        return None if self.parts else ""

    @property
    def beginning(self) -> str:
        """The known beginning."""
        first = self.parts[0] if self.parts else ""
        return first if isinstance(first, str) else ""


@dataclass(frozen=True)
class Variable(Value):
    """The value of an environment variable, or what stands for it where it is not set."""

    name: str
    default: Value | None = None


@dataclass(frozen=True)
class Parsed(Value):
    """The value of a command line argument."""

    argument: Argument


@dataclass(frozen=True)
class Many(Value):
    """One of several values."""

    options: tuple[Value, ...]


@dataclass(frozen=True)
class External(Value):
    """A module, function or class of somebody else, by its dotted name."""

    name: str


@dataclass(eq=False)
class Result(Value):
    """What a call of somebody else's function gave."""

    name: str
    given: tuple[Value, ...] = ()
    named: Mapping[str, Value] = field(default_factory=dict)
    # What the script puts into it: `table["time"] = now`.
    held: list[Value] = field(default_factory=list)

    @property
    def of(self) -> Value:
        """The first argument."""
        return self.given[0] if self.given else UNKNOWN


@dataclass(frozen=True)
class Member(Value):
    """A member of a value that is none of the script's own objects: `PATH.open`."""

    owner: Value
    name: str


@dataclass(frozen=True)
class Document(Value):
    """What a file or a variable with JSON holds: `of` is its path or name, `keys` lead into it."""

    of: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environ(Value):
    """The environment, or a copy of it."""


@dataclass(frozen=True)
class Arguments(Value):
    """The words of the command line: `sys.argv` without the first ones; None where not known."""

    skipped: int | None = 0


class Given(NamedTuple):
    """What a call gives: the values by position and by name, and where the call stands."""

    values: Sequence[Value]
    named: Mapping[str, Value]
    node: ast.AST

    def at(self, position: int, name: str) -> Value | None:
        """The value at a position, or of a name; None where it is not given."""
        return self.values[position] if len(self.values) > position else self.named.get(name)


@dataclass(eq=False)
class Table(Value):
    """A dictionary; it may have more keys unless it is `whole`."""

    items: dict[object, Value] = field(default_factory=dict)
    whole: bool = True
    rest: Value = UNKNOWN
    # Whether its items are the arguments that a parser gave.
    of_parser: bool = False

    @classmethod
    def of(cls, named: Mapping[str, Value], whole: bool = True) -> Table:
        """The dictionary with these names."""
        made = cls(whole=whole)
        for name, value in named.items():
            made.items[name] = value
        return made


@dataclass(eq=False)
class Row(Value):
    """A list, tuple or set; it may have more elements unless it is `whole`."""

    items: list[Value] = field(default_factory=list)
    whole: bool = True
    # Variables whose absence is what puts an element into it.
    absent: tuple[Value, ...] = ()


@dataclass(eq=False)
class Scope:
    """The names of a function, a class or a module."""

    names: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None

    def find(self, name: str) -> Value | None:
        """The value of a name here or in an outer scope."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None


@dataclass(eq=False)
class Module(Value):
    """A module beside the script, or the script itself."""

    name: str
    scope: Scope
    file: Path
    lines: Sequence[str]
    tree: ast.Module

    def place(self, node: ast.AST | None) -> Place:
        """Where a node stands."""
        if not isinstance(node, ast.expr | ast.stmt | ast.ExceptHandler | ast.arg | ast.keyword):
            return Place(self.file)
        end = node.end_lineno or node.lineno
        return Place(
            self.file,
            node.lineno,
            self._column(node.lineno, node.col_offset),
            end,
            self._column(end, node.end_col_offset or 0),
        )

    def _column(self, line: int, offset: int) -> int:
        # The offset counts bytes of UTF-8.
        before = "".join(self.lines[line - 1 : line]).encode("utf-8", "surrogatepass")[:offset]
        return len(before.decode("utf-8", "ignore")) + 1


@dataclass(eq=False)
class Function(Value):
    """A function of the script."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Module
    scope: Scope
    defaults: Mapping[str, Value] = field(default_factory=dict)
    kind: str = ""
    options: tuple[Argument, ...] = ()
    owner: Class | None = None
    prefix: str | None = None
    passes_context: bool = False
    by_name: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return "" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(eq=False)
class Class(Value):
    """A class of the script; `fields` are those of a dataclass or of settings, in their order."""

    node: ast.ClassDef
    module: Module
    scope: Scope
    bases: tuple[Value, ...] = ()
    fields: tuple[str, ...] = ()

    def derives_from(self, other: Class) -> bool:
        """Whether this is the other class, or one of its bases is."""
        return self is other or any(
            isinstance(one, Class) and one.derives_from(other) for one in self.bases
        )

    @property
    def foreign_bases(self) -> tuple[str, ...]:
        """The names of somebody else's classes that this one derives from."""
        found: list[str] = []
        for one in self.bases:
            if isinstance(one, External):
                found.append(one.name)
            elif isinstance(one, Class):
                found += one.foreign_bases
        return tuple(found)

    @property
    def is_enumeration(self) -> bool:
        """Whether its members are the values of an enumeration."""
        return any("enum" in name.lower() for name in self.foreign_bases)

    @property
    def members(self) -> list[Value]:
        """The values of an enumeration."""
        named = ((key, one) for key, one in self.scope.names.items() if not key.startswith("_"))
        return [one for _, one in named if isinstance(one, Text | Constant)]

    def find(self, name: str) -> Value | None:
        """A member of the class or of a base."""
        if name in self.scope.names:
            return self.scope.names[name]
        for base in self.bases:
            if isinstance(base, Class) and (found := base.find(name)) is not None:
                return found
        return None


@dataclass(eq=False)
class Instance(Value):
    """An object of a class of the script."""

    kind: Class
    attributes: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Bound(Value):
    """A method of an object or of a class, or a function with some arguments already given."""

    function: Value
    given: tuple[Value, ...]
    named: Mapping[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Parser(Value):
    """A parser of command line arguments, its groups and its commands."""

    arguments: list[Argument] = field(default_factory=list)
    whole: bool = True
    extra: dict[str, Value] = field(default_factory=dict)
    is_command: bool = False


@dataclass(eq=False)
class Namespace(Value):
    """What a parser gave."""

    parser: Parser
    added: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Argument:
    """A command line argument: its flags or its name, and what it may be.

    `type` is the name of its type, `default` and `choices` are None where there is none or where
    they are not known; `default_value` is the value that the script goes on with.
    """

    names: tuple[str, ...]
    dest: str
    place: Place
    type: str | None = None
    default: object = None
    has_default: bool = False
    choices: tuple[object, ...] | None = None
    required: bool = False
    positional: bool = False
    is_switch: bool = False
    variables: tuple[str, ...] = ()
    default_value: Value = NONE
    source: str = "argparse"
    used: bool = False
    reached: bool = True
    # Of a word that has no name: its place on the command line.
    position: int = 0


def text(value: str, place: Place | None = None) -> Text:
    """A known text."""
    return Text((value,), place)


def join(values: Sequence[Value]) -> Value:
    """The value that is one of these."""
    options: list[Value] = []
    for value in values:
        for one in value.options if isinstance(value, Many) else (value,):
            if not any(one is other or one == other for other in options):
                options.append(one)
    if not options:
        return UNKNOWN
    return options[0] if len(options) == 1 else Many(tuple(options[:40]))


def options_of(value: Value) -> tuple[Value, ...]:
    """The values that a value may be."""
    return value.options if isinstance(value, Many) else (value,)


def known_text(value: Value) -> str | None:
    """The text that a value is; None for any other."""
    return value.known if isinstance(value, Text) else None


def of_key(key: object) -> Value:
    """The value that a key of a dictionary is."""
    return text(key) if isinstance(key, str) else Constant(key)
