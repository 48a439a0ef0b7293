"""The session: drives cases through a runner with its workers, and yields results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.cases.case import Result
from harness.runners import Runner
from harness.runs.step import Judged, StepRef, prove
from harness.runs.workers import Work, Workers, open_pool
from harness.signals import undisturbed

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """One run of some cases of a step through a runner.

    `workers` is a number of processes on this machine, or any `concurrent.futures.Executor`, which
    stays the caller's and may have its workers anywhere.
    `judged` is what gives the verdict on a case, with a runner that is ready; picklable.
    """

    ref: StepRef
    runner: Runner
    workers: Workers = 1
    judged: Judged = prove

    def run(self, ids: Sequence[str]) -> Iterator[Result]:
        """The results, in the order of `ids` whatever the workers.

        Raises `RunnerUnavailable` before the first case, `RunnerCannot` at one that the runner
        cannot judge, and `WorkersFailed`. Closing the iterator early cancels what has not begun,
        stops the rest and cleans up.
        """
        work = Work(partial(_verdict, self.judged), self.ref, (self.runner,))
        yield from in_order(work, ids, self.workers)


def _verdict(judged: Judged, ref: StepRef, runners: Sequence[Runner], case_id: str) -> Result:
    (runner,) = runners
    return judged(ref, runner, case_id)


def in_order(work: Work[T], ids: Sequence[str], workers: Workers) -> Iterator[T]:
    """What comes of the work for each id, in the order of `ids`, from `workers`.

    Raises what it raises, and `WorkersFailed`; closing the iterator early stops the workers.
    """
    pool = open_pool(workers)
    begun: deque[Future[T]] = deque()
    with pool.open(work) as submit:
        for case_id in ids:
            with undisturbed():
                # It may start a worker, which must be known before it can be stopped.
                begun.append(submit(case_id))
            if len(begun) >= pool.ahead:
                yield pool.result(begun.popleft())
        while begun:
            yield pool.result(begun.popleft())
