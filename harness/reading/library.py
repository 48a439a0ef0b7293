"""What functions of the standard library and of well-known packages do with paths and variables."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Mapping, Sequence

from harness.reading.facts import Use
from harness.reading.parsers import PARSERS, Parsers
from harness.reading.recorder import HYPERPARAMETER_DOCUMENTS
from harness.reading.values import (
    NONE,
    UNKNOWN,
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
    options_of,
    text,
)

_EXITS = ("sys.exit", "os._exit", "builtins.exit", "builtins.quit")
_ABORTS = ("os.abort", "os.kill", "os.killpg", "signal.raise_signal")
# Functions that open a file, by a mode that says whether it is written.
_OPENERS: tuple[str, ...] = (
    "open",
    "fdopen",
    "GFile",
    "ZipFile",
    "TarFile",
    "BZ2File",
    "LZMAFile",
    "GzipFile",
)
_OPENERS += ("FileIO",)
_SAME: tuple[str, ...] = (
    "list",
    "tuple",
    "set",
    "frozenset",
    "sorted",
    "reversed",
    "iter",
    "str",
    "cast",
)
_SAME += ("deepcopy", "copy", "fspath", "Path", "PurePath", "PosixPath", "PurePosixPath")
_SAME += ("abspath", "normpath", "realpath", "expanduser", "normcase", "fsdecode", "fsencode")
# Functions of the standard library: the use of each argument that is a path.
_STANDARD: Mapping[str, tuple[Use, ...]] = {
    "os.listdir": ("list",),
    "os.scandir": ("list",),
    "os.walk": ("list",),
    "os.fwalk": ("list",),
    "glob.glob": ("list",),
    "glob.iglob": ("list",),
    "os.makedirs": ("make",),
    "os.mkdir": ("make",),
    "os.stat": ("test",),
    "os.access": ("test",),
    "os.remove": ("remove",),
    "os.unlink": ("remove",),
    "os.rmdir": ("remove",),
    "shutil.rmtree": ("remove",),
    "os.rename": ("remove", "write"),
    "os.replace": ("remove", "write"),
    "shutil.move": ("remove", "write"),
    "shutil.copy": ("read", "write"),
    "shutil.copy2": ("read", "write"),
    "shutil.copyfile": ("read", "write"),
    "shutil.copytree": ("read", "write"),
    "shutil.unpack_archive": ("read", "extract"),
    "shutil.make_archive": ("write",),
    "os.link": ("read", "write"),
    "os.symlink": ("name", "write"),
    "os.chdir": ("name",),
    "os.chmod": ("name",),
    "os.open": ("read",),
    "os.truncate": ("write",),
    "sqlite3.connect": ("name",),
    "shelve.open": ("name",),
    "runpy.run_path": ("read",),
    "urllib.request.urlopen": ("read",),
    "urllib.request.urlretrieve": ("name", "write"),
    "logging.FileHandler": ("write",),
    "os.path.getsize": ("test",),
    "os.path.getmtime": ("test",),
    "tempfile.mkdtemp": (),
}
_TESTS = ("exists", "isfile", "isdir", "islink", "lexists", "ismount")
_MEMBER_USES: Mapping[str, Use] = {
    "read_text": "read",
    "read_bytes": "read",
    "write_text": "write",
    "write_bytes": "write",
    "touch": "write",
    "iterdir": "list",
    "mkdir": "make",
    "exists": "test",
    "is_file": "test",
    "is_dir": "test",
    "is_symlink": "test",
    "stat": "test",
    "unlink": "remove",
    "rmdir": "remove",
    "symlink_to": "write",
    "hardlink_to": "write",
}
# Parameters that hold a path, of functions that are not known.
_PATH_KEYWORDS = re.compile(r".*(path|file|fname|filename|dir|directory|folder|buf|dst|output)s?")
_VERBS: tuple[tuple[str, Use], ...] = (
    (
        r"(to|save|write|dump|export|store|plot)(_.*|[A-Z].*|z|txt|fig|z_compressed)?|imwrite",
        "write",
    ),
    (r"(read|load|open|scan|parse|from)(_.*|[A-Z].*|txt)?|imread|genfromtxt|DMatrix", "read"),
    (r"(exists|is)(_.*)?|isfile|isdir", "test"),
    (r"(listdir|walk|glob|iterdir|list_files|ls)", "list"),
    (r"(mkdir|makedirs|mkdirs)", "make"),
    (r"(remove|unlink|rmtree|delete)(_.*)?", "remove"),
)
# Alone they are also methods of what is open already.
_BARE_VERBS = ("write", "dump", "read", "load", "parse", "store", "export", "open", "is", "ls")
# They read the job's files and variables for the script.
_TOOLKITS = ("sagemaker_training.environment", "sagemaker_containers.")
_LEVELS = ("debug", "info", "warning", "warn", "error", "exception", "critical", "log")
_LOGGERS = ("logging", "loguru", "structlog", "rich", "tqdm", "warnings")
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,7}$")
# Libraries whose objects hold data, and no paths.
_DATA = ("pandas.", "numpy.", "polars.")
_TEMPORARY = ("mkdtemp", "TemporaryDirectory", "NamedTemporaryFile", "mkstemp", "gettempdir")


def is_standard(name: str) -> bool:
    """Whether a dotted name is of the standard library or built in."""
    import sys

    top = name.partition(".")[0]
    return top == "builtins" or top in sys.stdlib_module_names


class Library(Parsers):
    """Calls of functions that are not the script's own."""

    def call_external(
        self, name: str, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> Value:
        """A call of a function by its dotted name."""
        last = name.rpartition(".")[2]
        if name in _EXITS or last == "SystemExit":
            self.end(given[0] if given else next(iter(named.values()), NONE), node)
            return UNKNOWN
        if name in _ABORTS:
            self.end(UNKNOWN, node)
            self.failures += 1
            self.ended = frozenset()
            return UNKNOWN
        if name == "os.getenv":
            key = given[0] if given else named.get("key", UNKNOWN)
            return self.read_variable(key, node, _at(given, named, 1, "default"))
        if name == "os.path.expandvars" and given:
            return self._expand_variables(given[0], node)
        if name == "signal.signal" and len(given) > 1:
            self._signal(given[0], given[1], node)
            return UNKNOWN
        if last in PARSERS:
            # Others take the name of the program.
            classes = given if last == "HfArgumentParser" else ()
            return self._parser(classes, named, node)
        if name in ("getopt.getopt", "getopt.gnu_getopt"):
            return self.getopt(given, node)
        if name.startswith(_TOOLKITS):
            # Its object has the hyperparameters, and the folders of the job.
            self.read_hyperparameter(Document("SM_HPS"), "", node)
            return Result("toolkit")
        if name == "docopt.docopt":
            return self.docopt(node)
        if name.startswith("absl.flags.DEFINE_"):
            return self.defined_flag(given, node)
        if name == "decouple.config" and given:
            return self.read_variable(given[0], node, named.get("default"))
        if name == "os.path.join":
            return self.placed(joined_path(given), node)
        if last in _SAME and (given or last in ("list", "tuple", "set")) and _is_known(name):
            return self._same(last, given, node)
        if name in ("json.load", "json.loads", "yaml.safe_load", "yaml.load") and given:
            return self._document(given[0])
        special = self._container(name, given, named, node)
        if special is not None:
            return special
        if name.startswith("os.path."):
            return self._path_function(last, given, node)
        return self._other(name, last, given, named, node)

    def _parser(self, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST) -> Parser:
        parser = Parser()
        parents = named.get("parents")
        for one in parents.items if isinstance(parents, Row) else ():
            if isinstance(one, Parser):
                parser.arguments += one.arguments
        first = given[0] if given else UNKNOWN
        classes = first.items if isinstance(first, Row) else [first]
        for one in classes:
            if isinstance(one, Class):
                self._fields_as_arguments(parser, one, node)
            elif given:
                parser.whole = False
                self.facts.words_escape = True
        return parser

    def _fields_as_arguments(self, parser: Parser, owner: Class, node: ast.AST) -> None:
        for name in owner.fields:
            default = owner.scope.names.get(name)
            if isinstance(default, Result):
                default = default.named.get("default")
            named: dict[str, Value] = (
                {"default": default} if default is not None else {"required": Constant(True)}
            )
            named["type"] = _annotated_type(owner, name)
            self.add_argument(parser, [text(f"--{name}")], named, node)

    def _same(self, last: str, given: Sequence[Value], node: ast.AST) -> Value:
        if not given:
            return Row()
        if last in ("Path", "PurePath", "PosixPath", "PurePosixPath"):
            made = joined_path(given)
            return self.placed(made, node) if len(given) > 1 else made
        value = given[-1] if last == "cast" else given[0]
        if last == "str":
            return value if isinstance(value, Many | Variable) else concat([value])
        if last == "sorted" and isinstance(value, Row):
            return Row(list(value.items), value.whole, value.absent)
        if last in ("copy", "deepcopy") and isinstance(value, Table):
            return Table(dict(value.items), value.whole)
        if last in ("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter"):
            if isinstance(value, Table):
                return Row([_as_value(key) for key in value.items], value.whole)
            if isinstance(value, Class) and value.is_enumeration:
                return Row(value.members)
            return value if isinstance(value, Row) else Row([UNKNOWN], whole=False)
        return value

    def _document(self, source: Value) -> Value:
        for one in self.alternatives(source.of if isinstance(source, Result) else source):
            name = one.variable or one.text
            if name.endswith(HYPERPARAMETER_DOCUMENTS) or one.variable:
                return Document(name)
        return UNKNOWN

    def _container(
        self, name: str, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> Value | None:
        first = given[0] if given else UNKNOWN
        if name in ("builtins.dict", "collections.OrderedDict"):
            if isinstance(first, Environ):
                return first
            table = Table.of(named)
            if isinstance(first, Table):
                table.items = {**first.items, **table.items}
                table.whole = first.whole
            elif isinstance(first, Row):
                for pair in first.items:
                    if isinstance(pair, Row) and len(pair.items) == 2:
                        self.set_item(table, pair.items[0], pair.items[1])
                table.whole = table.whole and first.whole
            elif given:
                table.whole = False
            return table
        if name == "builtins.vars" and isinstance(first, Namespace):
            self.use_all(first.parser)
            items: dict[object, Value] = {
                one.dest: self.attribute_of_namespace(first, one.dest, node)
                for one in first.parser.arguments
            }
            return Table(items, first.parser.whole, of_parser=True)
        if name == "builtins.enumerate" and isinstance(first, Row):
            pairs: list[Value] = [Row([UNKNOWN, one]) for one in first.items]
            return Row(pairs, first.whole)
        if name == "builtins.zip" and given and all(isinstance(one, Row) for one in given):
            rows = [one.items for one in given if isinstance(one, Row)]
            return Row([Row(list(one)) for one in zip(*rows, strict=False)])
        if name in ("builtins.map", "builtins.filter") and len(given) > 1:
            made = [
                self.call(first, [one], {}, node)
                for one in (given[1].items if isinstance(given[1], Row) else [UNKNOWN])[:20]
            ]
            return Row(made, whole=False) if name.endswith("map") else given[1]
        if name == "builtins.next" and isinstance(first, Row):
            return join([*first.items, *given[1:]])
        if name in ("builtins.getattr", "builtins.hasattr") and len(given) > 1:
            return self._getattr(name, first, given, node)
        if name == "builtins.setattr" and len(given) > 2 and isinstance(first, Namespace):
            if (key := known_text(given[1])) is not None:
                first.added[key] = given[2]
            return NONE
        if name == "functools.partial":
            return Bound(first, tuple(given[1:]))
        if name == "builtins.super":
            return Unknown("super")
        if name == "dataclasses.fields":
            if isinstance(first, Class):
                fields: list[Value] = [
                    Result("field", (text(one),), {"name": text(one)}) for one in first.fields
                ]
                return Row(fields)
            return Row([UNKNOWN], whole=False)
        if name == "dataclasses.asdict" and isinstance(first, Instance):
            return Table.of(first.attributes)
        return None

    def _getattr(self, name: str, first: Value, given: Sequence[Value], node: ast.AST) -> Value:
        key = known_text(given[1])
        if isinstance(first, Namespace):
            if key is None:
                self.use_all(first.parser)
                return UNKNOWN
            known = {one.dest for one in first.parser.arguments}
            if key not in known and (len(given) > 2 or name.endswith("hasattr")):
                return given[2] if len(given) > 2 else UNKNOWN
            return self.attribute_of_namespace(first, key, node)
        if isinstance(first, Instance | Class) and key is not None:
            return join([self.attribute(first, key, node), *given[2:]])
        return UNKNOWN

    def attribute(self, owner: Value, name: str, node: ast.AST) -> Value:
        """The member of a value."""
        raise NotImplementedError

    def set_item(self, table: Table, key: Value, value: Value) -> None:
        """`table[key] = value`."""
        raise NotImplementedError

    def _path_function(self, last: str, given: Sequence[Value], node: ast.AST) -> Value:
        first = given[0] if given else UNKNOWN
        if last in _TESTS or last.startswith("get"):
            self.use_path(first, "test", node)
            return UNKNOWN
        return self.path_part(first, {"dirname": "parent", "basename": "name"}.get(last, last))

    def path_part(self, path: Value, part: str) -> Value:
        """The `parent`, `name`, `stem` or `suffix` of a path."""
        found: list[Value] = []
        for one in options_of(path):
            known = one.beginning if isinstance(one, Text) else ""
            whole = known_text(one)
            if part == "parent":
                if isinstance(one, Text) and len(one.parts) > 1:
                    tail = one.parts[-1]
                    ends = isinstance(tail, str) and tail.count("/") == 1 and len(tail) > 1
                    if ends and isinstance(tail, str) and tail.startswith("/"):
                        found.append(Text(one.parts[:-1], one.place))
                        continue
                if whole is not None and "/" in whole:
                    place = one.place if isinstance(one, Text) else None
                    found.append(text(whole.rstrip("/").rpartition("/")[0] or "/", place))
                else:
                    found.append(Text((f"{known}/", UNKNOWN)) if known else UNKNOWN)
            elif whole is not None:
                name = whole.rstrip("/").rpartition("/")[2]
                stem, dot, end = name.rpartition(".")
                parts = {"name": name, "stem": stem or name, "suffix": dot + end if stem else ""}
                found.append(text(parts[part]) if part in parts else UNKNOWN)
            else:
                found.append(UNKNOWN)
        return join(found)

    def _expand_variables(self, value: Value, node: ast.AST) -> Value:
        known = known_text(value)
        if known is None:
            self.facts.environment_escapes = True
            return UNKNOWN
        parts: list[Value] = []
        for number, piece in enumerate(re.split(r"\$\{?(\w+)\}?", known)):
            parts.append(self.read_variable(text(piece), node) if number % 2 else text(piece))
        return concat(parts)

    def _signal(self, number: Value, handler: Value, node: ast.AST) -> None:
        known = number.value if isinstance(number, Constant) else None
        function = handler.function if isinstance(handler, Bound) else handler
        if isinstance(known, int):
            is_own = isinstance(function, Function)
            self.facts.signals[known] = function if isinstance(function, Function) else None
            if is_own:
                before = self.ended
                self.call(handler, [Constant(known), UNKNOWN], {}, node)
                self.ended = before

    def _other(
        self,
        name: str,
        last: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> Value:
        """A function that is only known by its name."""
        top = name.partition(".")[0]
        if name == "builtins.print" or (top == "logging" and last in _LEVELS):
            self.tell(given, node)
        if top in ("subprocess", "pexpect", "sh", "plumbum") or name == "os.system":
            self.facts.runs_programs = True
            for value in (*given, *named.values()):
                self.name_paths(value, node)
            if "env" in named and not isinstance(named["env"], Environ | Table):
                self.facts.environment_escapes = True
            return Result(name, tuple(given), named)
        uses = _STANDARD.get(name)
        if uses is not None:
            for value, use in zip((*given, *named.values()), uses, strict=False):
                self.use_path(value, use, node)
            return self._listed(name, given)
        if last in _TEMPORARY:
            return Text(("/tmp/", Unknown("temporary")))
        if last in _OPENERS and (_is_known(name) or top not in ("PIL", "cv2")):
            self._open(name, given, named, node)
            return Result(name, tuple(given), named)
        if not is_standard(name) and top not in _LOGGERS:
            self.use_by_name(last, given, named, node)
        self._hand_over(given, named, node, escapes=top != "builtins" and top not in _LOGGERS)
        return Result(name, tuple(given), named)

    def _listed(self, name: str, given: Sequence[Value]) -> Value:
        first = given[0] if given else UNKNOWN
        if name in ("glob.glob", "glob.iglob"):
            return Row([first], whole=False)
        if name in ("os.walk", "os.fwalk"):
            files: list[Value] = [UNKNOWN]
            below = Many((first, joined_path([first, UNKNOWN])))
            return Row([Row([below, Row(files, False), Row(files, False)])], whole=False)
        if name in ("os.listdir", "os.scandir"):
            return Row([Unknown("listed")], whole=False)
        return Result(name, tuple(given))

    def _open(
        self, name: str, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> None:
        file = given[0] if given else named.get("file", named.get("name", UNKNOWN))
        if isinstance(file, Result | Constant):
            return
        self.open_path(file, _at(given, named, 1, "mode"), name, given, named, node)

    def open_path(
        self,
        file: Value,
        mode: Value | None,
        name: str,
        given: Sequence[Value],
        named: Mapping[str, Value],
        node: ast.AST,
    ) -> None:
        """Keep that a file is opened to be read or written."""
        known = known_text(mode) if mode is not None else "r"
        writes = known is not None and bool(set("wax+") & set(known.partition(":")[0]))
        is_text = name in ("builtins.open", "io.open") and "b" not in (known or "b")
        missing = is_text and "encoding" not in named and len(given) < 4
        self.use_path(file, "write" if writes else "read", node, encoding_missing=missing)

    def use_by_name(
        self, name: str, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> None:
        """Keep what a function does with paths, as its name says: `read_csv`, `save_model`."""
        use: Use = next((use for verb, use in _VERBS if re.fullmatch(verb, name)), "name")
        values = [*given, *(one for key, one in named.items() if _PATH_KEYWORDS.fullmatch(key))]
        others = [one for key, one in named.items() if not _PATH_KEYWORDS.fullmatch(key)]
        if use == "name":
            values, others = [], [*values, *others]
        paths = [one for one in values if self._may_be_path(one)]
        if use != "name" and not paths and values and name not in _BARE_VERBS:
            # A value that is not known, such as one of a settings file, may be the path.
            paths = [one for one in values[:1] if isinstance(one, Unknown)]
        for value in paths:
            self.use_path(value, use, node, is_file=False)
        for value in others:
            self.name_paths(value, node)

    def _may_be_path(self, value: Value) -> bool:
        if isinstance(value, Text):
            known = value.known
            return known is None or "/" in known or _SUFFIX.search(known) is not None
        if isinstance(value, Many):
            return any(self._may_be_path(one) for one in value.options)
        if isinstance(value, Member) and _is_data(value):
            return False
        return not isinstance(value, Constant | Row | Table | Result | External | Unknown)

    def name_paths(self, value: Value, node: ast.AST, depth: int = 0) -> None:
        """Keep the paths that somebody else's function is given."""
        if isinstance(value, Row | Table) and depth < 3:
            items = value.items if isinstance(value, Row) else list(value.items.values())
            for one in items[: 50 if depth < 2 else 0]:
                self.name_paths(one, node, depth + 1)
        elif isinstance(value, Text):
            if value.beginning.startswith(("/", _URI)) or not value.beginning:
                self.use_path(value, "name", node)
            elif self.reached:
                place = self.place(node)
                found = (one.text for one in self.alternatives(value))
                self.facts.texts.update((one, place) for one in found if "/opt/ml" in one)
        elif isinstance(value, Many | Variable | Parsed) and any(
            one.text.startswith("/") or not one.exact for one in self.alternatives(value)
        ):
            self.use_path(value, "name", node)

    def _hand_over(
        self, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST, *, escapes: bool
    ) -> None:
        """Keep what somebody else's function may do with values: it calls functions."""
        for value in (*given, *named.values()):
            if escapes:
                self.escape(value)
            if isinstance(value, Function | Bound):
                before = self.ended
                function = value.function if isinstance(value, Bound) else value
                own = value.given if isinstance(value, Bound) else ()
                if isinstance(function, Function) and function.kind not in ("click", "typer"):
                    count = len(function.node.args.args) - len(own)
                    self.call(value, [UNKNOWN] * max(count, 0), {}, node)
                elif isinstance(function, Function):
                    self.run_command(function, {}, node)
                self.ended = before

    def member_use(self, name: str) -> Use | None:
        """What a method of a path does with it."""
        return _MEMBER_USES.get(name)


_URI = "file://"


def _annotated_type(owner: Class, name: str) -> Value:
    """The type that the annotation of a field says."""
    for node in owner.node.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            base = ast.unparse(node.annotation).removeprefix("Optional[").rstrip("]")
            if base in ("int", "float", "str"):
                return External(f"builtins.{base}")
    return UNKNOWN


def _is_data(value: Value) -> bool:
    """Whether a value is a part of a table or an array that a library has read."""
    while isinstance(value, Member):
        value = value.owner
    if isinstance(value, Result) and value.name.startswith("?."):
        return _is_data(value.of)
    return isinstance(value, Result) and value.name.startswith(_DATA)


def _at(
    given: Sequence[Value], named: Mapping[str, Value], position: int, name: str
) -> Value | None:
    return given[position] if len(given) > position else named.get(name)


def _is_known(name: str) -> bool:
    return name.partition(".")[0] in (
        *("builtins", "os", "pathlib", "copy", "typing", "io", "tarfile", "zipfile"),
        *("gzip", "bz2", "lzma", "codecs"),
    )


def _as_value(key: object) -> Value:
    return text(key) if isinstance(key, str) else Constant(key)


def termination_number() -> int:
    """The number of SIGTERM."""
    return int(signal.SIGTERM)


__all__ = ["Library", "Member", "is_standard"]
