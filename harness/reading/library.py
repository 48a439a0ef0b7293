"""What functions of the standard library and of well-known packages do with paths and variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from harness.reading.containers import Containers
from harness.reading.facts import Use
from harness.reading.parsers import PARSERS
from harness.reading.recorder import HYPERPARAMETER_DOCUMENTS
from harness.reading.texts import concat, joined_path
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
    Many,
    Parser,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    Variable,
    join,
    known_text,
    of_key,
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
    "fileinput.input": ("read",),
    "fileinput.FileInput": ("read",),
    "urllib.request.urlopen": ("read",),
    "urllib.request.urlretrieve": ("name", "write"),
    "logging.FileHandler": ("write",),
    "logging.handlers.RotatingFileHandler": ("write",),
    "logging.handlers.TimedRotatingFileHandler": ("write",),
    "logging.handlers.WatchedFileHandler": ("write",),
    "os.path.getsize": ("test",),
    "os.path.getmtime": ("test",),
    "tempfile.mkdtemp": (),
}
# They find nothing in a folder that is not there, and go on.
_WITHOUT_FAILURE = ("os.walk", "os.fwalk", "glob.glob", "glob.iglob")
# What functions put behind the name of the file that they write.
_ENDINGS = {"numpy.save": ".npy", "numpy.savez": ".npz", "numpy.savez_compressed": ".npz"}
_ARCHIVES = {"tar": ".tar", "gztar": ".tar.gz", "bztar": ".tar.bz2", "xztar": ".tar.xz"}
_ARCHIVES |= {"zip": ".zip"}
# They read the job's files and variables for the script.
_TOOLKITS = ("sagemaker_training.environment", "sagemaker_containers.")
_LEVELS = ("debug", "info", "warning", "warn", "error", "exception", "critical", "log")
_LOGGERS = ("logging", "loguru", "structlog", "rich", "tqdm", "warnings")
# Methods that call a function with the values behind it, or with the elements of those.
_SUBMITTING = ("submit", "to_thread", "run_sync", "callback")
_APPLYING = ("apply", "apply_async")
_MAPPING = ("map", "imap", "imap_unordered", "map_async")
_TEMPORARY = ("mkdtemp", "TemporaryDirectory", "NamedTemporaryFile", "mkstemp")


def is_standard(name: str) -> bool:
    """Whether a dotted name is of the standard library or built in."""
    import sys

    top = name.partition(".")[0]
    return top == "builtins" or top in sys.stdlib_module_names


class Library(Containers):
    """Calls of functions that are not the script's own."""

    def call_external(self, name: str, call: Given) -> Value:
        """A call of a function by its dotted name."""
        given, named, node = call
        last = name.rpartition(".")[2]
        if name in _EXITS or last == "SystemExit":
            self.end(given[0] if given else next(iter(named.values()), NONE), node)
            return UNKNOWN
        if name in _ABORTS:
            self.end(UNKNOWN, node)
            self.failures += 1
            self.ended = frozenset()
            return UNKNOWN
        if name in ("builtins.int", "builtins.float") and given:
            self.read_word_as(given[0], last)
            self.read_hyperparameter_as(given[0], last)
        if name == "os.getenv":
            key = given[0] if given else named.get("key", UNKNOWN)
            return self.read_variable(key, node, call.at(1, "default"))
        if name == "os.path.expandvars" and given:
            return self._expand_variables(given[0], node)
        if name == "signal.signal" and len(given) > 1:
            self._signal(given[0], given[1], node)
            return UNKNOWN
        if name == "atexit.register" and given:
            self.at_exit.append((given[0], tuple(given[1:]), node))
            return UNKNOWN
        if last in PARSERS:
            # Others take the name of the program.
            classes = given if last == "HfArgumentParser" else ()
            return self._parser(classes, named, node)
        if name in ("getopt.getopt", "getopt.gnu_getopt"):
            return self.getopt(given, node)
        if name.startswith(_TOOLKITS):
            # Its object has the hyperparameters, and the folders of the job.
            return Result("toolkit")
        if name == "docopt.docopt":
            return self.docopt(node)
        if name.startswith("absl.flags.DEFINE_"):
            return self.defined_flag(given, node)
        if name == "decouple.config" and given:
            return self.read_variable(given[0], node, named.get("default"))
        if name in ("asyncio.run", "anyio.run", "trio.run", "asyncio.wait_for") and given:
            first = given[0]
            is_called = not isinstance(first, Function | Bound)
            return first if is_called else self.call(first, list(given[1:]), {}, node)
        if name == "asyncio.gather":
            return Row(list(given), whole=False)
        if name == "os.path.join":
            return self.placed(joined_path(given), node)
        if last in _SAME and (given or last in ("list", "tuple", "set")) and _is_known(name):
            return self._same(last, given, node)
        if name in ("json.load", "json.loads", "yaml.safe_load", "yaml.load") and given:
            return self._document(given[0])
        special = self._container(name, call)
        if special is not None:
            return special
        if name.startswith("os.path."):
            return self._path_function(last, given, node)
        return self._other(name, last, call)

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
            self.add_argument(parser, Given([text(f"--{name}")], named, node))

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
                return Row([of_key(key) for key in value.items], value.whole)
            if isinstance(value, Class) and value.is_enumeration:
                return Row(value.members)
            if isinstance(value, Arguments):
                return value if last in ("list", "tuple", "iter") else Arguments(None)
            return value if isinstance(value, Row) else Row([UNKNOWN], whole=False)
        return value

    def _document(self, source: Value) -> Value:
        for one in self.alternatives(source.of if isinstance(source, Result) else source):
            name = one.variable or one.text
            if name.endswith(HYPERPARAMETER_DOCUMENTS) or one.variable:
                return Document(name)
        return UNKNOWN

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

    def _other(self, name: str, last: str, call: Given) -> Value:
        """A function that is only known by its name."""
        call = _with_ending(name, call)
        given, named, node = call
        top = name.partition(".")[0]
        if name == "builtins.print" or (top == "logging" and last in _LEVELS):
            self.tell(given, node)
        if top in ("subprocess", "pexpect", "sh", "plumbum") or name in ("os.system", "os.popen"):
            self.facts.runs_programs = True
            for value in (*given, *named.values()):
                self.name_paths(value, node)
            if "env" in named and not isinstance(named["env"], Environ | Table):
                self.facts.environment_escapes = True
            return Result(name, tuple(given), named)
        self.note_written(last, (*given, *named.values()), node)
        uses = _STANDARD.get(name)
        if uses is not None:
            self.branches += name in _WITHOUT_FAILURE
            for value, use in zip((*given, *named.values()), uses, strict=False):
                self.use_path(value, use, node)
            self.branches -= name in _WITHOUT_FAILURE
            if name.endswith("FileHandler") and given:
                self.facts.logs += [one.text for one in self.alternatives(given[0])]
            return self._listed(name, given)
        if last == "gettempdir":
            return text("/tmp")
        if name == "pathlib.Path.home":
            return text("~")
        if last in _TEMPORARY:
            folder = call.at(2, "dir") if last != "NamedTemporaryFile" else None
            folder = named.get("dir") if folder is None else folder
            if folder in (None, NONE):
                folder = text("/tmp")
            return joined_path([folder or UNKNOWN, Unknown("temporary")])
        if last in _OPENERS and (_is_known(name) or top not in ("PIL", "cv2")):
            self._open(name, call)
            return Result(name, tuple(given), named)
        if not is_standard(name) and top not in _LOGGERS:
            self.use_by_name(last, call)
        self._hand_over(given, named, node, escapes=top != "builtins" and top not in _LOGGERS)
        return Result(name, tuple(given), named)

    def _hand_over(
        self, given: Sequence[Value], named: Mapping[str, Value], node: ast.AST, *, escapes: bool
    ) -> None:
        """Keep what somebody else's function may do with values: it calls functions."""
        for number, value in enumerate((*given, *named.values())):
            if escapes:
                self.escape(value)
            if isinstance(value, Function | Bound):
                before = self.ended
                function = value.function if isinstance(value, Bound) else value
                if isinstance(function, Function) and function.kind in ("click", "typer"):
                    self.run_command(function, {}, node)
                elif isinstance(function, Function):
                    self._call_later(value, given[number + 1 :], named, node)
                self.ended = before

    def _call_later(
        self, value: Value, rest: Sequence[Value], named: Mapping[str, Value], node: ast.AST
    ) -> None:
        """Call a function that is handed over, with what stands behind it if that is plain."""
        verb = getattr(getattr(node, "func", None), "attr", "")
        at_import = self.at_import
        # All others may keep it, as `functools.wraps` and `threading.Thread` do.
        self.at_import &= verb in (*_APPLYING, *_SUBMITTING, *_MAPPING)
        self.checks_calls = False
        if verb in _APPLYING and isinstance(words := (*rest, named.get("args"))[0], Row):
            # That of pandas gives the row first.
            first = [UNKNOWN] if verb == "apply" and not rest else []
            self.call(value, [*first, *words.items], {}, node)
        elif verb in _SUBMITTING:
            self.call(value, list(rest), dict(named), node)
        elif verb in _MAPPING and rest:
            self.call(value, [join(self.elements(one)[0]) for one in rest], {}, node)
        elif isinstance(words := named.get("args"), Row) and "target" in named:
            others = named.get("kwargs")
            keys = others.items if isinstance(others, Table) else {}
            self.call(value, words.items, {str(key): one for key, one in keys.items()}, node)
        else:
            function = value.function if isinstance(value, Bound) else value
            own = value.given if isinstance(value, Bound) else ()
            count = len(function.node.args.args) if isinstance(function, Function) else 0
            self.loose = True
            self.call(value, [UNKNOWN] * max(count - len(own), 0), {}, node)
        self.checks_calls = True
        self.at_import = at_import


def _annotated_type(owner: Class, name: str) -> Value:
    """The type that the annotation of a field says."""
    for node in owner.node.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            base = ast.unparse(node.annotation).removeprefix("Optional[").rstrip("]")
            if base in ("int", "float", "str"):
                return External(f"builtins.{base}")
    return UNKNOWN


def _with_ending(name: str, call: Given) -> Given:
    """The call of a function that adds the ending of its form to the path that it writes."""
    given = call.values
    ending = _ENDINGS.get(name)
    if name == "shutil.make_archive":
        form = call.at(1, "format")
        ending = _ARCHIVES.get(known_text(form) or "") if form is not None else None
    if ending is None or not given or not isinstance(given[0], Text):
        return call
    last = given[0].parts[-1] if given[0].parts else ""
    if name in _ENDINGS and isinstance(last, str) and last.endswith(ending):
        return call
    return call._replace(values=[concat([given[0], text(ending)]), *given[1:]])


def _is_known(name: str) -> bool:
    return name.partition(".")[0] in (
        *("builtins", "os", "pathlib", "copy", "typing", "io", "tarfile", "zipfile"),
        *("gzip", "bz2", "lzma", "codecs"),
    )
