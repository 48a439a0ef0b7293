"""The fake file system and the script in it; runs in the fork server and its children.

However a script ends (end of file, `sys.exit`, an exception, `os._exit`, `os.abort`, a fatal
signal), `_finish` sends the changed entries of the fake file system to the parent and ends the
process. `run_case` never returns.
"""

from __future__ import annotations

import builtins
import errno
import io
import linecache
import os
import posix
import signal
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from pyfakefs import fake_open, helpers
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_filesystem_unittest import Patcher
from pyfakefs.fake_io import PatchMode
from pyfakefs.fake_os import FakeOsModule

from harness.cases.case import Case
from harness.runners.fake import (
    closing,
    compile_cache,
    ending,
    imports,
    linux_errors,
    network,
    open_files,
    tracebacks,
)
from harness.runners.fake.clock import Clock
from harness.runners.fake.descriptors import Descriptors
from harness.runners.fake.effects import Effects
from harness.runners.fake.files import AccessRules, enforce_name_encoding
from harness.runners.fake.guard import Guard
from harness.runners.fake.imports import import_packages, unload_extensions, unload_shadowed
from harness.runners.fake.locks import Locks
from harness.runners.fake.observe import Observer
from harness.runners.fake.operations import Operations
from harness.runners.fake.os_functions import OsFunctions
from harness.runners.fake.own_files import OwnFiles
from harness.runners.fake.paths import use_linux_paths
from harness.runners.fake.process import drop_parent_state, reset_process
from harness.runners.fake.report import Report, changed_and_unchanged
from harness.runners.fake.trees import collect_tree, create_tree, flush, nodes_of
from harness.runners.fake.unsupported import OF_ANOTHER
from harness.runners.inside import driver, system_calls
from harness.worlds.tree import Tree

# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {
    **{"write": posix.write, "exit": posix._exit, "kill": posix.kill},
    **{"open": io.open, "mask": signal.pthread_sigmask},
}

# The folder of the code that replaces system functions.
_RUNNERS = os.path.dirname(os.path.dirname(__file__))
# Signals that stop a process, and those that do nothing unless they are handled.
_STOPPING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_UNBLOCKED = (signal.SIGKILL, signal.SIGSTOP)
_WITHOUT_EFFECT = (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT)


@dataclass(frozen=True)
class TripPoint:
    """When a case is interrupted: `signal` is sent after the effect with the index `moment`.

    Without a moment the effects are only recorded. A script that `will_handle` the signal is not
    interrupted before it does. `unhandled` is that of `Interrupt`.
    """

    signal: signal.Signals
    moment: int | None = None
    will_handle: bool = False
    unhandled: str = "ends"


class _World:
    """The fake file system of this process, and the case that runs in it."""

    fs: FakeFilesystem
    os: FakeOsModule
    rules: AccessRules
    case: Case
    pipe: int
    key: bytes
    guard: Guard
    # Where the modules of the interpreter are.
    own_folders: tuple[str, ...]
    returned: Mapping[str, object] | None = None
    clock: Clock
    effects: Effects | None
    observer: Observer | None
    operations: Operations | None
    inherited_patterns: int
    close_files: Callable[[], None]
    finished = False


_world = _World()


def minimal(case: Case) -> Case:
    """The case without what the fork server does not need, its variables resolved."""
    return replace(
        case, choices={}, tree=Tree(case.tree.entries), variables=case.environment, interrupt=None
    )


def prepare() -> tuple[str, ...]:
    """Set up an empty fake file system, once, in the process that forks the children.

    Returns the real paths at or below which the children may read.
    """
    drop_parent_state()
    # Once for all children: to look at every module takes each of them some milliseconds.
    unload_extensions()
    use_linux_paths()
    own_files = OwnFiles()
    patcher = Patcher(
        allow_root_user=True,
        patch_open_code=PatchMode.AUTO,
    )
    patcher.setUp()
    fs = patcher.fs
    assert fs is not None
    _world.fs, _world.os = fs, patcher.fake_modules["os"]
    for module in patcher.fake_modules.values():
        if hasattr(module, "skip_names"):
            # Otherwise pyfakefs inspects the stack at every call to skip its own modules.
            module.skip_names = set()
    # Since Python 3.12 it does so at each opening, and fails where calls are hidden.
    fake_open.is_called_from_skipped_module = lambda **_names: False  # type: ignore[attr-defined]
    _world.rules = AccessRules(fs)
    _world.rules.enforce(_finish_blocked)
    OsFunctions(_world.os, fs, _world.rules).install(_finish_blocked, _refuse)
    Descriptors(_world.os, fs).install()
    fake_io = patcher.fake_modules["io"]
    files = [patcher.fake_modules[one] for one in ("io", "_io") if one in patcher.fake_modules]
    open_files.use_answers_of_io(files, _refuse)
    Locks(fs).install(_refuse)
    linux_errors.name_paths(fs, _world.os)
    _world.close_files = closing.close_unreferenced_files(fs)
    own_files.serve(_world.os, _refuse)
    # `from os.path import exists` reads sys.modules, where pyfakefs leaves the real module.
    paths: Any = _world.os.path
    sys.modules["os.path"] = sys.modules["posixpath"] = paths
    replacements = {"_exit": fake_exit, "abort": fake_abort, "kill": fake_kill}
    for name, function in replacements.items():
        setattr(_world.os, name, function)
    to_itself: Any = signal
    to_itself.raise_signal = lambda number, /: fake_kill(posix.getpid(), number)
    to_itself.pthread_kill = lambda _thread, number, /: fake_kill(posix.getpid(), number)
    imports.use_fake_files(fake_io.open, _world.os, own_files.contain)
    _world.guard = Guard(own_files.readable, _refuse, lambda: _world.finished)
    _world.guard.replace_functions()
    # What else the harness was started with is not the script's.
    _world.own_folders = tuple(filter(_world.guard.is_readable, sys.path))
    for module in files:
        _read_own_modules(module)
    network.patch_sockets()
    folders = (os.path.dirname(helpers.__file__) + "/", _RUNNERS + "/")
    tracebacks.hide_calls_in(folders, __file__)
    # Keep the patcher as long as its file system.
    _REAL["patcher"] = patcher
    return own_files.readable


