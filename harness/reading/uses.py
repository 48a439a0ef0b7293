"""What functions and methods do with paths, as their names and arguments say."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Mapping, Sequence

from harness.reading.commands import Commands
from harness.reading.facts import Stamp, Use
from harness.reading.stamps import stamp_in, stamped
from harness.reading.texts import is_listed, joined_path, last_piece, listed_in
from harness.reading.values import (
    UNKNOWN,
    Constant,
    External,
    Given,
    Many,
    Member,
    NamePart,
    Parsed,
    Result,
    Row,
    Table,
    Text,
    Unknown,
    Value,
    Variable,
    join,
    known_text,
    options_of,
    text,
)
from harness.worlds.tree import is_under

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
BARE_VERBS = ("write", "dump", "read", "load", "parse", "store", "export", "open", "is", "ls")
# They write to what is open.
_WRITING = ("write", "writelines", "writerow", "writerows", "print", "dump")
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,7}$")
# Libraries whose objects hold data, and no paths.
_DATA = ("pandas.", "numpy.", "polars.")
_URI = "file://"


def _is_data(value: Value) -> bool:
    """Whether a value is a part of a table or an array that a library has read."""
    while isinstance(value, Member):
        value = value.owner
    if isinstance(value, Result) and value.name.startswith("?."):
        return _is_data(value.of)
    return isinstance(value, Result) and value.name.startswith(_DATA)


def file_of(value: Value, depth: int = 0) -> Value | None:
    """The path of a file that is open, or that a writer writes to."""
    if not isinstance(value, Result) or depth > 2:
        return None
    if value.name.rpartition(".")[2] in ("open", "GzipFile", "fdopen", "TextIOWrapper"):
        return file_of(value.of, depth + 1) or value.of
    return file_of(value.of, depth + 1) if value.name.startswith("csv.") else None


class PathUses(Commands):
    """Keeps what is done with paths."""

    def _path_function(self, last: str, given: Sequence[Value], node: ast.AST) -> Value:
        first = given[0] if given else UNKNOWN
        if last == "relpath" and len(given) > 1:
            return self.relative_part(first, given[1])
        if last in _TESTS or last.startswith("get"):
            self.use_path(first, "test", node)
            return UNKNOWN
        return self.path_part(first, {"dirname": "parent", "basename": "name"}.get(last, last))

    def relative_part(self, path: Value, folder: Value) -> Value:
        """A path as seen from a folder, such as that of the input which it was found in."""
        folders = [one.text for one in self.alternatives(folder) if one.exact and one.text]
        found: list[Value] = []
        for one in self.alternatives(path):
            above = next((known for known in folders if is_under(one.text, known)), one.text)
            head, slash, last = one.text[len(above) :].lstrip("/").rpartition("/")
            # Folders that are not known may be several, or none.
            found.append(text(("**" if "*" in head else head) + slash + last) if last else UNKNOWN)
        return join(found)

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
            elif part in ("name", "suffix", "splitext") and is_listed(one):
                made = NamePart("name" if part == "name" else "suffix", one)
                found.append(Row([UNKNOWN, made]) if part == "splitext" else made)
            elif part == "name" and isinstance(one, Text) and whole is None:
                found.append(last_piece(one))
            elif whole is not None and part == "splitext":
                ending = posixpath.splitext(whole)
                found.append(Row([text(one) for one in ending]))
            elif whole is not None:
                name = whole.rstrip("/").rpartition("/")[2]
                stem, dot, end = name.rpartition(".")
                parts = {"name": name, "stem": stem or name, "suffix": dot + end if stem else ""}
                found.append(text(parts[part]) if part in parts else UNKNOWN)
            else:
                found.append(UNKNOWN)
        return join(found)

    def _listed(self, name: str, given: Sequence[Value]) -> Value:
        first = given[0] if given else UNKNOWN
        if name in ("glob.glob", "glob.iglob"):
            return Row([first], whole=False)
        if name in ("os.walk", "os.fwalk"):
            below = Many((first, joined_path([first, UNKNOWN])))
            # What a test tells of the files' names is not so of the folders'.
            folders, files = listed_in(below), listed_in(first)
            return Row([Row([below, Row([folders], False), Row([files], False)])], whole=False)
        if name in ("os.listdir", "os.scandir"):
            listed = listed_in(first)
            entry = joined_path([first, listed]) if name == "os.scandir" else listed
            return Row([entry], whole=False)
        return Result(name, tuple(given))

    def _open(self, name: str, call: Given) -> None:
        given, named, _ = call
        file = given[0] if given else named.get("file", named.get("name", UNKNOWN))
        if isinstance(file, Result | Constant):
            return
        self.open_path(file, call.at(1, "mode"), name, call)

    def open_path(self, file: Value, mode: Value | None, name: str, call: Given) -> None:
        """Keep that a file is opened to be read or written."""
        given, named, node = call
        known = known_text(mode) if mode is not None else "r"
        writes = known is not None and bool(set("wax+") & set(known.partition(":")[0]))
        is_text = name in ("builtins.open", "io.open") and "b" not in (known or "b")
        missing = is_text and "encoding" not in named and len(given) < 4
        self.use_path(file, "write" if writes else "read", node, encoding_missing=missing)

    def note_written(self, name: str, values: Sequence[Value], node: ast.AST) -> None:
        """Keep that a time, or a name made by chance, is written into a file."""
        if not self.reached or not (name in _WRITING or re.fullmatch(_VERBS[0][0], name)):
            return
        files = [one for value in values if (one := file_of(value)) is not None]
        if not files and name not in BARE_VERBS:
            files = [one for one in values if isinstance(one, Text) and self._may_be_path(one)]
        contents = [one for one in values if not any(one is file for file in files)]
        stamp = next((made for value in contents if (made := stamp_in(value))), None)
        pointers = next((found for value in contents if (found := stamped(value))), ())
        for file in files if stamp else ():
            for path in self.alternatives(file):
                self.facts.stamps.append(
                    Stamp(stamp or "", posixpath.normpath(path.text), self.place(node), pointers)
                )

    def use_by_name(self, name: str, call: Given) -> None:
        """Keep what a function does with paths, as its name says: `read_csv`, `save_model`."""
        given, named, node = call
        use: Use = next((use for verb, use in _VERBS if re.fullmatch(verb, name)), "name")
        values = [*given, *(one for key, one in named.items() if _PATH_KEYWORDS.fullmatch(key))]
        others = [one for key, one in named.items() if not _PATH_KEYWORDS.fullmatch(key)]
        if use == "name":
            values, others = [], [*values, *others]
        paths = [one for one in values if self._may_be_path(one)]
        if use != "name" and not paths and values and name not in BARE_VERBS:
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
            # A sentence that begins with a path is none.
            is_sentence = any(isinstance(one, str) and " " in one for one in value.parts)
            begins = value.beginning.startswith(("/", _URI)) or not value.beginning
            if begins and not is_sentence:
                self.use_path(value, "name", node)
            elif self.reached:
                place = self.place(node)
                found = (one.text for one in self.alternatives(value))
                self.facts.texts.update((one, place) for one in found if "/opt/ml" in one)
        elif isinstance(value, Many | Variable | Parsed) and any(
            one.text.startswith("/") or not one.exact for one in self.alternatives(value)
        ):
            self.use_path(value, "name", node)

    def member_use(self, name: str) -> Use | None:
        """What a method of a path does with it."""
        return _MEMBER_USES.get(name)
