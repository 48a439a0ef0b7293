"""Workers of any `concurrent.futures.Executor`: each case runs in a child process of a worker.

An executor may call its functions in threads, beside an event loop, or in processes configured for
something else. A runner needs a process of its own: it forks, and uses signals and timers.
"""

from __future__ import annotations

import concurrent.futures
import pickle
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import WorkersFailed
from harness.runs.build_id import build_id
from harness.runs.step import fingerprint
from harness.runs.workers import Task, subprocess_pool

# The time between two health checks of a cluster while a result is awaited, in seconds.
_CHECK_INTERVAL = 5.0

T = TypeVar("T")


class ClusterExecutor(Executor, ABC):
    """An executor that can check its workers and explain its errors.

    `session` identifies the child processes that its workers start for this harness.
    """

    session: str

    @abstractmethod
    def check(self) -> None:
        """Raises `WorkersFailed` when the pending cases will never be run."""
        ...

    @abstractmethod
    def explain(self, error: Exception) -> WorkersFailed | None:
        """What one of the cluster's own errors means; None for any other error."""
        ...


@dataclass(frozen=True)
class ExecutorPool:
    """The workers of an executor, which is the caller's and is not shut down here."""

    executor: Executor
    # The number of the executor's workers is not known, so all cases are submitted at once.
    max_pending: float = float("inf")

    @contextmanager
    def open(self, task: Task[T]) -> Iterator[Callable[[str], Future[T]]]:
        """Submit cases to the executor; the runners are prepared in the child processes.

        The child processes of a cluster are reused for the next step, until it is shut down. Those
        of another executor end here if they are children of this process, else soon after.
        """
        is_cluster = isinstance(self.executor, ClusterExecutor)
        session = (
            self.executor.session
            if isinstance(self.executor, ClusterExecutor)
            else uuid.uuid4().hex
        )
        pickled_task = pickle.dumps((fingerprint(task.ref), task))
        futures: list[Future[T]] = []

        def submit(case_id: str) -> Future[T]:
            future = self.executor.submit(
                subprocess_pool.run_task, build_id(), session, pickled_task, case_id
            )
            futures.append(future)
            return future

        try:
            yield submit
        finally:
            # In reverse order, so that no pending case starts when another one is cancelled.
            for future in reversed(futures):
                future.cancel()
            if not is_cluster:
                subprocess_pool.end_session(session)

    def result(self, future: Future[T]) -> T:
        """Wait for the result of a case, checking a cluster's health meanwhile."""
        while not concurrent.futures.wait([future], _CHECK_INTERVAL).done:
            if isinstance(self.executor, ClusterExecutor):
                self.executor.check()
        try:
            return future.result()
        except Exception as error:
            if isinstance(self.executor, ClusterExecutor) and (
                explained := self.executor.explain(error)
            ):
                raise explained from None
            if isinstance(error, BrokenExecutor):
                raise WorkersFailed(
                    f"the executor has given up: {error}",
                    "look at the log of its workers: they may lack memory; then run it again",
                ) from None
            raise
