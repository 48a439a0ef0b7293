"""What a script sees as a ScriptProcessor's and a FrameworkProcessor's job, in local mode.

Imported by `local_runs.py`, in the environment of an SDK.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import boto3
from local_pipeline import given, made
from local_runs import BUCKET, HERE, REGION, ROLE, VERSION

if VERSION == 2:
    from sagemaker.local import LocalSession
    from sagemaker.processing import FrameworkProcessor, ScriptProcessor
    from sagemaker.sklearn import SKLearn

    FRAMEWORK: dict[str, Any] = {"estimator_cls": SKLearn, "framework_version": "1.2-1"}
else:
    from sagemaker.core.local import LocalSession
    from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor

    FRAMEWORK = {}


def worlds_of(folder: Path, image: str) -> dict[str, Any]:
    """Name of the job's type → what `steps/world.py` tells; AWS is that of moto already."""
    root = folder / "root-worlds"
    root.mkdir()
    script = HERE / "steps" / "world.py"
    source = folder / "source-worlds"
    source.mkdir()
    (source / script.name).write_bytes(script.read_bytes())
    worlds = {}
    with contextlib.redirect_stdout(sys.stderr):
        s3 = boto3.client("s3")
        s3.put_object(Bucket=BUCKET, Key="rows/rows.csv", Body=b"a\n1\n")
        session = LocalSession(boto3.Session(region_name=REGION), default_bucket=BUCKET)
        session.config = {"local": {"container_root": str(root)}}
        shared = {
            "image_uri": image,
            "command": ["python3"],
            "role": ROLE,
            "instance_count": 1,
            "instance_type": "local",
            "sagemaker_session": session,
            "env": {"SEED": "7"},
        }
        for kind, processor, code in (
            ("processing", ScriptProcessor(**shared), {"code": str(script)}),
            (
                "framework-processing",
                FrameworkProcessor(**FRAMEWORK, **shared),
                {"code": script.name, "source_dir": str(source)},
            ),
        ):
            processor.run(
                **code,
                inputs=[given("rows", f"s3://{BUCKET}/rows")],
                outputs=[made("copy", kind)],
                arguments=["--unit", "words"],
                # Else the SDK 3 waits ten seconds for a job that is over.
                wait=VERSION == 2,
                job_name=f"job-{kind}",
            )
            body = s3.get_object(Bucket=BUCKET, Key=f"{kind}/copy/world.json")["Body"].read()
            worlds[kind] = json.loads(body)
    return worlds
