"""Members and methods of values: of paths, of dictionaries, of the environment, of objects."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from string import Formatter

from harness.reading.library import Library
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Constant,
    Document,
    Environ,
    External,
    Function,
    Instance,
    Many,
    Member,
    Module,
    Namespace,
    Parsed,
    Parser,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    Variable,
    concat,
    join,
    joined_path,
    known_text,
    text,
)

_PATH_PARTS = ("parent", "name", "stem", "suffix")
_SAME_TEXT: tuple[str, ...] = (
    "resolve",
    "absolute",
    "expanduser",
    "as_posix",
    "strip",
    "rstrip",
    "lstrip",
)
_SAME_TEXT += ("lower", "upper", "encode", "decode", "value", "title", "casefold")
_TEXT_METHODS = frozenset(dir(str)) - {"format", "join"}
_FILLING = ("append", "add", "insert", "put", "appendleft")
_ENVIRON_READS = ("get", "pop", "setdefault", "__getitem__")


class Members(Library):
    """What `value.name` is, and what `value.name(...)` does."""

    def attribute(self, owner: Value, name: str, node: ast.AST) -> Value:
        """The member of a value."""
        if isinstance(owner, Many):
            return join([self.attribute(one, name, node) for one in owner.options])
        if isinstance(owner, External):
            return self._external(f"{owner.name}.{name}")
        if isinstance(owner, Module):
            found = owner.scope.names.get(name)
            if found is None and (inner := self.import_module(f"{owner.name}.{name}")):
                return inner
            return UNKNOWN if found is None else found
        if isinstance(owner, Namespace):
            return self.attribute_of_namespace(owner, name, node)
        if isinstance(owner, Instance):
            if name in owner.attributes:
                return owner.attributes[name]
            return self._member_of_class(owner.kind, owner, name, node)
        if isinstance(owner, Class):
            return self._member_of_class(owner, None, name, node)
        if isinstance(owner, Text | Variable | Parsed):
            if name in _PATH_PARTS:
                return self.path_part(owner, name)
            if name == "value":
                return owner
        if isinstance(owner, Result):
            if owner.name == "toolkit":
                if name == "channel_input_dirs":
                    return Result("channels")
                return Variable(f"SM_{name.upper()}")
            if owner.name == "field" and name == "name":
                return owner.of
            if name == "name":
                return owner.of
        return Member(owner, name)

    def _external(self, name: str) -> Value:
        if name in ("os.environ", "os.environb"):
            return Environ()
        if name == "sys.argv":
            return Arguments()
        if name.startswith("signal.SIG"):
            import signal

            number = getattr(signal, name.rpartition(".")[2], None)
            return UNKNOWN if number is None else Constant(int(number))
        if name.startswith("os.EX_"):
            import os

            return Constant(getattr(os, name.rpartition(".")[2], 1))
        if name in ("os.sep", "os.path.sep"):
            return text("/")
        return External(name)

    def _member_of_class(
        self, kind: Class, instance: Instance | None, name: str, node: ast.AST
    ) -> Value:
        found = kind.find(name)
        if isinstance(found, Function) and found.owner is not None:
            if found.kind == "static":
                return found
            if found.kind == "class":
                return Bound(found, (kind,))
            if instance is not None and found.kind == "property":
                return self.call(found, [instance], {}, node)
            return Bound(found, (instance,)) if instance is not None else found
        if name == "__name__":
            return text(kind.node.name)
        return Member(instance or kind, name) if found is None else found

    def call_member(
        self,
        owner: Value,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        """A call of a method of a value that is none of the script's objects."""
        if isinstance(owner, Parser):
            return self.parser_method(owner, name, given, named, node)
        if isinstance(owner, Environ):
            return self._environ_method(owner, name, given, named, node)
        if isinstance(owner, Table):
            return self._table_method(owner, name, given, named, node)
        if isinstance(owner, Row):
            return self._row_method(owner, name, given)
        if isinstance(owner, Arguments):
            for one in given:
                self.word(one, node, takes_value=name == "index")
            return UNKNOWN
        if isinstance(owner, Document):
            if name == "get" and given:
                return self.item(owner, given[0], node)
            self.read_hyperparameter(owner, "", node)
            return UNKNOWN
        if isinstance(owner, Text | Variable | Parsed):
            return self._text_method(owner, name, given, named, node)
        if isinstance(owner, Unknown) and owner.of == "listed":
            owner = Unknown()
        return self._other_method(owner, name, given, named, node)

    def _environ_method(
        self,
        owner: Environ,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        if name == "copy":
            return owner
        if name in _ENVIRON_READS and (given or "key" in named):
            key = given[0] if given else named["key"]
            is_unused = node in self.unused
            if name in ("pop", "setdefault") and is_unused:
                self._only_set(key)
                return NONE
            default = given[1] if len(given) > 1 else named.get("default")
            return self.read_variable(key, node, default, required=name == "pop" and not default)
        if name in ("items", "values", "keys"):
            self.facts.environment_escapes = True
        return UNKNOWN

    def _only_set(self, key: Value) -> None:
        """A variable that the script sets counts as read where it is declared; nothing is told."""
        known = known_text(key)
        if known is not None:
            self.facts.kept_variables.add(known)

    def _table_method(
        self,
        owner: Table,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        if name in ("get", "pop", "setdefault") and given:
            key = known_text(given[0])
            default = given[1] if len(given) > 1 else NONE
            if key is not None and key in owner.items:
                return owner.items[key]
            if name == "setdefault":
                self.set_item(owner, given[0], default)
                return default
            if key is None:
                return join([*owner.items.values(), default]) if owner.items else UNKNOWN
            return default if owner.whole else UNKNOWN
        if name == "items":
            pairs = [Row([_key(key), value]) for key, value in owner.items.items()]
            more: list[Value] = [] if owner.whole else [Row([UNKNOWN, owner.rest])]
            return Row([*pairs, *more], owner.whole)
        if name == "keys":
            return Row([_key(key) for key in owner.items], owner.whole)
        if name == "values":
            return Row(list(owner.items.values()), owner.whole)
        if name == "copy":
            return Table(dict(owner.items), owner.whole)
        if name == "update":
            for value in given:
                if isinstance(value, Table):
                    owner.items.update(value.items)
                    owner.whole = owner.whole and value.whole
                else:
                    self.overlay(owner)
            owner.items.update(named)
            return NONE
        owner.whole = False
        return UNKNOWN

    def _row_method(self, owner: Row, name: str, given: Sequence[Value]) -> Value:
        if name in _FILLING and given:
            if len(owner.items) < 64:
                owner.items.append(given[-1])
            owner.whole = owner.whole and not self.conditional
            return NONE
        if name == "extend" and given:
            more = given[0]
            if isinstance(more, Row) and len(owner.items) < 64:
                owner.items += more.items
                owner.whole = owner.whole and more.whole
            else:
                owner.whole = False
            return NONE
        if name == "pop":
            return join(owner.items)
        return UNKNOWN

    def _text_method(
        self,
        owner: Value,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        use = self.member_use(name)
        if use is not None:
            is_text = name in ("read_text", "write_text")
            missing = is_text and "encoding" not in named and len(given) < 1 + (use == "write")
            self.use_path(owner, use, node, encoding_missing=missing)
            if name == "iterdir":
                return Row([joined_path([owner, Unknown("listed")])], whole=False)
            return Result(f"pathlib.{name}", (owner,)) if use == "read" else UNKNOWN
        if name == "open":
            mode = given[0] if given else named.get("mode")
            more = [owner, *given]
            self.open_path(owner, mode, "io.open", more, named, node)
            return Result("open", (owner,))
        if name in ("glob", "rglob"):
            pattern = given[0] if given else UNKNOWN
            deep: list[Value] = [text("**")] if name == "rglob" else []
            found = joined_path([owner, *deep, pattern])
            self.use_path(found, "list", node)
            return Row([found], whole=False)
        if name in ("rename", "replace") and len(given) == 1:
            self.use_path(owner, "remove", node)
            self.use_path(given[0], "write", node)
            return given[0]
        if name == "joinpath":
            return self.placed(joined_path([owner, *given]), node)
        if name in ("with_name", "with_suffix", "with_stem") and given:
            if name == "with_suffix":
                known = known_text(owner)
                if known is None:
                    return concat([owner, given[0]])
                head, slash, last = known.rpartition("/")
                stem = last.rpartition(".")[0] or last
                return concat([text(head + slash + stem), given[0]])
            return joined_path([self.path_part(owner, "parent"), given[0]])
        if name in _SAME_TEXT:
            return _changed(owner, name, given)
        if name == "format" and isinstance(owner, Text):
            return self.placed(self.formatted(owner, given, named), node)
        if name == "join":
            rows = given[0] if given else UNKNOWN
            if isinstance(rows, Row) and rows.whole and rows.items:
                parts: list[Value] = []
                for one in rows.items:
                    parts += [owner, one] if parts else [one]
                return concat(parts)
            return UNKNOWN
        if name == "split" and isinstance(owner, Text) and owner.known is not None:
            separator = known_text(given[0]) if given else None
            if owner.known and (separator or not given):
                return Row([text(one) for one in owner.known.split(separator)])
            return Row([UNKNOWN], whole=False)
        if name == "split":
            return Row([UNKNOWN], whole=False)
        if name == "startswith" and given:
            return UNKNOWN
        return UNKNOWN

    def formatted(self, form: Text, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
        """`"{}/x".format(value)`."""
        known = form.known
        if known is None:
            return UNKNOWN
        parts: list[Value] = []
        number = 0
        try:
            for literal, field, _, _ in Formatter().parse(known):
                parts.append(text(literal))
                if field is None:
                    continue
                if field.isdigit() or not field:
                    at = int(field) if field else number
                    number += 1
                    parts.append(given[at] if at < len(given) else UNKNOWN)
                else:
                    parts.append(named.get(field, UNKNOWN))
        except ValueError:
            return UNKNOWN
        made = concat(parts)
        return Text(made.parts, form.place or made.place)

    def _other_method(
        self,
        owner: Value,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        kind = owner.name if isinstance(owner, Result) else ""
        if name in ("exit", "abort", "fail") and (kind.startswith("click.") or _is_context(owner)):
            codes = {"exit": given[0] if given else Constant(0)}
            self.end(codes.get(name, Constant(2 if name == "fail" else 1)), node)
            return UNKNOWN
        if kind.endswith("getLogger") or kind.startswith(("logging.", "loguru", "structlog")):
            self.tell(given, node)
            return NONE
        if isinstance(owner, Unknown) and owner.of == "super":
            return UNKNOWN
        if name in ("read", "decode", "readlines") and isinstance(owner, Result):
            return owner
        if name == "extractall":
            folder = given[0] if given else named.get("path", text("."))
            self.use_path(folder, "extract", node)
            return UNKNOWN
        if name in ("extract", "extractfile") and len(given) > 1:
            self.use_path(given[1], "extract", node)
            return UNKNOWN
        if kind.startswith(("re.", "datetime.", "threading.Event", "json.")):
            return Result(f"{kind}.{name}", tuple(given), named)
        if kind.endswith("tarfile.open") and name == "add" and given:
            self.use_path(given[0], "read", node)
            return UNKNOWN
        if name not in _TEXT_METHODS or name in ("replace", "find", "index"):
            self.use_by_name(name, given, named, node)
        self.hand_over(given, named, node)
        return Result(f"?.{name}", (owner, *given), named)

    def hand_over(self, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST) -> None:
        """Somebody else's method gets values."""
        self._hand_over(given, named, node, escapes=True)

    def word(self, value: Value, node: ast.AST, *, takes_value: bool = False) -> None:
        """Keep that the script looks for a word on the command line."""
        from harness.reading.values import Argument

        known = known_text(value)
        if known is None or not re.match(r"--?[A-Za-z]", known):
            return
        self.facts.parses = True
        place = self.place(node)
        flag = known.rstrip("=")
        if not any(one.names == (flag,) for one in self.facts.arguments):
            dest = flag.lstrip("-").replace("-", "_")
            self.facts.arguments.append(
                Argument((flag,), dest, place, "?", is_switch=False, source="argv", used=True)
            )

    def item(self, owner: Value, key: Value, node: ast.AST) -> Value:
        """The item of a container."""
        raise NotImplementedError

    def overlay(self, table: Table) -> None:
        """Somebody else's keys come on top: each value may be another."""
        raise NotImplementedError


def _changed(owner: Value, name: str, given: Sequence[Value]) -> Value:
    known = known_text(owner)
    if known is None or name not in ("strip", "rstrip", "lstrip", "lower", "upper"):
        return owner
    characters = known_text(given[0]) if given else None
    place = owner.place if isinstance(owner, Text) else None
    if name in ("lower", "upper"):
        return text(known.lower() if name == "lower" else known.upper(), place)
    return text(getattr(known, name)(characters), place)


def _is_context(owner: Value) -> bool:
    return isinstance(owner, Unknown) and owner.of == "context"


def _key(key: object) -> Value:
    return text(key) if isinstance(key, str) else Constant(key)
