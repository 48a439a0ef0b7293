"""The edges of a pipeline: what one step writes is what the next one's contract asks for."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.commands.check import what_is_unlike
from harness.contracts.edges import broken_edges

_SHARED = {"AppSpecification": {"ImageUri": "image"}}
_CODE = "/opt/ml/processing/input/code"


def processing(name: str, inputs: dict[str, Any], outputs: dict[str, str]) -> dict[str, Any]:
    entry = {"ContainerEntrypoint": ["python3", f"{_CODE}/{name.lower()}.py"]}
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "AppSpecification": {**_SHARED["AppSpecification"], **entry},
            "ProcessingInputs": [
                {
                    "InputName": one,
                    "S3Input": {"S3Uri": at, "LocalPath": f"/opt/ml/processing/input/{one}"},
                }
                for one, at in inputs.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": one, "S3Output": {"S3Uri": "s3://bucket", "LocalPath": path}}
                    for one, path in outputs.items()
                ]
            },
        },
    }


def output_of(step: str, name: str) -> dict[str, str]:
    return {"Get": f"Steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri"}


_CLEAN = "/opt/ml/processing/output/clean"
_DEFINITION = {
    "Version": "2020-12-01",
    "Steps": [
        processing("Prepare", {"raw": "s3://bucket/raw"}, {"clean": _CLEAN}),
        processing(
            "Report",
            {"data": output_of("Prepare", "clean")},
            {"report": "/opt/ml/processing/output/report"},
        ),
    ],
}
_PREPARE = """
name: prepare
entry_point: prepare.py
inputs: {raw: {required: true, file: raw.csv, mounts: [/opt/ml/processing/input/raw]}}
outputs: {clean: {path: /opt/ml/processing/output/clean, files: ["part-*.csv", schema.json]}}
exit_codes: {0: done}
"""
_WRITER = f"""
contract:
  entry_point: prepare.py
  inputs: {{raw: {{path: /opt/ml/processing/input/raw}}}}
  outputs:
    clean: {{path: {_CLEAN}, content: {{files: ["part-*.csv", schema.json]}}}}
"""
_REPORT = """
contract:
  entry_point: report.py
  inputs: {data: {path: /opt/ml/processing/input/data}}
  outputs: {report: {path: /opt/ml/processing/output/report}}
