"""What a fresh Python process begins with, given to a forked child that inherits its parent's.

Streams, encodings, locale, time zone, signals, logging and warnings are as the environment of the
case would have them. Two things stay as they are in the parent: the seed of hashes, and in a parent
that runs in UTF-8 mode the encoding of `io.TextIOWrapper` where none is named.
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
# The variables that say how text is encoded.
_ASKED = ("LC_ALL", "LC_CTYPE", "LANG", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING")
# The locales in which Python passes bytes that are no text through its streams.
_LENIENT = ("C", "POSIX", "C.UTF-8", "C.utf8", "UTF-8")


@dataclass(frozen=True)
class Encodings:
    """What Python makes of an environment: its locale, and how it encodes what.

    `text` is for files and file names, `streams` and `errors` for standard input and output.
    """

    locale: str
    text: str
    streams: str
    errors: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Encodings:
        """As the initialisation of CPython 3.7 and newer has it (PEP 538, PEP 540).

        Asked for before a child is made, the answer is there in every child.
        """
        return cls._of(tuple((name, environment[name]) for name in _ASKED if name in environment))

    @classmethod
    @lru_cache(maxsize=64)
    def _of(cls, asked: tuple[tuple[str, str], ...]) -> Encodings:
        environment = dict(asked)
        named = [environment.get(one) for one in ("LC_ALL", "LC_CTYPE", "LANG")]
        name, text = _known(next((one for one in named if one), "C"))
        plain = name in ("C", "POSIX")
        utf8 = environment.get("PYTHONUTF8", "1" if plain else "0") == "1"
        may_coerce = environment.get("PYTHONCOERCECLOCALE") != "0"
        coerced = plain and may_coerce and not environment.get("LC_ALL")
        if utf8 or coerced:
            name, text = "C.UTF-8", "utf-8"
        errors = "surrogateescape" if utf8 or name in _LENIENT else "strict"
        streams, _, wanted = environment.get("PYTHONIOENCODING", "").partition(":")
        return cls(name, text, codecs.lookup(streams or text).name, wanted or errors)


def _known(name: str) -> tuple[str, str]:
    """A locale, or C where this system does not have it; and its encoding."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        name = "C"
        locale.setlocale(locale.LC_CTYPE, name)
    encoding = codecs.lookup(locale.nl_langinfo(locale.CODESET)).name
    locale.setlocale(locale.LC_CTYPE, before)
    return name, encoding


def begin(environment: Mapping[str, str], umask: int) -> None:
    """Give this process the streams and settings of a new one in this environment."""
    encodings = Encodings.of(environment)
    _open_streams(encodings)
    locale.setlocale(locale.LC_CTYPE, encodings.locale)
    for module in (helpers, fake_file):
        setattr(module, "get_locale_encoding", lambda: encodings.text)  # noqa: B010
    sys.getfilesystemencoding = lambda: encodings.text
    tarfile.ENCODING = encodings.text  # type: ignore[misc]
    posix.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    if "TZ" not in environment:
        # As in a container, whatever this machine's is; the script does not see the variable.
        posix.putenv("TZ", "UTC0")
    time.tzset()


def _open_streams(encodings: Encodings) -> None:
    def stream(number: int, errors: str) -> io.TextIOWrapper:
        mode: Literal["rb", "wb"] = "wb" if number else "rb"
        raw: Any = _REAL["open"](number, mode, buffering=0 if number else -1, closefd=False)
        return io.TextIOWrapper(raw, encodings.streams, errors, write_through=True)

    sys.stdin = stream(0, encodings.errors)
    sys.stdout = stream(1, encodings.errors)
    sys.stderr = stream(2, "backslashreplace")
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))


def forget_the_parent() -> None:
    """Drop what the harness's own process set up and a fresh interpreter would not have."""
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    logging.Logger.manager.loggerDict.clear()
    logging.disable(logging.NOTSET)
    # CPython's own one would read the script's lines from the real file whose number the fake has.
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
    traceback.print_exception(kind, error, trace)
