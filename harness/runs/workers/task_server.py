"""The main function of a child process of `subprocess_pool`: runs cases one after the other."""

from __future__ import annotations

import os
import pickle
import platform
import traceback
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection

from harness.errors import HarnessError, WorkersFailed
from harness.runners import Runner
from harness.runs.step import StepRef, fingerprint
from harness.runs.workers import prepared, process


class TaskServer:
    """Runs tasks with runners of its own, which it prepares once and closes with `closing`."""

    def __init__(self, closing: ExitStack) -> None:
        """Start without any runner."""
        self._closing = closing
        self._prepared: dict[Runner, Runner] = {}
        self._checked: set[bytes] = set()

    def run(self, pickled_task: bytes, case_id: str) -> tuple[bool, object]:
        """Run a task for one case: (True, its result) or (False, the exception to raise)."""
        try:
            expected_fingerprint, task = pickle.loads(pickled_task)
            if pickled_task not in self._checked:
                _check_step(task.ref, expected_fingerprint)
                self._checked.add(pickled_task)
            runners = tuple(self._prepare(runner) for runner in task.runners)
            return True, replace(task, runners=runners)(case_id)
        except HarnessError as error:
            return False, error
        except Exception:
            # Only a defect of the harness gets here; a traceback cannot be pickled, its text can.
            return False, RuntimeError(traceback.format_exc())

    def _prepare(self, runner: Runner) -> Runner:
        if runner not in self._prepared:
            local_runner = runner.for_this_process()
            self._closing.enter_context(prepared(local_runner))
            self._prepared[runner] = local_runner
        return self._prepared[runner]


def _check_step(ref: StepRef, expected_fingerprint: str) -> None:
    """Raises `WorkersFailed` unless the step has the expected files on this machine."""
    try:
        if fingerprint(ref) == expected_fingerprint:
            return
        what = f"the worker on {platform.node()} sees other files of the step {ref.path}"
    except HarnessError as error:
        what = f"the worker on {platform.node()} does not see the step: {error.what}"
    raise WorkersFailed(
        what, "workers need the same step at the same path: put it on a file system they share"
    )


def serve(connection_fd: int, lifeline: int, idle_timeout: float) -> None:
    """Run the tasks that come through a connection, until it or the pipe `lifeline` closes.

    Returns as well when no task has come for `idle_timeout` seconds.
    """
    for descriptor in (connection_fd, lifeline):
        # No script inherits them.
        os.set_inheritable(descriptor, False)
    with ExitStack() as closing:
        try:
            process.become_worker(lifeline)
            server = TaskServer(closing)
            with Connection(connection_fd) as connection:
                while connection.poll(idle_timeout):
                    connection.send_bytes(pickle.dumps(server.run(*connection.recv())))
        except (process.Stopped, EOFError, OSError):
            # The session is over, or the parent has died.
            pass
        finally:
            process.ignore_stops()
