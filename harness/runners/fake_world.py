"""The inside of the fake runner's child: a fake file system, the script in it, and its end.

Every way out of a script leads to `_finish`, which takes the fake file system down as a tar, hands
it to the parent and ends the process: the end of the file, `sys.exit`, an exception, `os._exit`,
`os.abort`, a deadly signal. Nothing here ever returns to the caller.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import faulthandler
import io
import json
import linecache
import logging
import os
import pickle
import posix
import signal
import stat
import sys
import threading
import time
import traceback
import types
import warnings
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from pyfakefs import fake_open, helpers
from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_filesystem_unittest import Patcher

from harness.case import Case

# A script imports these; modules that are first imported inside the fake world are slow to load.
from harness.runners import driver, preload  # noqa: F401
from harness.runners.fake_os import Completion
from harness.runners.tripwire import Tripwire
from harness.tree import Entry, Kind, Tree

# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"write": posix.write, "exit": posix._exit, "kill": posix.kill}

_REFUSED = {
    "subprocess.Popen": "starts a subprocess",
    "os.system": "starts a subprocess",
    "os.exec": "replaces its process",
    "os.posix_spawn": "starts a subprocess",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "mmap.__new__": "maps a file into memory",
    "sqlite3.connect": "opens a database",
}
# The warnings that a fresh interpreter does not show.
_SILENT_WARNINGS = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Report:
    """What a child tells its parent; `points` are a rehearsal's call counts."""

    exit_code: int
    tree: bytes
    refused: str = ""
    hangs: bool = False
    points: list[int] | None = None


class _World:
    """The one world of this process."""

    fs: FakeFilesystem
    pipe: int
    wire: Tripwire | None
    finished = False


_world = _World()


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Let pyfakefs look once through all loaded modules: every child inherits what it found."""
    patcher = Patcher(allow_root_user=True)
    patcher.setUp()
    patcher.tearDown()


@lru_cache(maxsize=8)
def compiled(source: bytes, path: str) -> types.CodeType:
    """The script's code; asked for before a child is made, it is there in every child."""
    return compile(source, path, "exec", dont_inherit=True)


def live(case: Case, pipe: int, wire: Tripwire | None) -> NoReturn:
    """Make the case's world, run the script in it, report through `pipe` and end the process."""
    _forget_the_parent()
    helpers.set_uid(0)
    helpers.set_gid(0)
    patcher = Patcher(allow_root_user=True)
    patcher.setUp()
    fs = patcher.fs
    assert fs is not None
    _world.fs, _world.pipe, _world.wire = fs, pipe, wire
    _populate(fs, case)
    fake_os = patcher.fake_modules["os"]
    Completion(fake_os, fs).install(_blocks)
    _block_on_fifos()
    _date_folders()
    # `from os.path import exists` looks here, where pyfakefs leaves the real module.
    sys.modules["os.path"] = sys.modules["posixpath"] = fake_os.path
    for name in ("_exit", "abort", "kill"):
        setattr(fake_os, name, globals()[name.strip("_") + "_"])
    os.environ.clear()
    os.environ.update(case.environment)
    folder = case.script_folder
    os.chdir(folder if case.relative else case.cwd)
    name = case.script
    sys.argv[:] = [name.rpartition("/")[2] if case.relative else name, *case.arguments]
    sys.path.insert(0, folder)
    entry = case.tree.get(case.script)
    source = b"" if entry is None else entry.data
    sys.addaudithook(_refuse)
    if wire is not None:
        _watch(wire)
        wire.start()
    _finish(_run(case, source))


def receive(number: signal.Signals) -> None:
    """Get a signal now: its handler runs, or the process ends as by that signal."""
    if signal.getsignal(number) is signal.SIG_DFL or number == signal.SIGKILL:
        _finish(128 + number, killed=True)
    _REAL["kill"](posix.getpid(), number)


def _run(case: Case, source: bytes) -> int:
    """The exit code that a Python process of its own would have."""
    code = _caught(_call if case.call else _main, case, source)
    # The end of a process: wait for its threads, then whatever it registered for that moment.
    if (unfinished := _caught(_last_things)) != 0:
        code = code or unfinished
    return code


def _main(case: Case, source: bytes) -> None:
    module = types.ModuleType("__main__")
    module.__file__ = case.script
    module.__builtins__ = builtins  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    linecache.cache[case.script] = (
        len(source),
        None,
        source.decode("utf-8", "replace").splitlines(keepends=True),
        case.script,
    )
    exec(compiled(source, case.script), module.__dict__)


def _call(case: Case, source: bytes) -> None:
    assert case.call is not None
    call = driver.encode(case.call.function, case.call.arguments)
    answer = driver.perform(case.script, source, call)
    sys.stdout.write("\n" + driver.ANSWER + json.dumps(answer) + "\n")


def _last_things() -> None:
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()


def _caught(function: Any, *arguments: Any) -> int:
    try:
        function(*arguments)
    except SystemExit as end:
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _show_error(
    kind: type[BaseException], error: BaseException | None, trace: types.TracebackType | None
) -> None:
    traceback.print_exception(kind, error, trace)


def _finish(
    exit_code: int, *, refused: str = "", hangs: bool = False, killed: bool = False
) -> NoReturn:
    """Report and end: called once, from whichever place the script comes to its end."""
    if _world.finished:
        _REAL["exit"](exit_code)
    _world.finished = True
    points = None
    if _world.wire is not None:
        _world.wire.stop()
        points = _world.wire.points()
    if not killed:
        _flush(_world.fs)
    tree = b"" if refused else Tree(dict(_entries(_world.fs.root_dir, ""))).to_tar()
    report = pickle.dumps(Report(exit_code, tree, refused, hangs, points))
    while report:
        report = report[_REAL["write"](_world.pipe, report) :]
    _REAL["exit"](0)
    raise AssertionError


