"""Child processes that run the cases of an executor: one for each thread of it that is busy.

A child process has its own runners, prepared before its first case and closed when it ends. It ends
when its session ends, when its parent dies, or when it has been idle for a while. Its main function
is `task_server.serve`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import platform
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from harness.errors import WorkersFailed
from harness.runs.build_id import build_id
from harness.runs.workers import process

_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.runs.workers.task_server import serve; serve(*json.loads(sys.argv[2]))"
)
# A child process may time out just as it gets a case, or be killed when memory runs out.
_ATTEMPTS = 3
# How long a child process waits for the next case before it ends, in seconds.
_IDLE_TIMEOUT = 30.0


@dataclass(frozen=True)
class _ChildProcess:
    """A child process, the connection to it, and the write end of its lifeline."""

    popen: subprocess.Popen[bytes]
    connection: Connection
    lifeline: int

    @staticmethod
    def start() -> _ChildProcess:
        connection, childs_connection = Pipe()
        read_end, write_end = os.pipe()
        with childs_connection:
            try:
                serve_arguments = [childs_connection.fileno(), read_end, _IDLE_TIMEOUT]
                popen = subprocess.Popen(
                    [
                        sys.executable,
                        "-c",
                        _BOOTSTRAP,
                        json.dumps(sys.path),
                        json.dumps(serve_arguments),
                    ],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(childs_connection.fileno(), read_end),
                    # In another process group, which Ctrl-C does not reach.
                    start_new_session=True,
                )
            finally:
                os.close(read_end)
        return _ChildProcess(popen, connection, write_end)

    def run_task(self, pickled_task: bytes, case_id: str) -> Any:
        """The result of a task; raises what it raised, or `EOFError` or `OSError` after a death."""
        self.connection.send((pickled_task, case_id))
        succeeded, result = pickle.loads(self.connection.recv_bytes())
        if succeeded:
            return result
        raise result

    def close(self) -> None:
        """Wait for a child that is ending, and kill it after the grace period."""
        try:
            self.popen.wait(process.GRACE_PERIOD)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.connection.close()
        with contextlib.suppress(OSError):
            os.close(self.lifeline)


class _ChildPool:
    """The child processes of this process, by session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: defaultdict[str, set[_ChildProcess]] = defaultdict(set)
        self._idle: defaultdict[str, list[_ChildProcess]] = defaultdict(list)
        self._ended_sessions: set[str] = set()

    def acquire(self, session: str) -> _ChildProcess:
        """An idle child process, or a new one; raises `WorkersFailed` when the session is over."""
        with self._lock:
            if session in self._ended_sessions:
                raise WorkersFailed("the session is over")
            while self._idle[session]:
                child = self._idle[session].pop()
                if child.popen.poll() is None:
                    return child
                self._all[session].discard(child)
                child.close()
            child = _ChildProcess.start()
            self._all[session].add(child)
            return child

    def release(self, session: str, child: _ChildProcess) -> None:
        """Keep a child process for the next case."""
        with self._lock:
            if session not in self._ended_sessions:
                self._idle[session].append(child)

    def discard(self, session: str, child: _ChildProcess) -> None:
        """Forget a child process that died."""
        with self._lock:
            # Unless `end_session` has removed it, and closes it.
            is_known = child in self._all.get(session, ())
            if is_known:
                self._all[session].remove(child)
        if is_known:
            child.close()

    def end_session(self, session: str) -> None:
        """Terminate the child processes of a session."""
        with self._lock:
            self._ended_sessions.add(session)
            children = self._all.pop(session, set())
            self._idle.pop(session, None)
        for child in children:
            child.popen.terminate()
        for child in children:
            child.close()


_POOL = _ChildPool()


def run_task(expected_build: str, session: str, pickled_task: bytes, case_id: str) -> Any:
    """Run a task for one case in a child process; executors call this, on any machine.

    Raises what the task raises, and `WorkersFailed` when this harness is not `expected_build`.
    """
    if expected_build != build_id():
        raise WorkersFailed(
            f"the worker on {platform.node()} has another harness: {build_id()}, "
            f"not {expected_build}",
            "install the same on all machines, and start the workers anew",
        )
    for _ in range(_ATTEMPTS):
        child = _POOL.acquire(session)
        try:
            result = child.run_task(pickled_task, case_id)
        except (EOFError, OSError):
            _POOL.discard(session, child)
        except BaseException:
            _POOL.release(session, child)
            raise
        else:
            _POOL.release(session, child)
            return result
    raise WorkersFailed(
        f"on {platform.node()} the process for case {case_id!r} died {_ATTEMPTS} times",
        "free memory there, or let fewer cases run at the same time",
    )


def end_session(session: str) -> None:
    """End the child processes that work for a session in this process, even in a case."""
    _POOL.end_session(session)
