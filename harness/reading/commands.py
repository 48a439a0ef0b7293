"""Commands of click, typer, getopt, docopt and absl, and settings of pydantic."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from harness.reading.parsers import Parsers, choices_of, type_name
from harness.reading.values import (
    UNKNOWN,
    Argument,
    Class,
    Constant,
    Function,
    Parsed,
    Result,
    Row,
    Table,
    Text,
    Value,
    Variable,
    known_text,
)

# Parameters that a library gives, and no command line.
_CONTEXTS = ("click.Context", "typer.Context")


class Commands(Parsers):
    """What gives arguments and variables without argparse."""

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
            type=type_name(named.get("type")) or "str",
            positional=positional,
            is_switch=named.get("is_flag") == Constant(True) or any("/" in one for one in names),
            source="click",
        )
        kind = named.get("type")
        if isinstance(kind, Result) and kind.name == "click.Choice":
            argument.type, argument.choices = "str", choices_of(kind.of)
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
            choices=choices_of(self.evaluate(kind) if isinstance(kind, ast.Name) else None),
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
