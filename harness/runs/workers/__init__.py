"""Workers: the processes that run cases; imports `step` and `build_id` of runs.

`local_pool.py` is a pool of processes on this machine. `executor_pool.py` submits cases to any
executor; there `subprocess_pool.py` runs each in a child process, whose main function is in
`task_server.py`. `dask.py` is such an executor. `process.py` has what all worker processes share:
how they stop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from harness.runners import Runner
from harness.runs.step import StepRef

T = TypeVar("T")
# The number of processes on this machine, or the caller's executor.
Workers = int | Executor


@dataclass(frozen=True)
class Task(Generic[T]):
    """What is done for each case of a step, through prepared runners; picklable."""

    function: Callable[[StepRef, tuple[Runner, ...], str], T]
    ref: StepRef
    runners: tuple[Runner, ...]

    def __call__(self, case_id: str) -> T:
        """Do it for one case."""
        return self.function(self.ref, self.runners, case_id)


class WorkerPool(Protocol):
    """The workers of a session."""

    @property
    def max_pending(self) -> float:
        """How many cases may be submitted before the result of the first is collected."""
        ...

    def open(self, task: Task[T]) -> AbstractContextManager[Callable[[str], Future[T]]]:
        """A context whose value submits a case; the runners are prepared before the first case.

        Leaving it cleans up. Leaving it early stops running cases and cancels the pending ones.
        """
        ...

    def result(self, future: Future[T]) -> T:
        """Wait for the result of a case; raises what the case raised, and `WorkersFailed`."""
        ...


def open_pool(workers: Workers) -> WorkerPool:
    """A pool of that many local processes, or of an executor's workers."""
    if isinstance(workers, int):
        from harness.runs.workers.local_pool import LocalPool

        return LocalPool(workers)
    from harness.runs.workers.executor_pool import ExecutorPool

    return ExecutorPool(workers)


@contextmanager
def prepared(*runners: Runner) -> Iterator[None]:
    """Prepare the runners, and close them at the end; raises what `prepare` raises."""
    with ExitStack() as closing:
        for runner in runners:
            closing.callback(runner.close)
            runner.prepare()
        yield


def default_jobs() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
