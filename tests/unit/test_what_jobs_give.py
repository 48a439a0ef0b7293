"""What each type of job gives to a script, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, load, prove

# Reads its input, does what is tried, and copies the input.
_SCRIPT = """
import argparse, glob, json, os, sys

INPUT, OUTPUT = "{input}", "{output}"


def variable(name):
    return os.environ[name]


def loaded(name):
    return json.loads(os.environ[name])


def config(name):
    with open("{config}/" + name + ".json") as stream:
        return json.load(stream)


def argument(name):
    parser = argparse.ArgumentParser()
    parser.add_argument(name)
    return vars(parser.parse_known_args()[0])[name.lstrip("-")]


def main():
    with open(INPUT + "/rows.csv") as stream:
        rows = stream.read()
    out = OUTPUT
    {statement}
    with open(out + "/rows.csv", "w") as stream:
        stream.write(rows)


if __name__ == "__main__":
    main()
"""
_CONTRACT = """
name: step
entry_point: step.py
inputs:
  rows: {{required: true, file: rows.csv, mounts: [{input}], content_type: text/csv}}
  other: {{required: false, mounts: [{other}]}}
outputs:
  copied: {{path: {output}, files: [rows.csv]}}
arguments: {{nothing: none, batch: how many}}
exit_codes: {{0: copied, 1: failed}}
"""
_PROCESSING = {
    "input": "/opt/ml/processing/input/rows",
    "other": "/opt/ml/processing/elsewhere",
    "output": "/opt/ml/processing/output/copy",
    "config": "/opt/ml/config",
}
_TRAINING = {
    "input": "/opt/ml/input/data/rows",
    "other": "/opt/ml/input/data/other",
    "output": "/opt/ml/model",
    "config": "/opt/ml/input/config",
}
_OUTPUTS = "config('processingjobconfig')['ProcessingOutputConfig']['Outputs']"
_INPUTS = "config('processingjobconfig')['ProcessingInputs']"
_BESIDE = "glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), '*.tar.gz'))"

_GIVEN = [
    ("processing", "assert not {'PYTHONUNBUFFERED', 'PYTHONDONTWRITEBYTECODE'} & {*os.environ}"),
    # The job names its outputs and inputs as the contract does; code is an input too.
    ("processing", f"(out,) = [o['S3Output']['LocalPath'] for o in {_OUTPUTS}"
     " if o['OutputName'] == 'copied']"),
    ("processing", f"assert [i['InputName'] for i in {_INPUTS}] == ['rows', 'other', 'code']"),
    ("processing", f"assert {_INPUTS}[1]['S3Input']['LocalPath'].endswith('/elsewhere')"),
    ("framework-processing", f"assert {_INPUTS}[-1]['InputName'] == 'entrypoint'"),
    ("processing", "assert os.path.isabs(sys.argv[0])"),
    ("processing", f"assert not {_BESIDE}"),
    # A source folder is unpacked where its archive lies, and the script started by its name there.
    ("framework-processing", f"assert len({_BESIDE}) == 1"),
    ("framework-processing", "assert sys.argv[0] == 'step.py' and os.path.isfile(sys.argv[0])"),
    ("training", "assert sys.argv[0] == 'step.py'"),
    ("model-trainer", "assert sys.argv[0] == 'step.py'"),
    # The training toolkit.
    ("training", "assert loaded('SM_INSTANCE_GROUPS') == ['homogeneousCluster']"),
    ("training", "assert loaded('SM_INSTANCE_GROUPS_DICT')['homogeneousCluster']['hosts']"),
    ("training", "assert loaded('SM_DISTRIBUTION_INSTANCE_GROUPS') == []"),
    ("training", "assert variable('CURRENT_HOST') == variable('SM_CURRENT_HOST')"),
    ("training", "assert variable('AWS_REGION') == variable('SAGEMAKER_REGION')"),
    ("training", "assert variable('SAGEMAKER_JOB_NAME') == ''"),
    ("training", "assert variable('PYTHONPATH').split(':')[0] == '/opt/ml/code'"),
    ("training", "assert not loaded('SM_TRAINING_ENV')['is_hetero']"),
    ("training", "assert loaded('SM_TRAINING_ENV')['instance_groups']"),
    ("training", "assert loaded('SM_CHANNELS') == sorted(loaded('SM_CHANNELS'))"),
    ("training", "assert variable('SM_CHANNELS') == '[\"other\",\"rows\"]'"),
    ("training", "assert ' ' not in variable('SM_HPS')"),
    ("training", "assert argument('--nothing') == ''"),
    ("training", "assert variable('SM_HP_NOTHING') == ''"),
    ("training", "assert config('inputdataconfig')['rows']['ContentType'] == 'text/csv'"),
    ("training", "assert 'ContentType' not in config('inputdataconfig')['other']"),
    ("training", "assert 'ContentType' not in loaded('SM_INPUT_DATA_CONFIG')['other']"),
    # The drivers of ModelTrainer.
    ("model-trainer", "assert variable('SM_HP_NOTHING') == 'null'"),
    ("model-trainer", "assert loaded('SM_CHANNELS') == ['rows', 'other', 'code', 'sm_drivers']"),
    ("model-trainer", "assert variable('SM_HOST_COUNT') == '1'"),
    ("model-trainer", "assert variable('SM_MASTER_ADDR') == 'algo-1'"),
    ("model-trainer", "assert variable('AWS_REGION')"),
    ("model-trainer", "assert variable('SM_CHANNELS') == json.dumps(loaded('SM_CHANNELS'))"),
]  # fmt: skip
_NOT_GIVEN = [
    # No image sets it, unless it says so.
    ("processing", "variable('PYTHONUNBUFFERED')"),
    ("processing", f"(out,) = [o['S3Output']['LocalPath'] for o in {_OUTPUTS}"
     " if o['OutputName'] == 'output-1']"),
    ("processing", f"assert len({_INPUTS}) == 2"),
    ("framework-processing", f"assert [i['InputName'] for i in {_INPUTS}] == ['rows', 'other']"),
    ("framework-processing", f"assert not {_BESIDE}"),
    ("framework-processing", "os.stat(os.path.dirname(sys.argv[0]))"),
    ("training", "assert os.path.isabs(sys.argv[0])"),
    ("model-trainer", "open(os.path.dirname(sys.argv[0]) + '/step.py').close()"),
    *(
        ("training", f"variable('{name}')")
        for name in (
            "SM_HOST_COUNT",
            "SM_CURRENT_HOST_RANK",
            "SM_MASTER_ADDR",
            "SM_MASTER_PORT",
            "SM_OUTPUT_FAILURE",
            "SM_INPUT_DATA_DIR",
        )
    ),
    ("training", "assert argument('--nothing') == 'None'"),
    ("training", "assert variable('SM_CHANNELS') == json.dumps(loaded('SM_CHANNELS'))"),
    ("training", "config('inputdataconfig')['other']['ContentType']"),
    ("model-trainer", "variable('SM_INSTANCE_GROUPS')"),
    ("model-trainer", "assert loaded('SM_CHANNELS')[0] == 'code'"),
    ("model-trainer", "assert variable('SM_HP_NOTHING') == ''"),
    ("own-container", "variable('SM_MODEL_DIR')"),
]  # fmt: skip


def step(folder: Path, profile: str, statement: str) -> StepRef:
    places = _PROCESSING if profile.endswith("processing") else _TRAINING
    contract = _CONTRACT.format(**places)
    if profile.endswith("processing") or profile == "own-container":
        contract = contract.replace("arguments: {nothing: none, batch: how many}\n", "")
    files = {
        "contract.yaml": contract,
        "step.py": _SCRIPT.replace("{statement}", statement)
        .replace("{input}", places["input"])
        .replace("{output}", places["output"])
        .replace("{config}", places["config"]),
        "samples/rows/rows.csv": "a\n1\n",
        "samples/other/more.txt": "more",
        "samples/arguments.json": '{"nothing": "null", "batch": "8"}',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return StepRef(folder, profile=profile)


def found(ref: StepRef) -> list[str]:
    """What is found where all is there."""
    matrix = load(ref).matrix
    usual = [one for one in matrix.ids if one == matrix.usual]
    return [one.promise for id_ in usual for one in prove(ref, FakeRunner(), id_).findings]


@pytest.mark.parametrize(("profile", "statement"), _GIVEN)
def test_who_relies_on_what_the_job_gives_is_not_accused(
    tmp_path: Path, profile: str, statement: str
) -> None:
    assert found(step(tmp_path, profile, statement)) == []


@pytest.mark.parametrize(("profile", "statement"), _NOT_GIVEN)
def test_who_relies_on_what_the_job_does_not_give_is_found(
    tmp_path: Path, profile: str, statement: str
) -> None:
    assert "exit-code" in found(step(tmp_path, profile, statement))


def test_bytecode_of_another_python_is_no_file_of_the_script(tmp_path: Path) -> None:
    statement = (
        "import subprocess; "
        "subprocess.run([sys.executable, '-c', 'import sys; sys.path[0] = "
        "\\'/opt/ml/processing/input/code\\'; import helper'], check=True)"
    )
    ref = step(tmp_path, "processing", statement)
    (tmp_path / "samples" / "code").mkdir()
    (tmp_path / "samples" / "code" / "helper.py").write_text("X = 1\n")
    matrix = load(ref).matrix
    assert prove(ref, SandboxRunner(), matrix.usual).findings == ()


def test_a_source_archive_holds_the_source_folder(tmp_path: Path) -> None:
    statement = (
        "import tarfile; rows += str(tarfile.open('sourcedir.tar.gz').getnames() == ['step.py']); "
        "assert rows.endswith('True')"
    )
    assert found(step(tmp_path, "framework-processing", statement)) == []


def test_a_job_on_two_hosts_is_the_same_on_the_second(tmp_path: Path) -> None:
    ref = step(tmp_path, "training", "assert variable('CURRENT_HOST') == 'algo-2'")
    case, _ = load(ref).matrix.case(load(ref).matrix.usual)
    tree = case.tree.with_request(hosts=("algo-1", "algo-2"), host="algo-2")
    assert FakeRunner().run(replace(case, tree=tree)).exit_code == 0
