"""Files for the service: the reason of a failure, and the exit message.

Every script may write them without declaring them, the first only when it fails. Source: the
service's documentation of training jobs (`/opt/ml/output/failure`) and of processing jobs
(`/opt/ml/output/message`).
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise
from harness.worlds.tree import Entry

FAILURE = "/opt/ml/output/failure"
MESSAGE = "/opt/ml/output/message"
# In characters.
_FAILURE_LIMIT = 1024
# In bytes.
_MESSAGE_LIMIT = 1024


def is_job_file(path: str, evidence: Evidence) -> bool:
    """Whether the run may write the file without declaring it.

    One that had to fail may give the reason, even where its exit code does not say that it failed.
    """
    expected = evidence.expected
    must_succeed = expected.accepts_exit_code(0) and not expected.damaged
    succeeded = evidence.outcome.exit_code == 0 and must_succeed
    return path == MESSAGE or (path == FAILURE and not succeeded)


def check_failure(evidence: Evidence) -> Iterator[Breach]:
    """One breach when the failure file is longer than what the service shows of it."""
    entry = _written(evidence, FAILURE)
    if entry is None:
        return
    length = len(entry.data.decode("utf-8", "replace"))
    if entry.kind != "file" or length > _FAILURE_LIMIT:
        wanted = f"a file of at most {_FAILURE_LIMIT} characters: the rest is cut off"
        got = f"{length} characters" if entry.kind == "file" else f"a {entry.kind}"
        yield Breach("failure-too-long", FAILURE, wanted, got)


def check_message(evidence: Evidence) -> Iterator[Breach]:
    """One breach when the message is not UTF-8, which fails the job, or is too long."""
    entry = _written(evidence, MESSAGE)
    if entry is None:
        return
    wanted = f"a file of at most {_MESSAGE_LIMIT} bytes, in UTF-8"
    if entry.kind != "file":
        yield Breach("message-not-a-file", MESSAGE, wanted, f"a {entry.kind}")
        return
    try:
        entry.data.decode("utf-8")
    except UnicodeDecodeError as error:
        yield Breach("message-not-utf-8", MESSAGE, wanted, str(error))
    if len(entry.data) > _MESSAGE_LIMIT:
        yield Breach("message-too-long", MESSAGE, wanted, f"{len(entry.data)} bytes")


def _written(evidence: Evidence, path: str) -> Entry | None:
    before, after = evidence.outcome.before.get(path), evidence.outcome.after
    entry = None if after is None else after.get(path)
    return None if entry == before else entry


FAILURE_REASON = Promise(
    "failure-reason",
    "The reason of a failure, /opt/ml/output/failure, is not longer than what is shown of it.",
    check_failure,
    severity="warning",
    practical="warning",
    by_path=True,
)
EXIT_MESSAGE = Promise(
    "exit-message",
    "The message /opt/ml/output/message is UTF-8 and no longer than 1 KB.",
    check_message,
    by_path=True,
)
