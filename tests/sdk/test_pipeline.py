"""The step in a pipeline that the local mode of both SDKs runs: packaging and payload follow it."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.contracts.edges import broken_edges
from tests.sdk.environments import ROOT, need_engine, sdk_runs
from tests.sdk.expected import STEPS, VERSIONS

STEP = ROOT / "dummy_training"
KINDS = ("SOURCE", "INTERNAL")


@pytest.fixture(scope="module", params=VERSIONS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of both pipelines with one SDK: results and definitions."""
    need_engine()
    return sdk_runs(request.param, tmp_path_factory)


def test_the_pipeline_runs_to_its_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())
    with capsys.disabled():
        for one in found:
            print(f"\nSDK {one['sdk']} {one['kind']}: {one['status']} in {one['seconds']} s")  # noqa: T201
    assert [(one["kind"], one["status"], one["reason"]) for one in found] == [
        (kind, "Succeeded", None) for kind in KINDS
    ]
    for one in found:
        # The hyperparameters of the right place have come all the way.
        assert one["payload"]["hyperparameters"] == {"from": one["kind"]}
        assert {"model.pth", "hyperparameters.json"} <= set(one["payload"]["names"])


def test_a_step_finds_the_output_of_another_by_its_name(folder: Path) -> None:
    """By properties.ProcessingOutputConfig.Outputs["model_output"].S3Output.S3Uri."""
    steps = {
        one["Name"]: one["Arguments"]
        for one in json.loads((folder / "INTERNAL.json").read_text())["Steps"]
    }
    wanted = "Steps.DummyTraining.ProcessingOutputConfig.Outputs['model_output'].S3Output.S3Uri"
    given = steps["Package"]["ProcessingInputs"][0]["S3Input"]["S3Uri"]
    assert given == {"Get": wanted}
    outputs = steps["DummyTraining"]["ProcessingOutputConfig"]["Outputs"]
    assert [one["OutputName"] for one in outputs] == ["model_output"]


def test_the_image_of_the_step_runs_in_local_mode(tmp_path_factory: pytest.TempPathFactory) -> None:
    need_engine()
    members = json.loads((sdk_runs("v2", tmp_path_factory) / "image.json").read_text())
    assert {"model.pth", "hyperparameters.json"} <= set(members)


def test_each_step_of_the_definition_is_proved_as_it_is(folder: Path, tmp_path: Path) -> None:
    kind = "INTERNAL"
    code = tmp_path / "code"
    shutil.copytree(STEPS, code, ignore=shutil.ignore_patterns("samples", "[!p]*", "prepare.py"))
    for name in ("dummy_training.py", "contract.yaml"):
        shutil.copy(STEP / name, code)
    definition = shutil.copy(folder / f"{kind}.json", tmp_path)
    given = tmp_path / "samples" / "DummyTraining" / "hyperparameters_s3_uri"
    given.mkdir(parents=True)
    (given / "hyperparameters.json").write_text('{"a": 1}')
    packaged = tmp_path / "samples" / "Payload" / "packaged_model"
    packaged.mkdir(parents=True)
    (packaged / "model.tar.gz").write_bytes(_packaged(b'{"a": 1}'))
    assert broken_edges(Path(definition), code) == []
    command = ["check", str(definition), "--code", str(code), "--jobs", "1"]
    result = CliRunner().invoke(cli, [*command, "-k", "not circumstance"])
    assert result.exit_code == 0, result.output
    assert "4 steps" in result.output


def _packaged(hyperparameters: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("hyperparameters.json")
        member.size = len(hyperparameters)
        archive.addfile(member, io.BytesIO(hyperparameters))
    return packed.getvalue()
