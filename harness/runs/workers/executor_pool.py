"""Workers of somebody else's executor: each case runs in a process apart from the executor's own.

An executor may run what it gets in threads, beside an event loop, or in processes that others have
set up, while a runner needs a process of its own: it forks, and has signals and timers for itself.
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
from harness.runs.step import fingerprint
from harness.runs.workers import Work, subprocess_pool
from harness.runs.workers.build_id import build_id

# How often an executor is asked whether it is still alive, in seconds.
_LOOK = 5.0

T = TypeVar("T")


class Cluster(Executor, ABC):
    """An executor that knows its workers: `session` names what they do for this harness."""

    session: str

    @abstractmethod
    def check(self) -> None:
        """Raises `WorkersFailed` when nothing more is to be expected."""
        ...

    @abstractmethod
    def explained(self, error: Exception) -> WorkersFailed | None:
        """What an error of the cluster's own means; None for any other."""
        ...


@dataclass(frozen=True)
class ExecutorPool:
    """The workers of an executor, which stays the caller's: it is not shut down."""

    executor: Executor
    # Nobody knows how many workers it has.
    ahead: float = float("inf")

    @contextmanager
    def open(self, work: Work[T]) -> Iterator[Callable[[str], Future[T]]]:
        """Hand cases to the executor; the runners are made ready where the cases run.

        The processes apart of a cluster stay for the next step, until it is shut down. Those of
        another executor end with this if they are children of this process; else soon after.
        """
        is_cluster = isinstance(self.executor, Cluster)
        session = self.executor.session if isinstance(self.executor, Cluster) else uuid.uuid4().hex
        task = pickle.dumps((fingerprint(work.ref), work))
        begun: list[Future[T]] = []

        def submit(case_id: str) -> Future[T]:
            begun.append(
                self.executor.submit(subprocess_pool.work, build_id(), session, task, case_id)
            )
            return begun[-1]

        try:
            yield submit
        finally:
            # The last first: none of them begins because another one makes room.
            for future in reversed(begun):
                future.cancel()
            if not is_cluster:
                subprocess_pool.end(session)

    def result(self, future: Future[T]) -> T:
        """What came of a case."""
        while not concurrent.futures.wait([future], _LOOK).done:
            if isinstance(self.executor, Cluster):
                self.executor.check()
        try:
            return future.result()
        except Exception as error:
            if isinstance(self.executor, Cluster) and (explained := self.executor.explained(error)):
                raise explained from None
            if isinstance(error, BrokenExecutor):
                raise WorkersFailed(
                    f"the executor has given up: {error}",
                    "look at the log of its workers: they may lack memory; then run it again",
                ) from None
            raise
