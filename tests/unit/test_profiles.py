"""Types of job: the files and variables of each, and errors in profiles."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import WrongContract, WrongUse
from harness.files.placeholders import Scope, fill
from harness.runs.step import StepRef, load
from harness.worlds import jobs
from harness.worlds.jobs import PROCESSING, TRAINING, Request
from harness.worlds.tree import Tree

COPIER = Path(__file__).parent / "steps" / "copier"
OUTPUT = "/opt/ml/processing/output/copy"
REQUEST = Request(
    script="train.py",
    environment={"REGION": "eu-west-1"},
    hyperparameters={
        "epochs": "3",
        "batch-size": "8",
        "optimizer": '"adam"',
        "nothing": "null",
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://here/sourcedir.tar.gz"',
    },
)
# Every variable that the training toolkit is known to set, for one channel and the above.
TOOLKIT = """
    SM_MODEL_DIR SM_CHANNEL_TRAIN SM_CHANNELS SM_HPS SM_HP_EPOCHS SM_OUTPUT_DATA_DIR SM_INPUT_DIR
    SM_INPUT_CONFIG_DIR SM_OUTPUT_DIR SM_HOSTS SM_CURRENT_HOST SM_NUM_CPUS SM_NUM_GPUS SM_MODULE_DIR
    SM_MODULE_NAME SM_USER_ARGS SM_TRAINING_ENV SM_USER_ENTRY_POINT SM_RESOURCE_CONFIG
    SM_INPUT_DATA_CONFIG SM_NETWORK_INTERFACE_NAME SM_LOG_LEVEL SM_FRAMEWORK_PARAMS
    SM_OUTPUT_INTERMEDIATE_DIR TRAINING_JOB_NAME TRAINING_JOB_ARN REGION
