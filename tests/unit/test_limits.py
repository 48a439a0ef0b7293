"""Jobs that the service does not create are no jobs to prove a step in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import loaders
from harness.errors import WrongContract
from harness.runs.step import load
from tests.unit.derived import make_step

IN, OUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
CONTRACT = f"""
name: step
entry_point: step.py
inputs:
  data: {{required: true, mounts: [{IN}/data]}}
outputs:
  copy: {{path: {OUT}/copy}}
arguments:
  size: {{type: int, default: 1}}
  text: what is written
  verbose: how much is told
exit_codes: {{0: copied}}
"""
TRAINING = CONTRACT.replace(IN, "/opt/ml/input/data").replace(f"{OUT}/copy", "/opt/ml/model")


def refusal(folder: Path, contract: str, samples: dict[str, str] | None = None) -> str:
    """What is told of a step that is refused; "" when it is not."""
    ref = make_step(folder, "", contract, {"data/data.txt": "a", **(samples or {})})
    try:
        load(ref)
    except WrongContract as error:
        return error.what.replace(f"{folder}/", "")
    return ""


@pytest.mark.parametrize("contract", [CONTRACT, TRAINING])
def test_what_the_service_takes_is_not_refused(tmp_path: Path, contract: str) -> None:
    samples = {"arguments.json": '{"text": "%s", "verbose": true}' % ("x" * 256)}
    assert refusal(tmp_path, contract, samples) == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (f"[{IN}/data]", "[/mnt/data]", "contract.yaml:5: inputs.data.mounts.0: the "),
        (f"[{IN}/data]", "[/opt/ml/processing]", "contract.yaml:5: inputs.data.mounts.0: "),
        (f"[{IN}/data]", f"[{IN}/{'d' * 250}]", "takes 0 to 256 characters, and this has 275"),
        (f"{OUT}/copy", "/data/result", "contract.yaml:7: outputs.copy.path: the service takes "),
        (f"{OUT}/copy", "/opt/ml/model", "contract.yaml:7: outputs.copy.path: the service takes "),
        (
            "inputs:\n",
            "inputs:\n" + "".join(f"  i{n}: {{required: false, mounts: [{IN}/{n}]}}\n"
                                  for n in range(10)),
            "contract.yaml:4: inputs: the service takes at most 10 inputs",
        ),
        (
            "outputs:\n",
            "outputs:\n" + "".join(f"  o{n}: {{path: {OUT}/{n}}}\n" for n in range(10)),
            "outputs: the service takes at most 10 outputs",
        ),
        ("default: 1", "choices: [1, 2]", ""),
        ("type: int, default: 1", f"choices: [a, {'b' * 257}]", "arguments.size.choices.1: "),
        ("type: int, default: 1", 'choices: [a, ""]', "arguments.size.choices.1: "),
        # No job can pass it, and none must.
        ("type: int, default: 1", 'default: ""', ""),
        ("exit_codes", "instance_count: 101\nexit_codes", "at most 100 hosts"),
        ("exit_codes", "environment: {optional: {my-level: a}}\nexit_codes", "and not 'my-level'"),
        ("exit_codes", "environment: {required: [1st]}\nexit_codes", "environment.required.0: "),
        (
            "exit_codes",
            f"environment: {{optional: {{LEVEL: {'a' * 257}}}}}\nexit_codes",
            "contract.yaml:12: environment.optional.LEVEL: the service takes 0 to 256 characters",
        ),
    ],
)  # fmt: skip
def test_a_processing_job_that_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in CONTRACT
    found = refusal(tmp_path, CONTRACT.replace(old, new, 1))
    assert told in found
    assert bool(told) is bool(found)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("/opt/ml/input/data/data", f"/opt/ml/input/data/{'d' * 65}", "takes 1 to 64 characters"),
        ("/opt/ml/input/data/data", "/opt/ml/input/data/my data", "and not 'my data'"),
        ("type: int, default: 1", f"choices: [a, {'b' * 2500}]", ""),
        ("type: int, default: 1", f"choices: [a, {'b' * 2501}]", "takes 0 to 2500 characters"),
        ("  size:", f"  {'s' * 257}:", "takes 0 to 256 characters, and this has 257"),
        (
            "exit_codes",
            f"environment: {{optional: {{LEVEL: {'a' * 512}}}}}\nexit_codes",
            "",
        ),
    ],
)
def test_a_training_job_that_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in TRAINING
    found = refusal(tmp_path, TRAINING.replace(old, new, 1))
    assert told in found
    assert bool(told) is bool(found)


@pytest.mark.parametrize(
    ("file", "values", "told"),
    [
        ("arguments.json", {"text": "x" * 300}, "text: the service takes 1 to 256 characters"),
        ("arguments.json", {"text": "a\nb"}, "text: the service takes what matches"),
        ("environment.json", {"LEVEL": "x" * 257}, "LEVEL: the service takes 0 to 256 characters"),
    ],
)
def test_a_sample_that_is_refused(
    tmp_path: Path, file: str, values: dict[str, str], told: str
) -> None:
    found = refusal(tmp_path, CONTRACT, {file: json.dumps(values, indent=1)})
    assert found.startswith(f"samples/{file}:2: {told}")


def test_an_empty_sample_is_told_to_be_a_flag(tmp_path: Path) -> None:
    make_step(tmp_path, "", CONTRACT, {"arguments.json": '{"text": "", "size": 3}'})
    (told,) = loaders.load(tmp_path).warnings
    assert "arguments.json:1: text: is passed as a flag" in told
    assert "1 to 256 characters" in told


def test_other_forms_are_told_in_a_warning(tmp_path: Path) -> None:
    interface = tmp_path / "x.step.yaml"
    interface.write_text(
        "contract:\n  entry_point: x.py\n  inputs: {data: {path: /mnt/data, required: true}}\n"
        "  outputs: {o: {path: /data/o}}\n"
    )
    told = loaders.load(interface).warnings
    assert [one.partition(": the")[0] for one in told] == [
        f"{interface}:3: contract.inputs.data.path",
        f"{interface}:4: contract.outputs.o.path",
    ]
    module = tmp_path / "x.py"
    module.write_text(
        "class Contract:\n    entry_point = 'x.py'\n    expected_input_paths = {'d': '/mnt/d'}\n"
        "    expected_output_paths = {'o': '/o'}\ncontract = Contract()\n"
    )
    told = loaders.load(module).warnings
    assert [one.partition(": the")[0] for one in told] == [
        f"{module}:3: contract.expected_input_paths.d",
        f"{module}:4: contract.expected_output_paths.o",
    ]


def training_step(**changes: Any) -> dict[str, Any]:
    job = {
        "AlgorithmSpecification": {},
        "InputDataConfig": [{"ChannelName": "train"}],
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
        "HyperParameters": {"sagemaker_program": '"train.py"'},
    }
    return {"Name": "Job", "Type": "Training", "Arguments": {**job, **changes}}


def processing_step(**changes: Any) -> dict[str, Any]:
    local = {"S3Input": {"LocalPath": f"{IN}/data"}, "InputName": "data"}
    command = {"ContainerEntrypoint": ["python3", f"{IN}/code/train.py"]}
    job = {"AppSpecification": command, "ProcessingInputs": [local]}
    return {"Name": "Job", "Type": "Processing", "Arguments": {**job, **changes}}


TOO_LONG = "x" * 257
WORDS = ["python3", f"{IN}/code/train.py"]


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (training_step(), ""),
        (training_step(HyperParameters={"sagemaker_program": "train.py", "k": "v" * 2501}),
         "HyperParameters.k: the service takes 0 to 2500 characters"),
        (training_step(HyperParameters={"sagemaker_program": "train.py", "k" * 257: "v"}),
         "HyperParameters.k"),
        (training_step(HyperParameters={"sagemaker_program": "a.py",
                                        **{f"k{n}": "" for n in range(100)}}),
         "HyperParameters: the service takes at most 100 hyperparameters, and these are 101"),
        (training_step(InputDataConfig=[{"ChannelName": f"c{n}"} for n in range(21)]),
         "InputDataConfig: the service takes at most 20 channels"),
        (training_step(InputDataConfig=[{"ChannelName": "my data"}]),
         "InputDataConfig.0.ChannelName: "),
        (training_step(Environment={"A-B": "1"}), "Environment.A-B: "),
        (training_step(Environment={"A": TOO_LONG}), ""),
        (training_step(Environment={"A": {"Get": "Steps.X.Y"}}), ""),
        (processing_step(), ""),
        (processing_step(Environment={"A": TOO_LONG}), "Environment.A: "),
        (processing_step(AppSpecification={"ContainerEntrypoint": WORDS,
                                           "ContainerArguments": ["--a", ""]}),
         "AppSpecification.ContainerArguments.1: the service takes 1 to 256"),
        (processing_step(AppSpecification={"ContainerEntrypoint": WORDS,
                                           "ContainerArguments": []}),
         "AppSpecification.ContainerArguments: the service takes at least one word"),
        (processing_step(AppSpecification={"ContainerEntrypoint": WORDS,
                                           "ContainerArguments": ["x"] * 101}),
         "AppSpecification.ContainerArguments: the service takes at most 100 words"),
        (processing_step(AppSpecification={"ContainerEntrypoint": [*WORDS, TOO_LONG]}),
         "AppSpecification.ContainerEntrypoint.2: "),
        (processing_step(ProcessingInputs=[{"InputName": "data",
                                            "S3Input": {"LocalPath": "/mnt/data"}}]),
         "ProcessingInputs.0.S3Input.LocalPath: the service takes only paths"),
        (processing_step(ProcessingOutputConfig={
            "Outputs": [{"OutputName": "o", "S3Output": {"LocalPath": "/o"}}]}),
         "ProcessingOutputConfig.Outputs.0.S3Output.LocalPath: the service takes only paths"),
    ],
)  # fmt: skip
def test_a_job_of_a_pipeline_that_is_refused(
    tmp_path: Path, step: dict[str, Any], where: str
) -> None:
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"Version": "2020-12-01", "Steps": [step]}, indent=1))
    if not where:
        assert loaders.load(file).name == "Job"
        return
    with pytest.raises(WrongContract) as caught:
        loaders.load(file)
    assert f"Steps.0.Arguments.{where}" in caught.value.what
    assert str(caught.value.what).startswith(f"{file}:")
