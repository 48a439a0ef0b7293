"""Whoever stops a session early does not wait for a worker that never ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.runs import session
from harness.runs.step import StepRef
from harness.runs.workers import Work, local_pool, process


def stubborn(_ref: StepRef, _runners: object, case_id: str) -> str:
    """At once for the first case; else deaf to a stop, as one that lost it, for a minute."""
    if case_id != "first":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    return case_id


def test_a_worker_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.5)
    monkeypatch.setattr(local_pool, "_AHEAD_PER_WORKER", 1)
    work = Work(stubborn, StepRef(Path()), ())
    results = session.in_order(work, ["first", "second", "third", "fourth"], 2)
    assert next(results) == "first"
    time.sleep(1)  # the second case begins
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 20


def test_a_stop_while_workers_begin_shows_no_traceback() -> None:
    """Ctrl-C in a terminal reaches every process, those that still import what they need, too."""
    harness = Path(sys.executable).with_name("harness")
    with subprocess.Popen(
        [harness, "check"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as check:
        while not _begins_workers(check.pid):
            assert check.poll() is None
        time.sleep(0.1)
        os.killpg(check.pid, signal.SIGINT)
        _, said = check.communicate(timeout=60)
    assert (check.returncode, said) == (130, "\nharness: stopped; nothing is left running\n")


def _begins_workers(process_id: int) -> bool:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    with contextlib.suppress(OSError):
        return any(b"forkserver" in Path(f"/proc/{one}/cmdline").read_bytes() for one in children)
    return False
