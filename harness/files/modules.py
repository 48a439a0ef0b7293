"""Executes Python files of users: suites and script contracts."""

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
    """Execute a file and return its module; raises whatever the file raises.

    The module is a package, so that it can import from its own folder: `from .more import cases`.
    """
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)]
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
        yield
    except WrongContract:
        raise
    except (Exception, SystemExit) as error:
        cause = f"{type(error).__name__}: {error}"
        raise WrongContract(f"{path}:{_line_in(path, error)}: {what}: {cause}", hint) from error


def _line_in(path: Path, error: BaseException) -> int:
    line = error.lineno or 1 if isinstance(error, SyntaxError) else 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
