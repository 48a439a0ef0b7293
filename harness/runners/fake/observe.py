"""Records what a script observes of its world: the paths, contents and variables it looks at.

Every function of pyfakefs finds a file in the entries of its folder, so that these tell what was
looked at, whichever function did it. What no entry tells (clocks, random numbers, numbers of
inodes) is `hidden`: a run that depends on it answers for no other. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import os
import random
import stat
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from pyfakefs import fake_scandir, helpers
from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem

from harness.cases.observed import Kind, Observations, Query
from harness.runners.fake import clock
from harness.runners.fake.lookups import Lookups

# The folders of the code that makes the fake world, and of Python's own library.
_OWN = tuple(os.path.dirname(os.path.dirname(one)) + "/" for one in (__file__, helpers.__file__))
_LIBRARY = f"{os.path.dirname(os.__file__)}/"
_PACKAGES = ("site-packages", "dist-packages")
# They use the clock for themselves, and hand nothing of it on but to logs and headers.
_TIMED = frozenset(
    (
        "logging",
        "tempfile",
        "gzip",
        "tarfile",
        "zipfile",
        "shutil",
        "threading",
        "queue",
        "_strptime",
    )
)
_CLOCKS = frozenset(
    (
        *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
        *("process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime"),
        *("clock_gettime_ns", "localtime", "gmtime", "ctime", "asctime", "strftime"),
        *("now", "utcnow", "today", "getrusage", "times", "getloadavg"),
    )
)
_DRAWS = frozenset(("random", "getrandbits"))
_OTHERS = {
    "getrandom": "draws random numbers (os.getrandom)",
    "setprofile": "watches itself (sys.setprofile)",
    "settrace": "watches itself (sys.settrace)",
}
# So many hexadecimal digits of what was drawn show in a name that it was drawn for.
_DIGITS = 8
_REAL: dict[str, Any] = {"time": time.time, "frame": sys._getframe, "profile": sys.setprofile}
# What reads the whole of a mapping.
_WHOLE = (
    *("__iter__", "__len__", "__reversed__", "__repr__", "__eq__", "__or__", "__ror__"),
    *("keys", "copy", "popitem"),
)
_OF_EACH = ("items", "values")
_ONE = ("__getitem__", "__contains__", "__delitem__", "get", "pop", "setdefault")


class Observer:
    """What the script of this process has looked at."""

    def __init__(self) -> None:
        """Nothing is seen before `watch`."""
        self._queries: dict[Query, None] = {}
        self._hidden = ""
        self._paths: dict[int, str] = {}
        # An object that is gone may leave its number to another.
        self._nodes: list[FakeFile] = []
        # What was drawn for a name, and the names of what was made, shows in them.
        self._drawn: list[str] = []
        self._made: list[str] = []
        self._seeded: set[int] = set()
        self._stream = random.Random(0)
        self._started = 0.0
        self._watches = False
        self._lookups = Lookups(self.see)

    def watch(self, fs: FakeFilesystem) -> None:
        """Begin, when the tree has been made and nothing of the script has run."""
        self._started = _REAL["time"]()
        self._watch_folder(fs.root_dir, "")
        self._lookups.watch()
        self._watch_contents()
        self._watch_attributes()
        self._watch_disk()
        self._watch_variables()
        self._watch_chance()
        threading.setprofile(self._hear)
        self._watches = True
        _REAL["profile"](self._hear)

    def stop(self) -> None:
        """Look no more: what follows is the harness's."""
        self._watches = False
        _REAL["profile"](None)
        threading.setprofile(None)

    def see(self, kind: Kind, name: str) -> None:
        """The script has looked at this."""
        if self._watches:
            self._queries[kind, name] = None

    def hide(self, what: str) -> None:
        """The script depends on what cannot be recorded."""
        if self._watches and not self._hidden:
            self._hidden = what

    def observations(
        self, after: Iterator[tuple[str, FakeFile]], changed: set[str]
    ) -> Observations:
        """All that was seen, when the script is over; `changed` are the paths that it has changed.

        What was moved or changed is in the outcome as it was, looked at or not.
        """
        for path, node in after:
            first = self._paths.get(id(node))
            if first is None or (path == first and path not in changed):
                continue
            self._queries["stat", first] = None
            if not isinstance(node, FakeDirectory):
                self._queries["read", first] = None
            elif path != first:
                self._queries["tree", first] = None
        unused = [one for one in self._drawn if not any(one in name for name in self._made)]
        if unused and not self._hidden:
            self._hidden = "draws random numbers (os.urandom)"
        return Observations(tuple(self._queries), self._hidden)

    def _watch_folder(self, folder: FakeDirectory, path: str) -> None:
        # The folder "/" has no entry in a tree, and the path "" here.
        for name, node in folder.entries.items():
            self._paths[id(node)] = f"{path}/{name}"
            self._nodes.append(node)
            if isinstance(node, FakeDirectory):
                self._watch_folder(node, f"{path}/{name}")
        folder._entries = _Entries(folder.entries, path, self._lookups.see)

    def _watch_contents(self) -> None:
        original: Any = FakeFile.byte_contents

        def byte_contents(node: FakeFile) -> bytes | None:
            if (path := self._paths.get(id(node))) is not None:
                self._lookups.see("read", path)
            return original.fget(node)  # type: ignore[no-any-return]

        FakeFile.byte_contents = property(byte_contents)  # type: ignore[assignment,method-assign]
        folders: Any = FakeDirectory
        add = folders.add_entry

        def add_entry(folder: FakeDirectory, node: FakeFile, *args: Any) -> None:
            self._made.append(str(node.name))
            add(folder, node, *args)

        folders.add_entry = add_entry
        # Otherwise it is that of all that the folder holds.
        folders.size = property(lambda _folder: 0)

    def _watch_attributes(self) -> None:
        """Hide the attributes of files that are not in a tree, where a script sees them."""
        hidden = {
            "st_ino": "looks at the number of an inode",
            "st_nlink": "looks at the number of links",
            **dict.fromkeys(("st_atime", "st_atime_ns"), "looks at the date of an access"),
            **dict.fromkeys(("st_ctime", "st_ctime_ns"), "looks at the date of a file's making"),
        }

        def attribute(name: str, what: str) -> property:
            base = vars(helpers.FakeStatResult).get(name)

            def value(result: Any) -> Any:
                if not _is_for_comparison():
                    self.hide(what)
                return vars(result)[name] if base is None else base.fget(result)

            return property(value)

        def date(name: str) -> property:
            base = vars(helpers.FakeStatResult)[name]

            def value(result: Any) -> Any:
                self._check_date(result._st_mtime_ns / 1e9)
                return base.fget(result)

            return property(value)

        members: dict[str, Any] = {name: attribute(name, what) for name, what in hidden.items()}
        members.update({name: date(name) for name in ("st_mtime", "st_mtime_ns")})
        members["st_size"] = property(self._size)
        seen = type("stat_result", (helpers.FakeStatResult,), members)

        def copied(result: Any) -> Any:
            result = copy(result)
            result.__class__ = seen
            return result

        results: Any = helpers.FakeStatResult
        results.copy = copied
        self._hide_call(fake_scandir.DirEntry, "inode", hidden["st_ino"])
        paths: Any = os.path
        for name in ("getatime", "getctime"):
            self._hide_call(paths, name, hidden[f"st_{name[3:]}"])
        getmtime = paths.getmtime

        def dated(path: Any) -> float:
            found: float = getmtime(path)
            self._check_date(found)
            return found

        paths.getmtime = dated
        getsize, asked = paths.getsize, os.stat

        def sized(path: Any) -> int:
            found: int = getsize(path)
            # Whoever asks for it in this way is told of as one who asks for all there is to know.
            if paths.isdir(path):
                _ = asked(path).st_size
            return found

        paths.getsize = sized

    def _size(self, result: Any) -> int:
        """In a real file system the size of a folder tells of its entries; here it is always 0."""
        if stat.S_ISDIR(result.st_mode):
            self.hide("asks for the size of a folder")
        found: int = helpers.FakeStatResult.st_size.fget(result)  # type: ignore[attr-defined]
        return found

    def _check_date(self, seconds: float) -> None:
        """The date of what was written is that of the clock."""
        if seconds >= self._started and not _is_for_comparison():
            self.hide("looks at the date of what it has written")

    def _watch_disk(self) -> None:
        self._hide_call(FakeFilesystem, "get_disk_usage", "asks how full the disk is")

    def _hide_call(self, place: Any, name: str, what: str) -> None:
        original = getattr(place, name)

        def hidden(*args: Any, **names: Any) -> Any:
            self.hide(what)
            return original(*args, **names)

        setattr(place, name, hidden)

    def _watch_variables(self) -> None:
        environ: Any = os.environ
        variables = _Variables(environ._data, self.see)
        environ._data = variables
        if hasattr(os, "environb"):
            os.environb._data = variables  # type: ignore[attr-defined]

    def _watch_chance(self) -> None:
        """Have names of temporary files be the same in every run."""
        modules: tuple[Any, ...] = (os, sys.modules["posix"])
        for module in modules:
            module.urandom = self._draw
        random._urandom = self._draw  # type: ignore[attr-defined]
        names: Any = tempfile._RandomNameSequence  # type: ignore[attr-defined]
        names.rng = property(lambda _sequence: self._stream)

    def _draw(self, size: int, /) -> bytes:
        found = self._stream.randbytes(size)
        if self._watches and _caller() != "tempfile":
            self._drawn.append(found.hex()[:_DIGITS])
        return found

    def _hear(self, frame: types.FrameType, event: str, function: Any) -> None:
        if event != "c_call":
            return
        name = getattr(function, "__name__", "")
        if name in _CLOCKS:
            if _is_clock(function) and not _is_of_world(frame) and _caller(frame) not in _TIMED:
                self.hide(f"reads the clock ({name})")
        elif name in _DRAWS:
            self._hear_draw(frame, getattr(function, "__self__", None))
        elif name == "seed" and frame.f_locals.get("a") is not None:
            self._seeded.add(id(function.__self__))
        elif name in _OTHERS:
            self.hide(_OTHERS[name])

    def _hear_draw(self, frame: types.FrameType, numbers: Any) -> None:
        if not isinstance(numbers, random.Random) or numbers is self._stream:
            return
        if id(numbers) not in self._seeded:
            self.hide("draws random numbers (random)")


