"""The end of a Python process: threads, exit handlers, streams, and what finalisers do.

All of it happens in the process of a script, in the order of CPython's `Py_FinalizeEx`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import atexit
import builtins
import gc
import io
import signal
import sys
import threading
import traceback
import types
from collections.abc import Collection
from typing import Any

from harness.runners.fake.imports import executed_modules

# The exit code of a Python that cannot write the last of its output.
NOT_WRITTEN = 120
# Those of `signal` make an enumeration's member of each.
_SIGNALS = tuple(map(int, signal.valid_signals()))
# A dict: pyfakefs rebinds the names of modules and functions in every module.
_REAL: dict[str, Any] = {"open": io.open}
_ADDRESS_LINES = "object address  : {:#x}\nobject refcount : 2\nobject type     : {:#x}\n"
_LOST_LINES = "object type name: {}\nobject repr     : {!r}\nlost sys.stderr\n"


def shut_down() -> int:
    """Do what Python does at its end; the exit code that it then has, 0 for that of the script."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
    except BaseException as error:
        _ignore(error, threading)
    atexit._run_exitfuncs()
    code = _flush_streams()
    _release_modules()
    return code


def left_object(paths: Collection[str]) -> str:
    """What the script has left that Python would still end, and this process does not.

    "" for nothing. `paths` are those of the script's files.
    """
    modules, objects = executed_modules(), gc.get_objects()
    kinds = set(map(type, objects))
    left = next((kind.__name__ for kind in kinds if _is_finalised_by(kind, modules)), "")
    if left:
        return f"leaves an object of {left}, which has a __del__, to a library or a thread"
    generators = (one for one in objects if type(one) is types.GeneratorType and one.gi_frame)
    if any(one.gi_code.co_filename in paths for one in generators):
        return "leaves a generator, which Python closes, to a library or a thread"
    return ""


def has_threads() -> bool:
    """Whether threads of the script still run: Python ends without waiting for daemons."""
    main = threading.main_thread()
    return any(one is not main and one.is_alive() for one in threading.enumerate())


def show_lost(
    kind: type[BaseException], error: BaseException, _trace: types.TracebackType | None
) -> None:
    """Show an exception as CPython does where `sys.stderr` is closed."""
    text = _ADDRESS_LINES.format(id(error), id(kind)) + _LOST_LINES.format(kind.__name__, error)
    with _REAL["open"](2, "w", closefd=False, errors="backslashreplace") as stream:
        stream.write(text)


def _ignore(error: BaseException, at: object) -> None:
    """Tell of an exception that nobody can handle any more."""
    if sys.stderr is not None:
        sys.stderr.write(f"Exception ignored in: {at!r}\n")
        traceback.print_exception(error)


def _flush_streams() -> int:
    code = 0
    for stream in (sys.stdout, sys.stderr):
        if stream is None or _is_closed(stream):
            continue
        try:
            stream.flush()
        except BaseException as error:
            code = NOT_WRITTEN
            if stream is sys.stdout:
                _ignore(error, stream)
    return code


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except Exception:
        # As one whose buffer was detached.
        return False


def _release_modules() -> None:
    """Drop the script's modules: then their objects and generators end too."""
    for number in _SIGNALS:
        if callable(_signal.getsignal(number)):
            _signal.signal(number, _signal.SIG_DFL)
    for name in executed_modules():
        sys.modules.pop(name, None)
    # Of the built-in names Python keeps only those that it starts with: `open` is none of them.
    names = vars(builtins)
    added = {name: names[name] for name in names if _is_added(name, names[name])}
    for name in added:
        del names[name]
    gc.collect()
    names.update(added)


def _is_added(name: str, value: object) -> bool:
    own = builtins.__name__
    return not name.startswith("__") and getattr(value, "__module__", own) != own


def _is_finalised_by(kind: type, modules: Collection[str]) -> bool:
    finaliser = next((vars(one)["__del__"] for one in kind.__mro__ if "__del__" in vars(one)), None)
    return isinstance(finaliser, types.FunctionType) and finaliser.__module__ in modules