"""


def content(tree: Tree, path: str) -> object:
    entry = tree.get(path)
    assert entry is not None
    return json.loads(entry.data)


def test_a_training_job() -> None:
    request = replace(REQUEST, content_types={"test": "text/csv"})
    tree = Tree.for_job(TRAINING, request=request).with_channel("train")
    variables = tree.environment
    assert set(TOOLKIT.split()) <= set(variables)
    assert variables["SM_CHANNELS"] == '["train"]'
    assert variables["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert (variables["SM_MODULE_NAME"], variables["SM_MODULE_DIR"]) == (
        "train",
        "s3://here/sourcedir.tar.gz",
    )
    assert json.loads(variables["SM_HPS"]) == {
        "epochs": 3,
        "batch-size": 8,
        "optimizer": "adam",
        "nothing": None,
    }
    assert (variables["SM_HP_OPTIMIZER"], variables["SM_HP_NOTHING"]) == ("adam", "")
    # As the toolkit does it: sorted, every value as Python prints it, and None as nothing.
    words = ["--batch-size", "8", "--epochs", "3", "--nothing", "", "--optimizer", "adam"]
    assert json.loads(variables["SM_USER_ARGS"]) == words
    assert TRAINING.arguments(REQUEST) == tuple(words)
    training_env = json.loads(variables["SM_TRAINING_ENV"])
    assert training_env["channel_input_dirs"] == {"train": "/opt/ml/input/data/train"}
    assert training_env["hyperparameters"]["optimizer"] == "adam"
    config = "/opt/ml/input/config"
    assert content(tree, f"{config}/hyperparameters.json") == REQUEST.hyperparameters
    assert content(tree, f"{config}/inputdataconfig.json") == {
        "train": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    }
    assert json.loads(variables["SM_INPUT_DATA_CONFIG"]) == content(
        tree, f"{config}/inputdataconfig.json"
    )
    resources = content(tree, f"{config}/resourceconfig.json")
    assert isinstance(resources, dict)
    assert set(resources) == {
        "current_host",
        "hosts",
        "network_interface_name",
        "current_instance_type",
        "current_group_name",
        "instance_groups",
    }


def test_a_processing_job() -> None:
    request = Request(script="copy.py", arguments=("--n", "1"), environment={"A": "b"})
    tree = Tree.for_job(PROCESSING, {"copy": OUTPUT}, request).with_channel("text")
    assert tree.environment == {"A": "b"}
    assert OUTPUT in tree
    config = content(tree, "/opt/ml/config/processingjobconfig.json")
    assert isinstance(config, dict)
    assert config["AppSpecification"] == {
        "ImageUri": "step:latest",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/copy.py"],
        "ContainerArguments": ["--n", "1"],
    }
    assert config["Environment"] == {"A": "b"}
    assert [one["InputName"] for one in config["ProcessingInputs"]] == ["text", "code"]
    assert config["ProcessingInputs"][0]["S3Input"]["LocalPath"] == "/opt/ml/processing/input/text"
    outputs = config["ProcessingOutputConfig"]["Outputs"]
    assert [(one["OutputName"], one["S3Output"]["LocalPath"]) for one in outputs] == [
        ("copy", OUTPUT)
    ]
    assert set(config) == {
        "ProcessingJobArn",
        "ProcessingJobName",
        "AppSpecification",
        "Environment",
        "ProcessingInputs",
        "ProcessingOutputConfig",
        "ProcessingResources",
        "RoleArn",
        "StoppingCondition",
    }
    assert content(tree, "/opt/ml/config/resourceconfig.json") == {
        "current_host": "algo-1",
        "hosts": ["algo-1"],
    }


def test_a_framework_processing_job_runs_a_folder_through_a_shell_script() -> None:
    tree = Tree.for_job(jobs.profile("framework-processing"), request=Request(script="copy.py"))
    entry = tree.get("/opt/ml/processing/input/entrypoint/runproc.sh")
    assert entry is not None
    assert entry.data.endswith(b'\npython3 copy.py "$@"\n')


def test_a_model_trainer_job_has_its_code_and_drivers_as_channels() -> None:
    job = jobs.profile("model-trainer")
    tree = Tree.for_job(job, request=REQUEST).with_channel("train")
    assert json.loads(tree.environment["SM_CHANNELS"]) == ["train", "code", "sm_drivers"]
    assert tree.environment["SM_HP_BATCH_SIZE"] == "8"
    assert tree.environment["SM_HP_NOTHING"] == "null"
    assert tree.environment["SM_ENTRY_SCRIPT"] == "train.py"
    assert job.arguments(REQUEST)[:4] == ("--epochs", "3", "--batch-size", "8")
    config = content(tree, "/opt/ml/input/config/inputdataconfig.json")
    assert isinstance(config, dict)
    assert set(config) == {"code", "sm_drivers", "train"}


@pytest.mark.parametrize("name", jobs.built_in())
def test_every_built_in_profile_accepts_an_empty_request(name: str) -> None:
    job = jobs.profile(name)
    assert job.name == name
    assert job.description
    for data in job.file_contents(Request()).values():
        assert b"$channel" not in data
    assert not any("$" in value for value in job.variables(Request()).values())


def test_placeholders() -> None:
    group = frozenset(("x", "X"))
    scope = Scope({"n": [1], "t": "text"}, {group: [{"x": "a", "X": "A"}, {"x": "b", "X": "B"}]})
    assert fill("$n", scope) == [1]
    assert fill("${t}s $n $$t", scope) == "texts [1] $t"
    assert fill({"k_$X": "$x", "z": 3}, scope) == {"k_A": "a", "k_B": "b", "z": 3}
    assert fill([{"of": "$x"}, "$t"], scope) == [{"of": "a"}, {"of": "b"}, "text"]
    assert fill({"$x": ["$X"]}, scope) == {"a": ["A"], "b": ["B"]}


def profile_of(tmp_path: Path, **changes: str) -> Path:
    """A profile file; each change replaces a line, or adds one."""
    lines = {
        "name": "name: mine",
        "mounts": "mounts: /data",
        "channels": "channels: /data",
        "code": "code: /program",
        "working_directory": "working_directory: /program",
        "makes_outputs": "makes_outputs: true",
        "arguments_from": "arguments_from: job",
        "environment": "environment: {CHANNEL_$CHANNEL: $channel_folder}",
        **changes,
    }
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(line for line in lines.values() if line) + "\n")
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mounts": "mounts: data"}, ":2: mounts: should be an absolute path"),
        ({"code": ""}, ":1: code: is required and missing"),
        ({"makes_outputs": "makes_outputs: 1"}, ":6: makes_outputs: should be true or fa"),
        ({"arguments_from": "arguments_from: me"}, ":7: arguments_from: input should be 'job'"),
        ({"more": "colour: red"}, ":9: colour: is not a key that is known here"),
        ({"environment": "environment: {A: $nonesuch}"}, ":8: environment.A: there is no $nonesuc"),
        ({"environment": "environment: {A: $channel}"}, ":8: environment.A: there is no $channel"),
        ({"environment": "environment: {A: 5 $}"}, ":8: environment.A: a dollar sign that"),
        ({"config": "config: {/x: [$output, {a: $z}]}"}, ":9: config./x.1.a: there is no $z"),
        ({"config": "config: {x: 1}"}, ":9: config.x"),
        ({"name": "name: [a"}, "is not YAML"),
        ({"name": "name: mine\nname: again"}, ":2: is not YAML"),
    ],
)
def test_an_error_in_a_profile_names_file_line_and_key(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    path = profile_of(tmp_path, **changes)
    with pytest.raises(WrongContract) as caught:
        jobs.profile(str(path))
    assert caught.value.what.startswith(str(path))
    assert message in caught.value.what
    result = CliRunner().invoke(cli, ["list", str(interface(tmp_path)), "--profile", str(path)])
    assert isinstance(result.exception, WrongContract)
    assert result.exception.exit_code == 2


def test_an_unknown_profile() -> None:
    with pytest.raises(WrongUse, match="model-trainer, own-container, processing, training"):
        jobs.profile("nonesuch")


def interface(tmp_path: Path, mounts: str = "/opt/ml/processing/input/text") -> Path:
    path = tmp_path / "copier.step.yaml"
    path.write_text(
        "contract:\n"
        "  entry_point: copier.py\n"
        f"  inputs: {{text: {{path: {mounts}, required: true}}}}\n"
        "  outputs: {copy: {path: /opt/ml/processing/output/copy}}\n"
        "  arguments: {epochs: how many}\n"
    )
    (tmp_path / "copier.py").write_text("")
    (tmp_path / "samples").mkdir(exist_ok=True)
    (tmp_path / "samples" / "arguments.json").write_text('{"epochs": "3"}')
    return path


def test_a_profile_overrides_the_job_of_a_derived_suite(tmp_path: Path) -> None:
    step = interface(tmp_path)
    case, _ = load(StepRef(step)).matrix.case("text=empty")
    assert (case.script, case.cwd) == ("/opt/ml/processing/input/code/copier.py", "/")
    case, _ = load(StepRef(step, profile="framework-processing")).matrix.case("text=empty")
    assert case.cwd == "/opt/ml/processing/input/code"
    assert "/opt/ml/processing/input/text" in case.tree
    assert case.arguments == ("--epochs", "3")
    case, _ = load(
        StepRef(interface(tmp_path, "/opt/ml/input/data/text"), profile="model-trainer")
    ).matrix.case("text=empty")
    assert case.environment["SM_HP_EPOCHS"] == "3"
    assert case.arguments == ("--epochs", "3")
    assert case.script == "/opt/ml/input/data/code/copier.py"


def test_a_profile_in_a_file(tmp_path: Path) -> None:
    path = profile_of(tmp_path)
    ref = StepRef(interface(tmp_path, "/data/text"), profile=str(path))
    case, _ = load(ref).matrix.case("text=empty")
    assert case.script == "/program/copier.py"
    assert case.environment["CHANNEL_TEXT"] == "/data/text"


def test_a_profile_that_cannot_mount_an_input_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"mounts inputs below /opt/ml/input/data; .* of text"):
        load(StepRef(interface(tmp_path), profile="training"))


def test_a_profile_is_refused_for_a_step_with_a_suite() -> None:
    for command in ("list", "check", "parity"):
        result = CliRunner().invoke(cli, [command, str(COPIER), "--profile", "training"])
        assert isinstance(result.exception, WrongUse), result.output
        assert "conformance.py says itself" in str(result.exception)


def test_replay_commands_have_the_profile(tmp_path: Path) -> None:
    command = ["check", str(interface(tmp_path)), "--profile", "framework-processing"]
    result = CliRunner().invoke(cli, [*command, "--jobs", "1", "--case", "text=empty"])
    assert result.exit_code == 1
    assert "--profile framework-processing text=empty" in result.output


def test_cached_contents_are_not_shared() -> None:
    """Files and variables are cached by request, and callers get copies."""
    job = jobs.profile("training")
    first, second = Request(channels=("a",)), Request(channels=("a", "b"))
    files, variables = dict(job.file_contents(first)), dict(job.variables(first))
    job.file_contents(first).clear()  # type: ignore[attr-defined]
    job.variables(first).clear()  # type: ignore[attr-defined]
    assert (job.file_contents(first), job.variables(first)) == (files, variables)
    assert job.file_contents(second) != files
    assert job.variables(second) != variables
    assert job == jobs.profile("training")
    assert pickle.loads(pickle.dumps(job)) == job
