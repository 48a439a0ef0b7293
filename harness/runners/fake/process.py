"""Gives a forked process the state of a freshly started Python process.

Streams, encodings, locale, time zone, signals, logging and warnings follow the environment of the
case. Two things remain the parent's: the hash seed, for which another parent is started where a
case asks for it, and in a parent that runs in UTF-8 mode the default encoding of
`io.TextIOWrapper`.
"""

from __future__ import annotations

import atexit
import codecs
import faulthandler
import io
import locale
import logging
import os
import posix
import signal
import sys
import tarfile
import time
import traceback
import types
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pyfakefs import fake_file, helpers

# The warnings that a fresh interpreter does not show.
_SILENT_WARNINGS = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"open": io.open}
# The variables that determine how text is encoded.
_ENCODING_VARIABLES = (
    "LC_ALL",
    "LC_CTYPE",
    "LANG",
    "PYTHONUTF8",
    "PYTHONCOERCECLOCALE",
    "PYTHONIOENCODING",
)
# The locales in which Python's standard streams use the error handler surrogateescape.
_SURROGATEESCAPE_LOCALES = ("C", "POSIX", "C.UTF-8", "C.utf8", "UTF-8")


@dataclass(frozen=True)
class Encodings:
    """The locale and the encodings that Python derives from an environment.

    `text` is for files and file names, `streams` and `errors` for standard input and output.
    """

    locale: str
    text: str
    streams: str
    errors: str

    @classmethod
    def for_environment(cls, environment: Mapping[str, str]) -> Encodings:
        """Those that CPython 3.7 and newer would choose at start (PEP 538, PEP 540).

        Called before the fork, the result is cached in every child.
        """
        return cls._for_variables(
            tuple((name, environment[name]) for name in _ENCODING_VARIABLES if name in environment)
        )

    @classmethod
    @lru_cache(maxsize=64)
    def _for_variables(cls, variables: tuple[tuple[str, str], ...]) -> Encodings:
        environment = dict(variables)
        candidates = [environment.get(one) for one in ("LC_ALL", "LC_CTYPE", "LANG")]
        name, text = _available_locale(next((one for one in candidates if one), "C"))
        is_c = name in ("C", "POSIX")
        utf8 = environment.get("PYTHONUTF8", "1" if is_c else "0") == "1"
        may_coerce = environment.get("PYTHONCOERCECLOCALE") != "0"
        coerced = is_c and may_coerce and not environment.get("LC_ALL")
        if utf8 or coerced:
            name, text = "C.UTF-8", "utf-8"
        errors = "surrogateescape" if utf8 or name in _SURROGATEESCAPE_LOCALES else "strict"
        streams, _, stream_errors = environment.get("PYTHONIOENCODING", "").partition(":")
        return cls(name, text, codecs.lookup(streams or text).name, stream_errors or errors)


def _available_locale(name: str) -> tuple[str, str]:
    """The locale `name`, or C if this system does not have it, and its encoding."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        name = "C"
        locale.setlocale(locale.LC_CTYPE, name)
    encoding = codecs.lookup(locale.nl_langinfo(locale.CODESET)).name
    locale.setlocale(locale.LC_CTYPE, before)
    return name, encoding


def reset_process(environment: Mapping[str, str], umask: int) -> None:
    """Give this process the streams and settings of a new process in this environment."""
    encodings = Encodings.for_environment(environment)
    _open_streams(encodings)
    locale.setlocale(locale.LC_CTYPE, encodings.locale)
    for module in (helpers, fake_file):
        setattr(module, "get_locale_encoding", lambda: encodings.text)  # noqa: B010
    _name_files_in(encodings.text)
    tarfile.ENCODING = tarfile.TarFile.encoding = encodings.text  # type: ignore[misc]
    posix.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    if "TZ" not in environment:
        # The time zone of a container is UTC; the script does not see the variable.
        posix.putenv("TZ", "UTC0")
    time.tzset()


def _name_files_in(encoding: str) -> None:
    """Encode file names so, as Python does from its start on."""

    def fsencode(path: Any) -> bytes:
        name = os.fspath(path)
        return name if isinstance(name, bytes) else name.encode(encoding, "surrogateescape")

    def fsdecode(path: Any) -> str:
        name = os.fspath(path)
        return name if isinstance(name, str) else name.decode(encoding, "surrogateescape")

    sys.getfilesystemencoding = lambda: encoding
    if encoding != "utf-8":
        module: Any = os
        module.fsencode, module.fsdecode = fsencode, fsdecode


def _open_streams(encodings: Encodings) -> None:
    def stream(fd: int, errors: str) -> io.TextIOWrapper:
        mode: Literal["rb", "wb"] = "wb" if fd else "rb"
        raw: Any = _REAL["open"](fd, mode, buffering=0 if fd else -1, closefd=False)
        return io.TextIOWrapper(raw, encodings.streams, errors, write_through=True)

    sys.stdin = stream(0, encodings.errors)
    sys.stdout = stream(1, encodings.errors)
    sys.stderr = stream(2, "backslashreplace")
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))


def drop_parent_state() -> None:
    """Undo what the harness has set up in this process and a fresh interpreter would not have."""
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    logging.root.handlers.clear()
    logging._handlers.clear()  # type: ignore[attr-defined]
    logging._handlerList.clear()  # type: ignore[attr-defined]
    atexit.register(logging.shutdown)
    logging.root.setLevel(logging.WARNING)
    logging.Logger.manager.loggerDict.clear()
    logging.disable(logging.NOTSET)
    # CPython's hook would read source lines from the real file with the fake file's descriptor.
    sys.excepthook = sys.__excepthook__ = _show_error
    sys.setprofile(None)
    sys.dont_write_bytecode = True
    faulthandler.disable()
    warnings.resetwarnings()
    for category in _SILENT_WARNINGS:
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")


def _show_error(
    kind: type[BaseException], error: BaseException | None, trace: types.TracebackType | None
) -> None:
    if sys.stderr is not None:
        traceback.print_exception(kind, error, trace)
