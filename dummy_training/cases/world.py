"""The worlds of the special cases: a job's tree with the script in it, and edits of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from harness.suite import (
    PROCESSING,
    PYTORCH,
    TRAINING,
    Archive,
    Case,
    Expectation,
    Special,
    Tree,
    file,
    model_archive,
)

from .expected import CODE, HYPERPARAMETERS, MODEL, OUTPUT, WRITTEN

TRAINED_AT = "/opt/ml/input/data"
PROCESSED_AT = "/opt/ml/processing/input"
# Where a ScriptProcessor or FrameworkProcessor puts the code.
PROCESSOR_CODE = "/opt/ml/processing/input/code"

PROVIDED = b'{"epochs": 3}'
PLAIN = (*PYTORCH, file("weights/shard-1.bin", random.Random(1).randbytes(20_000)))
PLAIN_ARCHIVE = model_archive(PLAIN)
TRAINED = (*PLAIN, file("hyperparameters.json", b'{"trained": true}\n'))
TRAINED_ARCHIVE = model_archive(TRAINED)
OLDER = b"an older model.tar.gz"

TreeEdit = Callable[[Tree], Tree]


class World:
    """Makes special cases: a job's tree with the script in it, edited."""

    def __init__(self, start: Case) -> None:
        """Take the script from where `start` holds it."""
        self._name = PurePosixPath(start.script).name
        self._script = start.tree.entries[start.script].data

    def case(
        self,
        name: str,
        expected: Expectation,
        *edits: TreeEdit,
        code: str = CODE,
        job: str = "processing",
        **changes: object,
    ) -> Special:
        """A case in a job of this type, the script in `code`; `changes` are fields of the case."""

        def edit(case: Case) -> Case:
            tree = Tree.for_job(TRAINING if job == "training" else PROCESSING, (OUTPUT,))
            tree = tree.with_code({self._name: self._script}, at=code)
            for one in edits:
                tree = one(tree)
            made = replace(case, tree=tree, script=f"{code}/{self._name}", cwd=code)
            return replace(made, **changes)  # type: ignore[arg-type]

        return Special(name, edit, expected)


def channels(model: bytes | None, hyperparameters: bytes | None = None) -> TreeEdit:
    """Channels that hold this archive and these hyperparameters; None: no such channel."""

    def edit(tree: Tree) -> Tree:
        if model is not None:
            tree = tree.with_channel(MODEL, {"model.tar.gz": model})
        if hyperparameters is not None:
            tree = tree.with_channel(HYPERPARAMETERS, {"hyperparameters.json": hyperparameters})
        return tree

    return edit


def at(path: str, data: bytes) -> TreeEdit:
    """A file that lies somewhere."""
    return lambda tree: tree.with_file(path, data)


def folder(path: str) -> TreeEdit:
    """A folder that is there, empty unless something else is put into it."""
    return lambda tree: tree.with_directory(path)


def older(tree: Tree) -> Tree:
    """An older output in the place of the new one."""
    return tree.with_file(WRITTEN, OLDER)


PROVIDE = channels(None, PROVIDED)
GOOD = channels(PLAIN_ARCHIVE, PROVIDED)
WRITES = Expectation(writes={WRITTEN: Archive(PLAIN, PROVIDED)})
