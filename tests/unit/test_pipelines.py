"""Pipeline definitions: recorded ones become contracts; errors name line and key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.contracts import loaders
from harness.contracts.contract import Unresolved
from harness.errors import HarnessError, WrongContract, WrongUse
from harness.lint import lint
from harness.runs.step import StepRef, load
from tests.sdk.expected import HERE, STEPS, VERSIONS, assert_contracts


@pytest.fixture
def document() -> Any:
    """The definition that the SDK 2 has created."""
    return json.loads((HERE / "definition_v2.json").read_text())


@pytest.fixture
def put(tmp_path: Path) -> Callable[[Any], Path]:
    def write(document: Any) -> Path:
        shutil.copytree(STEPS / "samples", tmp_path / "samples", dirs_exist_ok=True)
        path = tmp_path / "steps.pipeline.json"
        text = document if isinstance(document, str) else json.dumps(document, indent=1)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_definition(version: str) -> None:
    assert_contracts(HERE / f"definition_{version}.json", version)


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, [*words, "--code", str(STEPS)])


def test_check_runs_every_step_and_names_those_it_skips(
    document: Any, put: Callable[[Any], Path]
) -> None:
    result = run("check", str(put(document)), "--jobs", "1")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[-4:]] == [
        "Prepare",
        "Train",
        "Evaluate",
        "3",
    ]
    assert "warning: BuiltIn is passed over: " in result.stderr
    assert "the argument execution is known only when the pipeline runs" in result.stderr
    assert "the variable LEVEL is known only when the pipeline runs" in result.stderr


def test_step_selects_one_for_every_command(document: Any, put: Callable[[Any], Path]) -> None:
    path = str(put(document))
    listed = run("list", path, "--step", "Train").stdout.split()
    assert listed[:3] == ["train=absent", "train=empty", "train=present"]
    shown = run("replay", path, "train=present", "--step", "Train")
    assert shown.exit_code == 0, shown.output
    assert run("lint", path, "--step", "Evaluate").exit_code == 0
    checked = run("check", path, "--step", "Evaluate", "--jobs", "1")
    assert "Evaluate: 19 cases" in checked.stdout
    in_folder = run("check", str(Path(path).parent), "--step", "Evaluate", "--jobs", "1")
    assert "19 passed" in in_folder.stdout


@pytest.mark.parametrize("command", ["list", "parity"])
def test_a_command_on_one_step_demands_a_choice(
    command: str, document: Any, put: Callable[[Any], Path]
) -> None:
    result = run(command, str(put(document)))
    assert result.exit_code == 2
    assert "holds several steps: Prepare, Train, Evaluate; pick one with --step" in result.output


def test_an_unknown_step(document: Any, put: Callable[[Any], Path]) -> None:
    path = put(document)
    with pytest.raises(WrongUse, match=r"no step 'Trian'") as caught:
        loaders.load(path, STEPS, "Trian")
    assert caught.value.hint == "it has: Prepare, Train, Evaluate, BuiltIn"
    with pytest.raises(WrongUse, match="pick one with --step"):
        loaders.load(path, STEPS)
    with pytest.raises(WrongUse, match="has no step 'Trian'"):
        loaders.find_steps(path.parent, "Trian")
    with pytest.raises(WrongUse, match="holds one step"):
        loaders.find_steps(
            STEPS.parents[1] / "unit" / "steps" / "copier" / "contract.yaml", "copier"
        )
    with pytest.raises(WrongContract, match="runs no Python script"):
        loaders.load(path, STEPS, "BuiltIn")


def test_the_only_step_needs_no_name(document: Any, put: Callable[[Any], Path]) -> None:
    document["Steps"] = document["Steps"][:1]
    assert loaders.load(put(document), STEPS).name == "Prepare"
    assert "prepare" not in run("list", str(put(document))).stdout
    assert run("list", str(put(document))).exit_code == 0


def test_job_settings_are_set_in_every_case(document: Any, put: Callable[[Any], Path]) -> None:
    path = put(document)
    matrix = load(StepRef(path, code=STEPS, step="Prepare")).matrix
    assert matrix.ids[:3] == ("raw=absent", "raw=empty", "raw=present")
    case, _ = matrix.case("raw=present")
    assert case.arguments == ("--unit", "words", "--execution", "abc123")
    assert case.environment["UNIT"] == "words"
    assert case.environment["LEVEL"] == "high"
    assert case.script == "/opt/ml/processing/input/code/prepare.py"
    told = case.tree.get("/opt/ml/config/processingjobconfig.json")
    assert told is not None
    asked = document["Steps"][0]["Arguments"]["AppSpecification"]["ImageUri"]
    assert json.loads(told.data)["AppSpecification"]["ImageUri"] == asked
    train, _ = load(StepRef(path, code=STEPS, step="Train")).matrix.case("train=present")
    assert train.arguments == ("--batch-size", "8", "--epochs", "3", "--optimizer", "adam")
    assert train.environment["SM_HP_OPTIMIZER"] == "adam"
    assert train.environment["SEED"] == "7"
    config = train.tree.get("/opt/ml/input/config/hyperparameters.json")
    assert config is not None
    assert json.loads(config.data)["sagemaker_program"] == '"train.py"'


@pytest.mark.parametrize("of_all", [True, False])
def test_a_channel_that_is_streamed_is_told_so(
    document: Any, put: Callable[[Any], Path], of_all: bool
) -> None:
    training = document["Steps"][1]["Arguments"]
    assert "HyperParameters" in training
    if of_all:
        training["AlgorithmSpecification"]["TrainingInputMode"] = "FastFile"
    else:
        training["InputDataConfig"][0]["InputMode"] = "FastFile"
    train, _ = load(StepRef(put(document), code=STEPS, step="Train")).matrix.case("train=present")
    told = train.tree.get("/opt/ml/input/config/inputdataconfig.json")
    assert told is not None
    assert json.loads(told.data)["train"]["TrainingInputMode"] == "FastFile"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("arguments.json", "give execution a value in"),
        ("environment.json", "give LEVEL a value in"),
    ],
)
def test_an_unresolved_value_without_a_sample_is_not_proven(
    document: Any, put: Callable[[Any], Path], file: str, message: str
) -> None:
    path = put(document)
    (path.parent / "samples" / "Prepare" / file).unlink()
    matrix = load(StepRef(path, code=STEPS, step="Prepare")).matrix
    assert matrix.ids == ()
    assert all(message in why and "Get" in why for why in matrix.unproven.values())
    result = run("check", str(path), "--step", "Prepare", "--jobs", "1")
    assert result.exit_code == 1
    assert "18 not proven" in result.stdout


def test_the_steps_conform_to_lint() -> None:
    for version in VERSIONS:
        for name in ("Prepare", "Train", "Evaluate"):
            contract = loaders.load(HERE / f"definition_{version}.json", STEPS, name)
            assert lint(contract, contract.script, contract.script.read_bytes()) == ()


def test_a_script_that_the_definition_does_not_name(tmp_path: Path) -> None:
    definition = HERE / "definition_v3.json"
    with pytest.raises(WrongContract, match=r"sm_train\.sh starts a script") as caught:
        loaders.load(definition, tmp_path, "Train")
    assert "name it with --script" in caught.value.hint
    (tmp_path / "fit.py").write_text("")
    assert loaders.load(definition, tmp_path, "Train").entry_point == "fit.py"
    (tmp_path / "more.py").write_text("")
    with pytest.raises(WrongContract, match=r"sm_train\.sh starts a script"):
        loaders.load(definition, tmp_path, "Train")
    (tmp_path / "tra_in.py").write_text("")
    assert loaders.load(definition, tmp_path, "Train").entry_point == "tra_in.py"
    other = Path("elsewhere/my.py")
    assert loaders.load(definition, tmp_path, "Train", other).entry_point == "my.py"


def arguments(document: Any, step: int = 0) -> Any:
    return document["Steps"][step]["Arguments"]


def test_expressions(document: Any, put: Callable[[Any], Path]) -> None:
    join = {"On": "-", "Values": ["a", {"Get": "Parameters.Epochs"}, 5, True]}
    arguments(document)["Environment"] = {
        "TEXT": "x",
        "DEFAULT": {"Get": "Parameters.Epochs"},
        "JOIN": {"Std:Join": join},
        "OPEN": {"Std:Join": {"On": "", "Values": ["a", {"Get": "Steps.Train.Something"}]}},
        "JSON": {"Std:JsonGet": {"PropertyFile": {}, "Path": "a"}},
    }
    settings = loaders.load(put(document), STEPS, "Prepare").job
    assert settings is not None
    values = dict(settings.environment)
    unresolved = {name: values.pop(name) for name in ("OPEN", "JSON")}
    assert values == {"TEXT": "x", "DEFAULT": "3", "JOIN": "a-3-5-true"}
    assert all(isinstance(one, Unresolved) for one in unresolved.values())


def test_code_in_another_folder_of_the_image(document: Any, put: Callable[[Any], Path]) -> None:
    arguments(document)["AppSpecification"] = {
        "ImageUri": "x",
        "ContainerEntrypoint": ["python3", "-u", "/opt/program/prepare.py", "--unit", "words"],
        "ContainerArguments": ["--execution=5"],
    }
    path = put(document)
    contract = loaders.load(path, STEPS, "Prepare")
    assert list(contract.arguments) == ["--unit", "--execution"]
    case, _ = load(StepRef(path, code=STEPS, step="Prepare")).matrix.case("raw=absent")
    assert case.script == "/opt/program/prepare.py"
    assert case.arguments == ("--unit", "words", "--execution=5")


SCRIPT_THERE = "/opt/ml/processing/input/code/prepare.py"


@pytest.mark.parametrize(
    "command",
    [
        ["python3", SCRIPT_THERE, "--unit", "words"],
        ["sh", "-c", f"python3 {SCRIPT_THERE} --unit words"],
        ["/bin/bash", "-lc", f"exec python3 -u {SCRIPT_THERE} --unit 'words'"],
        # A module of somebody else's, which starts the script.
        ["python3", "-m", "torch.distributed.run", "--nnodes=1", SCRIPT_THERE, "--unit", "words"],
    ],
    ids=["python", "sh", "bash", "launcher"],
)
def test_a_command_that_starts_the_script(
    document: Any, put: Callable[[Any], Path], command: list[str]
) -> None:
    arguments(document)["AppSpecification"] = {"ImageUri": "x", "ContainerEntrypoint": command}
    contract = loaders.load(put(document), STEPS, "Prepare")
    assert contract.entry_point == "prepare.py"
    assert contract.job is not None
    assert contract.job.arguments == ("--unit", "words")


@pytest.mark.parametrize("text", ["pip install x && python3 a.py --b 1", "python3 'a.py --b 1"])
def test_a_shell_with_more_than_one_program_is_passed_over(
    document: Any, put: Callable[[Any], Path], text: str
) -> None:
    command = {"ImageUri": "x", "ContainerEntrypoint": ["sh", "-c", text]}
    arguments(document)["AppSpecification"] = command
    with pytest.raises(WrongContract, match="runs no Python script"):
        loaders.load(put(document), STEPS, "Prepare")


def test_an_input_that_holds_the_script_is_code(document: Any, put: Callable[[Any], Path]) -> None:
    arguments(document)["AppSpecification"] = {
        "ImageUri": "x",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/jobs/src/prepare.py"],
    }
    mounted = {"S3Uri": "s3://b/c", "S3DataType": "S3Prefix"}
    for name in ("jobs", "more"):
        place = {**mounted, "LocalPath": f"/opt/ml/processing/{name}"}
        arguments(document)["ProcessingInputs"].append({"InputName": name, "S3Input": place})
    contract = loaders.load(put(document), STEPS, "Prepare")
    assert "more" in contract.inputs
    assert "jobs" not in contract.inputs


def test_an_output_that_the_container_stores_itself_has_no_folder(
    document: Any, put: Callable[[Any], Path]
) -> None:
    outputs = arguments(document)["ProcessingOutputConfig"]["Outputs"]
    names = [one["OutputName"] for one in outputs]
    store = {"FeatureGroupName": "words"}
    outputs.append({"OutputName": "features", "AppManaged": True, "FeatureStoreOutput": store})
    assert list(loaders.load(put(document), STEPS, "Prepare").outputs) == names


def test_a_body_of_a_loop_counts(document: Any, put: Callable[[Any], Path]) -> None:
    inner = document["Steps"].pop(0)
    loop = {"Name": "Loop", "Type": "ForEach", "Arguments": {"ForEachBody": [inner]}}
    document["Steps"].append(loop)
    assert loaders.load(put(document), STEPS, "Prepare").entry_point == "prepare.py"


def break_steps(document: Any) -> None:
    document["Steps"] = {}


def break_name(document: Any) -> None:
    del document["Steps"][0]["Name"]


def duplicate_step(document: Any) -> None:
    document["Steps"][1]["Name"] = "Prepare"


def break_app(document: Any) -> None:
    del arguments(document)["AppSpecification"]


def break_entry_point(document: Any) -> None:
    arguments(document)["AppSpecification"]["ContainerEntrypoint"] = "python3"


def break_local_path(document: Any) -> None:
    arguments(document)["ProcessingInputs"][0]["S3Input"]["LocalPath"] = {"Get": "Parameters.Level"}


def break_input(document: Any) -> None:
    del arguments(document)["ProcessingInputs"][0]["S3Input"]


def break_output(document: Any) -> None:
    del arguments(document)["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["LocalPath"]


def break_variable(document: Any) -> None:
    arguments(document)["Environment"]["UNIT"] = ["words"]


def break_parameter(document: Any) -> None:
    arguments(document)["Environment"]["UNIT"] = {"Get": "Parameters.Nonesuch"}


def break_operator(document: Any) -> None:
    arguments(document)["Environment"]["UNIT"] = {"Fn::Join": []}


def break_join(document: Any) -> None:
    arguments(document)["Environment"]["UNIT"] = {"Std:Join": {"On": ""}}


def break_parameters(document: Any) -> None:
    document["Parameters"][0]["DefaultValue"] = [3]


def pipe_input(document: Any) -> None:
    arguments(document)["ProcessingInputs"][0]["S3Input"]["S3InputMode"] = "Pipe"


def duplicate_input(document: Any) -> None:
    arguments(document)["ProcessingInputs"][1]["InputName"] = "raw"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (break_steps, "Steps: a pipeline definition has a list of steps here"),
        (break_name, "Steps.0.Name: is required and missing"),
        (duplicate_step, "Steps.0.Name: two steps are named Prepare"),
        (break_app, "Steps.0.Arguments.AppSpecification: is required and missing"),
        (break_entry_point, "Steps.0.Arguments.AppSpecification.ContainerEntrypoint: should be"),
        (break_local_path, "ProcessingInputs.0.S3Input.LocalPath: is not an absolute path"),
        (break_input, "ProcessingInputs.0.S3Input: is required and missing"),
        (break_output, "Outputs.0.S3Output.LocalPath: is required and missing"),
        (break_variable, "Steps.0.Arguments.Environment.UNIT: is neither a text nor an expression"),
        (break_parameter, "Environment.UNIT: there is no parameter Nonesuch"),
        (break_operator, "Environment.UNIT: Fn::Join is no expression"),
        (break_join, "Environment.UNIT.Std:Join.Values: is required and missing"),
        (break_parameters, "Parameters.0.DefaultValue"),
        (pipe_input, "ProcessingInputs.0.S3Input.S3InputMode: gives the script no files"),
        (duplicate_input, "ProcessingInputs.1.InputName: two inputs are named raw"),
    ],
)
def test_an_error_names_file_line_and_key(
    document: Any, put: Callable[[Any], Path], edit: Callable[[Any], None], message: str
) -> None:
    edit(document)
    path = put(document)
    with pytest.raises(WrongContract) as caught:
        loaders.load(path, STEPS, "Prepare")
    file, line, rest = caught.value.what.split(":", 2)
    assert file == str(path)
    assert message in rest
    key = message.split(":")[0].rpartition(".")[2]
    lines = path.read_text().splitlines()
    # The line of a missing key is that of its parent.
    assert key in lines[int(line) - 1] or "missing" in message or key.isdigit()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: is not JSON"),
        ("[]", ":1: holds no JSON object"),
        ('{"Steps": [\n}', ":2: is not JSON"),
        ('{"Steps": [],\n\t"Steps": []}', ":2: Steps: is there twice"),
        ('{"Steps": []}', ":1: Steps: none of them is a Processing or a Training step"),
        ('{"Steps": [\n3]}', ":2: Steps.0: should be a mapping"),
        ('{\n\t"Steps": [\n\t\t{"Name": 3}]}', ":3: Steps.0.Name"),
        ("[" * 100_000, ":1: is nested too deeply"),
    ],
)
def test_a_file_that_is_no_definition(put: Callable[[Any], Path], text: str, message: str) -> None:
    path = put(text)
    with pytest.raises(HarnessError) as caught:
        loaders.load(path)
    assert f"{path}{message}" in caught.value.what


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"Steps":\n "\xff"}')
    with pytest.raises(WrongContract, match=r"x\.json:2: is not UTF-8"):
        loaders.load(path)
    path.write_bytes(b"\xef\xbb\xbf" + (HERE / "definition_v2.json").read_bytes())
    assert loaders.load(path, STEPS, "Train").name == "Train"


TRAIN_IN_A_FOLDER = """
import argparse, os, sys
from src.helper import SUFFIX
assert os.getcwd() == "/opt/ml/code" and __file__.endswith("/opt/ml/code/src/train.py")
import sibling
try:
    rows = open("/opt/ml/input/data/train/rows.txt").read()
