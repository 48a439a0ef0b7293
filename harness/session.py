"""The session: drives cases through a runner in worker processes, and yields results in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import TypeVar, cast

from harness.case import Result
from harness.errors import HarnessError
from harness.runners import Runner
from harness.signals import undisturbed
from harness.step import Judged, StepRef, prove

# Seconds in which a worker that is told to stop takes down what it has started.
_GRACE = 5.0
# Enough to keep the workers busy while results are taken in order.
_AHEAD_PER_WORKER = 8

T = TypeVar("T")


def default_jobs() -> int:
    """As many workers as there are processors for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Session:
    """One run of some cases of a step through a runner, with `jobs` worker processes.

    `judged` is what gives the verdict on a case, with a runner that is ready; picklable.
    """

    ref: StepRef
    runner: Runner
    jobs: int = 1
    judged: Judged = prove

    def run(self, ids: Sequence[str]) -> Iterator[Result]:
        """The results, in the order of `ids` whatever the number of workers.

        Raises `RunnerUnavailable` before the first case, `RunnerCannot` at one that the runner
        cannot judge. Closing the iterator early stops the workers and cleans up.
        """
        self.runner.prepare()
        try:
            yield from in_order(partial(self.judged, self.ref, self.runner), ids, self.jobs)
        finally:
            self.runner.close()


def in_order(task: Callable[[str], T], ids: Sequence[str], jobs: int) -> Iterator[T]:
    """What `task` returns for each id, in the order of `ids`, from `jobs` worker processes.

    `task` must be picklable. Raises what it raises; closing the iterator early stops the workers.
    """
    ahead: deque[Future[T]] = deque()
    with _workers(jobs) as executor:
        try:
            for case_id in ids:
                with undisturbed():
                    # It may start a worker, which must be known before it can be stopped.
                    ahead.append(executor.submit(_work, task, case_id))
                if len(ahead) >= jobs * _AHEAD_PER_WORKER:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool:
            raise HarnessError(
                "a worker process of the harness died", "run again with --jobs 1; free memory"
            ) from None


@contextmanager
def _workers(jobs: int) -> Iterator[Executor]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.step", "harness.runners.fake"])
    executor = ProcessPoolExecutor(jobs, mp_context=context, initializer=_become_worker)
    try:
        yield executor
    except BaseException:
        # Whoever stops early does not wait for cases that hang.
        _end(multiprocessing.active_children())
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _end(workers: Sequence[BaseProcess]) -> None:
    """Have the workers take down what they have started and end; kill those that do not.

    A worker that is stopped within the pool's own code may lose the exception, or the lock that the
    others wait for: then they would wait for ever.
    """
    for worker in workers:
        worker.terminate()
    left = {worker.sentinel: worker for worker in workers}
    deadline = time.monotonic() + _GRACE
    while left and (seconds := deadline - time.monotonic()) > 0:
        for sentinel in connection.wait(list(left), seconds):
            del left[cast(int, sentinel)]
    for worker in left.values():
        worker.kill()


class _Stopped(BaseException):
    """The session wants this worker to end: whatever its case has started is taken down."""


def _become_worker() -> None:
    # Ctrl-C reaches the whole process group; the session alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def _work(task: Callable[[str], T], case_id: str) -> T:
    try:
        return task(case_id)
    except _Stopped:
        os._exit(1)
