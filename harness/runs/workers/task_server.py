"""What a process apart does: cases, one after the other, until nobody wants any more."""

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
from harness.runs.workers import process, ready


class _TaskServer:
    """The tasks that a process apart has had, with its own runners, which are ready."""

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing
        self._runners: dict[Runner, Runner] = {}
        self._checked: set[bytes] = set()

    def answer(self, task: bytes, case_id: str) -> tuple[bool, object]:
        """Whether all went well, and what came of it or what was raised."""
        try:
            wanted, work = pickle.loads(task)
            if task not in self._checked:
                _see(work.ref, wanted)
                self._checked.add(task)
            own = tuple(self._own(runner) for runner in work.runners)
            return True, replace(work, runners=own)(case_id)
        except HarnessError as error:
            return False, error
        except Exception:
            # Only a defect of the harness gets here; its traceback would not travel.
            return False, RuntimeError(traceback.format_exc())

    def _own(self, runner: Runner) -> Runner:
        if runner not in self._runners:
            own = runner.here()
            self._closing.enter_context(ready(own))
            self._runners[runner] = own
        return self._runners[runner]


def _see(ref: StepRef, wanted: str) -> None:
    """Raises `WorkersFailed` unless this process sees the step that is wanted."""
    try:
        if fingerprint(ref) == wanted:
            return
        what = f"the worker on {platform.node()} sees other files of the step {ref.path}"
    except HarnessError as error:
        what = f"the worker on {platform.node()} does not see the step: {error.what}"
    raise WorkersFailed(
        what, "workers need the same step at the same path: put it on a file system they share"
    )


def serve(talk: int, lifeline: int, idle: float) -> None:
    """Do what comes through the connection `talk`, until it or the pipe `lifeline` closes.

    Or until nothing has come for `idle` seconds.
    """
    for number in (talk, lifeline):
        # No script gets hold of them.
        os.set_inheritable(number, False)
    with ExitStack() as closing:
        try:
            process.become_worker(lifeline)
            server = _TaskServer(closing)
            with Connection(talk) as caller:
                while caller.poll(idle):
                    caller.send_bytes(pickle.dumps(server.answer(*caller.recv())))
        except (process.Stopped, EOFError, OSError):
            # Whoever wanted this has gone, or wants no more.
            pass
        finally:
            process.hear_no_more()
