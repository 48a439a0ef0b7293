"""The fixtures for tests that are written by hand, and how two trees are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_parts.runners import prepared, runner_of_fixtures

if TYPE_CHECKING:
    from harness.cases.case import Case, Outcome
    from harness.worlds.tree import Tree


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show the differences of two trees, path by path."""
    if op != "==" or type(left).__name__ != "Tree" or type(left) is not type(right):
        return None
    from harness.worlds.tree import Tree, changes

    assert isinstance(left, Tree)
    assert isinstance(right, Tree)
    return ["the trees differ:", *changes(right, left)]


def _refuse_fs(request: pytest.FixtureRequest) -> None:
    """Fail where another fake file system hides the files that a fixture of ours reads."""
    if "fs" in request.fixturenames:
        pytest.fail(
            f"{request.fixturename} and the fixture fs of pyfakefs cannot serve one test: with fs "
            "there are no real files. run_step has a fake file system of its own; leave fs out",
            pytrace=False,
        )


@pytest.fixture
def opt_ml(request: pytest.FixtureRequest) -> Tree:
    """The tree of a processing job without channels; extend it with `.with_channel(...)`.

    For another type of job there is `Tree.for_job`.
    """
    _refuse_fs(request)
    from harness.worlds.jobs import PROCESSING
    from harness.worlds.tree import Tree

    return Tree.for_job(PROCESSING)


@pytest.fixture
def run_step(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """A function that runs a script in a tree: `run_step(script, tree, **fields)` → `Outcome`.

    `script` is a path on this machine, which is copied to /opt/ml/code under its own name; `fields`
    are fields of `harness.cases.case.Case`, such as `arguments`, `variables`, `cwd`, `timeout`. The
    hyperparameters of a training job's tree are arguments, unless there are others.
    """
    _refuse_fs(request)

    def run(script: str | Path, tree: Tree, **fields: Any) -> Outcome:
        source = Path(script)
        world = tree.with_code({source.name: source.read_bytes()})
        # Those that the job makes of its hyperparameters.
        arguments = world.job.arguments(world.request) if world.job else ()
        case: Case = replace(
            _case(request.node.name, world, f"/opt/ml/code/{source.name}"),
            **{"arguments": arguments, **fields},
        )
        return prepared(request.config, runner_of_fixtures(request.config)).run(case)

    return run


def _case(name: str, tree: Tree, script: str) -> Case:
    from harness.cases.case import Case

    return Case(id=name, tree=tree, script=script)
