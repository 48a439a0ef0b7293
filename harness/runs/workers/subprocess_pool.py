"""Processes apart: the children in which the cases that an executor gets are run.

One for each thread that works at the same time. A child has runners of its own, which it prepares
before its first case and closes at its end: when it is told to, when the process that it works for
is gone, or when it has had nothing to do for a while. `served.py` is what it runs.
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
from harness.runs.workers import process
from harness.runs.workers.build_id import build_id

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.runs.workers.task_server import serve; serve(*json.loads(sys.argv[2]))"
)
# A child may end of itself at the moment in which it gets a case, or be killed for want of memory.
_TRIES = 3
# Seconds without anything to do after which a child ends: whoever it worked for is gone, or done.
_IDLE = 30.0


@dataclass(frozen=True)
class _Child:
    """A process apart, and the end of the pipes to it."""

    running: subprocess.Popen[bytes]
    talk: Connection
    lifeline: int

    @staticmethod
    def start() -> _Child:
        here, there = Pipe()
        read_end, write_end = os.pipe()
        with there:
            try:
                # A group of its own: Ctrl-C is not for it.
                words = [json.dumps(sys.path), json.dumps([there.fileno(), read_end, _IDLE])]
                running = subprocess.Popen(
                    [sys.executable, "-c", _BOOT, *words],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(there.fileno(), read_end),
                    start_new_session=True,
                )
            finally:
                os.close(read_end)
        return _Child(running, here, write_end)

    def ask(self, task: bytes, case_id: str) -> Any:
        """What came of a case; raises `EOFError` or `OSError` when the child is gone."""
        self.talk.send((task, case_id))
        succeeded, answer = pickle.loads(self.talk.recv_bytes())
        if succeeded:
            return answer
        raise answer

    def leave(self) -> None:
        """Wait for the end of a child that ends, and kill it when that takes too long."""
        try:
            self.running.wait(process.GRACE)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()
        self.talk.close()
        with contextlib.suppress(OSError):
            os.close(self.lifeline)


class _Children:
    """The children of this process, for each session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: defaultdict[str, set[_Child]] = defaultdict(set)
        self._idle: defaultdict[str, list[_Child]] = defaultdict(list)
        self._ended: set[str] = set()

    def take(self, session: str) -> _Child:
        with self._lock:
            if session in self._ended:
                raise WorkersFailed("the session is over")
            while self._idle[session]:
                child = self._idle[session].pop()
                if child.running.poll() is None:
                    return child
                self._all[session].discard(child)
                child.leave()
            child = _Child.start()
            self._all[session].add(child)
            return child

    def give_back(self, session: str, child: _Child) -> None:
        with self._lock:
            if session not in self._ended:
                self._idle[session].append(child)

    def lose(self, session: str, child: _Child) -> None:
        with self._lock:
            mine = child in self._all.get(session, ())
            if mine:
                self._all[session].remove(child)
        if mine:
            child.leave()

    def end(self, session: str) -> None:
        with self._lock:
            self._ended.add(session)
            children = self._all.pop(session, set())
            self._idle.pop(session, None)
        for child in children:
            child.running.terminate()
        for child in children:
            child.leave()


_CHILDREN = _Children()


def work(wanted: str, session: str, task: bytes, case_id: str) -> Any:
    """Do a task for one case in a process apart: called by an executor, anywhere.

    Raises what it raises, and `WorkersFailed` when this is not the harness that is `wanted`.
    """
    if wanted != build_id():
        raise WorkersFailed(
            f"the worker on {platform.node()} has another harness: {build_id()}, not {wanted}",
            "install the same on all machines, and start the workers anew",
        )
    for _ in range(_TRIES):
        child = _CHILDREN.take(session)
        try:
            answer = child.ask(task, case_id)
        except (EOFError, OSError):
            _CHILDREN.lose(session, child)
        except BaseException:
            _CHILDREN.give_back(session, child)
            raise
        else:
            _CHILDREN.give_back(session, child)
            return answer
    raise WorkersFailed(
        f"on {platform.node()} the process for case {case_id!r} died {_TRIES} times",
        "free memory there, or let fewer cases run at the same time",
    )


def end(session: str) -> None:
    """End what works for a session in this process, whatever it is doing."""
    _CHILDREN.end(session)
