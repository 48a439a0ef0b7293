"""Lint on small changes of one step: wrong ones have their code, and right ones have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.lint import lint
from harness.runs.step import read_contract
from tests.unit.lint_cases import CASES, CONTRACT, NOT_FOUND, RIGHT, SCRIPT, Change
from tests.unit.lint_drift_cases import AGREED, DRIFT
from tests.unit.lint_flow_cases import FLOW, SOUND

WRONG = [*CASES, *DRIFT, *FLOW]
RIGHT_ONES = [*RIGHT, *AGREED, *SOUND]


def found(folder: Path, changes: Sequence[Change]) -> list[str]:
    files = {"contract.yaml": CONTRACT, "tally.py": SCRIPT}
    for name, old, new in changes:
        assert old in files.get(name, ""), old
        files[name] = files.get(name, "").replace(old, new) if old else new
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    contract = read_contract(folder)
    problems = lint(contract, contract.script, contract.script.read_bytes())
    return [f"{one.code} {one.file.name}:{one.line} {one.message}" for one in problems]


@pytest.mark.parametrize(
    ("code", "name", "changes"), WRONG, ids=[f"{code}-{name}" for code, name, _ in WRONG]
)
def test_what_is_wrong_is_found(
    code: str, name: str, changes: list[Change], tmp_path: Path
) -> None:
    assert code in [one.partition(" ")[0] for one in found(tmp_path, changes)]


@pytest.mark.parametrize(("name", "changes"), RIGHT_ONES, ids=[name for name, _ in RIGHT_ONES])
def test_what_is_right_has_no_problem(name: str, changes: list[Change], tmp_path: Path) -> None:
    assert found(tmp_path, changes) == []


@pytest.mark.parametrize(("name", "changes"), NOT_FOUND, ids=[name for name, _ in NOT_FOUND])
def test_what_is_not_found(name: str, changes: list[Change], tmp_path: Path) -> None:
    assert found(tmp_path, changes) == []
