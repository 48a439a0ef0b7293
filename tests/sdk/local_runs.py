"""Makes all that the tests ask of an SDK, in one process: its import takes longer than its jobs.

    python local_runs.py FOLDER IMAGE TOOLKIT_IMAGE STEP_IMAGE SCRIPT

Writes to FOLDER `steps.json`, a pipeline's definition; and with an IMAGE `results.json`, the runs
of the step in pipelines, and `worlds.json`, what scripts see of their jobs. With the SDK 2 there is
`image.json` too, the run of the step's own image.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/step"
BUCKET = "bucket"
VERSION = int(version("sagemaker").partition(".")[0])
HERE = Path(__file__).parent

os.environ.update(
    AWS_ACCESS_KEY_ID="none",
    AWS_SECRET_ACCESS_KEY="none",
    AWS_DEFAULT_REGION=REGION,
    AWS_EC2_METADATA_DISABLED="true",
    SAGEMAKER_VALIDATE_ROLE="false",
    SAGEMAKER_SUPPRESS_V2_WARNING="1",
)
for name in ("SAGEMAKER_USER_CONFIG_OVERRIDE", "SAGEMAKER_ADMIN_CONFIG_OVERRIDE"):
    os.environ[name] = str(HERE / "no_telemetry.yaml")
# Its `pipeline` makes the step of both SDKs.
sys.path.insert(0, str(HERE.parents[1] / "dummy_training"))


def check_settings_alone(settings: object, schema: Any) -> None:
    """Check settings of the SDK, which else checks its own schema too at each of hundreds of looks.

    That takes most of its time.
    """
    for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(settings):
        raise error


def write_definition(path: Path) -> None:
    """The definition of a pipeline of all types of steps; needs no account, no network."""
    definitions = importlib.import_module(f"definitions_v{VERSION}")
    code = path.with_name("code")
    code.mkdir()
    for name in ("prepare.py", "train.py", "evaluate.py"):
        (code / name).touch()
    path.write_text(definitions.definition(code))


def write_runs(folder: Path, image: str, toolkit: str, step_image: str, script: Path) -> None:
    """The runs of pipelines and of single jobs in local mode."""
    import boto3
    from local_pipeline import run_of_image, runs_of
    from local_worlds import worlds_of
    from moto import mock_aws

    with mock_aws():
        place = {"LocationConstraint": REGION}
        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        (folder / "results.json").write_text(json.dumps(runs_of(folder, image, script)))
        if VERSION == 2:
            (folder / "image.json").write_text(json.dumps(run_of_image(folder, step_image)))
        (folder / "worlds.json").write_text(json.dumps(worlds_of(folder, image, toolkit)))


def main(folder: Path, image: str, toolkit: str, step_image: str, script: Path) -> None:
    """Make everything."""
    logging.disable(logging.WARNING)
    jsonschema.validate = check_settings_alone
    # What containers say is no result.
    with contextlib.redirect_stdout(sys.stderr):
        write_definition(folder / "steps.json")
        if image:
            write_runs(folder, image, toolkit, step_image, script)


if __name__ == "__main__":
    # Modules import this one by its name.
    sys.modules["local_runs"] = sys.modules["__main__"]
    main(Path(sys.argv[1]), *sys.argv[2:5], Path(sys.argv[5]))
