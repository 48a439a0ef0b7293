"""`harness.suite`: its names, and those of earlier versions."""

from __future__ import annotations

import importlib
import sys

import pytest

from harness import suite
from harness.old_names import _NEW as OLD_MODULES


def test_every_exported_name_exists() -> None:
    assert [name for name in suite.__all__ if not hasattr(suite, name)] == []


@pytest.mark.parametrize("old", sorted(OLD_MODULES))
def test_an_old_module_name_works_and_warns(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} is {OLD_MODULES[old]} now") as caught:
        module = importlib.import_module(old)
    monkeypatch.delitem(sys.modules, old)
    assert len(caught) == 1
    new = importlib.import_module(OLD_MODULES[old])
    names = [name for name in vars(new) if not name.startswith("__")]
    assert names
    assert all(getattr(module, name) is getattr(new, name) for name in names)


def test_an_old_name_in_the_suite_works_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DeprecationWarning, match=r"harness\.suite\.Says is Matches now"):
        assert suite.Says is suite.Matches
    monkeypatch.delitem(sys.modules, "harness.expectation", raising=False)
    with pytest.warns(DeprecationWarning, match="suites import what they need from harness.suite"):
        old = importlib.import_module("harness.expectation")
    assert old.Says is suite.Matches


def test_unknown_names_are_errors() -> None:
    with pytest.raises(AttributeError, match="Speaks"):
        suite.Speaks  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("harness.arcs")
