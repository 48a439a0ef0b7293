"""Loaders: contracts of every form become the same `Contract`."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from harness.cli import cli
from harness.contracts import loaders
from harness.contracts.contract import LOADER_FIELDS, Contract, Input
from harness.errors import WrongContract
from harness.files import yaml_file

COPIER = Path(__file__).parent / "steps" / "copier"

INTERFACE = """\
registry:
  anything: [goes, here]
contract:
  entry_point: train.py
  source_dir: scripts
  description: Trains a model.
  inputs:
    input_path:
      path: /opt/ml/input/data
      required: true
      channels: [train, val]
    settings:
      path: /opt/ml/code/settings
      required: false
  outputs:
    model:
      path: /opt/ml/model
  arguments:
    job-type: training or scoring
    depth: 3
    name:
  job_arguments:
    - flag: --job_name
      source: the pipeline
  env_vars:
    required: [REGION]
    optional:
      LEVEL: 3
      FLAG: true
  framework_requirements:
    pandas: ">=2"
spec:
  also: somebody else's
"""

SCRIPT_CONTRACT = """
from dataclasses import dataclass, field

@dataclass
class ScriptContract:
    entry_point: str
    expected_input_paths: dict
    expected_output_paths: dict
    expected_arguments: dict = field(default_factory=dict)
    required_env_vars: list = field(default_factory=list)
    optional_env_vars: dict = field(default_factory=dict)
    framework_requirements: dict = field(default_factory=dict)
    description: str = ""