def _read_own_modules(fake_io: Any) -> None:
    """Load Python's own modules whoever the user of the case is: the fake one may be nobody."""
    fake, real = fake_io.open_code, _REAL["open"]

    # Python's own `open_code` opens with the module `_io`, which is the fake one since Python 3.12.
    def open_code(path: str) -> Any:
        return real(path, "rb") if _world.guard.is_readable(path) else fake(path)

    fake_io.open_code = open_code


def source_of(case: Case) -> bytes:
    """The script's bytes; a case without one has an empty script."""
    entry = case.tree.get(case.script)
    return b"" if entry is None else entry.data


def run_case(
    case: Case, pipe: int, key: bytes, trip_point: TripPoint | None, *, observed: bool
) -> NoReturn:
    """Create the case's tree, run the script in it, report through `pipe`, and end the process.

    The report begins with the `key`. It tells what the script looks at if that is to be `observed`.
    """
    reset_process(case.environment, case.umask)
    fs = _world.fs
    _world.case, _world.pipe, _world.key = case, pipe, key
    _world.inherited_patterns = compile_cache.pattern_count()
    _world.effects = None if trip_point is None else _effects(trip_point)
    _world.observer = Observer() if observed else None
    has_fault = case.fault is not None
    _world.operations = Operations(case, fs, _world.os, _send_fault) if has_fault else None
    _world.clock = Clock(case.timeout, _finish_asleep)
    fs.umask = 0
    create_tree(fs, case)
    fs.umask = case.umask
    _world.rules.apply(case)
    os.chdir(case.cwd)
    sys.argv[:] = [case.started_as, *case.arguments]
    folders = [one for one in case.environment.get("PYTHONPATH", "").split(":") if one]
    first = dict.fromkeys([case.import_folder, *folders])
    sys.path[:] = [*first, *_world.own_folders]
    for one in first:
        unload_shadowed(one, case.tree)
        if module := imports.shadowed_in(one, case.tree):
            _refuse(f"imports from a folder in which {module} {OF_ANOTHER}")
    enforce_name_encoding(sys.getfilesystemencoding())
    system_calls.refuse(system_calls.of_single_process(posix.getpid()))
    _world.guard.enforce()
    imports.begin()
    sys.addaudithook(network.refuse)
    helpers.set_uid(case.user)
    helpers.set_gid(case.user)
    _world.clock.install([one.data for path, one in case.tree if path.endswith(".py")])
    if _world.effects is not None:
        _world.effects.watch()
    if _world.observer is not None:
        _world.observer.watch(fs)
    if _world.operations is not None:
        _world.operations.watch()
    _finish(_run(case, source_of(case)), ended=True)


def _effects(trip_point: TripPoint) -> Effects:
    return Effects(
        trip_point.moment,
        trip_point.signal,
        lambda: deliver_signal(trip_point.signal, trip_point.unhandled),
        will_handle=trip_point.will_handle,
    )


def _send_fault(name: str) -> None:
    deliver_signal(signal.Signals[name])


def deliver_signal(number: signal.Signals, unhandled: str = "ends") -> None:
    """Handle a signal now: its handler runs, or the process ends as if killed by it.

    `unhandled` is that of `Interrupt`.
    """
    is_default = signal.getsignal(number) is signal.SIG_DFL
    if is_default and number in _STOPPING:
        # Nobody is there who would let it go on.
        _finish(0, hangs=True)
    if is_default and unhandled != "ends":
        if unhandled == "ignored":
            return
        number = signal.SIGKILL
    if number == signal.SIGKILL or (is_default and number not in _WITHOUT_EFFECT):
        _finish(128 + number, killed=True)
    _REAL["kill"](posix.getpid(), number)


