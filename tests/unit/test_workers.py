"""Workers: any executor does, cases run in processes apart, and nothing outlives its master."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from harness.cases.case import Case, Outcome
from harness.errors import RunnerUnavailable, WorkersFailed
from harness.runners.fake.runner import FakeRunner
from harness.runs.parity import Comparison
from harness.runs.session import Session, in_order
from harness.runs.step import StepRef, fingerprint, load
from harness.runs.workers import Work, subprocess_pool
from harness.runs.workers.build_id import build_id
from tests.unit.gated import Gated, alive, wait_until

HARNESS = Path(sys.executable).with_name("harness")
COPIER = StepRef(Path(__file__).parent / "steps" / "copier")
IDS = load(COPIER).matrix.ids


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "threads":
        made: Executor = ThreadPoolExecutor(2)
    else:
        made = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with made:
        yield made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def test_a_session_takes_any_executor(executor: Executor) -> None:
    results = list(Session(COPIER, FakeRunner(), executor).run(IDS))
    assert [one.case for one in results] == list(IDS)
    assert [one.case for one in results if not one.passed] == []
    # It is the caller's, and goes on.
    assert executor.submit(abs, -1).result() == 1


def test_a_comparison_takes_any_executor(threads: Executor) -> None:
    runners = (FakeRunner(), FakeRunner())
    assert list(Comparison(COPIER, runners, threads).run(IDS[:3])) == [(), (), ()]


def processes(_ref: StepRef, _runners: object, _case_id: str) -> tuple[int, int]:
    return os.getpid(), threading.active_count()


def test_no_case_runs_in_the_executors_process(executor: Executor) -> None:
    executors = {executor.submit(os.getpid).result() for _ in range(20)}
    found = set(in_order(Work(processes, COPIER, ()), IDS, executor))
    assert {process for process, _ in found} & {os.getpid(), *executors} == set()
    assert {active for _, active in found} == {1}


def handed_on(_ref: StepRef, _runners: object, _case_id: str) -> list[str]:
    """What a program that the process starts would find open."""
    still = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    open_for_all = [one for one in still if os.get_inheritable(int(one.name))]
    return [str(one.readlink()) for one in open_for_all if int(one.name) > 2]


def test_no_script_gets_hold_of_the_way_to_the_harness(threads: Executor) -> None:
    assert list(in_order(Work(handed_on, COPIER, ()), ["one"], threads)) == [[]]


def test_processes_apart_end_with_the_session(threads: Executor) -> None:
    found = {process for process, _ in in_order(Work(processes, COPIER, ()), IDS, threads)}
    assert 1 <= len(found) <= 2
    assert [process for process in found if alive(process)] == []


def test_an_early_end_stops_what_has_begun_and_cancels_the_rest(
    tmp_path: Path, threads: Executor
) -> None:
    step = Gated.made(tmp_path / "step")
    step.open_first()
    results = Session(StepRef(step.folder), FakeRunner(), threads).run(step.ids)
    assert next(results).case == "text=00"
    wait_until(lambda: len(step.cases_begun) == 3)
    results.close()  # type: ignore[attr-defined]
    assert [one for one in step.begun if alive(one)] == []
    # Whatever the threads had still to do comes before this.
    threads.submit(int).result()
    assert len(step.cases_begun) == 3


def test_an_early_end_leaves_the_callers_own_children() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as mine:
        assert mine.submit(abs, -1).result() == 1
        results = in_order(Work(processes, COPIER, ()), IDS, 1)
        next(results)
        results.close()  # type: ignore[attr-defined]
        assert mine.submit(abs, -1).result() == 1


def fatal(_ref: StepRef, _runners: object, case_id: str) -> str:
    if case_id == "fatal":
        os.kill(os.getpid(), signal.SIGKILL)
    return case_id


def fatal_once(ref: StepRef, _runners: object, case_id: str) -> str:
    mark = ref.path / "mark"
    if case_id == "fatal" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return case_id


def test_a_case_whose_process_dies_is_tried_again(tmp_path: Path, threads: Executor) -> None:
    step = Gated.made(tmp_path / "step")
    ids = ["first", "fatal", "last"]
    assert list(in_order(Work(fatal_once, StepRef(step.folder), ()), ids, threads)) == ids


@pytest.mark.parametrize("here", [True, False], ids=["local", "foreign"])
def test_too_many_deaths_are_a_clear_error(here: bool, threads: Executor) -> None:
    work = Work(fatal, COPIER, ())
    with pytest.raises(WorkersFailed, match="died"):
        list(in_order(work, ["first", "fatal", "last"], 1 if here else threads))


def test_a_broken_executor_is_a_clear_error() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        executor.submit(os._exit, 1)
        with pytest.raises(WorkersFailed, match="given up"):
            list(Session(COPIER, FakeRunner(), executor).run(IDS))


def wrong(_ref: StepRef, _runners: object, _case_id: str) -> None:
    raise ZeroDivisionError


def test_a_defect_keeps_its_traceback(threads: Executor) -> None:
    with pytest.raises(RuntimeError, match=r"in wrong(?s:.*)ZeroDivisionError"):
        list(in_order(Work(wrong, COPIER, ()), ["one"], threads))


def test_another_harness_is_told() -> None:
    with pytest.raises(WorkersFailed, match=r"another harness: step-harness .* not older"):
        subprocess_pool.work("older", "session", b"", "case")
    assert build_id().startswith("step-harness ")


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (True, r"sees other files of the step .*/step"),
        (False, "does not see the step: there is no contract"),
    ],
)
def test_a_step_that_a_worker_sees_otherwise_is_told(
    tmp_path: Path, there: bool, says: str
) -> None:
    ref = StepRef(Gated.made(tmp_path / "step").folder)
    task = pickle.dumps((fingerprint(ref), Work(processes, ref, ())))
    if there:
        (ref.path / "samples").mkdir()
        (ref.path / "samples" / "new").write_text("")
    else:
        shutil.rmtree(ref.path)
    try:
        with pytest.raises(WorkersFailed, match=says):
            subprocess_pool.work(build_id(), str(tmp_path), task, "one")
    finally:
        subprocess_pool.end(str(tmp_path))


@dataclass(frozen=True)
class Told:
    """A runner that writes down what is done with it, and in which process."""

    log: Path
    fails: bool = False
    owner: int = 0
    name: str = "told"

    def prepare(self) -> None:
        self._describe("prepare")
        if self.fails:
            raise RunnerUnavailable("no engine", "start one")

    def run(self, case: Case) -> Outcome:
        return FakeRunner().run(case)

    def identity(self) -> object:
        return self.name

    def here(self) -> Told:
        return replace(self, owner=os.getpid())

    def close(self) -> None:
        self._describe("close")

    def _describe(self, what: str) -> None:
        with self.log.open("a") as stream:
            stream.write(f"{what} {self.owner == os.getpid()} {os.getpid()}\n")


def test_runners_are_prepared_and_closed_where_the_cases_run(
    tmp_path: Path, threads: Executor
) -> None:
    log = tmp_path / "log"
    list(Session(COPIER, Told(log), threads).run(IDS[:8]))
    told = [line.split() for line in log.read_text().splitlines()]
    workers = {worker for _, _, worker in told}
    assert str(os.getpid()) not in workers
    for worker in workers:
        mine = [(what, own) for what, own, other in told if other == worker]
        assert mine == [("prepare", "True"), ("close", "True")]


def test_a_runner_that_is_not_available_there_is_told(tmp_path: Path, threads: Executor) -> None:
    with pytest.raises(RunnerUnavailable, match="no engine"):
        list(Session(COPIER, Told(tmp_path / "log", fails=True), threads).run(IDS))


def test_a_process_apart_that_ends_for_want_of_work_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess_pool, "_IDLE", 0.1)
    task = pickle.dumps((fingerprint(COPIER), Work(processes, COPIER, ())))
    try:
        first, _ = subprocess_pool.work(build_id(), "replaced", task, "one")
        wait_until(lambda: not alive(first))
        second, _ = subprocess_pool.work(build_id(), "replaced", task, "two")
        assert second != first
    finally:
        subprocess_pool.end("replaced")


@pytest.mark.parametrize("executor_there", [False, True], ids=["local", "foreign"])
def test_no_worker_outlives_a_harness_that_is_killed(tmp_path: Path, executor_there: bool) -> None:
    step = Gated.made(tmp_path / "step")
    words = [str(HARNESS), "check", str(step.folder), "--jobs", "2"]
    if executor_there:
        source = (
            "import sys; from concurrent.futures import ThreadPoolExecutor; "
            "from pathlib import Path; from harness.runs.session import Session; "
            "from harness.runs.step import StepRef, load; "
            "from harness.runners.fake.runner import FakeRunner; "
            "ref = StepRef(Path(sys.argv[1])); ids = load(ref).matrix.ids; "
            "list(Session(ref, FakeRunner(), ThreadPoolExecutor(2)).run(ids))"
        )
        words = [sys.executable, "-c", source, str(step.folder)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as running:
        wait_until(lambda: len(step.begun) == 2)
        running.send_signal(signal.SIGKILL)
    related = {*step.begun, *step.begun.values()}
    wait_until(lambda: not any(alive(one) for one in related))
