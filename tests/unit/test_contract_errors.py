"""Every error of a contract file at once, each with file, line, key and the nearest known key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import WrongContract
from harness.runs.step import read_contract
from tests.sdk.expected import HERE, STEPS

CONTRACT = """\
name: x
entrypoint: x.py
inputs:
  data:
    requird: true
    mounts: [data]
outputs:
  out: {path: out, requird: yes please}
environment:
  required: [A, A]
  optional: {A: 1}
waivers:
  exitcode: the job sets it
  log: ""
exit_codes:
  zero: ok
folder: /here
"""
INTERFACE = """\
contract:
  entry_pint: x.py
  inputs:
    data: {path: data, required: maybe}
  outputs: {}
  env_vars:
    required: [data, A]
    optional: {A: 1}
  waivers: {exitcode: why}
"""
PYTHON = """\
from types import SimpleNamespace

CONTRACT = SimpleNamespace(
    entry_point=3,
    expected_input_paths={"data": "data"},
    expected_output_paths={"out": "/out"},
    required_env_vars=[4],
)
"""


def lines_of(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(WrongContract) as caught:
        read_contract(path)
    lines = caught.value.what.splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_contract_yaml(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "contract.yaml", CONTRACT)
    wanted = [
        "1: entry_point: is required and missing",
        "2: entrypoint: is not a key that is known here; the nearest is entry_point",
        "4: inputs.data.required: is required and missing",
        "5: inputs.data.requird: is not a key that is known here; the nearest is required",
        "6: inputs.data.mounts.0: should be an absolute path, got",
        "8: outputs.out.path: should be an absolute path",
        "8: outputs.out.requird: is not a key that is known here; the nearest is required",
        "10: environment.required.1: A is there twice",
        "11: environment.optional.A: should be a text, got 1",
        "13: waivers.exitcode: is no promise; they are: exit-code, ",
        "14: waivers.log: string should have at least 1",
        "16: exit_codes.zero: as a key, should be a whole number",
        "17: folder: is not a key that is known here",
    ]
    assert [line[: len(one)] for line, one in zip(lines, wanted, strict=True)] == wanted
    assert lines[9].endswith("; the nearest is exit-code")


def test_what_is_no_mapping_or_no_key_is_told_with_the_keys_that_are(tmp_path: Path) -> None:
    text = """\
name: x
entry_point: x.py
inputs: {}
environment: {MODE: fast}
outputs:
  out: {path: /opt/ml/model, files: {a.csv: {columns: [id, sum]}}}
exit_codes: {0: done}
"""
    assert lines_of(tmp_path / "contract.yaml", text) == [
        "4: environment.MODE: is not a key that is known here; known: required, optional, always",
        "6: outputs.out.files.a.csv.columns: should be a mapping (known: same_as), "
        "got ['id', 'sum']",
    ]


def test_a_step_interface(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "x.step.yaml", INTERFACE)
    wanted = [
        "1: contract.entry_point: is required and missing",
        "4: contract.inputs.data.path: should be an absolute path",
        "4: contract.inputs.data.required: should be true or false, got 'maybe'",
        "5: contract.outputs: is empty",
        "8: contract.env_vars.optional.A: is a required variable too",
        "9: contract.waivers.exitcode: is no promise",
    ]
    assert [line[: len(one)] for line, one in zip(lines, wanted, strict=True)] == wanted


def test_an_unknown_key_of_an_interface_has_a_nearest_key(tmp_path: Path) -> None:
    path = tmp_path / "x.step.yaml"
    path.write_text("contract:\n  entry_point: x.py\n  sinks: true\n  sink: true\n  output: {}\n")
    assert [one.partition(": contract.")[2] for one in read_contract(path).warnings] == [
        "sinks: is not known here",
        "output: is not known here; the nearest is outputs",
    ]


def test_the_nearest_step_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(WrongContract) as caught:
        read_contract(tmp_path / "trian")
    assert caught.value.hint == f"the nearest is {tmp_path / 'train'}"


def test_a_section_with_another_name(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path / "x.step.yaml", INTERFACE.replace("contract:", "contrakt:"))
    assert line == "1: contract: is required and missing; the nearest is contrakt"


def test_a_script_contract(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "x_contract.py", PYTHON)
    wanted = [
        "4: CONTRACT.entry_point: should be a text, got 3",
        "5: CONTRACT.expected_input_paths.data: should be an absolute path",
        "7: CONTRACT.required_env_vars.0: should be a text, got 4",
    ]
    assert [line[: len(one)] for line, one in zip(lines, wanted, strict=True)] == wanted


def test_a_pipeline(tmp_path: Path) -> None:
    document = json.loads((HERE / "definition_v2.json").read_text())
    arguments = document["Steps"][0]["Arguments"]
    arguments["ProcessingInputs"][0]["S3Input"]["LocalPath"] = "data"
    arguments["ProcessingInputs"][1]["InputName"] = arguments["ProcessingInputs"][0]["InputName"]
    del arguments["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]
    arguments["Environment"]["UNIT"] = ["words"]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document, indent=1))
    with pytest.raises(WrongContract) as caught:
        read_contract(path, STEPS, "Prepare")
    keys = [
        line.split(": ")[1].rpartition("Arguments.")[2] for line in caught.value.what.splitlines()
    ]
    assert sorted(keys) == [
        "Environment.UNIT",
        "ProcessingInputs.0.S3Input.LocalPath",
        "ProcessingInputs.1.InputName",
        "ProcessingOutputConfig.Outputs.0.S3Output",
    ]
    lines = [int(line.split(":")[1]) for line in caught.value.what.splitlines()]
    assert lines == sorted(lines)
