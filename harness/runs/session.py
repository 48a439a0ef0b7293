"""The session: runs cases on workers, and yields their results in order."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.cases.case import Result
from harness.cases.results import Group
from harness.runners import Runner
from harness.runs.step import JudgeCase, StepRef, prove
from harness.runs.workers import Task, Workers, open_pool
from harness.signals import defer_stop_signals

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """One run of some cases of a step through a runner.

    `workers` is a number of processes on this machine, or any `concurrent.futures.Executor`, which
    remains the caller's and may have its workers on other machines.
    `judge_case` gives the verdict on a case, through a prepared runner; it is picklable.
    """

    ref: StepRef
    runner: Runner
    workers: Workers = 1
    judge_case: JudgeCase = prove

    def run(self, ids: Sequence[str]) -> Iterator[Result]:
        """The results, in the order of `ids`.

        Raises `RunnerUnavailable` before the first case, `RunnerCannot` at a case that the runner
        cannot judge, and `WorkersFailed`. Closing the iterator early cancels pending cases, stops
        running ones and cleans up.
        """
        task = Task(partial(_judge_case, self.judge_case), self.ref, (self.runner,))
        yield from run_in_order(task, ids, self.workers)

    def run_in_groups(self, ids: Sequence[str], size: int) -> Iterator[Group]:
        """The same, for cases that take less time than it takes to hand them to a worker."""
        task = Task(partial(_judge_group, self.judge_case), self.ref, (self.runner,))
        starts = range(0, len(ids), size)
        groups = (json.dumps([*ids[start : start + size]]) for start in starts)
        yield from run_in_order(task, groups, self.workers)


def _judge_group(judge_case: JudgeCase, ref: StepRef, runners: Sequence[Runner], ids: str) -> Group:
    return Group.of([_judge_case(judge_case, ref, runners, one) for one in json.loads(ids)])


def _judge_case(
    judge_case: JudgeCase, ref: StepRef, runners: Sequence[Runner], case_id: str
) -> Result:
    (runner,) = runners
    return judge_case(ref, runner, case_id)


def run_in_order(task: Task[T], ids: Iterable[str], workers: Workers) -> Iterator[T]:
    """Run a task for each case on `workers`, and yield the results in the order of `ids`.

    Raises what the task raises, and `WorkersFailed`; closing the iterator early stops the workers.
    """
    pool = open_pool(workers)
    pending: deque[Future[T]] = deque()
    with pool.open(task) as submit:
        for case_id in ids:
            with defer_stop_signals():
                # This may start a worker, which can be stopped only once it is registered.
                pending.append(submit(case_id))
            if len(pending) >= pool.max_pending:
                yield pool.result(pending.popleft())
        while pending:
            yield pool.result(pending.popleft())
