"""Records what a script looks at in the file system, in its whole process tree.

The kernel asks before each system call that names a path. What is recorded of it is a question
about the tree before the run, whatever the script has made of it since: what a script has done
itself follows from what it was told before. What cannot be told apart counts as seen whole: a file
that is opened is read, and a folder that is opened, or asked for its size, is listed.

No system call shows the use of clocks, of random numbers and of the environment. Runs on Python 3.8
and newer with the standard library alone.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from harness.runners.inside import path_calls, supervision, system_calls
from harness.runners.inside.path_calls import PathCall
from harness.runners.inside.supervision import CURRENT_FOLDER, GO_ON, Decision
from harness.runners.inside.system_calls import Rule

_SENDTO = (44, 206)
RULES: List[Rule] = [
    *(supervision.asked(one) for one in path_calls.CALLS if one != _SENDTO),
    # Only with an address.
    supervision.asked(_SENDTO)._replace(argument=4, test="given"),
    *(supervision.asked((one, one)) for one in path_calls.NEWER),
]
# Of the kernel itself, and the same for every case.
_KERNEL_FOLDERS = ("/proc", "/sys")
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_MOST_QUERIES, _MOST_LINKS, _MOST_INTERPRETERS = 50_000, 40, 5
_UNIX, _ADDRESS, _LONGEST_ADDRESS = 1, struct.Struct("=H"), 128
_MESSAGE, _HOW = struct.Struct("=QI"), struct.Struct("=QQQ")
_FIRST_LINE = 256
_OTHER_FILES = 5


class _Found(NamedTuple):
    """Where a path has led: through which paths, whether directly, and what is there, if so."""

    path: str
    passed: Sequence[str]
    is_direct: bool
    status: Optional[os.stat_result]

    @property
    def is_folder(self) -> bool:
        """Whether it has led to a folder."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


