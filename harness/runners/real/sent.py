"""Modules of the harness for other Pythons, as a text that loads them.

They are compiled, which is loaded in a fraction of the time of the source. A Python of another
version than this one, which cannot load that, compiles the source.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from types import ModuleType

from harness.runners.inside import (
    agent,
    capture,
    faults,
    frames,
    laid_out,
    launch,
    moments,
    mounts,
    overlay,
    path_calls,
    recorder,
    stamps,
    streams,
    supervision,
    system_calls,
    watch,
    world,
)

# What runs a case, with all that it needs, in the order in which they import one another.
AGENT = (
    *(moments, mounts, capture, streams, system_calls, stamps, watch, world, frames, supervision),
    *(faults, path_calls, recorder, laid_out, agent, launch, overlay),
)
_PACKAGES = ("harness", "harness.runners", "harness.runners.inside")
# Hexadecimal digits are read in less time than the bytes with their escapes.
_LOAD = """
import marshal, sys
version, modules = marshal.loads(bytes.fromhex({packed!r}))
is_same = version == sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
for name, source, code in modules:
    module = sys.modules[name] = type(sys)(name)
    folder, _, child = name.rpartition(".")
    if folder:
        setattr(sys.modules[folder], child, module)
    compiled = marshal.loads(code) if is_same else compile(source, "<" + name + ">", "exec")
    exec(compiled, module.__dict__)
"""
# The oldest Python reads this form.
_FORMAT = 2


def text_of(modules: Sequence[ModuleType]) -> str:
    """The text that loads modules, given in the order in which they import one another."""
    empty = marshal.dumps(compile("", "", "exec"))
    packages = [(one, b"", empty) for one in _PACKAGES]
    packed = MAGIC_NUMBER, [*packages, *map(_packed, modules)]
    return _LOAD.format(packed=marshal.dumps(packed, _FORMAT).hex())


def _packed(module: ModuleType) -> tuple[str, bytes, bytes]:
    """The name of a module, its source, and its code."""
    # Not the loader of the module: pytest has one of its own, which changes code.
    loader = SourceFileLoader(module.__name__, str(module.__file__))
    code = marshal.dumps(loader.get_code(loader.name))
    return loader.name, loader.get_data(loader.path), code
