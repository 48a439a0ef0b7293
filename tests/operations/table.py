"""All operations on files that the runners are compared by, and the scripts that make them.

An operation is some lines of Python. Each is made in two folders of its own, `B` with `FILES` and
`LINKS` and `O` without any. The modules of Python are at hand, and `p` prints.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace

from harness.cases.case import Outcome
from harness.worlds.tree import Entry, Tree
from tests.operations import (
    descriptors,
    files,
    folders,
    imports,
    libraries,
    paths,
    processes,
    unclosed,
)

FILES = {
    "a.txt": b"l1\nl2\n",
    "m.py": b"x = 1\n",
    "pkg/__init__.py": b"",
    "pkg/d.json": b"{}",
    "pkg/sub.py": b"z = 9\n",
    "app/__main__.py": b"y = 4\n",
    "ns/inner.py": b"q = 7\n",
    "empty": b"",
    "bytes": bytes(range(256)),
    "read-only": b"r\n",
}
LINKS = {"link": "pkg", "file-link": "a.txt", "dangling": "nowhere", "loop": "loop"}
GROUPS: Mapping[str, Mapping[str, str]] = {
    name.lower(): group
    for module in (files, descriptors, folders, paths, libraries, imports, unclosed)
    for name, group in vars(module).items()
    if isinstance(group, dict) and name.isupper()
}
PROCESSES: Mapping[str, str] = processes.PROCESSES
_ROOT = "/opt/ml/processing"
_MODULES = (
    *("array", "asyncio", "bz2", "codecs", "concurrent.futures", "configparser", "contextlib"),
    *("csv", "datetime", "dbm.dumb", "filecmp", "fileinput", "gc", "glob", "gzip", "hashlib"),
    *("importlib.machinery", "importlib.metadata", "importlib.resources", "importlib.util"),
    *("inspect", "io", "json", "linecache", "logging.handlers", "lzma", "mimetypes", "os"),
    *("pathlib", "pickle", "pkgutil", "plistlib", "py_compile", "runpy", "shelve", "shutil"),
    *("site", "stat", "sys", "tarfile", "tempfile", "tokenize", "traceback", "types"),
    *("warnings", "xml.etree.ElementTree", "zipapp", "zipfile", "zoneinfo"),
)
# What an operation changes of its process is undone after it, and what it leaves open is closed.
_SCRIPT = """\
{imports}
warnings.simplefilter("ignore")

def make(number, name, code):
    places = {{**globals(), "p": print}}
    places["B"], places["O"] = (f"{root}/{{one}}/{{number}}" for one in ("input/b", "output/o"))
    modules, path = set(sys.modules), list(sys.path)
    os.chdir("/")
    print("===", name)
    try:
        exec(compile(code, name, "exec"), places)
    except BaseException as error:
        print(type(error).__name__, getattr(error, "errno", ""), error)
        error.__traceback__ = None
    os.chdir("/")
    sys.path[:] = path
    for one in set(sys.modules) - modules:
        if str(getattr(sys.modules[one], "__file__", None)).startswith(("{root}", "None")):
            del sys.modules[one]
    places.clear()
    gc.collect()

"""


def script_of(operations: Mapping[str, str]) -> str:
    """The script that makes the operations one after the other."""
    made = (
        f"make({number}, {name!r}, {textwrap.dedent(code).strip()!r})\n"
        for number, (name, code) in enumerate(operations.items())
    )
    imported = "\n".join(f"import {one}" for one in _MODULES)
    return _SCRIPT.format(imports=imported, root=_ROOT) + "".join(made)


def script_of_process(code: str) -> str:
    """The script that makes one operation, in the folders of the first."""
    names = f"import os\nB, O = '{_ROOT}/input/b/0', '{_ROOT}/output/o/0'\n"
    return names + textwrap.dedent(code)


def tree_for(number: int) -> Tree:
    """The tree for a number of operations."""
    tree = Tree()
    for one in range(number):
        base = f"{_ROOT}/input/b/{one}"
        tree = tree.with_directory(f"{_ROOT}/output/o/{one}")
        for name, data in FILES.items():
            tree = tree.with_file(f"{base}/{name}", data)
        for name, target in LINKS.items():
            tree = tree.with_symlink(f"{base}/{name}", target)
    return tree


def done(outcome: Outcome, operations: Mapping[str, str]) -> Mapping[str, tuple[str, object]]:
    """What each operation has printed, and what it has left in its folders but the dates.

    Under "" is how the script has ended.
    """
    texts = dict.fromkeys(operations, "")
    for part in outcome.stdout.split("=== ")[1:]:
        name, _, text = part.partition("\n")
        texts[name] = text
    assert outcome.after is not None
    left: dict[str, dict[str, Entry]] = {name: {} for name in operations}
    names = [*operations]
    for path, entry in outcome.after:
        parts = path.split("/")
        if path.startswith(f"{_ROOT}/") and len(parts) > 6:
            left[names[int(parts[6])]]["/".join(parts[4:])] = replace(entry, mtime=0)
    ending = {"": (outcome.stderr, outcome.exit_code)}
    return {name: (texts[name], left[name]) for name in operations} | ending
