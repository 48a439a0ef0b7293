"""What suites import: one module, and the names that existing suites know."""

from __future__ import annotations

import importlib
import sys

import pytest

from harness import suite
from harness.old_names import _NEW as OLD_MODULES


def test_every_name_that_is_handed_on_is_there() -> None:
    assert [name for name in suite.__all__ if not hasattr(suite, name)] == []


@pytest.mark.parametrize("old", sorted(OLD_MODULES))
def test_a_module_under_its_old_name_is_the_same_and_warns(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} is {OLD_MODULES[old]} now") as told:
        module = importlib.import_module(old)
    monkeypatch.delitem(sys.modules, old)
    assert len(told) == 1
    new = importlib.import_module(OLD_MODULES[old])
    names = [name for name in vars(new) if not name.startswith("__")]
    assert names
    assert all(getattr(module, name) is getattr(new, name) for name in names)


def test_an_old_name_of_the_suite_warns_and_is_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DeprecationWarning, match=r"harness\.suite\.Says is Matches now"):
        assert suite.Says is suite.Matches
    monkeypatch.delitem(sys.modules, "harness.expectation", raising=False)
    with pytest.warns(DeprecationWarning, match="suites import what they need from harness.suite"):
        old = importlib.import_module("harness.expectation")
    assert old.Says is suite.Matches


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="Speaks"):
        suite.Speaks  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("harness.arcs")