def _flush(fs: Any) -> None:
    """Write out what files still hold back, as CPython does for each file that nobody closed."""
    for handles in fs.open_files:
        for handle in handles or ():
            # As there, a failure of this kind goes unseen.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                handle.flush()


def exit_(code: int) -> NoReturn:
    """`os._exit` inside the world."""
    _finish(code & 0xFF, killed=True)


def abort_() -> NoReturn:
    """`os.abort` inside the world."""
    _finish(128 + signal.SIGABRT, killed=True)


def kill_(pid: int, number: int, /) -> None:
    """`os.kill` inside the world."""
    if pid == posix.getpid() and number:
        receive(signal.Signals(number))
    else:
        _REAL["kill"](pid, number)


def _blocks(path: str) -> NoReturn:
    sys.stderr.flush()
    _REAL["write"](2, f"(blocked for ever: opened the FIFO {path})\n".encode())
    _finish(0, hangs=True)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if _world.finished:
        return
    if event == "mmap.__new__" and args[0] == -1:
        return
    if event in _REFUSED:
        what = " ".join([event, *(repr(one) for one in args[:1])])
        _finish(0, refused=f"{_REFUSED[event]} ({what})")
    if event == "open" and isinstance(args[2], int) and args[2] & _WRITING:
        path = str(args[0])
        if not isinstance(args[0], int) and not path.startswith("/dev/"):
            _finish(0, refused=f"writes the real file {path} behind the fake file system")


def _forget_the_parent() -> None:
    """Drop what the harness's own process set up and a fresh interpreter would not have."""
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    logging.Logger.manager.loggerDict.clear()
    logging.disable(logging.NOTSET)
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False))
    sys.stdout = io.TextIOWrapper(open(1, "wb", buffering=0, closefd=False), write_through=True)
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", buffering=0, closefd=False), errors="backslashreplace", write_through=True
    )
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    # CPython's own one would read the script's lines from the real file whose number the fake has.
    sys.excepthook = sys.__excepthook__ = _show_error
    sys.setprofile(None)
    sys.dont_write_bytecode = True
    faulthandler.disable()
    warnings.resetwarnings()
    for category in _SILENT_WARNINGS:
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")


def _populate(fs: FakeFilesystem, case: Case) -> None:
    made: list[tuple[FakeFile, Entry]] = []
    for mount in case.mounts:
        fs.create_dir(mount.path)
    for path, entry in case.tree:
        made.append((_create(fs, path, entry), entry))
    for mount in case.mounts:
        fs.add_mount_point(mount.path, total_size=mount.size, can_exist=True)
    # Last, since adding a file touches its folder.
    for thing, entry in reversed(made):
        thing.st_uid, thing.st_gid = entry.uid, entry.gid
        thing.st_mtime = entry.mtime


def _create(fs: FakeFilesystem, path: str, entry: Entry) -> FakeFile:
    if entry.kind == "directory":
        if not fs.exists(path):
            fs.create_dir(path)
        folder = fs.resolve(path)
        folder.st_mode = stat.S_IFDIR | entry.mode
        return folder
    if entry.kind == "symlink":
        return fs.create_symlink(path, entry.target)
    type_bits = {"file": stat.S_IFREG, "fifo": stat.S_IFIFO, "device": stat.S_IFCHR}[entry.kind]
    return fs.create_file(path, st_mode=type_bits | entry.mode, contents=entry.data)


def _entries(folder: FakeDirectory, path: str) -> Any:
    for name, thing in folder.entries.items():
        below = f"{path}/{name}"
        kind = _kind(thing.st_mode)
        yield (
            below,
            Entry(
                kind,
                data=(thing.byte_contents or b"") if kind == "file" else b"",
                mode=stat.S_IMODE(thing.st_mode),
                uid=thing.st_uid,
                gid=thing.st_gid,
                mtime=float(thing.st_mtime),
                target=str(thing.contents) if kind == "symlink" else "",
            ),
        )
        if isinstance(thing, FakeDirectory):
            yield from _entries(thing, below)


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISFIFO(mode):
        return "fifo"
    return "file" if stat.S_ISREG(mode) else "device"


def _block_on_fifos() -> None:
    """Opening a FIFO blocks for ever in a world where nobody holds its other end."""
    original = fake_open.FakeFileOpen._init_file_object

    def init(self: Any, thing: FakeFile | None, path: Any, *rest: Any, **names: Any) -> FakeFile:
        if thing is not None and stat.S_ISFIFO(thing.st_mode) and not self.raw_io:
            _blocks(str(path))
        return original(self, thing, path, *rest, **names)

    opening: Any = fake_open.FakeFileOpen
    opening._init_file_object = init


def _date_folders() -> None:
    """Adding something to a folder, or removing it, touches the folder."""
    add, remove = FakeDirectory.add_entry, FakeDirectory.remove_entry

    def add_entry(self: FakeDirectory, *args: Any, **names: Any) -> None:
        add(self, *args, **names)
        self.st_mtime = time.time()

    def remove_entry(self: FakeDirectory, *args: Any, **names: Any) -> None:
        remove(self, *args, **names)
        self.st_mtime = time.time()

    FakeDirectory.add_entry = add_entry  # type: ignore[method-assign]
    FakeDirectory.remove_entry = remove_entry  # type: ignore[method-assign]


def _watch(wire: Tripwire) -> None:
    """Tell the tripwire of everything the script creates or renames."""
    wire.note(FakeFilesystem.add_object, wire.created)
    wire.note(FakeFilesystem.rename, wire.renamed)