CONTRACT = ScriptContract(
    entry_point="prepare.py",
    expected_input_paths={"data": "/opt/ml/processing/input/data"},
    expected_output_paths={"result": "/opt/ml/processing/output/result"},
    expected_arguments={"job-type": "training"},
    required_env_vars=["REGION"],
    optional_env_vars={"LEVEL": "3"},
    framework_requirements={"pandas": ">=2"},
    description="Prepares the data.",
)
ALSO_KNOWN_AS = CONTRACT
"""


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def test_a_step_interface(tmp_path: Path) -> None:
    found = loaders.load(put(tmp_path / "train.step.yaml", INTERFACE))
    assert found == Contract(
        name="train",
        description="Trains a model.",
        entry_point="train.py",
        inputs={
            "input_path.train": Input(required=True, mounts=("/opt/ml/input/data/train",)),
            "input_path.val": Input(required=True, mounts=("/opt/ml/input/data/val",)),
            "settings": Input(required=False, mounts=("/opt/ml/code/settings",)),
        },
        outputs=found.outputs,
        arguments={
            "job-type": "training or scoring",
            "depth": "3",
            "name": "",
            "--job_name": "from the pipeline",
        },
        environment=found.environment,
        exit_codes=found.exit_codes,
        framework_requirements={"pandas": ">=2"},
        folder=tmp_path / "scripts",
        origin=tmp_path / "train.step.yaml",
        suite=tmp_path / "train.conformance.py",
        samples=tmp_path / "samples",
    )
    assert found.output_folders == ("/opt/ml/model",)
    assert found.environment.required == ("REGION",)
    assert found.environment.optional == {"LEVEL": "3", "FLAG": "True"}
    assert found.script == tmp_path / "scripts" / "train.py"


def test_the_code_may_be_in_another_folder(tmp_path: Path) -> None:
    interface = put(tmp_path / "train.step.yaml", INTERFACE)
    assert loaders.load(interface, Path("/code")).script == Path("/code/train.py")


def test_an_unknown_key_of_an_interface_is_a_warning(tmp_path: Path) -> None:
    text = INTERFACE.replace("  outputs:\n", "  colour: red\n  outputs:\n")
    text = text.replace("      required: false\n", "      required: false\n      shape: round\n")
    found = loaders.load(put(tmp_path / "train.step.yaml", text))
    assert found.warnings == (
        f"{tmp_path}/train.step.yaml:16: contract.colour: is not known here",
        f"{tmp_path}/train.step.yaml:15: contract.inputs.settings.shape: is not known here",
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("contract:\n", "contrakt:\n", 1, "contract: is required and missing"),
        ("  entry_point: train.py\n", "", 3, "contract.entry_point: is required and missing"),
        ("      required: true\n", "      required: maybe\n", 10, "contract.inputs.input_path"),
        ("      path: /opt/ml/model\n", "      path: model\n", 17, "contract.outputs.model.path"),
        ("    required: [REGION]\n", "    required: REGION\n", 26, "contract.env_vars.required"),
        ("    - flag: --job_name\n", "    - name: --job_name\n", 23, "contract.job_arguments.0.f"),
    ],
)
def test_an_error_in_an_interface_names_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    assert old in INTERFACE
    path = put(tmp_path / "train.step.yaml", INTERFACE.replace(old, new, 1))
    with pytest.raises(WrongContract) as caught:
        loaders.load(path)
    assert f"{path}:{line}: {what}" in caught.value.what


def test_a_script_contract_in_python(tmp_path: Path) -> None:
    found = loaders.load(put(tmp_path / "prepare_contract.py", SCRIPT_CONTRACT))
    assert found.name == "prepare_contract"
    assert found.script == tmp_path / "prepare.py"
    data = Input(required=True, mounts=("/opt/ml/processing/input/data",))
    assert found.inputs == {"data": data}
    assert found.output_folders == ("/opt/ml/processing/output/result",)
    assert found.arguments == {"job-type": "training"}
    assert found.environment.required == ("REGION",)
    assert found.environment.optional == {"LEVEL": "3"}
    assert found.framework_requirements == {"pandas": ">=2"}
    assert found.description == "Prepares the data."


def test_any_object_with_the_attributes_is_a_contract(tmp_path: Path) -> None:
    text = """
        class Contract:
            def __init__(self):
                self.entry_point = "x.py"
                self.expected_input_paths = {}
                self.expected_output_paths = {"out": "/opt/ml/processing/output"}
        MINE = Contract()
    """
    found = loaders.load(put(tmp_path / "x_contract.py", text))
    assert (found.entry_point, found.arguments) == ("x.py", {})


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"/opt/ml/processing/input/data"', '"data"', ":17: CONTRACT.expected_input_paths.data: "),
        ('entry_point="prepare.py"', "entry_point=3", ":16: CONTRACT.entry_point: "),
        ('required_env_vars=["REGION"]', "required_env_vars=[3]", "CONTRACT.required_env_vars.0"),
        ("CONTRACT = ScriptContract(", "import no_such_module\nX = dict(", ":15: the script"),
        ("    description=", "    nothing", ":24: the script contract cannot be executed: Syn"),
        ("ALSO_KNOWN_AS = CONTRACT", "import copy\nB = copy.copy(CONTRACT)", "several"),
        ("CONTRACT = ScriptContract(", "CONTRACT = dict(", "holds no script contract"),
        ("ALSO_KNOWN_AS = CONTRACT", "raise SystemExit(3)", ":25: the script contract cannot"),
    ],
)
def test_an_error_in_a_script_contract_names_the_attribute(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    assert old in SCRIPT_CONTRACT
    path = put(tmp_path / "prepare_contract.py", SCRIPT_CONTRACT.replace(old, new, 1))
    with pytest.raises(WrongContract) as caught:
        loaders.load(path)
    assert what in caught.value.what
    assert str(path) in caught.value.what


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongContract, match="is no contract that can be read"):
        loaders.load(put(tmp_path / "notes.txt", "x"))
    with pytest.raises(WrongContract, match="there is no contract"):
        loaders.load(tmp_path / "missing.step.yaml")


def test_the_schema_has_every_key_of_contract_yaml() -> None:
    schema = json.loads(CliRunner().invoke(cli, ["schema"]).output)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Contract.model_fields) - set(LOADER_FIELDS)
    assert set(schema["required"]) == {"name", "outputs", "exit_codes"}
    assert schema["anyOf"] == [{"required": ["entry_point"]}, {"required": ["module"]}]


def test_commands_accept_any_form_and_show_warnings(tmp_path: Path) -> None:
    text = """
        contract:
          entry_point: copier.py
          colour: red
          inputs: {text: {path: /opt/ml/processing/input/text, required: true}}
          outputs: {copy: {path: /opt/ml/processing/output/copy}}
    """
    interface = put(tmp_path / "copier.step.yaml", text)
    suite = (COPIER / "conformance.py").read_text()
    put(tmp_path / "copier.conformance.py", suite)
    command = ["check", str(interface), "--code", str(COPIER), "--jobs", "1"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    assert "warning: " in result.stderr
    assert "contract.colour" in result.stderr
    assert "copier: 24 cases" in result.stdout
    linted = CliRunner().invoke(
        cli, ["lint", str(interface), "--code", str(COPIER), "--select", "STEP401"]
    )
    assert linted.exit_code == 1
    assert "copier.py:12:1: STEP401" in linted.stdout


def test_a_script_contract_is_read_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    path = put(tmp_path / "x_contract.py", SCRIPT_CONTRACT)
    status = path.stat()
    first = loaders.load(path)
    changed = SCRIPT_CONTRACT.replace("/opt/ml/processing/input", "/opt/ml/processing/other")
    path.write_text(changed)
    # In the same second and of the same size: bytecode that is kept beside it would not tell.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(changed) == len(SCRIPT_CONTRACT)
    assert loaders.load(path).inputs != first.inputs
    assert [one.name for one in tmp_path.iterdir()] == ["x_contract.py"]


def test_the_script_of_a_contract_may_lie_in_a_folder(tmp_path: Path) -> None:
    text = (COPIER / "contract.yaml").read_text()
    schema = json.loads(CliRunner().invoke(cli, ["schema"]).output)

    def accepts(entry_point: str) -> bool:
        terms = {**yaml_file.read(COPIER / "contract.yaml"), "entry_point": entry_point}
        return bool(Draft202012Validator(schema).is_valid(json.loads(json.dumps(terms))))

    def load(entry_point: str, code: Path | None = None) -> Contract:
        wanted = text.replace("entry_point: copier.py", f"entry_point: {entry_point}")
        return loaders.load(put(tmp_path / "contract.yaml", wanted), code=code)

    name = "src/run/copier.py"
    assert (load(name).entry_point, load(name).script) == ("copier.py", tmp_path / name)
    assert load(name, COPIER).script == COPIER / "copier.py"
    assert accepts(name)
    for wrong in ("../copier.py", "src/../copier.py", "/src/copier.py", "src//copier.py", "src/"):
        with pytest.raises(WrongContract, match="entry_point"):
            load(wrong)
        assert not accepts(wrong)
