"""Small cases for the tests of the runners: a script and its tree."""

from __future__ import annotations

import textwrap
from dataclasses import replace

from harness.cases.case import Case
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree

SCRIPT = "/opt/ml/code/script.py"
OUTPUT = "/opt/ml/processing/output/model"


def case_of(source: str, tree: Tree | None = None, **changes: object) -> Case:
    """A case that runs `source` in `tree`, by default that of a processing job."""
    tree = Tree.for_job(PROCESSING, (OUTPUT,)) if tree is None else tree
    code = textwrap.dedent(source).encode()
    case = Case(id="sample", tree=tree.with_code({"script.py": code}), script=SCRIPT)
    return replace(case, **changes)  # type: ignore[arg-type]
