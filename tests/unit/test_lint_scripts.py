"""Lint on whole scripts, as people write them: what is marked is found, and nothing else.

`lint_scripts` holds them, a file for each subject. A script begins below `=== name`; a comment
`# contract: {...}` says what its contract has besides an input `data` and an output `result`; a
line that is wrong ends with `#> CODE`. Codes that are about the whole file stand anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.contracts.contract import Contract
from harness.lint import lint
from harness.lint.problem import CODES

SCRIPTS = Path(__file__).parent / "lint_scripts"
OF_THE_FILE = {"H100", "H102", "H202", "H302", "H401", "H402"}
PLAIN = {
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
    said = re.search(r"^# contract: (.*)$", source, re.MULTILINE)
    keys = YAML(typ="safe").load(said[1]) if said else {}
    document = {"name": "step", "entry_point": "step.py", **PLAIN, **keys}
    return Contract.model_validate(document).model_copy(update={"folder": folder})


def marks(source: str) -> list[tuple[str, int]]:
    found = [
        (code, 0 if code in OF_THE_FILE else number)
        for number, line in enumerate(source.splitlines(), 1)
        for code in re.findall(r"#> (H\d+)", line)
    ]
    return sorted(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scripts lie: beside them is a module, and a package."""
    made = tmp_path_factory.mktemp("scripts")
    (made / "a_module_beside.py").touch()
    (made / "a_package_beside").mkdir()
    (made / "preprocessing").mkdir()
    return made


@pytest.mark.parametrize(("name", "source"), ALL, ids=[name for name, _ in ALL])
def test_what_is_marked_is_found_and_nothing_else(name: str, source: str, folder: Path) -> None:
    problems = lint(contract_of(source, folder), folder / "step.py", source.encode())
    found = [(one.code, 0 if one.code in OF_THE_FILE else one.line) for one in problems]
    assert sorted(found) == marks(source), [f"{one.line}: {one.message}" for one in problems]


def test_the_scripts_mark_every_code_and_many_have_none() -> None:
    every = [marks(source) for _, source in ALL]
    assert {code for found in every for code, _ in found} == set(CODES)
    assert sum(not found for found in every) > 50


def test_no_two_scripts_have_the_same_name() -> None:
    names = [name for name, _ in ALL]
    assert len(names) == len(set(names))