def _run(case: Case, source: bytes) -> int:
    """Run the script, or call its function; the exit code that a Python process would have."""
    code = _exit_code_of(_run_call if case.call else _run_script, case, source)
    return ending.shut_down() or code


def _run_script(case: Case, source: bytes) -> None:
    module = types.ModuleType("__main__")
    module.__file__ = case.script
    module.__builtins__ = builtins  # type: ignore[attr-defined]
    if case.module:
        module.__package__ = import_packages(case)
    sys.modules["__main__"] = module
    lines = compile_cache.lines_of(source)
    linecache.cache[case.script] = (len(source), None, lines, case.script)
    exec(compile_cache.compile_script(source, case.script), module.__dict__)


def _run_call(case: Case, source: bytes) -> None:
    assert case.call is not None
    call = driver.encode_call(case.call.function, case.call.arguments)
    _world.returned = driver.call_function(case.script, source, call)


def _exit_code_of(function: Any, *arguments: Any) -> int:
    try:
        function(*arguments)
    except SystemExit as end:
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code & 0xFF
        # What cannot be shown is not shown.
        with suppress(Exception):
            sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        hook = sys.excepthook
        if hook is sys.__excepthook__ and getattr(sys.stderr, "closed", False):
            hook = ending.show_lost
        try:
            hook(type(error), error.with_traceback(trace), trace)
        except SystemExit as end:
            return _exit_code_of(_raise, end)
        except BaseException as second:
            # Where standard error is closed, nothing is shown.
            with suppress(ValueError, AttributeError):
                sys.stderr.write("Error in sys.excepthook:\n")
                traceback.print_exception(second)
                sys.stderr.write("\nOriginal exception was:\n")
                traceback.print_exception(error)
        return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _raise(error: BaseException) -> NoReturn:
    raise error


def _finish(
    exit_code: int,
    *,
    refused: str = "",
    hangs: bool = False,
    killed: bool = False,
    ended: bool = False,
) -> NoReturn:
    """Report and end the process, which has `ended` as Python does; only the first call reports."""
    if _world.finished:
        _REAL["exit"](exit_code)
    _world.finished = True
    effects, observer = _world.effects, _world.observer
    if observer is not None:
        observer.stop()
    observed: dict[str, Any] = {}
    if effects is not None:
        observed = {
            "effects": effects.seen,
            "sent_after": effects.sent_after,
            "held": effects.held,
            "handles": effects.handles or effects.holds(),
        }
    if _world.operations is not None:
        _world.operations.stop()
        observed["operations"] = _world.operations.seen
        observed["struck"] = _world.operations.struck
    _world.close_files()
    is_flushed = not killed and flush(_world.fs)
    if ended:
        refused = ending.left_object(_world.case.tree.entries)
        if is_flushed and ending.has_threads():
            refused = "leaves a file with a buffer to a thread that Python does not wait for"
    tree = {} if refused else collect_tree(_world.fs)
    changed, unchanged = changed_and_unchanged(_world.case.tree.entries, tree)
    if observer is not None:
        observed["observed"] = observer.observations(nodes_of(_world.fs), set(changed.entries))
    report = Report(
        exit_code,
        changed,
        unchanged,
        refused,
        hangs,
        slept=_world.clock.slept,
        returned=_world.returned,
        **observed,
    ).to_bytes(_world.key, compile_cache.new_patterns(_world.inherited_patterns))
    while report:
        report = report[_REAL["write"](_world.pipe, report) :]
    _REAL["exit"](0)
    raise AssertionError


def fake_exit(code: int) -> NoReturn:
    """Replaces `os._exit`."""
    _finish(code & 0xFF, killed=True)


def fake_abort() -> NoReturn:
    """Replaces `os.abort`."""
    _finish(128 + signal.SIGABRT, killed=True)


def fake_kill(pid: int, number: int, /) -> None:
    """Replaces `os.kill`: the script and its parent are all the processes that there are."""
    if pid not in (posix.getpid(), 0, -posix.getpid()):
        if pid == posix.getppid():
            # The first process, as the parent is in a container, gets no signal that it ignores.
            return
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    if number in _REAL["mask"](signal.SIG_BLOCK, ()) and number not in _UNBLOCKED:
        # It comes when it is no longer blocked.
        _REAL["kill"](posix.getpid(), number)
    elif number:
        deliver_signal(signal.Signals(number))


def _finish_blocked(path: str) -> NoReturn:
    sys.stderr.flush()
    _REAL["write"](2, f"(blocked for ever: opened the FIFO {path})\n".encode())
    _finish(0, hangs=True)


def _finish_asleep() -> NoReturn:
    sys.stderr.flush()
    _finish(0, hangs=True)


def _refuse(what: str) -> NoReturn:
    _finish(0, refused=what)
