"""What a script does, as far as it can be told without running it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.reading.values import Argument, Function, Module, Place

# What is done with a path; a name is handed to somebody else's function.
Use = Literal["read", "write", "list", "make", "remove", "test", "extract", "name"]
READING: tuple[Use, ...] = ("read", "list", "extract")
WRITING: tuple[Use, ...] = ("write", "make")


@dataclass(frozen=True)
class PathUse:
    """A path, and what is done with it.

    `path` has a `*` for each piece that is not known, `exact` ones have none. `begins` is false
    when not even the beginning is known. `argument` and `variable` are what it was given by.
    """

    path: str
    use: Use
    place: Place
    origin: Place
    exact: bool = True
    begins: bool = True
    argument: Argument | None = None
    variable: str | None = None
    from_default: bool = False
    reached: bool = True
    at_import: bool = False
    encoding_missing: bool = False
    # Whether it is used in every run that gets so far.
    certain: bool = True
    # Whether it is a file for sure, and no folder.
    is_file: bool = True
    # Whether the script handles that it is not there.
    caught: bool = False
    # Whether a function of the script's own is given it, and no more.
    passed: bool = False
    # The function that makes its name another one in each run.
    stamp: str | None = None
    # Whether it is removed by a script that fails.
    on_failure: bool = False


@dataclass(eq=False)
class VariableRead:
    """A variable that is read; `required` is None where the script's reaction is not known."""

    name: str
    place: Place
    default: str | None = None
    default_known: bool = True
    required: bool | None = None
    reached: bool = True
    # A library reads it for an argument or a field that has its name.
    implicit: bool = False
    # A field of a class of settings, which takes a variable in any case.
    of_settings: bool = False


@dataclass(frozen=True)
class ExitCode:
    """A place that ends the process; `code` is None when it is not known."""

    code: int | None
    place: Place
    reached: bool = True


@dataclass(frozen=True)
class Stamp:
    """A time, or an identifier made by chance, that is written into a file."""

    function: str
    path: str
    place: Place
    # The JSON pointers of the values that are such, where the file is a document of known keys.
    pointers: tuple[str, ...] = ()


@dataclass(frozen=True)
class MissingKey:
    """A key that is taken from a dictionary of the script's own that never has it."""

    key: str
    known: tuple[str, ...]
    place: Place
    what: Literal["key", "argument"] = "key"


@dataclass(frozen=True)
class Told:
    """A variable whose value is printed or logged; "" is the whole environment."""

    variable: str
    place: Place


@dataclass(frozen=True)
class WrongCall:
    """A call of a function of the script that does not fit its parameters."""

    function: str
    what: str
    place: Place


@dataclass(frozen=True)
class HyperparameterRead:
    """A hyperparameter that the script takes from where the service puts them; "" is all."""

    name: str
    place: Place


@dataclass
class Facts:
    """All that is known of a script and of the modules beside it that it imports."""

    paths: list[PathUse] = field(default_factory=list)
    variables: list[VariableRead] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    # The words that choose a command of a parser, whose names are their choices.
    commands: list[Argument] = field(default_factory=list)
    exits: list[ExitCode] = field(default_factory=list)
    missing: list[MissingKey] = field(default_factory=list)
    wrong_calls: list[WrongCall] = field(default_factory=list)
    hyperparameters: list[HyperparameterRead] = field(default_factory=list)
    hyperparameter_types: dict[str, str] = field(default_factory=dict)
    # What the script takes for a hyperparameter that is not given, where that is known.
    hyperparameter_defaults: dict[str, object] = field(default_factory=dict)
    stamps: list[Stamp] = field(default_factory=list)
    # The files that logging writes to.
    logs: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    signals: dict[int, Function | None] = field(default_factory=dict)
    # Handlers of exceptions after which the process fails, or may.
    failing: set[ast.AST] = field(default_factory=set)
    # Variables that the script sets, and those that it sets where they are not set.
    set_variables: set[str] = field(default_factory=set)
    kept_variables: set[str] = field(default_factory=set)
    # Variables that the script sets in every run, and has not read before.
    overwritten: dict[str, Place] = field(default_factory=dict)
    # Paths without which the script ends with 0.
    excused: dict[str, Place] = field(default_factory=dict)
    # Paths whose absence the script fails for, and those that it goes on without.
    demanded: set[str] = field(default_factory=set)
    dispensable: set[str] = field(default_factory=set)
    # Texts with paths in them that somebody else's function is given, such as queries.
    texts: set[tuple[str, Place]] = field(default_factory=set)
    modules: Mapping[str, Module] = field(default_factory=dict)
    reached: set[ast.AST] = field(default_factory=set)
    # Whether the environment, or the words of the command line, are also used in unknown ways.
    environment_escapes: bool = False
    words_escape: bool = False
    parses: bool = False
    runs_programs: bool = False
    # Whether everything was looked at; a script may be too long for that.
    complete: bool = True
    script: Path = Path()
    # The folder that modules are imported from, and the package of a script that is run by -m.
    folder: Path = Path()
    package: str = ""
