"""Stopping a session early does not wait for a worker that does not stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.runs import session
from harness.runs.step import StepRef
from harness.runs.workers import Task, local_pool, process
from tests.unit.gated import PATIENCE


def hang(_ref: StepRef, _runners: object, case_id: str) -> str:
    """Return the first case at once; ignore SIGTERM for an hour in the others."""
    if case_id != "first":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3600)
    return case_id


def test_a_worker_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_PERIOD", 0.5)
    monkeypatch.setattr(local_pool, "_PENDING_PER_WORKER", 1)
    task = Task(hang, StepRef(Path()), ())
    results = session.run_in_order(task, ["first", "second", "third", "fourth"], 2)
    assert next(results) == "first"
    time.sleep(1)  # the second case begins
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("delay", [0, 0.05, 0.2])
def test_an_interrupt_while_workers_start_shows_no_traceback(delay: float) -> None:
    """Ctrl-C in a terminal reaches every process, also one that has just been forked."""
    harness = Path(sys.executable).with_name("harness")
    with subprocess.Popen(
        [harness, "check"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as check:
        while not _starts_workers(check.pid):
            assert check.poll() is None
        time.sleep(delay)
        os.killpg(check.pid, signal.SIGINT)
        _, errors = check.communicate(timeout=PATIENCE)
    assert (check.returncode, errors) == (130, "\nharness: stopped; nothing is left running\n")


def _starts_workers(process_id: int) -> bool:
    # The first child is the process that fake worlds are forked from.
    return len(Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()) > 1


def test_a_stop_while_a_worker_starts_is_no_error_of_its_start() -> None:
    program = (
        "import multiprocessing, os, signal\n"
        "from harness.runs.workers import local_pool, process\n"
        "become_worker = process.become_worker\n"
        "def stopped(lifeline):\n"
        "    become_worker(lifeline)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "process.become_worker = stopped\n"
        "context = multiprocessing.get_context('fork')\n"
        "worker = context.Process(target=local_pool._initialize_worker)\n"
        "worker.start()\n"
        "worker.join()\n"
        "print(worker.exitcode)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
