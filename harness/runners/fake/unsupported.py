"""What the fake runner cannot judge: found in a script's source, and refused while it runs.

pyfakefs sees only the file access of Python code. Other processes, C code and memory maps reach the
real file system.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from harness.cases.imports import imports_of, members_of, names_of

# Audit events of Python, and what the script does then.
EVENTS = {
    "subprocess.Popen": "starts a subprocess",
    "os.system": "starts a subprocess",
    "os.exec": "replaces its process",
    "os.posix_spawn": "starts a subprocess",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "mmap.__new__": "maps a file into memory",
    "sqlite3.connect": "opens a database",
    "socket.bind": "listens on a socket",
    "ctypes.dlsym": "calls C code",
    "gc.get_objects": "looks for the objects of the fake file system",
    "gc.get_referrers": "looks for the objects of the fake file system",
    "gc.get_referents": "looks for the objects of the fake file system",
    "sys._current_frames": "looks for the objects of the fake file system",
}
# Functions without an event: module, name, and what the script does then.
UNHEARD = (
    ("_posixsubprocess", "fork_exec", "starts a subprocess"),
    ("_posixshmem", "shm_open", "shares memory"),
)
# Of modules in C. Those of the standard library are known to it.
EXTENSIONS = tuple(EXTENSION_SUFFIXES)
# The modules that are imported for nothing but that. Almost every script imports the others.
_MODULES = frozenset(event.partition(".")[0] for event in EVENTS) - {"os", "socket", "gc", "sys"}
_STARTS_PROCESSES = "multiprocessing"
# Private modules that are no more than types, threads or statements.
_HARMLESS = ("__future__", "_thread", "_collections_abc", "_weakrefset", "_typeshed")
# What calls a script in the fake file system is the harness, and so is what the functions that it
# calls hold: all of that can be replaced there.
_CALLERS = frozenset(
    {
        *("f_back", "f_globals", "f_locals", "_getframe", "_getframemodulename", "currentframe"),
        *("setprofile", "settrace", "setprofile_all_threads", "settrace_all_threads"),
        *("tb_frame", "gi_frame", "cr_frame", "ag_frame", "walk_stack"),
        *("__globals__", "__closure__", "__self__", "__func__", "__subclasses__"),
    }
)
_MAX_NAMES = 3
OF_ANOTHER = "has the name of a module of Python that is loaded already"


def reason_against(files: Mapping[str, bytes], entry_point: str, local: Collection[str]) -> str:
    """Why the fake runner cannot judge a script; "" if nothing in its source says so.

    `files` are the script and the modules beside it: name → source. `local` are the names of the
    modules in its world.
    """
    beside = {name.partition("/")[0].removesuffix(".py") for name in files if name != entry_point}
    if found := shadowed(beside):
        return f"{found[0]} beside the script {OF_ANOTHER}"
    names = sorted(files, key=lambda name: (name != entry_point, name))
    for name in names:
        who = "the script" if name == entry_point else f"{name}, which the script imports,"
        packages = dict.fromkeys(one.package for one in imports_of(files[name]) if not one.optional)
        third_party = third_party_of(packages, local)
        if found := [one for one in third_party if _is_beyond_reach(one)]:
            listed = ", ".join(found[:_MAX_NAMES]) + ", …" * (len(found) > _MAX_NAMES)
            return f"{who} imports {listed}"
        if found := [one for one in packages if _is_beneath(one)]:
            return f"{who} uses {', '.join(found)}"
        members = members_of(files[name])
        if found := [one for one in sorted(members) if _is_refused(one)]:
            return f"{who} uses {', '.join(found[:_MAX_NAMES])}"
        imported = {one.rpartition(".")[2] for one in members}
        if found := sorted((names_of(files[name]) | imported) & _CALLERS):
            return f"{who} looks at what calls it, or what that holds ({', '.join(found)})"
    return ""


def shadowed(names: Iterable[str]) -> list[str]:
    """The modules of the standard library that have these names, and are loaded in this process."""
    return sorted(one for one in names if one in sys.stdlib_module_names and one in sys.modules)


def third_party_of(packages: Collection[str], local: Collection[str]) -> list[str]:
    """Those that are neither of the standard library nor modules of the script's world."""
    known = {*sys.stdlib_module_names, "__main__", *local}
    return [one for one in packages if one not in known]


def _is_beneath(package: str) -> bool:
    """Whether a module of the standard library goes round the fake file system.

    The private ones are those in C that the others are made of.
    """
    is_private = package.startswith("_") and package in sys.stdlib_module_names
    is_beneath = package == "posix" or (is_private and package not in _HARMLESS)
    return is_beneath or package in (*_MODULES, _STARTS_PROCESSES)


def _is_refused(member: str) -> bool:
    """Whether a member such as `os.execv` raises one of the events, such as `os.exec`."""
    return any(member.startswith(event) for event in EVENTS)


@lru_cache(maxsize=256)
def _is_beyond_reach(package: str) -> bool:
    """Whether this Python lacks a package, or it or what it requires has extension modules."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return True
    names = _packages().get(package, ())
    if any(_is_extension(file) for name in _with_requirements(names) for file in _files(name)):
        return True
    places = [Path(one) for one in spec.submodule_search_locations or ()]
    found = (str(file) for place in places if place.is_dir() for file in place.rglob("*"))
    return _is_extension(spec.origin or "") or (not names and any(map(_is_extension, found)))


@lru_cache(maxsize=1)
def _packages() -> Mapping[str, Collection[str]]:
    return importlib.metadata.packages_distributions()


def _with_requirements(names: Collection[str]) -> Iterator[str]:
    """The distributions of this Python, and those that they require without an extra."""
    seen: set[str] = set()
    pending = list(names)
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            requirements = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        yield name
        for one in requirements:
            if "extra ==" not in one and (found := re.match(r"[\w.-]+", one)):
                pending.append(found[0])


def _files(name: str) -> Iterator[str]:
    yield from (str(file) for file in importlib.metadata.files(name) or ())


def _is_extension(file: str) -> bool:
    return file.endswith(EXTENSIONS)
