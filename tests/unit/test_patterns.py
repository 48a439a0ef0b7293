"""Patterns of file names in a contract: one that cannot match what it seems to is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts.patterns import matches
from harness.errors import WrongContract
from harness.runs.step import read_contract
from tests.unit.derived import CONTRACT, make_step


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("part-[0-9.csv", True),
        ("a/[b/c].csv", True),
        ("[", True),
        ("part-[!].csv", True),
        ("part-[0-9].csv", False),
        ("part-[]x].csv", False),
        ("part-[!]x].csv", False),
        ("a[[]1].csv", False),
        ("a]b.csv", False),
    ],
)
def test_a_pattern_whose_set_has_no_end_is_an_error(tmp_path: Path, name: str, wrong: bool) -> None:
    for old, new in (("[model.csv]", f"['{name}']"), ("file: train.csv", f"files: ['{name}']")):
        make_step(tmp_path, "", CONTRACT.replace(old, new))
        if not wrong:
            read_contract(tmp_path)
            continue
        with pytest.raises(WrongContract, match=r"contract.yaml:[57]: .*has a \[ without \]"):
            read_contract(tmp_path)


def test_a_star_reaches_into_folders_of_inputs_alone(tmp_path: Path) -> None:
    make_step(tmp_path, "", CONTRACT.replace("file: train.csv", "files: ['*.csv', 'b/**/*.txt']"))
    (one,) = read_contract(tmp_path).inputs.values()
    names = ["a.csv", "a/b.csv", "b/c.txt", "b/c/d.txt", "c.txt"]
    assert [name for name in names if one.reads(name)] == names[:-1]
    assert matches("b/c.txt", "b/**/*.txt")
    assert not matches("a/b.csv", "*.csv")
