"""The product of axes: what is made of numbers is what listing all combinations gives."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest

from harness.cases import product
from harness.cases.product import Ids, Product, id_of

SHAPES: Sequence[Mapping[str, Sequence[str]]] = (
    {},
    {"a": ("x",)},
    {"a": ("x", "y", "z")},
    {"a": ("x", "y"), "b": ("1",), "c": ("p", "q", "r")},
    {"a": ("x", "x,b=y"), "b": ("y", "y,b=y"), "c": ("1", "")},
    {"a,b": ("x", "y"), "c": ("1", "2")},
    {"a": ("x", "y"), "b": ()},
)


@pytest.mark.parametrize("few", [1, 4, 1000])
@pytest.mark.parametrize("axes", SHAPES)
def test_each_combination_has_a_number_and_an_id(
    axes: Mapping[str, Sequence[str]], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "_FEW", few)
    made = Product(axes)
    listed = [
        dict(zip(axes, one, strict=True)) for one in itertools.product(*axes.values()) if axes
    ]
    assert len(made) == len(listed)
    assert [made.choices(one) for one in range(len(made))] == listed
    ids = [made.id(one) for one in range(len(made))]
    assert ids == [*map(id_of, listed)]
    for number, case_id in enumerate(ids):
        found = made.number(case_id)
        # Of two with one id either is meant.
        assert found is not None
        assert ids[found] == case_id, number
    for wrong in ("", "a", "a=", "a=w", "b=x", ",".join((*ids[:1], "more=1"))):
        assert made.number(wrong) is None or wrong in ids


def test_ids_are_a_sequence() -> None:
    ids = Ids(str, range(5)).with_others(("x", "y"))
    assert ids == ("0", "1", "2", "3", "4", "x", "y")
    assert (ids[0], ids[-1], len(ids)) == ("0", "y", 7)
    assert ids[2:] == [*ids][2:]
    assert ids[::-1][0] == "y"
    assert ids.where("135x".__contains__) == ("1", "3", "x")
    assert "x" in ids
    assert ids != ("0",)
    assert ids != "01234xy"
    with pytest.raises(IndexError):
        ids[7]
