"""Parsers of command line arguments: argparse, optparse, click, typer, getopt."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.reading.recorder import Recorder
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Argument,
    Class,
    Constant,
    Document,
    External,
    Function,
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
    known_text,
)

PARSERS = ("ArgumentParser", "OptionParser", "HfArgumentParser")
_SWITCHES = ("store_true", "store_false", "count", "store_const", "append_const")
_NO_ARGUMENTS = ("help", "version")
_TYPES = {"builtins.int": "int", "builtins.float": "float", "builtins.str": "str"}
_TYPES |= {"int": "int", "float": "float", "str": "str", "bool": "bool", "json.loads": "json"}
_CLICK_TYPES = {"click.INT": "int", "click.FLOAT": "float", "click.STRING": "str"}
# Parameters that a library gives, and no command line.
_CONTEXTS = ("click.Context", "typer.Context")


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


def _type_name(value: Value | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, External):
        last = value.name.rpartition(".")[2]
        return _TYPES.get(value.name) or _CLICK_TYPES.get(value.name) or f"?{last}"
    return "?"


def _choices(value: Value | None) -> tuple[object, ...] | None:
    if isinstance(value, Row) and value.whole:
        known, items = plain(value)
        return tuple(items) if known else None
    if isinstance(value, Table) and value.whole:
        return tuple(value.items)
    if isinstance(value, Class) and value.is_enumeration:
        return _choices(Row(value.members))
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


class Parsers(Recorder):
    """What the script does with parsers."""

    def add_argument(
        self, parser: Parser, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> Value:
        """`parser.add_argument(...)`, also of a group or a command."""
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
            type=_type_name(named.get("type")),
            choices=_choices(named.get("choices")),
            positional=positional,
            is_switch=action in _SWITCHES,
        )
        if "type" not in named and not argument.is_switch:
            argument.type = "str"
        if action and not argument.is_switch and action not in ("store", "append", "extend"):
            argument.type = "?action"
        self._set_default(argument, named.get("default"))
        nargs = known_text(named.get("nargs", UNKNOWN))
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

    def parser_method(
        self,
        parser: Parser,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        """A method of a parser."""
        if name in ("add_argument", "add_option"):
            return self.add_argument(parser, given, named, node)
        if name in ("add_argument_group", "add_mutually_exclusive_group", "add_subparsers"):
            dest = known_text(named.get("dest", UNKNOWN))
            if name == "add_subparsers" and dest:
                # It takes the name of a command, and no contract declares it.
                parser.arguments.append(
                    Argument((dest,), dest, self.place(node), positional=True, used=True)
                )
            return parser
        if name == "add_parser":
            return Parser(parser.arguments, is_command=True)
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
                parser.extra[key] = value
        elif name not in ("print_help", "print_usage", "format_help"):
            parser.whole = False
            self.facts.words_escape = True
        return UNKNOWN

    def attribute_of_namespace(self, space: Namespace, name: str, node: ast.AST) -> Value:
        """`args.NAME`."""
        from harness.reading.facts import MissingKey

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

    # click and typer: decorators and parameters become arguments.

    def click_option(
        self, name: str, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> Argument | None:
        """`click.option(...)` or `click.argument(...)`."""
        names = [one for value in given if (one := known_text(value)) is not None]
        flags = [part for one in names for part in one.split("/") if part.startswith("-")]
        dests = [one for one in names if not one.startswith("-")]
        positional = name.endswith("argument")
        shown = tuple(dests if positional else flags)
        if not shown:
            return None
        longest = next((one for one in flags if one.startswith("--")), shown[0])
        dest = (dests[0] if dests else longest.lstrip("-")).replace("-", "_").lower()
        argument = Argument(
            shown,
            dest,
            self.place(node),
            type=_type_name(named.get("type")) or "str",
            positional=positional,
            is_switch=named.get("is_flag") == Constant(True) or any("/" in one for one in names),
            source="click",
        )
        kind = named.get("type")
        if isinstance(kind, Result) and kind.name == "click.Choice":
            argument.type, argument.choices = "str", _choices(kind.of)
        elif isinstance(kind, Result):
            argument.type = "?path" if kind.name == "click.Path" else "?"
        self._set_default(argument, named.get("default"))
        if "type" not in named and isinstance(argument.default, int | float):
            argument.type = type(argument.default).__name__
        is_required = named.get("required")
        argument.required = is_required == Constant(True) or (
            positional and is_required != Constant(False) and not argument.has_default
        )
        self._add_variables(argument, named.get("envvar"), node)
        self.facts.arguments.append(argument)
        return argument

    def _add_variables(self, argument: Argument, value: Value | None, node: ast.AST) -> None:
        values = value.items if isinstance(value, Row) else [value] if value is not None else []
        for one in values:
            if (name := known_text(one)) is not None:
                place = one.place if isinstance(one, Text) and one.place else self.place(node)
                default = argument.default_value if argument.has_default else None
                self.note_variable(name, place, default)
                argument.variables = (*argument.variables, name)
                if argument.required:
                    for read in self.facts.variables:
                        read.required = True if read.name == name else read.required

    def typer_arguments(self, function: Function) -> dict[str, Value]:
        """The parameters of a typer command, as arguments."""
        values: dict[str, Value] = {}
        parameters = function.node.args
        for one in (*parameters.args, *parameters.kwonlyargs):
            note = ast.unparse(one.annotation) if one.annotation is not None else ""
            if note in _CONTEXTS:
                values[one.arg] = UNKNOWN
                continue
            default = function.defaults.get(one.arg)
            values[one.arg] = Parsed(self._typer_argument(one, note, default, function))
        return values

    def _typer_argument(
        self, one: ast.arg, note: str, default: Value | None, function: Function
    ) -> Argument:
        annotated = note.startswith(("Annotated[", "typing.Annotated["))
        info = default if isinstance(default, Result) else None
        kind = one.annotation
        if annotated and isinstance(one.annotation, ast.Subscript):
            parts = one.annotation.slice
            pieces = parts.elts if isinstance(parts, ast.Tuple) else [parts]
            kind = pieces[0]
            note = ast.unparse(kind)
            for piece in pieces[1:]:
                value = self.evaluate(piece)
                info = value if isinstance(value, Result) else info
        is_named = info is not None and info.name == "typer.Argument"
        is_bare = default is None and info is None
        is_argument = not function.by_name and (is_named or is_bare)
        given: Sequence[Value] = info.given if info is not None else ()
        named: Mapping[str, Value] = info.named if info is not None else {}
        if info is not None and not annotated:
            default = given[0] if given else named.get("default")
            given = given[1:]
        flags = [known for value in given if (known := known_text(value)) is not None]
        flags = [part for known in flags for part in known.split("/") if part.startswith("-")]
        name = one.arg.replace("_", "-")
        names = (one.arg,) if is_argument else tuple(flags) or (f"--{name}",)
        base = note.removeprefix("Optional[").rstrip("]").partition(" |")[0]
        if not note and isinstance(default, Constant) and type(default.value) in (int, float):
            # They read the value as what the default is.
            base = type(default.value).__name__
        argument = Argument(
            names,
            one.arg,
            function.module.place(one),
            type=base if base in ("int", "float", "str", "bool") else "?",
            positional=is_argument,
            is_switch=base == "bool" and not is_argument,
            choices=_choices(self.evaluate(kind) if isinstance(kind, ast.Name) else None),
            source="typer",
        )
        is_ellipsis = default == Constant(Ellipsis)
        argument.required = default is None or is_ellipsis
        if default is not None and not is_ellipsis:
            self._set_default(argument, default)
        self._add_variables(argument, named.get("envvar"), one)
        self.facts.arguments.append(argument)
        return argument

    def run_command(self, function: Function, named: Mapping[str, Value], node: ast.AST) -> Value:
        """A call of a click or typer command: it gets its arguments from the command line."""
        self.facts.parses = True
        if function.kind == "typer":
            values = self.typer_arguments(function)
        else:
            values = {one.dest: Parsed(one) for one in function.options}
            prefix = known_text(named.get("auto_envvar_prefix", UNKNOWN)) or function.prefix
            for one in function.options if prefix else ():
                name = f"{prefix}_{one.dest.upper()}"
                self.note_variable(name, self.place(node), one.default_value, implicit=True)
        for one in function.options:
            one.used = True
        plain_function = Function(
            function.node, function.module, function.scope, function.defaults, "", ()
        )
        first = [one.arg for one in function.node.args.args][:1]
        given = [UNKNOWN] if function.passes_context and first else []
        known = {one.arg for one in (*function.node.args.args, *function.node.args.kwonlyargs)}
        if function.node.args.kwarg is None:
            values = {key: value for key, value in values.items() if key in known}
        return self.call(plain_function, given, values, node)

    def getopt(self, given: Sequence[Value], node: ast.AST) -> Value:
        """`getopt.getopt(words, "a:b", ["long="])`."""
        self.facts.parses = True
        short = known_text(given[1]) if len(given) > 1 else ""
        long = given[2] if len(given) > 2 else Row()
        flags = []
        for value in long.items if isinstance(long, Row) else ():
            if known := known_text(value):
                flags.append(f"--{known.rstrip('=')}")
        # A short option is another name of a long one.
        flags = flags or [f"-{one}" for one in (short or "") if one != ":"]
        for flag in flags:
            self.facts.arguments.append(
                Argument((flag,), flag.lstrip("-"), self.place(node), "?", source="argv", used=True)
            )
        return Row([Row([Row([UNKNOWN, UNKNOWN])], whole=False), UNKNOWN])

    def docopt(self, node: ast.AST) -> Value:
        """`docopt(__doc__)`: the arguments are those that the docstring shows."""
        self.facts.parses = True
        shown = ast.get_docstring(self.module.tree) or ""
        for flag in dict.fromkeys(re.findall(r"--[A-Za-z][\w-]*", shown)):
            if flag not in ("--help", "--version"):
                self._keep_flag(flag, node)
        return UNKNOWN

    def defined_flag(self, given: Sequence[Value], node: ast.AST) -> Value:
        """`flags.DEFINE_string("name", ...)` of absl."""
        name = known_text(given[0]) if given else None
        self.facts.parses = True
        if name is None:
            self.facts.words_escape = True
        else:
            self._keep_flag(f"--{name}", node)
        return UNKNOWN

    def _keep_flag(self, flag: str, node: ast.AST) -> None:
        dest = flag.lstrip("-").replace("-", "_")
        self.facts.arguments.append(
            Argument((flag,), dest, self.place(node), "?", source="argv", used=True)
        )

    # Settings of pydantic.

    def settings_fields(self, owner: Class) -> None:
        """Keep the variables that a class of settings reads."""
        prefix = ""
        config = owner.scope.names.get("model_config")
        if isinstance(config, Result):
            prefix = known_text(config.named.get("env_prefix", UNKNOWN)) or ""
        elif isinstance(config, Table):
            prefix = known_text(config.items.get("env_prefix", UNKNOWN)) or ""
        inner = owner.scope.names.get("Config")
        if isinstance(inner, Class):
            prefix = known_text(inner.scope.names.get("env_prefix", UNKNOWN)) or prefix
        for node in owner.node.body:
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            name = node.target.id
            if name == "model_config" or "ClassVar" in ast.unparse(node.annotation):
                continue
            default = owner.scope.names.get(name)
            # The variables are looked for in any case.
            names = [f"{prefix}{name}".upper()]
            if isinstance(default, Result):
                given, named = default.given, default.named
                alias = next(
                    (
                        known_text(named[key])
                        for key in ("validation_alias", "alias", "env")
                        if key in named
                    ),
                    None,
                )
                names = [alias] if alias else names
                default = given[0] if given else named.get("default")
                default = None if default == Constant(Ellipsis) else default
                if "default_factory" in named:
                    default = UNKNOWN
            for one in names:
                self.note_variable(one, self.place(node.target), default, required=default is None)
                self.facts.variables[-1].of_settings = True
            owner.scope.names[name] = Variable(names[0], default)
