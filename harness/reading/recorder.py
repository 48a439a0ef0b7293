"""What the reader of a script keeps: where it is, and what it has found."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.reading.evaluator import Evaluator
from harness.reading.facts import (
    ExitCode,
    Facts,
    HyperparameterRead,
    PathUse,
    Told,
    Use,
    VariableRead,
)
from harness.reading.stamps import stamp_in
from harness.reading.texts import default_text, exit_codes
from harness.reading.values import (
    Argument,
    Class,
    Constant,
    Document,
    Environ,
    Many,
    Module,
    Namespace,
    Parsed,
    Parser,
    Place,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    Variable,
    known_text,
    options_of,
)
from harness.worlds.jobs import TRAINING, Request

# Statements and elements; a script that takes more is gone through in part.
MOST_STEPS = 12_000
CHANNEL_VARIABLE = "SM_CHANNEL_"
_FILE_URI = "file://"
_OPTIONS = re.compile(r"\?\w+=.*$")
_MOST_ALTERNATIVES = 16
# Of a list or a dictionary that is handed on; others are not looked at.
_MOST_ITEMS = 50
# The variables of a training job that hold paths, and those paths.
PLATFORM_PATHS = {
    name: value
    for name, value in TRAINING.variables(Request()).items()
    if value.startswith("/opt/ml")
}
# Documents that hold the hyperparameters of a training job.
HYPERPARAMETER_DOCUMENTS = ("hyperparameters.json", "SM_HPS", "SM_TRAINING_ENV", "SM_USER_ARGS")


# Where a value comes from whose type the script may tell: `int(parameters["depth"])`.
HYPERPARAMETER = "hyperparameter "
# The object of the training toolkit.
TOOLKIT = "toolkit"


@dataclass(frozen=True)
class Alternative:
    """A text that a value may be, with `*` for what is not known."""

    text: str
    exact: bool = True
    argument: Argument | None = None
    variable: str | None = None
    from_default: bool = False
    place: Place | None = None


class Recorder(Evaluator):
    """The state of a reader, and the ways in which it adds to the facts."""

    def __init__(self, facts: Facts, module: Module) -> None:
        """Begin at the top of a module."""
        self.facts = facts
        self.module = module
        self.scope = module.scope
        self.steps = 0
        self.depth = 0
        # How many branches and loops this is in, that may not be taken; the branches among them.
        self.conditional = 0
        self.branches = 0
        self.reached = True
        self.at_import = True
        self.guarded: set[str] = set()
        # How the last call ended, if it did not return; how many may have failed so far.
        self.ended: frozenset[str] = frozenset()
        self.failures = 0
        # Whether the call has arguments that are not known; the expressions whose value is unused.
        self.loose = False
        # Whether the next call must fit the parameters: those of somebody else's are not known.
        self.checks_calls = True
        self.unused: set[ast.AST] = set()
        # All of the script, and those whose body this is in.
        self.classes: list[Class] = []
        self.open_classes: list[Class] = []
        # What is called when the script ends.
        self.at_exit: list[tuple[Value, tuple[Value, ...], ast.AST]] = []
        self._variables: dict[tuple[str, Place], VariableRead] = {}

    def placed(self, value: Value, node: ast.AST) -> Value:
        """A text that an expression puts together: it stands where the expression does."""
        if isinstance(value, Text):
            return Text(value.parts, self.place(node))
        return value

    # Facts.

    def place(self, node: ast.AST | None) -> Place:
        """Where a node of the current module stands."""
        return self.module.place(node)

    def use_path(
        self,
        value: Value,
        use: Use,
        node: ast.AST,
        *,
        encoding_missing: bool = False,
        is_file: bool = True,
        passed: bool = False,
    ) -> None:
        """Keep what is done with a path."""
        place = self.place(node)
        stamp = stamp_in(value) if use == "write" else None
        for one in self.alternatives(value):
            path = one.text.removeprefix(_FILE_URI)
            if not path or "\n" in path:
                continue
            # XGBoost takes options behind a path.
            path = _OPTIONS.sub("", path)
            path = posixpath.normpath(path) if not path.startswith("*") else path
            self.facts.paths.append(
                PathUse(
                    path,
                    use,
                    place,
                    one.place or place,
                    exact=one.exact,
                    begins=not path.startswith("*"),
                    argument=one.argument,
                    variable=one.variable,
                    from_default=one.from_default,
                    reached=self.reached,
                    at_import=self.at_import,
                    encoding_missing=encoding_missing,
                    certain=not self.branches,
                    is_file=is_file,
                    caught=self.catches_absence(),
                    passed=passed,
                    stamp=stamp,
                )
            )

    def clear_up(self, outcomes: frozenset[str], first: int) -> None:
        """Mark what is removed from the path `first` on, if the block that does so fails."""
        if outcomes <= {"fails"}:
            self.facts.paths[first:] = [
                replace(one, on_failure=one.use == "remove") for one in self.facts.paths[first:]
            ]

    def read_variable(
        self, name: Value, node: ast.AST, default: Value | None = None, *, required: bool = False
    ) -> Value:
        """Keep that a variable is read, and give its value."""
        found: list[Value] = []
        for one in self.alternatives(name):
            if not one.exact or not one.text:
                self.facts.environment_escapes = True
                continue
            place = self.place(node)
            if one.place is not None and one.place.file == place.file:
                place = one.place
            self.note_variable(one.text, place, default, required=required)
            found.append(Variable(one.text, default))
        if not found:
            return Unknown("environment")
        return found[0] if len(found) == 1 else Many(tuple(found))

    def note_variable(
        self,
        name: str,
        place: Place,
        default: Value | None = None,
        *,
        required: bool = False,
        implicit: bool = False,
    ) -> None:
        """Keep that a variable is read at a place."""
        known = default_text(default)
        must = required and name not in self.guarded and not self.branches
        read = self._variables.get((name, place))
        if read is None:
            read = VariableRead(
                name,
                place,
                default=known,
                default_known=default is None or known is not None,
                required=must if must or default is not None else None,
                reached=self.reached,
                implicit=implicit,
            )
            self._variables[name, place] = read
            self.facts.variables.append(read)
        else:
            read.required = read.required or (must or None)
            read.reached = read.reached or self.reached

    def demand(self, values: Sequence[Value]) -> None:
        """Keep that the script fails where these variables and arguments are not given."""
        for value in values:
            for one in options_of(value):
                if isinstance(one, Variable) and default_text(one.default) in (None, ""):
                    for read in self.facts.variables:
                        if read.name == one.name:
                            read.required = True
                elif isinstance(one, Parsed) and not one.argument.has_default:
                    one.argument.required = True

    def note_default(self, value: Value, default: Value) -> Value:
        """The value of a variable or another one where it is not set."""
        if isinstance(value, Variable) and value.default is None:
            known = default_text(default)
            for read in self.facts.variables:
                if read.name == value.name and read.default is None:
                    read.default = known
                    read.default_known = known is not None
                    read.required = False
            return Variable(value.name, default)
        return value

    def end(self, value: Value, node: ast.AST) -> None:
        """Keep that the process ends with an exit code."""
        place = self.place(node)
        outcomes: set[str] = set()
        for code in exit_codes(value):
            self.facts.exits.append(ExitCode(code, place, self.reached))
            outcomes.add("exits" if code == 0 else "fails")
        if "fails" in outcomes:
            self.failures += 1
        self.ended = frozenset(outcomes)

    def tell(self, values: Sequence[Value], node: ast.AST, depth: int = 0) -> None:
        """Keep the variables whose values are printed or logged."""
        for value in values:
            if isinstance(value, Environ):
                self.facts.told.append(Told("", self.place(node)))
            elif isinstance(value, Variable):
                self.facts.told.append(Told(value.name, self.place(node)))
            elif isinstance(value, Text) and depth < 3:
                parts = [one for one in value.parts if not isinstance(one, str)]
                self.tell(parts, node, depth + 1)
            elif isinstance(value, Many) and depth < 3:
                self.tell(value.options, node, depth + 1)
            elif isinstance(value, Table) and depth < 2:
                self.tell(list(value.items.values())[:_MOST_ITEMS], node, depth + 1)

    def escape(self, value: Value, depth: int = 0) -> None:
        """Keep that somebody else's function gets a value, and may do anything with it."""
        if isinstance(value, Environ):
            self.facts.environment_escapes = True
        elif isinstance(value, Table):
            value.whole = False
            self.take_all(value)
            for one in list(value.items.values())[:_MOST_ITEMS] if depth < 2 else ():
                self.escape(one, depth + 1)
        elif isinstance(value, Row):
            for one in value.items[:_MOST_ITEMS] if depth < 2 else ():
                self.escape(one, depth + 1)
        elif isinstance(value, Namespace):
            self.use_all(value.parser)
        elif isinstance(value, Text):
            for part in value.parts if depth < 3 else ():
                if not isinstance(part, str):
                    self.escape(part, depth + 1)
        elif isinstance(value, Parser):
            value.whole = False
        elif isinstance(value, Result) and value.name == TOOLKIT:
            self.read_hyperparameter(Document("SM_HPS"), "", None)
        elif isinstance(value, Document):
            self.read_hyperparameter(value, "", None)

    def take(self, value: Value) -> Value:
        """A value that is taken out of a dictionary: an argument is used from then on."""
        for one in options_of(value):
            if isinstance(one, Parsed):
                one.argument.used = True
        return value

    def take_all(self, table: Table) -> None:
        """Keep that any item of a dictionary may be used."""
        for value in table.items.values():
            self.take(value)

    def use_all(self, parser: Parser) -> None:
        """Keep that all arguments of a parser are used."""
        for one in parser.arguments:
            one.used = True

    def read_hyperparameter(self, document: Document, key: str, node: ast.AST | None) -> None:
        """Keep that a key of a document is read, if it holds hyperparameters."""
        if document.of.endswith(HYPERPARAMETER_DOCUMENTS):
            name = "" if document.of.endswith("SM_TRAINING_ENV") else key
            self.facts.hyperparameters.append(HyperparameterRead(name, self.place(node)))

    def note_hyperparameter_default(self, given: Sequence[Value]) -> None:
        """Keep what `get` gives for a hyperparameter that is not there."""
        default = given[1] if len(given) > 1 else None
        known = default.value if isinstance(default, Constant) else default_text(default)
        if isinstance(known, str | int | float) and (name := known_text(given[0])) is not None:
            self.facts.hyperparameter_defaults[name] = known

    def read_hyperparameter_as(self, value: Value, kind: str) -> None:
        """Keep the type that a hyperparameter is read as."""
        for one in options_of(value):
            if isinstance(one, Unknown) and one.of.startswith(HYPERPARAMETER):
                self.facts.hyperparameter_types[one.of[len(HYPERPARAMETER) :]] = kind

    # Texts.

    def alternatives(self, value: Value, depth: int = 0) -> list[Alternative]:
        """The texts that a value may be."""
        if depth > 8:
            return [Alternative("*", exact=False)]
        if isinstance(value, Text):
            found = [Alternative("", place=value.place)]
            for part in value.parts:
                added = (
                    [Alternative(part)]
                    if isinstance(part, str)
                    else self.alternatives(part, depth + 1) or [Alternative("*", exact=False)]
                )
                found = [
                    _appended(one, more) for one in found for more in added[:_MOST_ALTERNATIVES]
                ][:_MOST_ALTERNATIVES]
            return found
        if isinstance(value, Many):
            return [one for part in value.options for one in self.alternatives(part, depth + 1)][
                :_MOST_ALTERNATIVES
            ]
        if isinstance(value, Variable):
            return list(self._variable_texts(value, depth))
        if isinstance(value, Parsed):
            argument = value.argument
            given = [
                replace(one, argument=argument, from_default=True)
                for one in self.alternatives(argument.default_value, depth + 1)
            ]
            return given or [Alternative("*", exact=False, argument=argument)]
        if isinstance(value, Constant):
            return [] if value.value is None else [Alternative(str(value.value))]
        return [Alternative("*", exact=False)]

    def _variable_texts(self, value: Variable, depth: int) -> Iterator[Alternative]:
        path = PLATFORM_PATHS.get(value.name)
        if path is None and value.name.startswith(CHANNEL_VARIABLE):
            path = TRAINING.mount(value.name.removeprefix(CHANNEL_VARIABLE).lower())
        if path is not None:
            yield Alternative(path, variable=value.name)
            # A job of another type sets no such variable, and has its folder there.
            default = "" if value.default is None else known_text(value.default) or ""
            if default.startswith("/opt/ml/") and default.rstrip("/") != path:
                yield Alternative(default, variable=value.name, from_default=True)
        elif value.default is not None and value.default != Constant(None):
            for one in self.alternatives(value.default, depth + 1):
                yield replace(one, variable=value.name, from_default=True)
        else:
            yield Alternative("*", exact=False, variable=value.name)


def _appended(one: Alternative, more: Alternative) -> Alternative:
    text = one.text + more.text
    if more.text.startswith("/") and one.text.endswith("/"):
        text = one.text.rstrip("/") + more.text
    return Alternative(
        text[:1000],
        one.exact and more.exact,
        one.argument or more.argument,
        one.variable or more.variable,
        one.from_default or more.from_default,
        one.place or more.place,
    )


__all__ = ["Alternative", "Recorder", "default_text", "exit_codes"]
