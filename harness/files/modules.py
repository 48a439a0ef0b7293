"""Executes Python files of users: suites and script contracts."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from pydantic import ValidationError

from harness.errors import HarnessError, WrongContract
from harness.files import own_code


class _SourceLoader(SourceFileLoader):
    """Loads what a file holds now: bytecode is matched by second and size alone."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the source, with nothing kept beside it."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def execute(path: Path) -> ModuleType:
    """Execute a file and return its module; raises whatever the file raises.

    The module is a package, so that it can import from its own folder: `from .more import cases`.
    """
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(
        name,
        path,
        loader=_SourceLoader(name, str(path)),
        submodule_search_locations=[str(path.parent)],
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look the module up there.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def sources(path: Path) -> Mapping[str, bytes]:
    """The file and the modules that it has loaded from its folder: name → bytes."""
    name = _module_name(path)
    loaded = {
        one: module.__file__
        for one, module in sys.modules.items()
        if one == name or one.startswith(f"{name}.")
    }
    return {
        one.removeprefix(name): Path(file).read_bytes()
        for one, file in sorted(loaded.items())
        if file
    }


def _module_name(path: Path) -> str:
    return f"_harness_{zlib.crc32(str(path).encode()):08x}"


@contextmanager
def wrong_contract_on_error(path: Path, what: str, hint: str) -> Iterator[None]:
    """Turn an exception of a user's file into a `WrongContract` that names file and line."""
    try:
        with own_code.contained():
            yield
    except HarnessError:
        raise
    except (Exception, own_code.TooLong) as error:
        place = _place_of(path, error)
        raise WrongContract(f"{place}: {what}: {_describe(error)}", hint) from error


def place_of_function(function: object) -> str:
    """File and line of a function of a user's; "" when it is none."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)  # type: ignore[arg-type]
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _place_of(path: Path, error: BaseException) -> str:
    """The innermost line of the file, or of one beside or below it, that led to the error."""
    file, line = str(path), 1
    ending = error.__cause__ if isinstance(error, own_code.EndsProcess) else None
    trace = (ending or error).__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if Path(name).is_relative_to(path.parent):
            file, line = name, trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and Path(error.filename or "").is_relative_to(path.parent):
        file, line = str(error.filename), error.lineno or 1
    return f"{file}:{line}"


def _describe(error: BaseException) -> str:
    if isinstance(error, (own_code.EndsProcess, own_code.TooLong)):
        return str(error)
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    first = error.errors()[0]
    where, *below = first["loc"]
    if first["type"] == "unexpected_keyword_argument":
        return f"{error.title} has no field {where}"
    # A value that is passed by position has no name here.
    name = f"argument {where + 1} of {error.title}" if isinstance(where, int) else where
    key = ".".join(str(one) for one in (name, *below))
    key = key if isinstance(where, int) else f"{error.title}.{key}"
    reason = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{key}: {reason}, got {first['input']!r:.60}"
