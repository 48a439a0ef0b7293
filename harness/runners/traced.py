"""Which lines a script runs: in the same case, with an entry point that tells them.

The script is executed from the text of a program in its place, under its own name and with its own
line numbers, so that every runner can run it. Such a run is never judged.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from harness.cases.case import Case
from harness.runners import Runner
from harness.runners.inside import lines

# Of what a script has told of itself, in bytes and in lines.
_MAX_SIZE = 64 << 20
_MAX_LINE = 1 << 31
# Path in the tree → the pairs of lines that followed each other.
Arcs = Mapping[str, frozenset[tuple[int, int]]]


def arcs(case: Case, runner: Runner) -> Arcs:
    """The lines that a case runs of the files of its code; none where it does not tell them.

    A script that a signal ends does not tell; one that is interrupted runs to its end here. Raises
    what the runner raises.
    """
    entry = case.tree.get(case.script)
    if entry is None or entry.kind != "file" or case.is_other_program:
        return {}
    program = _program(case.import_folder, entry.data)
    tree = case.tree.with_entry(case.script, replace(entry, data=program))
    outcome = runner.run(replace(case, tree=tree, interrupt=None))
    found: dict[str, set[tuple[int, int]]] = {}
    for path, pair in told(outcome.stderr):
        found.setdefault(path, set()).add(pair)
    return {path: frozenset(pairs) for path, pairs in found.items()}


def _program(folder: str, source: bytes) -> bytes:
    telling = f"{_telling()}\nLines({folder!r}).start()\n"
    return (
        f"exec(compile({telling!r}, '<lines>', 'exec', dont_inherit=True), {{'__name__': 'lines'}})"
        f"; exec(compile({source!r}, __file__, 'exec', dont_inherit=True))\n"
    ).encode()


@lru_cache(maxsize=1)
def _telling() -> str:
    return Path(lines.__file__).read_text(encoding="utf-8")


def told(stderr: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """What the processes of a script have told: it is the script's word, and held to its form."""
    for line in stderr.splitlines():
        if not line.startswith(lines.MARK):
            continue
        try:
            packed = base64.b64decode(line[len(lines.MARK) :], validate=True)
            found = json.loads(zlib.decompressobj().decompress(packed, _MAX_SIZE))
            for path, pairs in dict(found).items():
                for first, second in pairs:
                    if all(type(one) is int and abs(one) < _MAX_LINE for one in (first, second)):
                        yield str(path), (first, second)
        except (binascii.Error, zlib.error, ValueError, TypeError, RecursionError):
            continue
