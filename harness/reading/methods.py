"""Methods of paths and texts, dictionaries, lists and the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter

from harness.reading.library import Library
from harness.reading.texts import concat, joined_path, listed_in
from harness.reading.values import (
    NONE,
    UNKNOWN,
    Environ,
    Given,
    Result,
    Row,
    Table,
    Text,
    Value,
    join,
    known_text,
    of_key,
    text,
)

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
_FILLING = ("append", "add", "insert", "put", "appendleft")
_ENVIRON_READS = ("get", "pop", "setdefault", "__getitem__")


def _changed(owner: Value, name: str, given: Sequence[Value]) -> Value:
    known = known_text(owner)
    if known is None or name not in ("strip", "rstrip", "lstrip", "lower", "upper"):
        return owner
    characters = known_text(given[0]) if given else None
    place = owner.place if isinstance(owner, Text) else None
    if name in ("lower", "upper"):
        return text(known.lower() if name == "lower" else known.upper(), place)
    return text(getattr(known, name)(characters), place)


class Methods(Library):
    """Evaluates methods of values that Python brings."""

    def _environ_method(self, owner: Environ, name: str, call: Given) -> Value:
        given, named, node = call
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

    def _table_method(self, owner: Table, name: str, call: Given) -> Value:
        given, named, _ = call
        if name in ("get", "pop", "setdefault") and given:
            key = known_text(given[0])
            default = given[1] if len(given) > 1 else NONE
            if key is not None and key in owner.items:
                return self.take(owner.items[key])
            if name == "setdefault":
                self.set_item(owner, given[0], default)
                return default
            if key is None:
                self.take_all(owner)
                return join([*owner.items.values(), default]) if owner.items else UNKNOWN
            return default if owner.whole else UNKNOWN
        if name in ("items", "values"):
            self.take_all(owner)
        if name == "items":
            pairs = [Row([of_key(key), value]) for key, value in owner.items.items()]
            more: list[Value] = [] if owner.whole else [Row([UNKNOWN, owner.rest])]
            return Row([*pairs, *more], owner.whole)
        if name == "keys":
            return Row([of_key(key) for key in owner.items], owner.whole)
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

    def _text_method(self, owner: Value, name: str, call: Given) -> Value:
        given, named, node = call
        use = self.member_use(name)
        if use is not None:
            is_text = name in ("read_text", "write_text")
            missing = is_text and "encoding" not in named and len(given) < 1 + (use == "write")
            self.use_path(owner, use, node, encoding_missing=missing)
            self.note_written(name, (Result("open", (owner,)), *given), node)
            if name == "iterdir":
                return Row([joined_path([owner, listed_in(owner)])], whole=False)
            return Result(f"pathlib.{name}", (owner,)) if use == "read" else UNKNOWN
        if name == "open":
            mode = given[0] if given else named.get("mode")
            more = [owner, *given]
            self.open_path(owner, mode, "io.open", Given(more, named, node))
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
        if name == "relative_to" and given:
            return self.relative_part(owner, given[0])
        if name in ("with_name", "with_suffix", "with_stem") and given:
            if name == "with_suffix":
                known = known_text(owner)
                if known is None:
                    return concat([owner, given[0]])
                head, slash, last = known.rpartition("/")
                stem = last.rpartition(".")[0] or last
                return concat([text(head + slash + stem), given[0]])
            return joined_path([self.path_part(owner, "parent"), given[0]])
        if name == "replace" and isinstance(owner, Text) and owner.known is not None:
            old, new = (known_text(one) for one in given[:2])
            if old is None or new is None:
                return UNKNOWN
            return text(owner.known.replace(old, new), owner.place)
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
