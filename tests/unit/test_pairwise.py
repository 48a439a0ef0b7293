"""Pairwise matrices: fewer cases, with the same usual case and the same verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cases.case import Case
from harness.cases.expectation import Expectation
from harness.cases.matrix import Axis, Matrix, Suite, as_it_is
from harness.cli import cli
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, run_case
from harness.worlds.jobs import TRAINING, Request
from harness.worlds.tree import Tree
from tests.unit.derived import CONTRACT, make_step

COPIER = Path(__file__).parent / "steps" / "copier"
NAMES = ("a", "b", "c", "d")
CHOICES = {"x": as_it_is, "y": as_it_is, "z": as_it_is}


def suite(fails_with: str, *, alone: bool = False) -> Suite:
    """A suite whose cases fail when one of their choices is this one."""
    axes = [Axis(name, CHOICES, {"w": as_it_is} if alone else {}) for name in NAMES]

    def expect(case: Case) -> Expectation:
        return Expectation(exit_code=1 if fails_with in case.choices.values() else 0)

    return Suite(Case(tree=Tree()), axes, expect)


@pytest.mark.parametrize("fails_with", ["x", "y", "z", ""])
def test_the_usual_case_is_the_same(fails_with: str) -> None:
    whole = Matrix(suite(fails_with))
    pairwise = Matrix(suite(fails_with), pairwise=True)
    assert whole.usual == pairwise.usual
    assert pairwise.usual in pairwise.ids
    assert len(pairwise.ids) < len(whole.ids) / 3
    assert set(pairwise.ids) <= set(whole.ids)
    assert pairs(pairwise.ids) == pairs(whole.ids)


def test_a_usual_case_that_the_suite_names_is_among_the_pairs() -> None:
    named = Suite(Case(tree=Tree()), suite("").axes, usual="a=x,b=y,c=z,d=x")
    assert named.usual in Matrix(named, pairwise=True).ids


def test_choices_alone_are_tried_once_each() -> None:
    for pairwise in (False, True):
        matrix = Matrix(suite("", alone=True), pairwise=pairwise)
        assert [one for one in matrix.ids if "w" in one] == [
            "a=w,b=z,c=z,d=z",
            "a=z,b=w,c=z,d=z",
            "a=z,b=z,c=w,d=z",
            "a=z,b=z,c=z,d=w",
        ]


def pairs(ids: Iterable[str]) -> set[tuple[str, ...]]:
    return {pair for one in ids for pair in itertools.combinations(one.split(","), 2)}


def test_list_check_and_replay_know_the_option() -> None:
    listed = CliRunner().invoke(cli, ["list", str(COPIER), "--pairwise"])
    assert tuple(listed.output.split()) == load(StepRef(COPIER, pairwise=True)).matrix.ids
    checked = CliRunner().invoke(cli, ["check", str(COPIER), "--pairwise", "--jobs", "1"])
    assert checked.exit_code == 0, checked.output
    case = "circumstance=again"
    for options in ([], ["--pairwise"]):
        replayed = CliRunner().invoke(cli, ["replay", str(COPIER), case, *options])
        assert replayed.exit_code == 0, replayed.output


COPY = """
import os
if os.environ.get("WRITE") or {always}:
    open("/opt/ml/model/model.csv", "w").write(open("/opt/ml/input/data/train/train.csv").read())
"""


@pytest.mark.parametrize(("always", "unproven"), [(True, False), (False, True)])
def test_a_circumstance_of_a_case_that_writes_nothing_is_not_proven(
    tmp_path: Path, always: bool, unproven: bool
) -> None:
    contract = CONTRACT.replace("files: [", "required: false, files: [")
    ref = make_step(tmp_path, COPY.format(always=always), contract)
    outcome = run_case(ref, FakeRunner(), "circumstance=again").outcome
    assert bool(outcome.unproven) is unproven
    if unproven:
        assert "the usual case, train=present, writes nothing" in outcome.unproven


def test_hyperparameters_of_a_suite_reach_the_script_as_arguments() -> None:
    tree = Tree.for_job(TRAINING, request=Request(hyperparameters={"rows": "3", "eta": "0.1"}))
    start = Case(tree=tree)

    def one_row(case: Case) -> Case:
        return case.with_tree(case.tree.with_request(hyperparameters={"rows": "1"}))

    def own(case: Case) -> Case:
        return Case(id=case.id, tree=case.tree, arguments=("--own", "1"))

    matrix = Matrix(Suite(start, [Axis("rows", {"three": as_it_is, "one": one_row, "own": own})]))
    assert [matrix.case(one)[0].arguments for one in matrix.ids] == [
        ("--eta", "0.1", "--rows", "3"),
        ("--rows", "1"),
        ("--own", "1"),
    ]
