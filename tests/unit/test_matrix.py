"""The matrix: every combination has a stable id, and expressions select some."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cases.case import Case
from harness.cases.expectation import Expectation
from harness.cases.matrix import Axis, Matrix, Special, Suite, as_it_is
from harness.cases.selection import select
from harness.errors import Exit, WrongContract, WrongUse
from harness.worlds.tree import Tree


def edit(name: str):  # type: ignore[no-untyped-def]
    return lambda case: case.with_tree(case.tree.with_file(f"/{name}", b""))


AXES = (
    Axis("model", {"absent": as_it_is, "present": edit("model")}),
    Axis("given", {"absent": as_it_is, "present": edit("given"), "empty": edit("empty")}),
)


def expected(case: Case) -> Expectation:
    return Expectation(exit_code=len(case.tree.entries))


MATRIX = Matrix(Suite(Case(tree=Tree()), AXES, expected, [Special("x", as_it_is, Expectation())]))


def test_the_product_of_all_axes_then_the_special_cases() -> None:
    assert MATRIX.ids == (
        "model=absent,given=absent",
        "model=absent,given=present",
        "model=absent,given=empty",
        "model=present,given=absent",
        "model=present,given=present",
        "model=present,given=empty",
        "special=x",
    )


def test_of_too_many_cases_the_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are never built: pairs of choices are covered all the same."""
    monkeypatch.setattr("harness.cases.matrix.MAX_COMBINATIONS", 6)
    fitting = Suite(Case(tree=Tree()), AXES, expected)
    assert len(Matrix(fitting).ids) == 6
    axes = tuple(Axis(f"axis-{number}", AXES[1].choices) for number in range(8))
    with pytest.raises(WrongContract, match="8 axes have 6,561 combinations") as error:
        Matrix(Suite(Case(tree=Tree()), axes, expected))
    assert "--pairwise" in error.value.hint
    monkeypatch.undo()
    assert len(Matrix(Suite(Case(tree=Tree()), axes, expected), pairwise=True).ids) < 40


def test_a_case_is_one_choice_from_every_axis() -> None:
    case, expectation = MATRIX.case("model=present,given=empty")
    assert case.id == "model=present,given=empty"
    assert case.choices == {"model": "present", "given": "empty"}
    assert set(case.tree.entries) == {"/model", "/empty"}
    assert expectation.exit_code == 2


def test_a_case_is_the_same_whichever_was_built_before_it() -> None:
    suite = Suite(Case(tree=Tree()), AXES, expected)
    for last in MATRIX.ids[:-1]:
        matrix = Matrix(suite)
        for case_id in (*matrix.ids[::-1], last):
            assert matrix.case(case_id) == MATRIX.case(case_id)


def test_the_edits_of_a_written_suite_see_the_choices_of_their_case(tmp_path: Path) -> None:
    def named(case: Case) -> Case:
        return case.with_tree(case.tree.with_file(f"/{case.choices['given']}", b""))

    axes = (Axis("model", {"absent": as_it_is, "present": named}), AXES[1])
    matrix = Matrix(Suite(Case(tree=Tree()), axes, expected), origin=tmp_path / "suite.py")
    for given in ("absent", "present", "empty"):
        case, _ = matrix.case(f"model=present,given={given}")
        assert f"/{given}" in case.tree


def test_a_constraint_excludes_combinations() -> None:
    suite = Suite(Case(), AXES, possible=lambda chosen: chosen["model"] != chosen["given"])
    assert "model=absent,given=absent" not in Matrix(suite).ids
    assert len(Matrix(suite).ids) == 4


def test_two_cases_with_the_same_id_are_refused() -> None:
    duplicates = [Special("x", as_it_is, Expectation())] * 2
    with pytest.raises(WrongContract, match="two cases"):
        Matrix(Suite(Case(), special=duplicates))


def test_the_error_about_an_unknown_case_has_the_nearest() -> None:
    with pytest.raises(WrongUse) as caught:
        MATRIX.case("model=present,given=emty")
    assert caught.value.exit_code == Exit.WRONG_USE
    assert caught.value.hint.splitlines()[1].strip() == "model=present,given=empty"


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("given=empty", 2),
        ("model=present and given=empty", 1),
        ("model=present or special", 4),
        ("not absent", 3),
        ("not (model=present or special)", 3),
        ("model=present,given=empty", 1),
    ],
)
def test_an_expression_selects(expression: str, count: int) -> None:
    assert len(select(MATRIX.ids, expression)) == count


@pytest.mark.parametrize("expression", ["model=presnt", "absent and special"])
def test_an_expression_that_selects_nothing_is_an_error(expression: str) -> None:
    with pytest.raises(WrongUse, match="selects none of 7") as caught:
        select(MATRIX.ids, expression)
    assert "nearest" in caught.value.hint


@pytest.mark.parametrize("expression", ["", "and", "a b", "(a", "a and", "not", "a ++ b", "a)"])
def test_a_malformed_expression_is_an_error(expression: str) -> None:
    with pytest.raises(WrongUse, match="not an expression"):
        select(MATRIX.ids, expression)
