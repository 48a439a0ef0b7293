"""Small cases for the tests of the runners: a script and its tree."""

from __future__ import annotations

import textwrap
from dataclasses import replace

from harness.cases.case import Case, Outcome
from harness.runners import Runner
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree
from tests.unit.gated import PATIENCE

SCRIPT = "/opt/ml/code/script.py"
OUTPUT = "/opt/ml/processing/output/model"


def case_of(source: str, tree: Tree | None = None, **changes: object) -> Case:
    """A case that runs `source` in `tree`, by default that of a processing job."""
    tree = Tree.for_job(PROCESSING, (OUTPUT,)) if tree is None else tree
    code = textwrap.dedent(source).encode()
    tree = tree.with_code({"script.py": code})
    case = Case(id="sample", tree=tree, script=SCRIPT, timeout=PATIENCE)
    return replace(case, **changes)  # type: ignore[arg-type]


def hanging(runner: Runner) -> Outcome:
    """The outcome of a script that says "here" and hangs, once it had the time to say it."""
    source = "print('here', flush=True)\nimport time; time.sleep(3600)"
    for timeout in (0.5, 5.0):
        outcome = runner.run(case_of(source, timeout=timeout))
        if outcome.stdout:
            return outcome
    return runner.run(case_of(source, timeout=50.0))