def _is_clock(function: Any) -> bool:
    place = getattr(function, "__self__", None)
    if isinstance(place, types.ModuleType):
        return place.__name__ in ("time", "posix", "resource")
    # A method of the class `datetime`, or `date`.
    return isinstance(place, type)


def _is_of_world(frame: types.FrameType | None) -> bool:
    """Whether the fake world itself asks for the time, as for the date of a file."""
    while frame is not None and frame.f_code.co_filename == clock.__file__:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_OWN)


def _caller(frame: types.FrameType | None = None) -> str:
    """The package of Python's own library that calls, outside the harness; "" for the script."""
    frame = frame or _REAL["frame"](1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    if frame is None:
        return ""
    file = frame.f_code.co_filename
    is_own = file.startswith(_LIBRARY) and not any(one in file for one in _PACKAGES)
    if not is_own and not file.startswith("<frozen "):
        return ""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_for_comparison() -> bool:
    """Whether Python's own library asks: it compares such numbers, and hands none of them on."""
    return _caller() != ""


class _Entries(dict[str, Any]):
    """The entries of a folder, which tell what is looked at."""

    def __init__(self, entries: dict[str, Any], path: str, see: Callable[[Kind, str], None]):
        super().__init__(entries)
        self.look = lambda name: see("stat", f"{path}/{name}")
        self.look_at_all = lambda: see("list", path or "/")
        self.look_into_all = lambda: see("tree", path or "/")


class _Variables(dict[bytes, bytes]):
    """The environment variables, which tell which of them are looked at."""

    def __init__(self, variables: dict[bytes, bytes], see: Callable[[Kind, str], None]):
        super().__init__(variables)
        self.look = lambda name: see("variable", os.fsdecode(name))
        self.look_at_all = self.look_into_all = lambda: see("environment", "")


def _telling(name: str, look: str) -> Callable[..., Any]:
    """A method of a mapping that tells what it looks at."""
    original = getattr(dict, name)

    def method(mapping: Any, *args: Any) -> Any:
        getattr(mapping, look)(*(args[:1] if look == "look" else ()))
        return original(mapping, *args)

    return method


for _class in (_Entries, _Variables):
    for _names, _look in (
        (_ONE, "look"),
        (_WHOLE, "look_at_all"),
        (_OF_EACH, "look_into_all"),
    ):
        for _name in _names:
            setattr(_class, _name, _telling(_name, _look))
