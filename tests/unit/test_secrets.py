"""Promises about secrets, files for the service, and the network."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import shlex
import urllib.parse
import zlib
from dataclasses import replace
from xml.sax.saxutils import quoteattr

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
    STDERR,
    WRITES,
    WRITTEN,
    found,
    outcome,
)

SECRET = BASE_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
FAILURE = "/opt/ml/output/failure"
MESSAGE = "/opt/ml/output/message"
TREE = BEFORE.with_directory("/opt/ml/output")


@pytest.mark.parametrize(
    "result",
    [
        replace(WRITTEN, stdout=f"copied with {SECRET}"),
        replace(WRITTEN, stderr=f"env: {dict(BASE_ENVIRONMENT)}"),
        replace(WRITTEN, after=GOOD.with_file("/tmp/env", f"x={SECRET}".encode())),
        replace(WRITTEN, after=GOOD.with_file(COPY, gzip.compress(SECRET.encode()))),
    ],
)
def test_a_secret_is_found_wherever_it_is_written(result: Outcome) -> None:
    assert ("no-secrets", "tells-AWS_SECRET_ACCESS_KEY") in found(WRITES, result)


def basic(before: str, secret: str) -> bytes:
    return base64.b64encode(f"{before}:{secret}".encode())


@pytest.mark.parametrize(
    "written",
    [
        base64.b64encode(SECRET.encode()),
        base64.urlsafe_b64encode(SECRET.encode()),
        *(b"Authorization: Basic " + basic(user, SECRET) for user in ("", "u", "us", "user")),
        *(base64.b64encode(f"{'x' * before}{SECRET}yz".encode()) for before in range(3)),
        base64.encodebytes(b"x" * 50 + SECRET.encode() * 3),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex().upper().encode(),
        urllib.parse.quote(SECRET, safe="").encode(),
        SECRET.replace("/", "%2f").encode(),
        json.dumps({"key": SECRET}).replace("/", "\\/").encode(),
        "".join(f"\\u{ord(one):04x}" for one in SECRET).encode(),
        SECRET.encode("utf-16-le"),
        "".join(f"%{one:02X}" for one in SECRET.encode()).encode(),
        base64.b32encode(b"x" + SECRET.encode()),
        base64.b32encode(SECRET.encode()).lower(),
        "".join(f"&#{ord(one)};" for one in SECRET).encode(),
        "".join(f"\\{one:03o}" for one in SECRET.encode()).encode(),
        bz2.compress(SECRET.encode()),
        lzma.compress(SECRET.encode()),
        zlib.compress(SECRET.encode()),
        gzip.compress(bz2.compress(SECRET.encode()), mtime=0),
    ],
)
def test_a_secret_is_found_in_other_spellings(written: bytes) -> None:
    result = replace(
        WRITTEN, after=GOOD.with_file("/tmp/notes", b"a: " * written.isascii() + written)
    )
    assert ("no-secrets", "tells-AWS_SECRET_ACCESS_KEY") in found(WRITES, result)


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ("passwörd & more", "passw\\u00f6rd & more"),
        ("passwörd & more", "passw%C3%B6rd+%26+more"),
        ("passwörd & more", "passwörd &amp; more"),
        ('pass"word"1', 'pass\\"word\\"1'),
        ("passwörd 1", repr("passwörd 1".encode())),
        ("passwörd 1", ascii("passwörd 1")),
        ("pass😀word", json.dumps("pass😀word")),
        ('it\'s a "word"', shlex.quote('it\'s a "word"')),
        ('it\'s a "word"', quoteattr('it\'s a "word"')),
        ("it's a word", "it''s a word"),
        ("a\\pass\nword", repr("a\\pass\nword")),
    ],
)
def test_a_secret_is_found_escaped(secret: str, written: str) -> None:
    case = replace(CASE, variables={"DB_PASSWORD": secret})
    assert ("no-secrets", "tells-DB_PASSWORD") in found(
        WRITES, replace(WRITTEN, stdout=f"<{written}>"), case
    )


def test_what_only_looks_like_an_encoded_secret_is_none() -> None:
    others = [SECRET[::-1], SECRET[:-2], SECRET.upper()]
    text = "".join(f"{one} {one.encode().hex()} " for one in others).encode()
    text += b" ".join(base64.b64encode(one.encode()) for one in others)
    assert found(WRITES, replace(WRITTEN, stdout=f"copied {text.decode()}")) == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [("DB_PASSWORD", True), ("api_key", True), ("GITHUB_TOKEN", True), ("BUCKET", False)],
)
def test_names_of_variables_identify_secrets(name: str, secret: bool) -> None:
    case = replace(CASE, variables={name: "hunter2-hunter2"})
    result = replace(WRITTEN, stdout="copied by hunter2-hunter2")
    assert (found(WRITES, result, case) != []) is secret
    # A secret that was in a file before is not a finding.
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
def test_files_for_the_service_have_limits(
    path: str, data: bytes, finding: tuple[str, str] | None
) -> None:
    result = replace(FAILED, before=TREE, after=TREE.with_file(path, data))
    assert found(FAILS, result) == ([finding] if finding else [])


def test_a_reason_that_is_too_long_is_only_a_warning() -> None:
    result = replace(FAILED, before=TREE, after=TREE.with_file(FAILURE, b"x" * 2000))
    (finding,) = judge(Evidence(CONTRACT, CASE, FAILS, result)).findings
    assert finding.severity == "warning"
    result = replace(FAILED, before=TREE, after=TREE.with_file(MESSAGE, b"\xff"))
    (finding,) = judge(Evidence(CONTRACT, CASE, FAILS, result)).findings
    assert finding.severity == "error"


def test_a_successful_run_must_not_write_a_failure_reason() -> None:
    after = GOOD.with_file(FAILURE, b"none")
    before = BEFORE.with_directory("/opt/ml/output")
    result = replace(WRITTEN, before=before, after=after)
    assert found(WRITES, result) == [("nothing-undeclared", "written")]


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
def test_a_script_that_needs_a_network_is_found(line: str) -> None:
    result = outcome(BEFORE, 1, f"{STDERR}{line}\n")
    assert ("no-network", "reaches-out") in found(WRITES, result)
    # A script that succeeds without a network has no finding.
    assert found(Expectation(), outcome(BEFORE, 0, line)) == []
