"""The local service of the SageMaker Python SDK 2, spoken to over standard input and output.

Runs in the SDK's environment, as `python sdk_service.py`. Each line of input is a JSON object:
`container_root`, the folder of the SDK's files, `operation`, `create_processing_job` or
`create_training_job`, and its `request`, with `file://` in place of S3. Each line of output is a
JSON text: "" or the error. Nothing needs an account or a network.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings

REGION = "eu-west-1"


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    # What the SDK and the containers say goes nowhere; `docker logs` has it.
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    warnings.simplefilter("ignore")
    os.environ.update(
        AWS_ACCESS_KEY_ID="none",
        AWS_SECRET_ACCESS_KEY="none",
        AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
        SAGEMAKER_SUPPRESS_V2_WARNING="1",
    )
    import boto3
    from sagemaker.local import LocalSession

    logging.disable(logging.WARNING)
    opted_out = {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}
    session = LocalSession(
        boto3.Session(region_name=REGION),
        default_bucket="bucket",
        sagemaker_config={"SchemaVersion": "1.0", "SageMaker": opted_out},
    )
    _say(answers, "ready")
    for line in sys.stdin:
        asked = json.loads(line)
        session.config = {"local": {"container_root": asked["container_root"]}}
        answer = ""
        try:
            with open(os.devnull, "w") as stream, contextlib.redirect_stdout(stream):
                getattr(session.sagemaker_client, asked["operation"])(**asked["request"])
        except Exception as error:
            answer = "%s: %s" % (type(error).__name__, error)
        _say(answers, answer)


def _say(answers: object, text: str) -> None:
    print(json.dumps(text), file=answers, flush=True)  # type: ignore[call-overload]  # noqa: T201


if __name__ == "__main__":
    main()