except OSError as error:
    sys.exit(str(error))
open("/opt/ml/model/model.txt", "w").write(rows + SUFFIX + sibling.NAME)
"""


def training(name: str, program: str) -> Any:
    job = {
        "AlgorithmSpecification": {},
        "InputDataConfig": [{"ChannelName": "train"}],
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
        "HyperParameters": {"sagemaker_program": json.dumps(program)},
    }
    return {"Name": name, "Type": "Training", "Arguments": job}


def put_files(folder: Path, steps: list[Any], files: dict[str, str]) -> str:
    definition = json.dumps({"Version": "2020-12-01", "Steps": steps}, indent=1)
    for name, text in {**files, "definition.json": definition}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(folder / "definition.json")


@pytest.mark.parametrize("program", ["src/train.py", "./src/train.py"])
def test_a_script_in_a_subfolder_is_run_from_the_folder_of_all_code(
    tmp_path: Path, program: str
) -> None:
    files = {
        "src/train.py": TRAIN_IN_A_FOLDER,
        "src/__init__.py": "",
        "src/helper.py": "SUFFIX = '.'",
        "src/sibling.py": "NAME = 'a'",
        "samples/Train/train/rows.txt": "a",
    }
    path = put_files(tmp_path, [training("Train", program)], files)
    checked = CliRunner().invoke(cli, ["check", path, "--jobs", "1", "--case", "train=present"])
    assert checked.exit_code == 0, checked.output
    case, _ = load(StepRef(Path(path))).matrix.case("train=present")
    assert case.environment["SM_USER_ENTRY_POINT"] == "src/train.py"
    assert case.environment["PYTHONPATH"] == "/opt/ml/code:/usr/local/bin"


@pytest.mark.parametrize("program", ["_repack_script_launcher.sh", "run.sh", "my-package"])
def test_a_training_job_that_runs_no_python_script_is_passed_over(
    tmp_path: Path, program: str
) -> None:
    files = {
        "train.py": "import sys; sys.exit(open('/opt/ml/input/data/train/rows.txt').close())",
        "run.sh": "#!/bin/sh\nexit 0\n",
        "samples/Train/train/rows.txt": "a",
    }
    steps = [training("Train", "train.py"), training("Other", program)]
    path = put_files(tmp_path, steps, files)
    for command in (["check", path, "--jobs", "1", "--case", "train=absent"], ["lint", path]):
        done = CliRunner().invoke(cli, command)
        assert done.exit_code in (0, 1), done.output
        assert f"Other is passed over: {path}:" in done.stderr
        assert f"runs {program}, which is no Python script" in done.stderr