"""
_READS = """
name: report
entry_point: report.py
inputs: {data: {required: true, files: [FILES], mounts: [/opt/ml/processing/input/data]}}
outputs: {report: {path: /opt/ml/processing/output/report}}
exit_codes: {0: done}
"""


def put(folder: Path, definition: Any, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("prepare.py", "report.py"):
        (folder / name).write_text("print('done')\n")
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    path = folder / "steps.json"
    path.write_text(json.dumps(definition))
    return path


def told(path: Path) -> list[str]:
    return [one.what.split(": ", 2)[2] for one in broken_edges(path, None)]


def changed(change: Callable[[Any], None]) -> Any:
    document = copy.deepcopy(_DEFINITION)
    change(document)
    return document


@pytest.mark.parametrize("files", ["part-0.csv", "'part-*.csv'", "schema.json", "'*.csv'", ""])
def test_what_is_written_may_be_read(tmp_path: Path, files: str) -> None:
    contract = _PREPARE if not files else _READS.replace("FILES", files)
    # Both contracts cannot be named contract.yaml: the one of the writer is an interface.
    path = put(tmp_path, _DEFINITION, prepare__step__yaml=_WRITER, contract__yaml=contract)
    assert told(path) == []


@pytest.mark.parametrize("files", ["rows.parquet", "part-0.tsv", "sub/part-0.json", "schema.yaml"])
def test_what_nobody_writes_cannot_be_read(tmp_path: Path, files: str) -> None:
    reader = _READS.replace("FILES", files)
    path = put(tmp_path, _DEFINITION, prepare__step__yaml=_WRITER, contract__yaml=reader)
    assert told(path) == [
        f"Prepare.clean → Report.data: Report reads {files}, and Prepare writes "
        "part-*.csv, schema.json"
    ]


def test_an_output_that_the_writer_does_not_have(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        inputs = document["Steps"][1]["Arguments"]["ProcessingInputs"]
        inputs[0]["S3Input"]["S3Uri"] = output_of("Prepare", "cleaned")

    path = put(tmp_path, changed(change))
    (one,) = told(path)
    assert one.startswith("Prepare.cleaned → Report.data: the step Prepare has no output 'cleaned'")
    assert "its outputs: clean" in one


def test_a_step_that_is_not_there(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        del document["Steps"][0]

    assert told(put(tmp_path, changed(change))) == [
        "Prepare.clean → Report.data: there is no step Prepare"
    ]


def test_a_step_that_another_waits_for(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["Steps"].append({"Name": "Told", "Type": "Lambda", "DependsOn": ["Report"]})
        document["Steps"][1]["DependsOn"] = ["Prepare", "Cleaned"]

    (found,) = broken_edges(put(tmp_path, changed(change)), None)
    assert "Report depends on Cleaned, and there is no such step" in found.what


def test_a_mount_that_the_reader_does_not_know(tmp_path: Path) -> None:
    reader = _REPORT.replace("input/data", "input/rows")
    found = told(put(tmp_path, _DEFINITION, report__step__yaml=reader))
    assert "has no input that is mounted at /opt/ml/processing/input/data" in found[0]
    assert "nothing is mounted at /opt/ml/processing/input/rows" in found[1]


def test_a_folder_that_the_writer_does_not_write(tmp_path: Path) -> None:
    writer = _PREPARE.replace("output/clean", "output/other")
    (one,) = told(put(tmp_path, _DEFINITION, contract__yaml=writer))
    assert f"the contract of Prepare writes nothing to {_CLEAN}" in one


def test_a_model_of_a_training_job_is_an_archive(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["Steps"][0] = {"Name": "Train", "Type": "Training", "Arguments": {}}
        inputs = document["Steps"][1]["Arguments"]["ProcessingInputs"]
        inputs[0]["S3Input"]["S3Uri"] = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}

    reads = {name: _READS.replace("FILES", name) for name in ("model.tar.gz", "model.pth")}
    good, bad = (
        put(tmp_path / name, changed(change), contract__yaml=text) for name, text in reads.items()
    )
    assert told(good) == []
    assert told(bad) == [
        "Train.model → Report.data: Report reads model.pth, and Train writes model.tar.gz"
    ]


def test_a_part_of_an_output_may_hold_anything(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        inputs = document["Steps"][1]["Arguments"]["ProcessingInputs"]
        values = [output_of("Prepare", "clean"), "part"]
        inputs[0]["S3Input"]["S3Uri"] = {"Std:Join": {"On": "/", "Values": values}}

    path = put(tmp_path, changed(change), contract__yaml=_READS.replace("FILES", "x.bin"))
    assert told(path) == []


_COLUMNS = "'part-*.csv': {schema: {id: integer, score: number?}}"
_LIST = "schema.json: {schema: {type: array}}"
_TYPED = _WRITER.replace('["part-*.csv", schema.json]', f"{{{_COLUMNS}, {_LIST}}}")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("part-0.csv", "id,score\n1,0.5\n2,\n", ""),
        ("schema.json", "[1]", ""),
        ("other.csv", "x\n1\n", ""),
        ("part-0.csv", "id,rating\n1,0.5\n", "the columns id,score, got id,rating"),
        ("part-1.csv", "score,id\n0.5,1\n", "the columns id,score, got score,id"),
        ("part-0.csv", "id,score\nfirst,0.5\n", "expected integer, got row 2: 'first'"),
        ("schema.json", "{}", "expected"),
        ("schema.json", "{", "a file that can be read"),
    ],
)
def test_the_reader_is_proved_with_what_is_written(
    tmp_path: Path, name: str, text: str, what: str
) -> None:
    path = put(tmp_path, _DEFINITION, prepare__step__yaml=_TYPED, report__step__yaml=_REPORT)
    sample = tmp_path / "samples" / "Report" / "data" / name
    sample.parent.mkdir(parents=True)
    sample.write_text(text)
    found = broken_edges(path, None, what_is_unlike)
    assert len(found) == bool(what)
    for one in found:
        assert f"Prepare.clean → Report.data: the sample {sample}" in one.what
        assert what in one.what


def test_without_contracts_the_names_alone_are_held(tmp_path: Path) -> None:
    assert told(put(tmp_path, _DEFINITION)) == []
    assert broken_edges(tmp_path, None) == []


def test_check_tells_them_before_any_case(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        inputs = document["Steps"][1]["Arguments"]["ProcessingInputs"]
        inputs[0]["S3Input"]["S3Uri"] = output_of("Prepare", "cleaned")

    path = put(tmp_path, changed(change))
    result = CliRunner().invoke(cli, ["check", str(path), "--jobs", "1", "--step", "Report"])
    assert result.exit_code == 1
    assert ": Prepare.cleaned → Report.data: the step Prepare has no output" in result.output
