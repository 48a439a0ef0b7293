"""A pool of worker processes on this machine, made for one session."""

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
from harness.runs.workers import Task, prepared, process

# Enough to keep the workers busy while results are collected in order.
_PENDING_PER_WORKER = 8

T = TypeVar("T")


@dataclass(frozen=True)
class LocalPool:
    """A number of worker processes on this machine."""

    jobs: int

    @property
    def max_pending(self) -> int:
        """A few cases for each worker, so that an early end wastes little."""
        return self.jobs * _PENDING_PER_WORKER

    @contextmanager
    def open(self, task: Task[T]) -> Iterator[Callable[[str], Future[T]]]:
        """Start workers as cases are submitted, and stop them at the end."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["harness.runs.step", "harness.runners.fake.runner"])
        _start_fork_server()
        callers_children = multiprocessing.active_children()
        with prepared(*task.runners):
            executor = ProcessPoolExecutor(
                self.jobs, mp_context=context, initializer=_initialize_worker
            )
            try:
                yield lambda case_id: executor.submit(process.run_task, task, case_id)
            except BaseException:
                # An early end does not wait for cases that hang.
                children = multiprocessing.active_children()
                _stop([child for child in children if child not in callers_children])
                raise
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def result(self, future: Future[T]) -> T:
        """Wait for the result of a case."""
        try:
            return future.result()
        except BrokenProcessPool:
            raise WorkersFailed(
                "a worker process of the harness died", "run again with --jobs 1; free memory"
            ) from None


def _start_fork_server() -> None:
    """Start the process that forks the workers, with SIGINT blocked in it.

    Ctrl-C reaches the whole process group, and the fork server would print a traceback.
    """
    # Starting the resource tracker ends with SIGINT unblocked; `forkserver.ensure_running` would
    # start it just before the fork server.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _initialize_worker() -> None:
    parent = parent_process()
    assert parent is not None
    # First of all: a stop that comes meanwhile ends this process, and is no error of its start.
    process.set_idle()
    process.become_worker(parent.sentinel)
    # The scripts that this worker runs must not inherit the blocked SIGINT.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _stop(workers: Sequence[BaseProcess]) -> None:
    """Terminate the workers, and kill those that have not ended after the grace period.

    The exception that stops a worker may get lost, as in a finalizer, and a stopped worker may hold
    a lock that the others wait for; such workers would never end.
    """
    for worker in workers:
        worker.terminate()
    running = {worker.sentinel: worker for worker in workers}
    deadline = time.monotonic() + process.GRACE_PERIOD
    while running and (seconds := deadline - time.monotonic()) > 0:
        for sentinel in connection.wait(list(running), seconds):
            del running[cast(int, sentinel)]
    for worker in running.values():
        worker.kill()
