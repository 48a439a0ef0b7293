"""A pool of worker processes on this machine, made for one session."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess, parent_process
from typing import Any, TypeVar, cast

from harness.errors import WorkersFailed
from harness.runs import step
from harness.runs.workers import Task, prepared, process
from harness.signals import STOP_SIGNALS

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
        # A fork needs no imports, and is safe while this process has a single thread.
        context: ForkContext | ForkServerContext = multiprocessing.get_context("fork")
        if threading.active_count() > 1:
            context = multiprocessing.get_context("forkserver")
            _start_fork_server(context)
        callers_children = multiprocessing.active_children()
        with prepared(*task.runners):
            executor = ProcessPoolExecutor(
                self.jobs, mp_context=context, initializer=_initialize_worker
            )
            try:
                yield lambda case_id: _submit(executor, task, case_id)
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


def _submit(executor: ProcessPoolExecutor, task: Task[T], case_id: str) -> Future[T]:
    """Submit a case; the first one starts the workers.

    A worker starts with the handlers of this process, which are not for it, and so with the signals
    blocked.
    """
    with _blocked(STOP_SIGNALS):
        return executor.submit(process.run_task, task, case_id)


def _start_fork_server(context: ForkServerContext) -> None:
    """Start the process that forks the workers, with SIGINT blocked in it.

    Ctrl-C reaches the whole process group, and the fork server would print a traceback.
    """
    context.set_forkserver_preload(["harness.runs.step", "harness.runners.fake.runner"])
    # Starting the resource tracker ends with SIGINT unblocked; `forkserver.ensure_running` would
    # start it just before the fork server.
    resource_tracker.ensure_running()
    with _blocked([signal.SIGINT]), _address_without_a_file():
        forkserver.ensure_running()


@contextmanager
def _blocked(signals: Collection[signal.Signals]) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _address_without_a_file() -> Iterator[None]:
    """Let the fork server listen where nothing is left, even when all processes are killed."""
    module: Any = connection
    original = module.arbitrary_address
    if sys.platform == "linux":
        module.arbitrary_address = lambda _family: f"\0harness-{uuid.uuid4().hex}"
    try:
        yield
    finally:
        module.arbitrary_address = original


def _initialize_worker() -> None:
    parent = parent_process()
    assert parent is not None
    # First of all: a stop that comes meanwhile ends this process, and is no error of its start.
    process.set_idle()
    process.become_worker(parent.sentinel)
    # A fork has what its parent has read, before this session perhaps.
    step.forget()
    # The scripts that this worker runs must not inherit what was blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, *STOP_SIGNALS])


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
