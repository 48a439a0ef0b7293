"""The configuration and the builder of the step in a pipeline, without an SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dummy_training import pipeline
from dummy_training.pipeline import DummyTrainingConfig, DummyTrainingStepBuilder
from harness.contracts import loaders

STEP = Path(pipeline.__file__).parent
ROLE = "arn:aws:iam::123456789012:role/step"


def config(**changes: Any) -> DummyTrainingConfig:
    return DummyTrainingConfig(**{"role": ROLE, "image_uri": "image", **changes})


def test_the_interface_says_what_the_contract_says() -> None:
    contract = loaders.load(STEP)
    interface = loaders.load(STEP / "dummy_training.step.yaml")
    assert interface.warnings == ()
    assert interface.script == contract.script
    for key in ("name", "description", "entry_point", "arguments", "environment"):
        assert getattr(interface, key) == getattr(contract, key), key
    assert interface.framework_requirements == contract.framework_requirements
    assert interface.folders_by_output == contract.folders_by_output
    assert interface.inputs.keys() == contract.inputs.keys()
    for name, one in interface.inputs.items():
        assert one.required == contract.inputs[name].required
        assert set(one.mounts) <= set(contract.inputs[name].mounts)


def test_a_configuration_that_is_right(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"")
    found = config(
        pretrained_model_path=str(tmp_path),
        hyperparameters_path="s3://bucket/some/prefix",
        instance_type="local",
        volume_size=10,
    )
    assert found.inputs == {
        "model_artifacts_input": str(tmp_path),
        "hyperparameters_s3_uri": "s3://bucket/some/prefix",
    }
    assert config(image_uri=None, framework_version="1.2-1").inputs == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "step"}, "'step' is not the ARN of a role"),
        ({"instance_type": "m5.xlarge"}, "'m5.xlarge' is not an instance type"),
        ({"volume_size": 0}, "volume_size"),
        ({"volume_size": "30"}, "volume_size"),
        ({"image_uri": None}, "name either image_uri or framework_version"),
        ({"framework_version": "1.2-1"}, "name either image_uri or framework_version"),
        ({"image_uri": None, "framework_version": "newest"}, "'newest' is not a version"),
        ({"source_dir": "/nonesuch"}, "source_dir: there is no dummy_training.py in /nonesuch"),
        ({"pretrained_model_path": "/nonesuch"}, "pretrained_model_path: there is no folder"),
        ({"pretrained_model_path": "s3://Bucket/x"}, "is not an S3 URI"),
        ({"pretrained_model_path": "s3://bucket"}, "is not an S3 URI"),
        ({"hyperparameters_path": "https://x/y"}, "neither a local folder nor an S3 URI"),
        ({"hyperparameters_path": "/"}, "there is no hyperparameters.json in '/'"),
        ({"name": "no name"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_value_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        config(**changes)
    assert message in str(error.value)


def test_a_builder_refuses_what_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "dummy_training.py").write_text("")
    builder = DummyTrainingStepBuilder(config(source_dir=tmp_path))
    with pytest.raises(ValueError, match=r"there is no model: put it into .*models/model\.tar\.gz"):
        builder.create_step()
    with pytest.raises(ValueError, match="there is no input 'model'; they are model_artifacts"):
        builder.create_step(inputs={"model": "s3://bucket/x"})
    with pytest.raises(ValueError, match="there is no folder"):
        builder.create_step(inputs={"model_artifacts_input": "/nonesuch"})
