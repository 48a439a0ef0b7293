"""Imports modules ahead of the scripts that need them, and finds what would not survive a fork.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import mmap
import os
import select
import sys
from typing import Any, ClassVar, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Set

# A library that says what becomes of its threads in a fork calls this function.
_FORK_HANDLER = b"atfork"
# How much of a text is looked for first, in bytes.
_BEGIN = 3
SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")
# The mark for whatever reads all variables.
_ALL = ""
_Environ: Any = type(os.environ)


class _Recording(_Environ):  # type: ignore[misc]
    """`os.environ`, which remembers the names of the variables that are read."""

    seen: ClassVar[Set[str]] = set()

    def __getitem__(self, key: Any) -> Any:
        self.seen.add(os.fsdecode(key) if isinstance(key, (str, bytes)) else _ALL)
        return super().__getitem__(key)

    def __iter__(self) -> Any:
        self.seen.add(_ALL)
        return super().__iter__()

    def __len__(self) -> Any:
        self.seen.add(_ALL)
        return super().__len__()


class Preload:
    """The modules that are imported ahead, and what they have read and left behind."""

    def __init__(self, started: FrozenSet[str], standard: Sequence[int]) -> None:
        """The modules `started` were loaded at the start; the descriptors `standard` are known."""
        self._started = started
        self._standard = set(standard)
        self._known: Dict[str, bool] = {}
        self._unloaded: Set[str] = set()
        self._scratch = {one: os.listdir(one) for one in SCRATCH if os.path.isdir(one)}
        self.trouble = ""

    def hidden(self) -> FrozenSet[str]:
        """The modules that are loaded, and which a script must not see as such."""
        return frozenset(self._unloaded)

    def packages(self) -> List[str]:
        """The top-level names of what is loaded, and was not at the start."""
        known = self._started | self._unloaded
        return sorted({name.partition(".")[0] for name in sys.modules if name not in known})

    def load(self, names: Sequence[str]) -> None:
        """Import modules; those that cannot be imported here are left to the script."""
        wanted = {*self._started, *names}
        before = frozenset(sys.modules)
        for one in _environments():
            one.__class__ = _Recording
        try:
            for name in names:
                if name not in sys.modules:
                    self._load_one(name)
        finally:
            for one in _environments():
                one.__class__ = _Environ
        # The helpers of the harness, and what they alone need.
        self._unloaded = _unneeded({name for name in before if name not in wanted})
        self.trouble = self.trouble or self._find_trouble()

    def _load_one(self, name: str) -> None:
        threads, files = _native_threads(), _mapped_files()
        try:
            __import__(name)
        except BaseException:
            return
        if _native_threads() <= threads or self.trouble:
            return
        # Libraries that are made for it end their threads before a fork, or handle it after.
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        new = _mapped_files() - files
        handles = any(_mentioned(one, [_FORK_HANDLER]) for one in new)
        if _native_threads() > threads and not handles:
            self.trouble = "{} leaves a thread running when it is imported".format(name)

    def _find_trouble(self) -> str:
        """What forbids to fork scripts from this process; "" for nothing."""
        if sys.flags.inspect:
            return "PYTHONINSPECT is set"
        if len(sys._current_frames()) > 1:
            return "a module leaves a thread running when it is imported"
        for number in map(int, os.listdir("/proc/self/fd")):
            if number in self._standard:
                continue
            try:
                target = os.readlink("/proc/self/fd/{}".format(number))
            except OSError:
                # That of the listing.
                continue
            return "a module leaves {} open when it is imported".format(target)
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        # Both are pipes that nobody else reads.
        if select.select([1, 2], [], [], 0)[0]:
            return "a module prints something when it is imported"
        with open("/proc/self/maps") as stream:
            if any(line.split()[1].endswith("s") and "w" in line.split()[1] for line in stream):
                return "a module shares memory between processes when it is imported"
        for folder, names in self._scratch.items():
            if os.listdir(folder) != names:
                return "a module writes into {} when it is imported".format(folder)
        return ""

    def reads(self, names: Iterable[str]) -> List[str]:
        """Which of these variables count before the script: what is loaded may have read them."""
        names = list(names)
        if _ALL in _Recording.seen:
            return names
        unknown = {os.fsencode(one): one for one in names if one not in self._known}
        if unknown:
            self._known.update(dict.fromkeys(unknown.values(), False))
            # In a program a text has an end.
            files = [(path, b"\0") for path in _mapped_files()]
            files += [(path, b"") for path in self._sources_at_start()]
            for path, end in files:
                for text in _mentioned(path, [one + end for one in unknown]):
                    self._known[unknown[text[: len(text) - len(end)]]] = True
        return [name for name in names if self._known[name] or name in _Recording.seen]

    def _sources_at_start(self) -> Iterator[str]:
        folder = os.path.dirname(os.__file__)
        for name in self._started:
            path = os.path.join(folder, *name.split(".")) + ".py"
            yield str(getattr(sys.modules.get(name), "__file__", None) or path)


def _unneeded(names: Set[str]) -> Set[str]:
    """Those of the modules that no other module refers to."""
    kept = [name for name in sys.modules if name not in names]
    unneeded = set(names)
    while kept:
        for value in list(vars(sys.modules[kept.pop()]).values()):
            module = value.__name__ if isinstance(value, type(sys)) else _module_of(value)
            if module in unneeded:
                unneeded.discard(module)
                kept.append(module)
    return unneeded


def _module_of(value: Any) -> str:
    try:
        return str(getattr(value, "__module__", ""))
    except Exception:
        return ""


def _environments() -> List[Any]:
    found: List[Any] = [os.environ]
    if hasattr(os, "environb"):
        found.append(os.environb)
    return found


def _native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _mapped_files() -> Set[str]:
    """The programs and libraries of this process."""
    with open("/proc/self/maps") as stream:
        parts = [line.rstrip("\n").split(None, 5) for line in stream]
    return {one[5] for one in parts if len(one) == 6 and one[5].startswith("/")}


def _mentioned(path: str, texts: Sequence[bytes]) -> List[bytes]:
    """Which of some texts a file holds; one that cannot be read may hold all."""
    if not os.path.exists(path):
        return []
    try:
        with open(path, "rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                return []
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                # Many names begin in the same way, and most files have nothing that does.
                begins = {one: data.find(one) for one in {one[:_BEGIN] for one in texts}}
                first = [(one, begins[one[:_BEGIN]]) for one in texts]
                return [one for one, at in first if at >= 0 and data.find(one, at) >= 0]
    except (OSError, ValueError):
        return list(texts)


class Learning:
    """Finds out which modules a script imports, in the process of the script.

    `folders` are those of its tree, which other cases may have in another way.
    """

    def __init__(self, started: FrozenSet[str], folders: Sequence[str], script: str) -> None:
        """Start to watch what modules read while they are imported."""
        self._started = started
        self._folders = frozenset(folders)
        self._own = os.path.dirname(script)
        self._read: Optional[str] = None
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: Any) -> None:
        if event not in ("open", "os.listdir", "os.scandir") or self._read is not None:
            return
        path = arguments[0]
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if event != "open" and path in sys.path:
            # Looking for a package.
            return
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str) or os.path.dirname(path) not in self._folders:
            return
        frame: Any = sys._getframe(1)
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return
        while frame is not None and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        # What a script and its modules read is read again in each case.
        name = frame.f_globals.get("__name__", "") if frame is not None else "__main__"
        file = frame.f_code.co_filename if frame is not None else ""
        if name != "__main__" and os.path.dirname(file) not in self._folders:
            self._read = "{} reads {} when it is imported".format(name, path)

    def result(self) -> Dict[str, Any]:
        """The names of the modules outside the tree, in the order in which they were loaded."""
        names = []
        for name, module in list(sys.modules.items()):
            if name in self._started or name in ("__main__", "__mp_main__"):
                continue
            try:
                places = list(getattr(module, "__path__", ()))
                places += [getattr(module, "__file__", None) or ""]
            except Exception:
                continue
            if not any(self._is_own(str(place)) for place in places):
                names.append(name)
        return {"modules": names, "trouble": self._read or ""}

    def _is_own(self, place: str) -> bool:
        return place in self._folders or os.path.dirname(place) in self._folders
