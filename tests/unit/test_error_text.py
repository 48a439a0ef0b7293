"""What a script tells others: secrets in logs and files, messages to the service, the network."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from harness.cases.case import BASE_ENVIRONMENT, Outcome
from harness.cases.expectation import Expectation
from harness.promises import Evidence, judge
from tests.unit.test_promises import (
    BEFORE,
    CASE,
    CONTRACT,
    COPY,
    FAILED,
    FAILS,
    GOOD,
    SAID,
    WRITES,
    WRITTEN,
    found,
    outcome,
)

SECRET = BASE_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
FAILURE = "/opt/ml/output/failure"
MESSAGE = "/opt/ml/output/message"
WORLD = BEFORE.with_directory("/opt/ml/output")


@pytest.mark.parametrize(
    "told",
    [
        replace(WRITTEN, stdout=f"copied with {SECRET}"),
        replace(WRITTEN, stderr=f"env: {dict(BASE_ENVIRONMENT)}"),
        replace(WRITTEN, after=GOOD.with_file("/tmp/env", f"x={SECRET}".encode())),
        replace(WRITTEN, after=GOOD.with_file(COPY, gzip.compress(SECRET.encode()))),
    ],
)
def test_a_secret_is_found_wherever_it_is_told(told: Outcome) -> None:
    assert ("no-secrets", "tells-AWS_SECRET_ACCESS_KEY") in found(WRITES, told)


@pytest.mark.parametrize(
    ("name", "secret"),
    [("DB_PASSWORD", True), ("api_key", True), ("GITHUB_TOKEN", True), ("BUCKET", False)],
)
def test_a_variable_of_the_step_is_a_secret_by_its_name(name: str, secret: bool) -> None:
    case = replace(CASE, variables={name: "hunter2-hunter2"})
    told = replace(WRITTEN, stdout="copied by hunter2-hunter2")
    assert (found(WRITES, told, case) != []) is secret
    # What was there before is nobody's leak.
    before = WRITTEN.before.with_file("/opt/ml/code/.env", b"hunter2-hunter2")
    after = GOOD.with_file("/opt/ml/code/.env", b"hunter2-hunter2")
    assert found(WRITES, replace(WRITTEN, before=before, after=after), case) == []


@pytest.mark.parametrize(
    ("path", "data", "finding"),
    [
        (FAILURE, b"no text.txt", None),
        (FAILURE, "é".encode() * 1024, None),
        (FAILURE, b"x" * 1025, ("failure-reason", "failure-too-long")),
        (MESSAGE, b"x" * 1024, None),
        (MESSAGE, b"x" * 1025, ("exit-message", "message-too-long")),
        (MESSAGE, "é".encode() * 513, ("exit-message", "message-too-long")),
        (MESSAGE, b"\xff", ("exit-message", "message-not-utf-8")),
    ],
)
def test_what_the_service_is_told_has_limits(
    path: str, data: bytes, finding: tuple[str, str] | None
) -> None:
    told = replace(FAILED, before=WORLD, after=WORLD.with_file(path, data))
    assert found(FAILS, told) == ([finding] if finding else [])


def test_a_reason_that_is_cut_off_is_only_a_warning() -> None:
    told = replace(FAILED, before=WORLD, after=WORLD.with_file(FAILURE, b"x" * 2000))
    (finding,) = judge(Evidence(CONTRACT, CASE, FAILS, told))
    assert finding.severity == "warning"
    told = replace(FAILED, before=WORLD, after=WORLD.with_file(MESSAGE, b"\xff"))
    (finding,) = judge(Evidence(CONTRACT, CASE, FAILS, told))
    assert finding.severity == "error"


def test_there_is_no_reason_of_a_failure_where_there_was_none() -> None:
    after = GOOD.with_file(FAILURE, b"none")
    before = BEFORE.with_directory("/opt/ml/output")
    told = replace(WRITTEN, before=before, after=after)
    assert found(WRITES, told) == [("nothing-undeclared", "written")]


@pytest.mark.parametrize(
    "line",
    [
        "socket.gaierror: [Errno -3] Temporary failure in name resolution",
        "OSError: [Errno 101] Network is unreachable",
        "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
        'botocore.exceptions.EndpointConnectionError: Could not connect to "https://s3"',
        "curl: (6) Could not resolve host: example.com",
    ],
)
def test_a_script_that_cannot_do_without_a_network_is_found(line: str) -> None:
    told = outcome(BEFORE, 1, f"{SAID}{line}\n")
    assert ("no-network", "reaches-out") in found(WRITES, told)
    # One that can is not.
    assert found(Expectation(), outcome(BEFORE, 0, line)) == []