class Recorder(supervision.Listener):
    """Records what one script looks at, but for what is in the folders `hidden`.

    Those are the same in every case, and cannot be changed. `started` are the paths that are looked
    at before the script starts.
    """

    def __init__(self, hidden: Sequence[str], started: Sequence[str]) -> None:
        """Wait, in a thread, for the process of the script."""
        self._programs = tuple(hidden)
        self._in_programs = _beginnings(hidden)
        self._in_same = _beginnings((*hidden, *_KERNEL_FOLDERS))
        self._queries: Dict[Tuple[str, str], None] = {}
        self._hidden = ""
        # Folder → whether it is one of programs.
        self._folders: Dict[str, bool] = {}
        column = system_calls.column()
        self._calls = {
            numbers[column]: call
            for numbers, call in path_calls.CALLS.items()
            if column is not None and numbers[column] is not None
        }
        for path in started:
            self._tell_way(self._walk(0, path))
        super().__init__()

    def finish(self) -> Dict[str, Any]:
        """What was seen, after the end of the script, as JSON values.

        `hidden` is what the run depends on beside it, "" for nothing.
        """
        self.end()
        hidden = self._hidden or (self.lacking and "cannot be recorded: " + self.lacking)
        return {"queries": list(self._queries), "hidden": hidden}

    def decide(self, thread: int, number: int, arguments: List[int]) -> Decision:
        """Record what a system call looks at, and let it go on."""
        try:
            self._see(thread, self._calls.get(number), arguments)
        except (OSError, ValueError, struct.error) as error:
            self._hide("does what cannot be recorded (system call %d: %s)" % (number, error))
        return GO_ON

    def _see(self, thread: int, call: Optional[PathCall], arguments: List[int]) -> None:
        if call is None:
            self._hide("uses a system call that is not known here")
        elif call.does in ("connect", "bind", "send"):
            self._see_socket(thread, call, arguments)
        elif call.does == "disk of a file":
            self._see_disk(os.readlink("/proc/%d/fd/%d" % (thread, arguments[0] & 0xFFFFFFFF)))
        elif not call.paths:
            self._hide(call.does)
        else:
            does = call.does
            if does == "open" and arguments[call.detail] & _CHANGES:
                does = "make"
            elif does == "open in a way":
                does = self._kind_of_opening(thread, arguments[call.detail])
            for path in self._paths(thread, call, arguments):
                self._see_path(thread, does, path)

    def _paths(self, thread: int, call: PathCall, arguments: List[int]) -> Iterator[str]:
        """The paths that a system call names, from the root on."""
        for folder, name in call.paths:
            at = CURRENT_FOLDER if folder is None else supervision.signed(arguments[folder])
            text = supervision.text(thread, arguments[name]) if arguments[name] else ""
            if text.startswith("/"):
                yield text
                continue
            if not text and at == CURRENT_FOLDER:
                # There is nothing of this name.
                continue
            base = os.readlink("/proc/%d/%s" % (thread, _place(at)))
            # Otherwise it is no file, as a pipe.
            if base.startswith("/"):
                yield base + "/" + text if text else base

    def _kind_of_opening(self, thread: int, how: int) -> str:
        flags, _, resolve = _HOW.unpack(supervision.memory(thread, how, _HOW.size))
        if resolve:
            self._hide("opens files in a way of its own (openat2)")
        return "make" if flags & _CHANGES else "open"

    def _see_path(self, thread: int, does: str, path: str) -> None:
        is_program = self._is_program(path)
        if is_program and does not in ("execute", "make", "remove", "move"):
            return
        found = self._walk(thread, path)
        if does in ("make", "remove", "move"):
            self._tell_way(found)
            if any(_is_under(one, found.path) for one in self._programs):
                self._hide("changes the folders of programs")
            if does == "move":
                self._tell("tree", found.path)
            elif does == "make":
                self._tell("read", found.path)
            elif found.is_folder:
                self._tell("list", found.path)
            return
        if not found.is_direct:
            self._tell_way(found)
        self._tell("lookup", found.path)
        if found.is_folder and does in ("stat", "open"):
            self._tell("list", found.path)
        if does in ("open", "execute"):
            self._tell("read", found.path)
        if does == "execute":
            self._see_interpreters(thread, found)
        if does == "disk" and found.status is not None:
            self._see_disk(found.path)

    def _tell_way(self, found: _Found) -> None:
        """The script depends on all that is on the way to what it has found."""
        for path in found.passed:
            self._tell("stat", path)
        for path in _folders_above(found.path):
            self._tell("stat", path)
        self._tell("stat", found.path)

    def _see_interpreters(self, thread: int, found: _Found) -> None:
        """What the kernel reads to execute a file: the programs that first lines name."""
        for _ in range(_MOST_INTERPRETERS):
            if found.status is None or not stat.S_ISREG(found.status.st_mode):
                return
            with open(found.path, "rb") as stream:
                first = stream.read(_FIRST_LINE)
            if not first.startswith(b"#!"):
                # Its own loader may be another file of the tree.
                if not self._is_same(found.path):
                    self._hide("executes a program that is not of the system")
                return
            words = first[2:].split(b"\n")[0].split()
            if not words:
                return
            path = os.fsdecode(words[0])
            if not path.startswith("/"):
                path = os.readlink("/proc/%d/cwd" % thread) + "/" + path
            found = self._walk(thread, path)
            self._tell_way(found)
            self._tell("read", found.path)
        self._hide("executes a program through too many others")

    def _see_socket(self, thread: int, call: PathCall, arguments: List[int]) -> None:
        """Look at the address of a socket, which may be a path."""
        address, size = arguments[call.detail], arguments[call.detail + 1]
        if call.does == "send":
            data = supervision.memory(thread, address, _MESSAGE.size)
            address, size = _MESSAGE.unpack(data)
        if not address or size <= _ADDRESS.size:
            return
        data = supervision.memory(thread, address, min(size, _LONGEST_ADDRESS))
        name = data[_ADDRESS.size :].partition(b"\0")[0]
        if _ADDRESS.unpack_from(data)[0] != _UNIX or not name:
            return
        path = os.fsdecode(name)
        if not path.startswith("/"):
            path = os.readlink("/proc/%d/cwd" % thread) + "/" + path
        self._see_path(thread, "make" if call.does == "bind" else "ask", path)

    def _see_disk(self, path: str) -> None:
        if path.startswith("/") and not self._is_same(path):
            self._hide("asks how full the disk is")

    def _walk(self, thread: int, path: str) -> _Found:
        """Where a path leads now, as the kernel finds it, through links too."""
        parts = path.split("/")[::-1]
        at, passed, is_direct, status, links = "/", [], True, None, 0
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at, is_direct = os.path.dirname(at), False
                continue
            here = self._of_thread(thread, at.rstrip("/") + "/" + part)
            passed.append(here)
            try:
                status = os.lstat(here)
            except (FileNotFoundError, NotADirectoryError):
                rest = [one for one in parts[::-1] if one not in ("", ".")]
                end = "/".join((here, *rest)) if ".." not in rest else here
                return _Found(end, passed, is_direct and ".." not in rest, None)
            if not stat.S_ISLNK(status.st_mode):
                at = here
                continue
            is_direct = False
            links += 1
            if links > _MOST_LINKS:
                return _Found(here, passed, is_direct, None)
            target = os.readlink(here)
            if here.startswith("/proc/") and ":[" in target:
                # What is open there is no file, as a pipe.
                return _Found(here, passed, is_direct, None)
            at = "/" if target.startswith("/") else at
            parts += target.split("/")[::-1]
        return _Found(at, passed, is_direct, status)

    def _of_thread(self, thread: int, path: str) -> str:
        """The path that a thread means, whose own folders in /proc are others than those here."""
        if path == "/proc/thread-self":
            return "/proc/%d/task/%d" % (_process(thread), thread)
        return "/proc/%d" % _process(thread) if path == "/proc/self" else path

    def _is_program(self, path: str) -> bool:
        """Whether a path is one of programs for sure, which need not be walked to."""
        if not _is_in(path, self._in_programs) or "/.." in path:
            return False
        folder = path.rpartition("/")[0]
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = _is_in(os.path.realpath(folder), self._in_programs)
        return known and (
            not os.path.islink(path) or _is_in(os.path.realpath(path), self._in_programs)
        )

    def _is_same(self, path: str) -> bool:
        return _is_in(path, self._in_same)

    def _tell(self, kind: str, path: str) -> None:
        if not self._is_same(path):
            self._queries[kind, path] = None
            if len(self._queries) > _MOST_QUERIES:
                self._hide("looks at more than can be recorded")

    def _hide(self, what: str) -> None:
        self._hidden = self._hidden or what


def number_files_anew(folder: str) -> None:
    """Give the files of a case other numbers of inodes than in a run that is not recorded.

    In other cases they have others too: what depends on them does not come to the same then.
    """
    for number in range(_OTHER_FILES):
        path = "%s/%d" % (folder, number)
        os.mknod(path)
        os.unlink(path)


def _place(folder: int) -> str:
    return "cwd" if folder == CURRENT_FOLDER else "fd/%d" % folder


def _process(thread: int) -> int:
    with open("/proc/%d/status" % thread) as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("Tgid"))


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _beginnings(folders: Sequence[str]) -> Tuple[str, ...]:
    """What the paths of these folders, and below them, begin with, a slash at their end added."""
    return tuple(one.rstrip("/") + "/" for one in folders)


def _is_in(path: str, beginnings: Tuple[str, ...]) -> bool:
    return (path + "/").startswith(beginnings)


def _folders_above(path: str) -> Iterator[str]:
    parts = path.split("/")
    for number in range(2, len(parts)):
        yield "/".join(parts[:number])
