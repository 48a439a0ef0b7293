"""Local workers: a pool of processes on this machine, made for one session."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.process import BaseProcess, parent_process
from typing import TypeVar, cast

from harness.errors import WorkersFailed
from harness.runs.workers import Work, process, ready

# Enough to keep the workers busy while results are taken in order.
_AHEAD_PER_WORKER = 8

T = TypeVar("T")


@dataclass(frozen=True)
class LocalPool:
    """So many worker processes."""

    jobs: int

    @property
    def ahead(self) -> int:
        """A few for each worker, so that an early end loses little."""
        return self.jobs * _AHEAD_PER_WORKER

    @contextmanager
    def open(self, work: Work[T]) -> Iterator[Callable[[str], Future[T]]]:
        """Start the workers when there is something to do, and end them with this."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["harness.runs.step", "harness.runners.fake.runner"])
        _start_server()
        others = multiprocessing.active_children()
        with ready(*work.runners):
            executor = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_begin)
            try:
                yield lambda case_id: executor.submit(process.one_case, work, case_id)
            except BaseException:
                # Whoever stops early does not wait for cases that hang.
                _end([one for one in multiprocessing.active_children() if one not in others])
                raise
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def result(self, future: Future[T]) -> T:
        """What came of a case."""
        try:
            return future.result()
        except BrokenProcessPool:
            raise WorkersFailed(
                "a worker process of the harness died", "run again with --jobs 1; free memory"
            ) from None


def _start_server() -> None:
    """Start what workers are forked from, deaf to Ctrl-C, which reaches the whole process group."""
    # It is deaf on its own account, but would let the signal through to the server.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _begin() -> None:
    parent = parent_process()
    assert parent is not None
    process.become_worker(parent.sentinel)
    # No script that is run from here is to be deaf, too.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    process.wait_for_cases()


def _end(workers: Sequence[BaseProcess]) -> None:
    """Have the workers take down what they have started and end; kill those that do not.

    A worker that is stopped may lose the exception, or the lock that the others wait for: then they
    would wait for ever.
    """
    for worker in workers:
        worker.terminate()
    left = {worker.sentinel: worker for worker in workers}
    deadline = time.monotonic() + process.GRACE
    while left and (seconds := deadline - time.monotonic()) > 0:
        for sentinel in connection.wait(list(left), seconds):
            del left[cast(int, sentinel)]
    for worker in left.values():
        worker.kill()
