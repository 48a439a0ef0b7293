"""What errors advise holds where there is no clone of this project, and no index that has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Targets and files of this repository, and its name, which no index of packages has.
_ONLY_HERE = re.compile(
    r"\bmake (image|setup|sdks|check|test|bench|lint)\b|\bdocker/|step-harness\["
)
_INSTALLED = re.compile(r"pip install '([^']+)'")


def texts(path: Path) -> Iterator[str]:
    """The texts of a module, but for what documents it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(one.body[0].value)
        for one in ast.walk(tree)
        if isinstance(one, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and one.body
        and isinstance(one.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            yield str(node.value)


MODULES = [*sorted((ROOT / "harness").rglob("*.py")), ROOT / "dummy_training" / "pipeline.py"]


@pytest.mark.parametrize(
    "folder", sorted({one.parent for one in MODULES}), ids=lambda one: one.name
)
def test_no_text_names_what_is_in_this_repository_alone(folder: Path) -> None:
    found = [
        f"{path.name}: {text}"
        for path in MODULES
        if path.parent == folder
        for text in texts(path)
        if _ONLY_HERE.search(text)
    ]
    assert found == []


def test_what_is_to_be_installed_is_what_an_extra_asks_for() -> None:
    asked = {
        re.sub(r"[\s()]", "", one.partition(";")[0])
        for one in requires("step-harness") or ()
        if "extra ==" in one
    }

    def normal(requirement: str) -> tuple[str, ...]:
        name, *versions = re.split(r"(?=[<>=])|,", requirement, maxsplit=1)
        return name, *sorted(",".join(versions).split(","))

    named = {one for path in MODULES for text in texts(path) for one in _INSTALLED.findall(text)}
    assert len(named) >= 4
    assert {normal(one) for one in named} <= {normal(one) for one in asked}
