"""Contracts are strict: errors name file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import contract
from harness.errors import Exit, WrongContract
from harness.runs.step import read_contract

GOOD = """\
name: sample
entry_point: sample.py
inputs:
  model:
    required: true
    mounts:
      - /opt/ml/input/data/model
    source: ["{script_dir}/models"]
outputs:
  out:
    path: /opt/ml/processing/output/out
    files: [model.tar.gz]
environment:
  required: [REGION]
  optional:
    LEVEL: INFO
exit_codes:
  0: written
"""


def load(tmp_path: Path, text: str) -> contract.Contract:
    (tmp_path / "contract.yaml").write_text(text, encoding="utf-8")
    return read_contract(tmp_path)


def test_a_valid_contract(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert found.name == "sample"
    assert found.script == tmp_path / "sample.py"
    assert found.inputs["model"].mounts == ("/opt/ml/input/data/model",)
    assert found.output_folders == ("/opt/ml/processing/output/out",)
    assert found.environment.required == ("REGION",)
    assert found.environment.optional == {"LEVEL": "INFO"}
    assert found.exit_codes == {0: "written"}


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "what"),
    [
        ("name: sample\n", "", 1, "name", "missing"),
        ("entry_point:", "entrypoint:", 1, "entry_point", "missing"),
        ("    required: true\n", "    needed: true\n", 4, "inputs.model.required", "missing"),
        ("    required: true\n", "    required: maybe\n", 5, "inputs.model.required", "true or"),
        (
            "      - /opt/ml/input/data/model",
            "      - data",
            7,
            "inputs.model.mounts.0",
            "an absolute path",
        ),
        (
            "    path: /opt/ml/processing/output/out",
            "    path: 3",
            11,
            "outputs.out.path",
            "a text",
        ),
        ("  0: written\n", "  zero: written\n", 18, "exit_codes.zero", "as a key"),
        ("  optional:\n", "  colour: red\n  optional:\n", 15, "environment.colour", "not a key"),
        ("exit_codes:\n", "colour: red\nexit_codes:\n", 17, "colour", "not a key"),
        ("name: sample\n", "name: sample\nfolder: x\n", 2, "folder", "not a key"),
        ("exit_codes:\n", "waivers:\n  tidy: why\nexit_codes:\n", 18, "waivers.tidy", "no promise"),
        ("exit_codes:\n", 'waivers:\n  log: ""\nexit_codes:\n', 18, "waivers.log", "at least 1"),
    ],
)
def test_an_error_names_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, key: str, what: str
) -> None:
    assert old in GOOD
    with pytest.raises(WrongContract) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert caught.value.exit_code == Exit.WRONG_USE
    assert f"{tmp_path / 'contract.yaml'}:{line}: {key}" in caught.value.what
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("text", "line"), [("name: [a\n", 2), ("name: a\nname: b\n", 2), ("a\tb: {", 1), ("- a\n", 1)]
)
def test_a_file_that_is_not_yaml_or_not_a_mapping(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(WrongContract, match=f"contract.yaml:{line}:"):
        load(tmp_path, text)


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(WrongContract, match="1: is not UTF-8"):
        read_contract(tmp_path)


def test_a_folder_without_a_contract(tmp_path: Path) -> None:
    with pytest.raises(WrongContract, match=r"has no contract\.yaml"):
        read_contract(tmp_path)


def test_the_contract_of_dummy_training() -> None:
    found = read_contract(Path(__file__).parents[2] / "dummy_training")
    assert list(found.error_codes) == [
        "INVALID_FORMAT",
        "INVALID_ARCHIVE",
        "UNSAFE_MEMBER",
        "INVALID_HYPERPARAMETERS",
    ]
    assert set(found.exit_codes) == {0, 1, 143}
    assert found.script.name == "dummy_training.py"
