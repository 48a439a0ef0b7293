"""Parsers of command line arguments: argparse, optparse, click, typer, getopt."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from harness.reading.facts import MissingKey
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Argument,
    Class,
    Constant,
    Document,
    External,
    Given,
    Many,
    Member,
    Namespace,
    Parsed,
    Parser,
    Place,
    Result,
    Row,
    Table,
    Text,
    Value,
    Variable,
    join,
    known_text,
)
from harness.reading.words import Words

PARSERS = ("ArgumentParser", "OptionParser", "HfArgumentParser")
_SWITCHES = ("store_true", "store_false", "count", "store_const", "append_const")
_NO_ARGUMENTS = ("help", "version")
_TYPES = {"builtins.int": "int", "builtins.float": "float", "builtins.str": "str"}
_TYPES |= {"int": "int", "float": "float", "str": "str", "bool": "bool", "json.loads": "json"}
_CLICK_TYPES = {"click.INT": "int", "click.FLOAT": "float", "click.STRING": "str"}


def plain(value: Value) -> tuple[bool, Any]:
    """Whether a value is known, and what it is in Python."""
    if isinstance(value, Constant):
        return True, value.value
    if isinstance(value, Text) and value.known is not None:
        return True, value.known
    if isinstance(value, Row) and value.whole:
        parts = [plain(one) for one in value.items]
        return all(known for known, _ in parts), [one for _, one in parts]
    return False, None


def type_name(value: Value | None) -> str | None:
    """The name of a type; those that are not known begin with `?`."""
    if value is None:
        return None
    if isinstance(value, External):
        last = value.name.rpartition(".")[2]
        return _TYPES.get(value.name) or _CLICK_TYPES.get(value.name) or f"?{last}"
    return "?"


def choices_of(value: Value | None) -> tuple[object, ...] | None:
    """The choices that a value lists; None where they are not known."""
    if isinstance(value, Row) and value.whole:
        known, items = plain(value)
        return tuple(items) if known else None
    if isinstance(value, Table) and value.whole:
        return tuple(value.items)
    if isinstance(value, Class) and value.is_enumeration:
        return choices_of(Row(value.members))
    return None


def _variables_in(value: Value, depth: int = 0) -> Iterator[str]:
    """The variables that a value is made of."""
    if isinstance(value, Variable):
        yield value.name
        if value.default is not None:
            yield from _variables_in(value.default, depth + 1)
    elif isinstance(value, Document):
        yield value.of
    elif isinstance(value, Many) and depth < 4:
        for one in value.options:
            yield from _variables_in(one, depth + 1)
    elif isinstance(value, Result) and depth < 4:
        for one in value.given:
            yield from _variables_in(one, depth + 1)
    elif isinstance(value, Member) and depth < 4:
        yield from _variables_in(value.owner, depth + 1)
    elif isinstance(value, Text) and depth < 4:
        for part in value.parts:
            if not isinstance(part, str):
                yield from _variables_in(part, depth + 1)


def _state_one_of_several(argument: Argument, *, added_to: bool) -> None:
    """Keep the default of an argument with several values only where one word passes the same."""
    values = argument.default if isinstance(argument.default, list) else None
    if values == []:
        argument.has_default = False
    is_one = values is not None and len(values) == 1 and not added_to
    argument.default = values[0] if values and is_one else None


def _take_action(argument: Argument, action: Value) -> None:
    """`action=argparse.BooleanOptionalAction`: `--name` and `--no-name`, the opposite first."""
    if not (isinstance(action, External) and action.name.endswith(".BooleanOptionalAction")):
        argument.type = "?action"
        return
    opposite = tuple(f"--no-{one[2:]}" for one in argument.names if one.startswith("--"))
    is_on = argument.default is True
    argument.names = (*opposite, *argument.names) if is_on else (*argument.names, *opposite)
    argument.is_switch, argument.type = True, "?"


class Parsers(Words):
    """What the script does with parsers."""

    def add_argument(self, parser: Parser, call: Given) -> Value:
        """`parser.add_argument(...)`, also of a group or a command."""
        given, named, node = call
        names = [one for value in given for one in (known_text(value),)]
        action = known_text(named.get("action", UNKNOWN))
        if not names and "name" in named:
            names = [known_text(named["name"])]
        if any(one is None for one in names) or not names:
            parser.whole = False
            self.facts.words_escape = True
            return UNKNOWN
        flags = tuple(one for one in names if one)
        if action in _NO_ARGUMENTS or not flags:
            return UNKNOWN
        positional = not flags[0].startswith("-")
        longest = next((one for one in flags if one.startswith("--")), flags[0])
        dest = known_text(named["dest"]) if "dest" in named else None
        argument = Argument(
            flags,
            dest or longest.lstrip("-").replace("-", "_"),
            self._place_of(given, node),
            type=type_name(named.get("type")),
            choices=choices_of(named.get("choices")),
            positional=positional,
            is_switch=action in _SWITCHES,
        )
        if "type" not in named and not argument.is_switch:
            argument.type = "str"
        if action and not argument.is_switch and action not in ("store", "append", "extend"):
            argument.type = "?action"
        self._set_default(argument, named.get("default"))
        nargs = known_text(named.get("nargs", UNKNOWN))
        if action in ("append", "extend") or ("nargs" in named and nargs != "?"):
            _state_one_of_several(argument, added_to=action in ("append", "extend"))
        if "action" in named and action is None:
            _take_action(argument, named["action"])
        is_required = named.get("required") == Constant(True)
        optional = nargs in ("?", "*") or ("default" in named and nargs == "?")
        argument.required = (positional and not optional) or is_required
        if argument.is_switch:
            argument.default_value = Constant(action == "store_false")
        self._keep(parser, argument)
        return UNKNOWN

    def _place_of(self, given: Sequence[Value], node: ast.AST) -> Place:
        place = self.place(node)
        first = given[0] if given else None
        if isinstance(first, Text) and first.place is not None and isinstance(node, ast.Call):
            argument = node.args[0] if node.args else None
            # The flag stands elsewhere, such as in the table that a loop goes through.
            if not isinstance(argument, ast.Constant) and first.place.file == place.file:
                return first.place
        return place

    def _set_default(self, argument: Argument, default: Value | None) -> None:
        if default is None:
            return
        argument.default_value = default
        if default == NONE:
            return
        argument.has_default = True
        known, value = plain(default)
        argument.default = value if known else None
        argument.variables = tuple(dict.fromkeys(_variables_in(default)))

    def _keep(self, parser: Parser, argument: Argument) -> None:
        same = [
            one
            for one in self.facts.arguments
            if one.names == argument.names and one.place == argument.place
        ]
        if same:
            parser.arguments.append(same[0])
            same[0].reached = same[0].reached or self.reached
            return
        argument.reached = self.reached
        parser.arguments.append(argument)
        self.facts.arguments.append(argument)

    def parser_method(self, parser: Parser, name: str, call: Given) -> Value:
        """A method of a parser."""
        given, named, node = call
        if name in ("add_argument", "add_option"):
            return self.add_argument(parser, call)
        if name in ("add_argument_group", "add_mutually_exclusive_group", "add_subparsers"):
            dest = known_text(named.get("dest", UNKNOWN))
            if name == "add_subparsers" and dest:
                # It takes the name of a command, and no contract declares it.
                command = Argument((dest,), dest, self.place(node), "str", positional=True)
                command.used = True
                command.required = plain(named.get("required", UNKNOWN)) == (True, True)
                command.reached = self.reached
                parser.arguments.append(command)
                self.facts.commands.append(command)
            return parser
        if name == "add_parser":
            word = known_text(given[0]) if given else None
            for command in self.facts.commands[-1:] if word else ():
                command.choices = (*(command.choices or ()), word)
            # What a command adds, such as its function, is in the one namespace.
            return Parser(parser.arguments, extra=parser.extra, is_command=True)
        if name in ("parse_args", "parse_known_args", "parse_intermixed_args"):
            self.facts.parses = True
            if "namespace" in named or len(given) > 1:
                parser.whole = False
            space = Namespace(parser)
            return space if name == "parse_args" else Row([space, UNKNOWN])
        if name == "parse_args_into_dataclasses":
            self.facts.parses = True
            return Row([Namespace(parser)], whole=False)
        if name in ("error", "exit"):
            code: Value = Constant(2) if name == "error" else (given or (Constant(0),))[0]
            self.end(code, node)
            return UNKNOWN
        if name == "set_defaults":
            for key, value in named.items():
                for one in parser.arguments:
                    if one.dest == key:
                        self._set_default(one, value)
                # Each command may set another.
                known = [parser.extra[key]] if key in parser.extra and parser.is_command else []
                parser.extra[key] = join([*known, value])
        elif name not in ("print_help", "print_usage", "format_help"):
            parser.whole = False
            self.facts.words_escape = True
        return UNKNOWN

    def table_of_namespace(self, space: Namespace) -> Table:
        """`vars(args)`; an argument is used when its item is."""
        items: dict[object, Value] = {one.dest: Parsed(one) for one in space.parser.arguments}
        items.update(space.parser.extra)
        items.update(space.added)
        return Table(items, space.parser.whole, of_parser=True)

    def attribute_of_namespace(self, space: Namespace, name: str, node: ast.AST) -> Value:
        """`args.NAME`."""
        if name == "__dict__":
            return self.table_of_namespace(space)
        if name in space.added:
            return space.added[name]
        for one in reversed(space.parser.arguments):
            if one.dest == name:
                one.used = True
                return Parsed(one)
        if name in space.parser.extra:
            return space.parser.extra[name]
        if space.parser.whole and not name.startswith("_") and self.reached:
            known = tuple(one.dest for one in space.parser.arguments)
            self.facts.missing.append(MissingKey(name, known, self.place(node), "argument"))
        return UNKNOWN
