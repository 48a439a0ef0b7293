"""Lint on whole scripts: marked problems are found, and nothing else.

`lint_scripts` has a file for each subject. A script begins below `=== name`; a comment
`# contract: {...}` adds to a contract with an input `data` and an output `result`; a wrong line
ends with `#> CODE`. Codes about the whole file may be on any line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.contracts.contract import Contract
from harness.lint import lint
from harness.lint.choice import Choice

SCRIPTS = Path(__file__).parent / "lint_scripts"
FILE_CODES = {"STEP111", "STEP100", "STEP102", "STEP202", "STEP302", "STEP401", "STEP402"}
# The house's rules are looked at too.
HOUSE = Choice(extend_select=("STEP401", "STEP402"))
OLD_CODES = FILE_CODES | {"STEP101", "STEP201", "STEP301", "STEP501", "STEP502", "STEP601"}
DEFAULT_KEYS = {
    "inputs": {"data": {"required": True, "mounts": ["/opt/ml/processing/input/data"]}},
    "outputs": {"result": {"path": "/opt/ml/processing/output/result"}},
    "exit_codes": {0: "done", 1: "not done"},
}


def scripts() -> Iterator[tuple[str, str]]:
    for file in sorted(SCRIPTS.glob("*.txt")):
        for part in re.split(r"^=== ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, _, source = part.partition("\n")
            yield name, source


ALL = tuple(scripts())


def contract_of(source: str, folder: Path) -> Contract:
    comment = re.search(r"^# contract: (.*)$", source, re.MULTILINE)
    keys = YAML(typ="safe").load(comment[1]) if comment else {}
    document = {"name": "step", "entry_point": "step.py", **DEFAULT_KEYS, **keys}
    return Contract.model_validate(document).model_copy(update={"folder": folder})


def marks(source: str) -> list[tuple[str, int]]:
    found = [
        (code, 0 if code in FILE_CODES else number)
        for number, line in enumerate(source.splitlines(), 1)
        for code in re.findall(r"#> (STEP\d+)", line)
    ]
    return sorted(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the scripts, with a module and a package."""
    result = tmp_path_factory.mktemp("scripts")
    (result / "a_module_beside.py").touch()
    (result / "a_package_beside").mkdir()
    (result / "preprocessing").mkdir()
    return result


@pytest.mark.parametrize(("name", "source"), ALL, ids=[name for name, _ in ALL])
def test_marked_problems_are_found_and_nothing_else(name: str, source: str, folder: Path) -> None:
    contract = contract_of(source, folder)
    problems = lint(contract, folder / "step.py", source.encode(), HOUSE)
    found = [(one.code, 0 if one.code in FILE_CODES else one.line) for one in problems]
    assert sorted(found) == marks(source), [f"{one.line}: {one.message}" for one in problems]


def test_scripts_cover_every_code_and_many_are_correct() -> None:
    all_marks = [marks(source) for _, source in ALL]
    assert {code for found in all_marks for code, _ in found} >= OLD_CODES
    assert sum(not found for found in all_marks) > 50


def test_script_names_are_unique() -> None:
    names = [name for name, _ in ALL]
    assert len(names) == len(set(names))
