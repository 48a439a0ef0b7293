"""The inside of the fake runner's child: a fake file system, the script in it, and its end.

Every way out of a script leads to `_finish`, which takes the fake file system down as a tar, hands
it to the parent and ends the process: the end of the file, `sys.exit`, an exception, `os._exit`,
`os.abort`, a deadly signal. Nothing here ever returns to the caller.
"""

from __future__ import annotations

import atexit
import builtins
import json
import linecache
import os
import posix
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from pyfakefs import helpers
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_filesystem_unittest import Patcher
from pyfakefs.fake_os import FakeOsModule

from harness.cases.case import Case
from harness.runners.fake import network, patched_modules
from harness.runners.fake.files import Rules, flush, lay_out, limit_names, take_down
from harness.runners.fake.imports import TreeFinder, prefer
from harness.runners.fake.os_functions import Completion
from harness.runners.fake.paths import simplify
from harness.runners.fake.process import begin, forget_the_parent
from harness.runners.inside import driver
from harness.runners.inside.tripwire import Tripwire
from harness.worlds.tree import Entry, Tree

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
    "socket.bind": "listens on a socket",
}
# What runs in place of the system's own functions.
_RUNNERS = os.path.dirname(os.path.dirname(__file__))
_BENEATH = (os.path.dirname(helpers.__file__) + "/", _RUNNERS + "/")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class TripPoint:
    """What a case's tripwire does: send `signal` within `window`; without a window it counts."""

    window: tuple[int, int] | None = None
    signal: signal.Signals | None = None


REHEARSAL = TripPoint()


@dataclass(frozen=True)
class Report:
    """What a child tells its parent; `points` are a rehearsal's call counts.

    `tree` is what is there now: path → entry, or None for what the case has there.
    """

    exit_code: int
    tree: Mapping[str, Entry | None]
    refused: str = ""
    hangs: bool = False
    points: list[int] | None = None

    def tree_of(self, case: Case) -> Tree:
        """The tree after the case."""
        before = case.tree.entries
        return Tree({path: entry or before[path] for path, entry in self.tree.items()})


class _World:
    """The one world of this process."""

    fs: FakeFilesystem
    os: FakeOsModule
    rules: Rules
    case: Case
    pipe: int
    trip_point: Tripwire | None
    known: int
    finished = False


_world = _World()


def minimal(case: Case) -> Case:
    """The case with its variables worked out, as small as can be: to be sent to a fork_server."""
    return replace(
        case, choices={}, tree=Tree(case.tree.entries), variables=case.environment, interrupt=None
    )


def prepare() -> None:
    """Make an empty world, once, in the process whose children live in it."""
    forget_the_parent()
    simplify()
    patcher = Patcher(allow_root_user=True)
    patcher.setUp()
    fs = patcher.fs
    assert fs is not None
    _world.fs, _world.os = fs, patcher.fake_modules["os"]
    for module in patcher.fake_modules.values():
        if hasattr(module, "skip_names"):
            # pyfakefs's own modules: to find out whether one calls, it would look at every caller.
            module.skip_names = set()
    _world.rules = Rules(fs)
    _world.rules.enforce(_blocks)
    Completion(_world.os, fs, _world.rules).install(_blocks)
    # `from os.path import exists` looks here, where pyfakefs leaves the real module.
    paths: Any = _world.os.path
    sys.modules["os.path"] = sys.modules["posixpath"] = paths
    for name in ("_exit", "abort", "kill"):
        setattr(_world.os, name, globals()[name.strip("_") + "_"])
    sys.meta_path.insert(0, TreeFinder(fs))
    _refuse_subprocesses()
    network.cut()
    # The patcher lives as long as its world.
    _REAL["patcher"] = patcher


def source_of(case: Case) -> bytes:
    """The script's bytes; a case without one has an empty script."""
    entry = case.tree.get(case.script)
    return b"" if entry is None else entry.data


def run_case(case: Case, pipe: int, trip_point: TripPoint | None) -> NoReturn:
    """Furnish the world for the case, run the script in it, report through `pipe`, and end."""
    begin(case.environment, case.umask)
    fs = _world.fs
    _world.case, _world.pipe, _world.known = case, pipe, patched_modules.known()
    _world.trip_point = None if trip_point is None else _tripwire(trip_point)
    fs.umask = 0
    lay_out(fs, case)
    fs.umask = case.umask
    _world.rules.apply(case)
    folder = case.script_folder
    os.chdir(folder if case.relative else case.cwd)
    name = case.script
    sys.argv[:] = [name.rpartition("/")[2] if case.relative else name, *case.arguments]
    sys.path.insert(0, folder)
    prefer(folder, case.tree)
    limit_names(sys.getfilesystemencoding())
    sys.addaudithook(_refuse)
    sys.addaudithook(network.watch)
    helpers.set_uid(case.user)
    helpers.set_gid(case.user)
    if _world.trip_point is not None:
        _watch(_world.trip_point)
        _world.trip_point.start()
    _finish(_run(case, source_of(case)))


def _tripwire(trip_point: TripPoint) -> Tripwire:
    number = trip_point.signal
    fire = None if number is None else lambda: receive(number)
    return Tripwire(trip_point.window, fire, _BENEATH)


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
    exec(patched_modules.compiled(source, case.script), module.__dict__)


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


def _finish(
    exit_code: int, *, refused: str = "", hangs: bool = False, killed: bool = False
) -> NoReturn:
    """Report and end: called once, from whichever place the script comes to its end."""
    if _world.finished:
        _REAL["exit"](exit_code)
    _world.finished = True
    points = None
    if _world.trip_point is not None:
        _world.trip_point.stop()
        points = _world.trip_point.points()
    if not killed:
        flush(_world.fs)
    tree = {} if refused else take_down(_world.fs, _world.case)
    report = patched_modules.packed(Report(exit_code, tree, refused, hangs, points), _world.known)
    while report:
        report = report[_REAL["write"](_world.pipe, report) :]
    _REAL["exit"](0)
    raise AssertionError


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


def _refuse_subprocesses() -> None:
    """Before one is started it opens pipes, which pyfakefs fails at."""

    def init(_self: Any, args: Any, *_rest: Any, **_names: Any) -> None:
        _refuse("subprocess.Popen", (args,))

    subprocess.Popen.__init__ = init  # type: ignore[assignment,method-assign]


def _watch(trip_point: Tripwire) -> None:
    """Tell the tripwire of everything the script creates or renames."""
    trip_point.note(FakeFilesystem.add_object, trip_point.created)
    trip_point.note(FakeFilesystem.rename, trip_point.renamed)
