"""The trees of the special cases: that of a job with the script, and edits of it."""

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
    """Creates special cases: the tree of a job with the script, edited."""

    def __init__(self, start: Case) -> None:
        """Take the script from the tree of `start`."""
        self.name = PurePosixPath(start.script).name
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
        """A case in a job of this type, the script in `code`; `changes` are fields of `Case`."""

        def edit(case: Case) -> Case:
            tree = Tree.for_job(
                TRAINING if job == "training" else PROCESSING, {"model_output": OUTPUT}
            )
            tree = tree.with_code({self.name: self._script}, at=code)
            for one in edits:
                tree = one(tree)
            edited = replace(case, tree=tree, script=f"{code}/{self.name}", cwd=code)
            return replace(edited, **changes)  # type: ignore[arg-type]

        return Special(name, edit, expected)


def channels(model: bytes | None, hyperparameters: bytes | None = None) -> TreeEdit:
    """Add channels with this archive and these hyperparameters; None is no channel."""

    def edit(tree: Tree) -> Tree:
        if model is not None:
            tree = tree.with_channel(MODEL, {"model.tar.gz": model})
        if hyperparameters is not None:
            tree = tree.with_channel(HYPERPARAMETERS, {"hyperparameters.json": hyperparameters})
        return tree

    return edit


def file_at(path: str, data: bytes) -> TreeEdit:
    """Add a file."""
    return lambda tree: tree.with_file(path, data)


def folder_at(path: str) -> TreeEdit:
    """Add a folder."""
    return lambda tree: tree.with_directory(path)


def older_output(tree: Tree) -> Tree:
    """Add an older output where the new one is written."""
    return tree.with_file(WRITTEN, OLDER)


PROVIDE = channels(None, PROVIDED)
GOOD = channels(PLAIN_ARCHIVE, PROVIDED)
WRITES = Expectation(writes={WRITTEN: Archive(PLAIN, PROVIDED)})
