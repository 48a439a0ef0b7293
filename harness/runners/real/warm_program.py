"""The program of a warm process: two texts of Python, for any Python from 3.8 on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from harness.runners.inside import fresh, huge_pages, imports, launch, root, spared, warm
from harness.runners.real import sent

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
exec({modules!r}, {{}})
def begin(started, main):
    from harness.runners.inside import fresh, warm
    state = fresh.State(started, main)
    settings = dict({settings!r}, **main.pop("MORE", {{}}))
    with warm.told_errors():
        server = warm.{server}(state, settings)
    return (*server.serve(), state.finish)
"""
_MODULES = (*sent.AGENT, spared, fresh, imports, root, huge_pages, warm)


def program(server: str, settings: Mapping[str, Any]) -> bytes:
    """The text that defines `begin`: it calls the function `server` of `warm` with JSON values."""
    plain = json.loads(json.dumps(settings))
    return _BEGIN.format(modules=_loading(), server=server, settings=plain).encode()


@lru_cache(maxsize=1)
def _loading() -> str:
    return sent.text_of(_MODULES)
