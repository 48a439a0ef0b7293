"""Runs the step on one archive, and holds it to what it promises whatever the archive is."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz import readers

SCRIPT = Path(__file__).parents[2] / "dummy_training" / "dummy_training.py"
CODES = ("INVALID_ARCHIVE", "UNSAFE_MEMBER", "INVALID_HYPERPARAMETERS")
GIVEN = b'{"given": 1}'
SECONDS = 20.0


@cache
def load() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("fuzzed_step", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzzed_step"] = module
    spec.loader.exec_module(module)
    module.logger.setLevel(logging.CRITICAL + 1)
    return module


class Executions:
    """Runs of the step in one scratch folder, and counts of how they ended."""

    def __init__(self, scratch: Path) -> None:
        """Work in `scratch`, which is there."""
        self._step = load()
        self._ahead = self._step._ahead
        self._scratch = scratch
        self._model, self._given = scratch / "model.tar.gz", scratch / "given.json"
        self._out = scratch / "out"
        self._given.write_bytes(GIVEN)
        self._out.mkdir()
        self.counts: dict[str, int] = {}

    def run(self, archive: bytes, by: Collection[str] = readers.NAMES) -> str:
        """How the step ends on an archive; raises `AssertionError` on what must not be.

        What it writes is read by `tarfile`, and by each of the readers `by`. The step has threads
        of its own where a program is one of those: they change nothing but the time, most of
        which is spent on waiting for them.
        """
        threads = not {*by} <= {*readers.IN_PROCESS}
        self._step._ahead = self._ahead if threads else _at_once
        try:
            ended = self._run(archive, by)
        except Exception:
            shutil.rmtree(self._out)
            self._out.mkdir()
            shutil.rmtree(self._scratch / "run", ignore_errors=True)
            raise
        self.counts[ended] = self.counts.get(ended, 0) + 1
        return ended

    def _run(self, archive: bytes, by: Collection[str]) -> str:
        model, given, out = self._model, self._given, self._out
        model.write_bytes(archive)
        os.utime(model, (1, 1))
        begun = time.monotonic()
        ended = "accepted"
        try:
            self._step.process_model_with_hyperparameters(model, given, out)
        except self._step.StepError as error:
            ended = error.code
            assert ended in CODES, ended
        assert time.monotonic() - begun < SECONDS, "it takes too long"
        assert (model.read_bytes(), model.stat().st_mtime) == (archive, 1), "the input has changed"
        assert given.read_bytes() == GIVEN
        left = [path.name for path in out.iterdir()]
        assert left == (["model.tar.gz"] if ended == "accepted" else []), left
        if ended == "accepted":
            self._check(out / "model.tar.gz", by)
            (out / "model.tar.gz").unlink()
        return ended

    def _check(self, output: Path, by: Collection[str]) -> None:
        folder = self._scratch / "run"
        folder.mkdir()
        trees = readers.trees(output, folder, {readers.FIRST, *by})
        first = trees[readers.FIRST]
        for name, tree in trees.items():
            plain = first if name != "data" else _without_modes(first)
            assert tree == plain, f"{name} makes something else of it: {_differences(plain, tree)}"
        assert first["hyperparameters.json"][0] == "file"
        if readers.STEP in by:
            extracted = folder / "extracted"
            self._step.extract_tarfile(output, extracted)
            own = readers.described(extracted)
            assert own == first, f"extract_tarfile makes something else: {_differences(first, own)}"
        readers.remove(folder)


def _at_once(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return chunks


def _without_modes(tree: readers.Tree) -> readers.Tree:
    return {name: (one[0], 0, *one[2:]) if one[0] != "link" else one for name, one in tree.items()}


def _differences(first: readers.Tree, other: readers.Tree) -> object:
    names = {*first, *other}
    return [
        (name, first.get(name), other.get(name))
        for name in sorted(names)
        if first.get(name) != other.get(name)
    ][:3]
