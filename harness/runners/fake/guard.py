"""Refuses what pyfakefs cannot contain, while a script runs: what Python tells by audit events.

What goes beneath Python, the kernel refuses (`harness.runners.inside.system_calls`).
"""

from __future__ import annotations

import errno
import functools
import os
import posix
import posixpath
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any, NoReturn

from harness.runners.fake.unsupported import EVENTS, EXTENSIONS, UNHEARD
from harness.worlds.tree import is_under

# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"lstat": posix.lstat, "realpath": posixpath.realpath}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NULL_DEVICE = "/dev/null"
# Audit events of functions that change real files: pyfakefs calls none of them.
_CHANGES = frozenset(
    f"os.{name}"
    for name in (
        *("chflags", "chmod", "chown", "link", "mkdir", "remove", "removexattr", "rename"),
        *("rmdir", "setxattr", "symlink", "truncate", "utime", "lockf"),
    )
)
# The packages that make the fake world: a script in it has none of their modules.
_OWN_PACKAGES = ("harness", "pyfakefs")
_OWN_FOLDER = posixpath.dirname(posixpath.dirname(posixpath.dirname(__file__)))


class Guard:
    """Refuses by `on_refusal(what)`, and nothing after the script has `finished`."""

    def __init__(
        self,
        readable: tuple[str, ...],
        on_refusal: Callable[[str], NoReturn],
        finished: Callable[[], bool],
    ) -> None:
        """Let the real files at or below `readable` be read."""
        self._readable = readable
        self._refuse = on_refusal
        self._finished = finished
        self._hidden: dict[str, types.ModuleType] = {}
        # A look at every name copies the page of each into a child.
        self._own, self._loaded = _own_modules(), len(sys.modules)

    def is_readable(self, path: str) -> bool:
        """Whether a real file may be read."""
        # Whether the user of the case may follow a link there makes no difference.
        is_plain = "/.." not in path
        return (is_plain and self._is_below(path)) or self._is_below(_REAL["realpath"](path))

    def _is_below(self, path: str) -> bool:
        return any(is_under(path, one) for one in self._readable)

    def replace_functions(self) -> None:
        """Refuse before `Popen` opens its pipes, at which pyfakefs fails, and what has no event."""

        def init(_self: Any, args: Any, *_rest: Any, **_names: Any) -> None:
            self._hear("subprocess.Popen", (args,))

        subprocess.Popen.__init__ = init  # type: ignore[assignment,method-assign]
        for module, name, what in UNHEARD:
            refuse = functools.partial(self._refuse, f"{what} ({module}.{name})")
            setattr(sys.modules[module], name, lambda *_args, _refuse=refuse, **_names: _refuse())

    def enforce(self) -> None:
        """Begin, just before the script runs, and take the modules of the harness from it.

        They stay loaded, and are not there in a container.
        """
        for name in self._own if len(sys.modules) == self._loaded else _own_modules():
            self._hidden[name] = sys.modules.pop(name)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._finished() or (event == "mmap.__new__" and args[0] == -1):
            return
        if event in EVENTS:
            call = " ".join([event, *(repr(one) for one in args[:1])])
            self._refuse(f"{EVENTS[event]} ({call})")
        if event in _CHANGES:
            self._refuse(f"changes the real file {args[0]!r} behind the fake file system")
        if event == "import" and str(args[1]).endswith(EXTENSIONS) and not _is_standard(args[0]):
            self._refuse(f"imports {args[1]}, whose file access it cannot see")
        if event == "open" and not isinstance(args[0], int):
            self._check_opening(os.fsdecode(args[0]), args[2])

    def _check_opening(self, path: str, flags: Any) -> None:
        """Refuse a real file that is to be written, or that the interpreter has no need of."""
        if isinstance(flags, int) and flags & _WRITE_FLAGS and path != _NULL_DEVICE:
            self._refuse(f"writes the real file {path} behind the fake file system")
        if is_under(path, _OWN_FOLDER):
            # A traceback looks for the lines of its calls: in a container they are not there.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not self.is_readable(path) and _exists(path):
            self._refuse(f"reads the real file {path} behind the fake file system")


def _own_modules() -> list[str]:
    return [one for one in sys.modules if one.partition(".")[0] in _OWN_PACKAGES]


def _exists(path: str) -> bool:
    try:
        _REAL["lstat"](path)
    except (OSError, ValueError):
        return False
    return True


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
