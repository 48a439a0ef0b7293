"""Gives a forked process the state of a Python that has just been started with a script.

The process is forked from a Python that was started with the same variables; whatever that Python
has loaded stays loaded. The script itself is executed by the caller, in the outermost frame.
Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import builtins
import gc
import os
import signal
import sys
import time
from typing import Any, Callable, Dict, FrozenSet, Mapping, NamedTuple, Optional, Sequence

from harness.runners.inside.spared import Spared

# Those that the agent handles in its own way.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
_INTERRUPTED = 130
# Not from `importlib.machinery`, which a script may have to import itself.
_LOADER: Any = vars(sys.modules["_frozen_importlib_external"])["SourceFileLoader"]


class Command(NamedTuple):
    """How a script is started: its path as it was given, and what Python derives from that."""

    script: str
    arguments: Sequence[str]
    cwd: str
    environment: Mapping[str, str]

    @property
    def path(self) -> str:
        """The path of `__main__.__file__`, which newer Pythons make absolute."""
        if sys.version_info < (3, 9):
            return self.script
        return os.path.join(self.cwd, self.script)


class State:
    """The state of a Python that has only been started, before anything else is loaded."""

    def __init__(self, started: FrozenSet[str], main: Mapping[str, Any]) -> None:
        """Remember the modules that are loaded, and what `__main__` holds."""
        self.started = started
        self._has_annotations = "__annotations__" in main
        self._handlers: Dict[int, Any] = {}
        self._is_collecting = gc.isenabled()
        self._added: Dict[str, str] = {}
        self._spared: Optional[Spared] = Spared()
        if sys.path and sys.path[0] == "":
            # That of the option -c; a script has its folder there.
            del sys.path[0]
            sys.path_importer_cache.pop(os.getcwd(), None)

    def remember(self, environment: Mapping[str, str]) -> None:
        """Remember what has been set up since, in this process which had this environment."""
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._added = {
            name: value for name, value in os.environ.items() if environment.get(name) != value
        }
        if self._spared is not None:
            self._spared.remember()

    def restore(self, command: Command, hidden: FrozenSet[str]) -> Dict[str, Any]:
        """Make this process, which was forked, one that starts a script; the script's `__main__`.

        The modules `hidden` are unloaded.
        """
        os.chdir(command.cwd)
        for number, handler in self._handlers.items():
            # None is a handler that was not set by Python.
            if handler is not None:
                signal.signal(number, handler)
        self._set_environment(command.environment)
        if self._spared is not None:
            self._spared.hide(hidden)
        _unload(hidden)
        script = command.script
        sys.argv = [script, *command.arguments]
        if hasattr(sys, "orig_argv"):
            # All but the option -c and its text.
            sys.orig_argv = [*sys.orig_argv[:-2], script, *command.arguments]
        if not getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
        for path, finder in list(sys.path_importer_cache.items()):
            if finder is None and os.path.exists(path):
                # It did not exist when modules were looked for.
                del sys.path_importer_cache[path]
        # Python has looked whether the script is a folder or an archive.
        sys.path_importer_cache[command.path] = None
        _seed()
        if self._is_collecting:
            gc.enable()
        return self._new_main(command.path)

    def finish(self, main: Dict[str, Any], error: Optional[BaseException]) -> BaseException:
        """Do what Python does after a script; the exception that the outermost frame must raise.

        `error` is what the script has raised. Its traceback starts with the outermost frame.
        """
        ended = _finish(main, error)
        if self._spared is not None:
            self._spared.prepare()
        # Nothing else refers to it.
        self._spared = None
        return ended

    def _set_environment(self, environment: Mapping[str, str]) -> None:
        wanted = {**environment, **self._added}
        if dict(os.environ) != wanted:
            for name in list(os.environ):
                del os.environ[name]
            os.environ.update(wanted)

    def _new_main(self, path: str) -> Dict[str, Any]:
        main = type(sys)("__main__")
        names = main.__dict__
        names["__loader__"] = _LOADER("__main__", path)
        if self._has_annotations:
            names["__annotations__"] = {}
        names["__builtins__"] = builtins
        names["__file__"] = path
        if sys.version_info < (3, 15):
            names["__cached__"] = None
        sys.modules["__main__"] = main
        return names


def _unload(names: FrozenSet[str]) -> None:
    """Unload modules, so that they are neither loaded nor an attribute of their package."""
    for name in names:
        module = sys.modules.pop(name, None)
        package, _, child = name.rpartition(".")
        parent = sys.modules.get(package)
        if parent is not None and getattr(parent, child, None) is module:
            delattr(parent, child)


def _seed() -> None:
    """Give this process random numbers, and a start, of its own."""
    random_module = sys.modules.get("numpy.random")
    if random_module is not None:
        random_module.seed()
    logging: Any = sys.modules.get("logging")
    if hasattr(logging, "_startTime"):
        is_nanoseconds = isinstance(logging._startTime, int)
        logging._startTime = time.time_ns() if is_nanoseconds else time.time()


def _finish(main: Dict[str, Any], error: Optional[BaseException]) -> BaseException:
    for stream in (sys.stderr, sys.stdout):
        with _Ignoring():
            stream.flush()
    code = 0
    if error is not None:
        trace = error.__traceback__
        error.__traceback__ = trace.tb_next if trace is not None else None
        if isinstance(error, SystemExit):
            return error
        ended = _show(error)
        if ended is not None:
            return ended
        code = _INTERRUPTED if type(error) is KeyboardInterrupt else 1
    for name in ("__file__", "__cached__"):
        main.pop(name, None)
    return SystemExit(code)


class _Ignoring:
    """Ignores any exception, as Python does where nobody could handle it."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> bool:
        return True


def _show(error: BaseException) -> Optional[SystemExit]:
    """Show an exception through `sys.excepthook`; the SystemExit that this raises, if it does."""
    arguments = (type(error), error, error.__traceback__)
    sys.last_type, sys.last_value, sys.last_traceback = arguments
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    hook: Optional[Callable[..., Any]] = getattr(sys, "excepthook", None)
    if hook is None:
        _print_error("sys.excepthook is missing\n")
        sys.__excepthook__(*arguments)
        return None
    try:
        hook(*arguments)
    except SystemExit as ended:
        return ended
    except BaseException as second:
        trace = second.__traceback__
        second.__traceback__ = trace.tb_next if trace is not None else None
        _print_error("Error in sys.excepthook:\n")
        sys.__excepthook__(type(second), second, second.__traceback__)
        _print_error("\nOriginal exception was:\n")
        sys.__excepthook__(*arguments)
    return None


def _print_error(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
