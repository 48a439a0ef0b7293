"""The program of a warm process: two texts of Python, for any Python from 3.8 on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.runners.inside import (
    agent,
    capture,
    faults,
    frames,
    fresh,
    huge_pages,
    imports,
    laid_out,
    launch,
    moments,
    mounts,
    overlay,
    path_calls,
    recorder,
    root,
    spared,
    stamps,
    streams,
    supervision,
    system_calls,
    warm,
    watch,
    world,
)

# The text of the option -c. The descriptor holds the other text, which defines `begin`; that
# returns in the process of a script alone. A script has no frame below its own but this one, whose
# names refer to nothing of the script at its end: what Python closes there is then closed.
OUTERMOST = f"""
import sys
started = frozenset(sys.modules)
with open({launch.PROGRAM}, "rb") as begin:
    exec(begin.read())
code, main, finish = begin(started, globals())
del sys, started, begin
error = None
try:
    exec(code, main)
except BaseException as raised:
    error = raised
end = [finish(main, error)]
del code, main, finish, error
raise end.pop()
"""
_BEGIN = """
def begin(started, main):
    for name, source in {sources!r}.items():
        module = sys.modules[name] = type(sys)(name)
        folder, _, child = name.rpartition(".")
        if folder:
            setattr(sys.modules[folder], child, module)
        exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
    from harness.runners.inside import fresh, warm
    state = fresh.State(started, main)
    settings = dict({settings!r}, **main.pop("MORE", {{}}))
    with warm.told_errors():
        server = warm.{server}(state, settings)
    return (*server.serve(), state.finish)
"""
# In the order in which they import one another.
_MODULES = (
    *(moments, mounts, capture, streams, system_calls, stamps, watch, world, frames),
    *(
        supervision,
        faults,
        path_calls,
        recorder,
        laid_out,
        agent,
        launch,
        overlay,
        spared,
        fresh,
        imports,
        root,
        huge_pages,
        warm,
    ),
)
_PACKAGES = ("harness", "harness.runners", "harness.runners.inside")


def program(server: str, settings: Mapping[str, Any]) -> bytes:
    """The text that defines `begin`: it calls the function `server` of `warm` with JSON values."""
    plain = json.loads(json.dumps(settings))
    return _BEGIN.format(sources=_sources(), server=server, settings=plain).encode()


@lru_cache(maxsize=1)
def _sources() -> Mapping[str, str]:
    found = dict.fromkeys(_PACKAGES, "")
    for module in _MODULES:
        found[module.__name__] = Path(str(module.__file__)).read_text(encoding="utf-8")
    return found
