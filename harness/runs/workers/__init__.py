"""Workers: the processes that cases are run in, on this machine or on others.

`local.py` is a pool of processes here; `foreign.py` pool cases to any executor, and sees to it
that each runs in a process apart, `apart.py`; `dask.py` is such an executor. What all of these
processes have in common is in `process.py`.
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
# So many processes on this machine, or somebody's executor.
Workers = int | Executor


@dataclass(frozen=True)
class Work(Generic[T]):
    """What is done for each case of a step, through runners that are ready; picklable."""

    function: Callable[[StepRef, tuple[Runner, ...], str], T]
    ref: StepRef
    runners: tuple[Runner, ...]

    def __call__(self, case_id: str) -> T:
        """Do it for one case."""
        return self.function(self.ref, self.runners, case_id)


class WorkerPool(Protocol):
    """Workers as a session sees them."""

    @property
    def ahead(self) -> float:
        """How many cases may be handed over before the result of the first is taken."""
        ...

    def open(self, work: Work[T]) -> AbstractContextManager[Callable[[str], Future[T]]]:
        """Within this, what pool a case over; the runners are ready before the first one.

        The end of it cleans up, and does not wait for cases that hang if it comes early.
        """
        ...

    def result(self, future: Future[T]) -> T:
        """What came of a case; raises what it raised, and `WorkersFailed`."""
        ...


def open_pool(workers: Workers) -> WorkerPool:
    """The crew of so many local processes, or of an executor."""
    if isinstance(workers, int):
        from harness.runs.workers.local_pool import LocalPool

        return LocalPool(workers)
    from harness.runs.workers.executor_pool import ExecutorPool

    return ExecutorPool(workers)


@contextmanager
def ready(*runners: Runner) -> Iterator[None]:
    """Within this the runners are ready; raises what `prepare` raises."""
    with ExitStack() as closing:
        for runner in runners:
            closing.callback(runner.close)
            runner.prepare()
        yield


def default_jobs() -> int:
    """As many workers as there are processors for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
