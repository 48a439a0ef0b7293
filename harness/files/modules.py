"""Python files of users, executed: suites and script contracts."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from harness.errors import WrongContract


def execute(path: Path) -> ModuleType:
    """The module that a file makes; raises whatever it raises.

    It is executed as a package, so that a long one can be kept in several files beside it:
    `from .more import cases`.
    """
    name = _name(path)
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up here.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def sources(path: Path) -> Mapping[str, bytes]:
    """The file and those beside it that executing it has loaded: module's name → bytes."""
    name = _name(path)
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


def _name(path: Path) -> str:
    return f"_harness_{zlib.crc32(str(path).encode()):08x}"


@contextmanager
def wrong_contract_on_error(path: Path, what: str, hint: str) -> Iterator[None]:
    """Turn whatever a user's file raises into a `WrongContract` that names file and line."""
    try:
        yield
    except WrongContract:
        raise
    except (Exception, SystemExit) as error:
        told = f"{type(error).__name__}: {error}"
        raise WrongContract(f"{path}:{_line_in(path, error)}: {what}: {told}", hint) from error


def _line_in(path: Path, error: BaseException) -> int:
    line = error.lineno or 1 if isinstance(error, SyntaxError) else 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
