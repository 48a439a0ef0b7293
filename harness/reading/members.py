"""Members and methods of values: of paths, of dictionaries, of the environment, of objects."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from harness.reading.methods import Methods
from harness.reading.texts import is_listed
from harness.reading.uses import BARE_VERBS, file_of
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
    Given,
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
    join,
    text,
)
from harness.reading.words import WORD

_PATH_PARTS = ("parent", "name", "stem", "suffix")
# How methods of archives call the file that they read and put in.
_PACKED = {
    ("tarfile", "add"): "name",
    ("tarfile", "gettarinfo"): "name",
    ("zipfile", "write"): "filename",
}
_TEXT_METHODS = frozenset(dir(str)) - {"format", "join"}


class Members(Methods):
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
            if name == "value" or (name == "path" and is_listed(owner)):
                return owner
        if isinstance(owner, Result):
            if owner.name == "toolkit":
                if name in ("hyperparameters", "to_cmd_args"):
                    return Document("SM_HPS")
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
        if name == "__subclasses__":
            below = [one for one in self.classes if one is not kind and kind in one.bases]
            return Bound(External("builtins.list"), (Row(list(below)),))
        if name == "__name__":
            return text(kind.node.name)
        return Member(instance or kind, name) if found is None else found

    def call_member(self, owner: Value, name: str, call: Given) -> Value:
        """A call of a method of a value that is none of the script's objects."""
        given, _, node = call
        if isinstance(owner, Parser):
            return self.parser_method(owner, name, call)
        if isinstance(owner, Environ):
            return self._environ_method(owner, name, call)
        if isinstance(owner, Table):
            self.lose_words(*given)
            return self._table_method(owner, name, call)
        if isinstance(owner, Row):
            return self._row_method(owner, name, given)
        if isinstance(owner, Arguments):
            for one in given:
                self.word(one, node)
            return WORD if name == "pop" else owner if name == "copy" else UNKNOWN
        if owner == WORD:
            return self.word_method(name, given, node)
        if isinstance(owner, Document):
            if name == "get" and given:
                self.note_hyperparameter_default(given)
                return self.item(owner, given[0], node)
            self.read_hyperparameter(owner, "", node)
            return UNKNOWN
        if isinstance(owner, Text | Variable | Parsed):
            if name == "join":
                self.lose_words(*given)
            return self._text_method(owner, name, call)
        if isinstance(owner, Unknown) and is_listed(owner):
            if name in ("lower", "casefold"):
                return owner
            owner = Unknown()
        return self._other_method(owner, name, call)

    def _other_method(self, owner: Value, name: str, call: Given) -> Value:
        given, named, node = call
        kind = owner.name if isinstance(owner, Result) else ""
        self.note_written(name, (owner, *given, *named.values()), node)
        if name in ("exit", "abort", "fail") and (kind.startswith("click.") or _is_context(owner)):
            codes = {"exit": given[0] if given else Constant(0)}
            self.end(codes.get(name, Constant(2 if name == "fail" else 1)), node)
            return UNKNOWN
        if kind.endswith("getLogger") or kind.startswith(("logging.", "loguru", "structlog")):
            self.tell(given, node)
            return NONE
        self.lose_words(*given, *named.values())
        if isinstance(owner, Unknown) and owner.of == "super":
            return UNKNOWN
        if name == "run_until_complete" and given:
            return given[0]
        if kind in ("contextlib.ExitStack", "contextlib.AsyncExitStack"):
            if name in ("callback", "push_async_callback") and given:
                self.at_exit.append((given[0], tuple(given[1:]), node))
                return UNKNOWN
            if name in ("enter_context", "enter_async_context") and given:
                return given[0]
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
        packed = _PACKED.get((kind.partition(".")[0], name))
        if packed is not None:
            self.use_path(given[0] if given else named.get(packed, UNKNOWN), "read", node)
            return UNKNOWN
        # What is written to an open file is no path.
        is_content = name in BARE_VERBS and file_of(owner) is not None
        if not is_content and (name not in _TEXT_METHODS or name in ("replace", "find", "index")):
            self.use_by_name(name, call)
        self.hand_over(given, named, node)
        return Result(f"?.{name}", (owner, *given), named)

    def hand_over(self, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST) -> None:
        """Somebody else's method gets values."""
        self._hand_over(given, named, node, escapes=True)


def _is_context(owner: Value) -> bool:
    return isinstance(owner, Unknown) and owner.of == "context"
