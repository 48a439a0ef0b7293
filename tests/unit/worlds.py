"""Small worlds for the tests of the harness: a script, its tree, a case."""

from __future__ import annotations

import textwrap
from dataclasses import replace

from harness.cases.case import Case
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree

SCRIPT = "/opt/ml/code/script.py"
OUTPUT = "/opt/ml/processing/output/model"


def case_of(source: str, tree: Tree | None = None, **changes: object) -> Case:
    """A case that runs `source` in a processing job's world."""
    world = tree if tree is not None else Tree.for_job(PROCESSING, (OUTPUT,))
    code = textwrap.dedent(source).encode()
    case = Case(id="sample", tree=world.with_code({"script.py": code}), script=SCRIPT)
    return replace(case, **changes)  # type: ignore[arg-type]
