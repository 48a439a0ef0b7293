"""Which modules Python takes apart at its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.runners.inside import spared

# As a process that has been forked: what it was started with is not the script's.
_PROGRAM = """
import gc, json, sys, types

# Without the package, which takes longer to import than all else.
own = types.ModuleType("own")
exec(open(sys.argv[2]).read(), own.__dict__)
spared = own.Spared()
spared.remember()
gc.freeze()
main = sys.modules["__main__"] = types.ModuleType("__main__")
exec(sys.argv[1], main.__dict__)
spared.__del__()
print("json" not in sys.modules, flush=True)
"""
_ACTING = """
import json, sys, types
class Acting:
    def __del__(self):
        print("end", flush=True)

"""


def is_spared(source: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, _ACTING + source, str(spared.__file__)],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()[0] == "True"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "one = Acting()",
        "class Model: pass\none = Model()\none.part = {'x': [Acting()]}",
        "def generate():\n    yield 1\none = generate()\nnext(one)",
        "one = Acting()\none.itself = one",
        "own = sys.modules['own'] = types.ModuleType('own')\nown.one = Acting()",
        "json.one = object()",
    ],
)
def test_modules_are_spared_where_the_script_alone_holds_what_acts_at_its_end(source: str) -> None:
    assert is_spared(source)


@pytest.mark.parametrize(
    "source",
    [
        "json.one = Acting()",
        "one = json.one = open('/dev/null', 'w')",
        "json.one = [{'x': Acting()}]",
        "class Model: pass\none = json.one = Model()\none.part = Acting()",
        "json.JSONEncoder.one = Acting()",
        "own = types.ModuleType('own')\njson.own = own\nown.one = Acting()",
        "many = [[Acting()] for _ in range(100)]",
    ],
)
def test_in_doubt_no_module_is_spared(source: str) -> None:
    assert not is_spared(source)
