"""Counts what a script does to files, and lets one operation fail, in its whole process tree.

What asks whether a file is there (stat) is left alone: many a program, Python's `os.path.exists`
among them, takes any error for "no". Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import os
import re
import signal
import struct
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from harness.runners.inside import supervision, system_calls
from harness.runners.inside.supervision import CURRENT_FOLDER, GO_ON, Decision

_IOCTL_ADD_DESCRIPTOR = 0x40182103
_ADDITION, _SET_NUMBER = struct.Struct("=QIIII"), 1
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_O_PATH = getattr(os, "O_PATH", 0)
_O_TMPFILE = getattr(os, "O_TMPFILE", 0)
# What chance gives names, and what programs give names for temporary files.
_CHANCE = (
    re.compile(r"[0-9a-f]{12,}"),
    re.compile(r"[A-Za-z0-9_]{8}(?=\.[^/]*$|$)"),
    re.compile(r"\d+"),
)
_UNUSUAL = re.compile(r"[^\w./:+-]", re.ASCII)
# How often the opening of one file is another place.
_MOST_OPENINGS = 3


class _Call(NamedTuple):
    """A system call: its operation, and which arguments are a path, its folder, or a descriptor."""

    operation: str
    path: Optional[int] = None
    folder: Optional[int] = None
    descriptor: Optional[int] = None
    flags: Optional[int] = None


# Numbers on x86-64 and arm64 → the call.
_CALLS: Dict[Tuple[Optional[int], Optional[int]], _Call] = {
    **{one: _Call("read", descriptor=0) for one in ((0, 63), (17, 67), (19, 65), (295, 69))},
    (327, 286): _Call("read", descriptor=0),
    **{one: _Call("write", descriptor=0) for one in ((1, 64), (18, 68), (20, 66), (296, 70))},
    (328, 287): _Call("write", descriptor=0),
    (40, 71): _Call("copy", descriptor=0),
    (326, 285): _Call("copy", descriptor=2),
    (2, None): _Call("open", path=0, flags=1),
    (257, 56): _Call("open", path=1, folder=0, flags=2),
    (437, 437): _Call("open", path=1, folder=0),
    (85, None): _Call("create", path=0),
    (3, 57): _Call("close", descriptor=0),
    (74, 82): _Call("sync", descriptor=0),
    (75, 83): _Call("sync", descriptor=0),
    (76, 45): _Call("truncate", path=0),
    (77, 46): _Call("truncate", descriptor=0),
    (82, None): _Call("rename", path=1),
    (264, 38): _Call("rename", path=3, folder=2),
    (316, 276): _Call("rename", path=3, folder=2),
    (86, None): _Call("link", path=1),
    (265, 37): _Call("link", path=3, folder=2),
    (88, None): _Call("link", path=1),
    (266, 36): _Call("link", path=2, folder=1),
    (87, None): _Call("remove", path=0),
    (84, None): _Call("remove", path=0),
    (263, 35): _Call("remove", path=1, folder=0),
    (83, None): _Call("mkdir", path=0),
    (258, 34): _Call("mkdir", path=1, folder=0),
    (90, None): _Call("chmod", path=0),
    (91, 52): _Call("chmod", descriptor=0),
    (268, 53): _Call("chmod", path=1, folder=0),
    (452, 452): _Call("chmod", path=1, folder=0),
    (280, 88): _Call("utime", path=1, folder=0),
}
RULES = [supervision.asked(one) for one in _CALLS]
# Those of which a part can be done in their place.
_WRITE, _WRITE_AT, _WRITE_SEVERAL = (1, 64), (18, 68), (20, 66)
_WITH_DESCRIPTOR = ("read", "write", "copy", "close", "sync", "truncate", "open", "create")


class Supervisor(supervision.Listener):
    """Answers the kernel for one script.

    `plan` has `folders`, `known`, the paths that are there at first, and the `operation`, `place`,
    `time`, `effect` and `error` of a fault; without an effect operations are only recorded. What is
    in the folders `hidden`, as the interpreter, does not count, nor what is done before the file
    `script` is opened; "" if the process that hands itself over is the script's already. `look` is
    called before each operation with its name; the operation never comes where it returns True.
    """

    def __init__(
        self,
        plan: Dict[str, Any],
        hidden: Sequence[str],
        script: str,
        look: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        """Wait, in a thread, for the process of the script."""
        self._plan = plan
        self._look = look
        # Where Python looks for modules, when it likes to.
        imported = [one for one in sys.path if one and one not in plan["folders"]]
        self._hidden = (*hidden, *imported)
        self._known: Set[str] = set(plan["known"])
        self._seen: List[List[Any]] = []
        self._struck = False
        self._counts: Dict[Tuple[str, str], int] = {}
        self._openings: Dict[str, int] = {}
        self._written: Set[str] = set()
        self._awaited = script and os.path.realpath(script)
        column = system_calls.column()
        self._calls = {
            numbers[column]: call
            for numbers, call in _CALLS.items()
            if column is not None and numbers[column] is not None
        }
        self._column = column
        super().__init__()

    def finish(self) -> Dict[str, Any]:
        """What was seen, after the end of the script, as JSON values."""
        self.end()
        return {"operations": self._seen, "struck": self._struck, "lacking": self.lacking}

    def decide(self, thread: int, number: int, arguments: List[int]) -> Decision:
        """The answer for one system call."""
        call = self._calls[number]
        path = self._path(thread, call, arguments)
        if path is None or not self._is_near(path):
            return GO_ON
        name = call.operation
        if name == "open":
            name = _kind_of_opening(call, path, arguments)
        if name == "" or (name == "close" and path not in self._written):
            return GO_ON
        if self._look(name):
            return None
        is_due = self._count(name, path, thread)
        if name in ("write", "copy"):
            self._written.add(path)
        elif name in ("close", "sync"):
            self._written.discard(path)
        if not is_due:
            return GO_ON
        answer = self._strike(thread, number, name, arguments)
        # Not if it could not be done.
        self._struck = True
        return answer

    def _strike(self, thread: int, number: int, name: str, arguments: List[int]) -> Decision:
        """Do what the fault is, or prepare it; the answer for its system call."""
        effect = self._plan["effect"]
        if effect == "SIGKILL":
            # With an answer the call could come before the end.
            os.killpg(self.process, signal.SIGKILL)
            return None
        if effect == "SIGTERM":
            os.kill(self.process, signal.SIGTERM)
        elif effect == "short":
            written = self._write_in_part(thread, number, arguments)
            return GO_ON if written is None else (written, 0, 0)
        else:
            if name == "close":
                self._lose_what_was_written(thread, arguments[0])
            return 0, int(self._plan["error"]), 0
        return GO_ON

    def _is_near(self, path: str) -> bool:
        if self._awaited:
            if path == self._awaited:
                self._awaited = ""
            return False
        is_in = any(_is_under(path, one) for one in self._plan["folders"])
        return is_in and not any(_is_under(path, one) for one in self._hidden)

    def _count(self, name: str, path: str, thread: int) -> bool:
        """Count an operation; whether it is that of the fault."""
        place = self._place(name, path)
        time = self._counts[name, place] = self._counts.get((name, place), 0) + 1
        plan = self._plan
        if not plan["effect"]:
            self._seen.append([name, place, time, _handles_sigterm(thread)])
            return False
        wanted = plan["operation"], plan["place"], plan["time"]
        return not self._struck and (name, place, time) == wanted

    def _place(self, name: str, path: str) -> str:
        """The path without what is chance, and which opening of the file it is."""
        at = place = ""
        for part in path.split("/")[1:]:
            at += "/" + part
            is_known = at in self._known
            place += "/" + (part if is_known else _without_chance(part))
        place = _UNUSUAL.sub("_", place)
        if name in ("open", "create"):
            self._openings[place] = self._openings.get(place, 0) + 1
        times = min(self._openings.get(place, 0), _MOST_OPENINGS)
        return "{}:{}".format(place, times) if name in _WITH_DESCRIPTOR and times > 1 else place

    def _path(self, thread: int, call: _Call, arguments: List[int]) -> Optional[str]:
        """The path that a system call is about; None where it has none."""
        if call.descriptor is not None:
            return os.readlink("/proc/%d/fd/%d" % (thread, arguments[call.descriptor] & 0xFFFFFFFF))
        assert call.path is not None
        folder = (
            CURRENT_FOLDER if call.folder is None else supervision.signed(arguments[call.folder])
        )
        if not arguments[call.path]:
            # Of a descriptor alone, as that of futimens.
            return os.readlink("/proc/%d/fd/%d" % (thread, folder))
        path = supervision.text(thread, arguments[call.path])
        if not path.startswith("/"):
            link = "cwd" if folder == CURRENT_FOLDER else "fd/%d" % folder
            path = os.path.join(os.readlink("/proc/%d/%s" % (thread, link)), path)
        parent, name = os.path.split(path.rstrip("/") or "/")
        return os.path.normpath(os.path.join(os.path.realpath(parent), name))

    def _write_in_part(self, thread: int, call: int, arguments: List[int]) -> Optional[int]:
        """Write the first half in the place of the script; how many bytes that are.

        The script then has what has written it, where the next byte follows. None for a single
        byte, and for calls that are not known here.
        """
        import fcntl

        number, address, size = arguments[0] & 0xFFFFFFFF, arguments[1], arguments[2]
        assert self._column is not None
        if call == _WRITE_SEVERAL[self._column]:
            address, size = struct.unpack("=QQ", supervision.memory(thread, address, 16))
        elif call not in (_WRITE[self._column], _WRITE_AT[self._column]):
            return None
        if size < 2:
            return None
        data = supervision.memory(thread, address, size // 2)
        own, flags = _opened_again(thread, number)
        try:
            if call == _WRITE_AT[self._column]:
                return os.pwrite(own, data, arguments[3])
            written = os.write(own, data)
            packed = _ADDITION.pack(self.asking, _SET_NUMBER, own, number, flags & os.O_CLOEXEC)
            fcntl.ioctl(self.listener, _IOCTL_ADD_DESCRIPTOR, bytearray(packed))
            return written
        finally:
            os.close(own)

    def _lose_what_was_written(self, thread: int, descriptor: int) -> None:
        own, _ = _opened_again(thread, descriptor & 0xFFFFFFFF)
        try:
            os.ftruncate(own, os.fstat(own).st_size // 2)
        finally:
            os.close(own)


def _without_chance(name: str) -> str:
    for pattern in _CHANCE:
        name = pattern.sub("0", name)
    return name


def _kind_of_opening(call: _Call, path: str, arguments: List[int]) -> str:
    """The operation that opening is; "" for none."""
    flags = 0 if call.flags is None else arguments[call.flags]
    if _O_TMPFILE and flags & _O_TMPFILE == _O_TMPFILE:
        return "create"
    if flags & _O_PATH:
        return ""
    if flags & _WRITING:
        return "create"
    return "list" if os.path.isdir(path) else "open"


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _status(thread: int, name: str) -> str:
    with open("/proc/%d/status" % thread) as stream:
        return next(line.split()[1] for line in stream if line.startswith(name))


def _handles_sigterm(thread: int) -> bool:
    return bool(int(_status(thread, "SigCgt"), 16) >> (signal.SIGTERM - 1) & 1)


def _opened_again(thread: int, descriptor: int) -> Tuple[int, int]:
    """A descriptor of this process for an open file of another one, at its position; its flags."""
    with open("/proc/%d/fdinfo/%d" % (thread, descriptor)) as stream:
        info = dict(line.split(":", 1) for line in stream if ":" in line)
    flags = int(info["flags"], 8)
    kept = flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND)
    own = os.open("/proc/%d/fd/%d" % (thread, descriptor), kept)
    os.lseek(own, int(info["pos"]), os.SEEK_SET)
    return own, flags
