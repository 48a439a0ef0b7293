"""Workers: any executor works, cases run in child processes, and no worker outlives its parent."""

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
from harness.runs.build_id import build_id
from harness.runs.parity import Comparison
from harness.runs.session import Session, run_in_order
from harness.runs.step import StepRef, fingerprint, load
from harness.runs.workers import Task, subprocess_pool
from tests.unit.gated import Gated, alive, wait_until

HARNESS = Path(sys.executable).with_name("harness")
COPIER = StepRef(Path(__file__).parent / "steps" / "copier")
IDS = load(COPIER).matrix.ids


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "threads":
        executor: Executor = ThreadPoolExecutor(2)
    else:
        executor = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with executor:
        yield executor


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_a_session_accepts_any_executor(executor: Executor) -> None:
    results = list(Session(COPIER, FakeRunner(), executor).run(IDS[:6]))
    assert [one.case for one in results] == list(IDS[:6])
    assert [one.case for one in results if not one.passed] == []
    # It is the caller's, and is not shut down.
    assert executor.submit(abs, -1).result() == 1


def test_a_comparison_accepts_any_executor(threads: Executor) -> None:
    runners = (FakeRunner(), FakeRunner())
    assert list(Comparison(COPIER, runners, threads).run(IDS[:3])) == [(), (), ()]


def process_ids(_ref: StepRef, _runners: object, _case_id: str) -> tuple[int, int]:
    """The id of the process that runs the case, and the number of its threads."""
    return os.getpid(), threading.active_count()


def test_no_case_runs_in_a_process_of_the_executor(executor: Executor) -> None:
    executors = {executor.submit(os.getpid).result() for _ in range(20)}
    found = set(run_in_order(Task(process_ids, COPIER, ()), IDS, executor))
    assert {process for process, _ in found} & {os.getpid(), *executors} == set()
    assert {active for _, active in found} == {1}


def inheritable_files(_ref: StepRef, _runners: object, _case_id: str) -> list[str]:
    """The open files that a child of the worker would inherit, without the standard streams."""
    open_files = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    inheritable = [one for one in open_files if os.get_inheritable(int(one.name))]
    return [str(one.readlink()) for one in inheritable if int(one.name) > 2]


def test_no_script_inherits_the_connection_to_the_harness(threads: Executor) -> None:
    assert list(run_in_order(Task(inheritable_files, COPIER, ()), ["one"], threads)) == [[]]


def test_child_processes_end_with_the_session(threads: Executor) -> None:
    found = {process for process, _ in run_in_order(Task(process_ids, COPIER, ()), IDS, threads)}
    assert 1 <= len(found) <= 2
    assert [process for process in found if alive(process)] == []


def test_an_early_end_stops_running_cases_and_cancels_the_others(
    tmp_path: Path, threads: Executor
) -> None:
    step = Gated.made(tmp_path / "step")
    step.open_first()
    results = Session(StepRef(step.folder), FakeRunner(), threads).run(step.ids)
    assert next(results).case == "text=00"
    wait_until(lambda: len(step.cases_begun) == 3)
    results.close()  # type: ignore[attr-defined]
    assert [one for one in step.begun if alive(one)] == []
    # The threads run this after everything else that was submitted.
    threads.submit(int).result()
    assert len(step.cases_begun) == 3


def test_an_early_end_does_not_stop_the_callers_children() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as callers_executor:
        assert callers_executor.submit(abs, -1).result() == 1
        results = run_in_order(Task(process_ids, COPIER, ()), IDS, 1)
        next(results)
        results.close()  # type: ignore[attr-defined]
        assert callers_executor.submit(abs, -1).result() == 1


def die(_ref: StepRef, _runners: object, case_id: str) -> str:
    if case_id == "fatal":
        os.kill(os.getpid(), signal.SIGKILL)
    return case_id


def die_once(ref: StepRef, _runners: object, case_id: str) -> str:
    marker = ref.path / "mark"
    if case_id == "fatal" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return case_id


def test_a_case_whose_process_dies_is_tried_again(tmp_path: Path, threads: Executor) -> None:
    step = Gated.made(tmp_path / "step")
    ids = ["first", "fatal", "last"]
    assert list(run_in_order(Task(die_once, StepRef(step.folder), ()), ids, threads)) == ids


@pytest.mark.parametrize("local", [True, False], ids=["local", "executor"])
def test_too_many_deaths_are_a_clear_error(local: bool, threads: Executor) -> None:
    task = Task(die, COPIER, ())
    with pytest.raises(WorkersFailed, match="died"):
        list(run_in_order(task, ["first", "fatal", "last"], 1 if local else threads))


def test_a_broken_executor_is_a_clear_error() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        executor.submit(os._exit, 1)
        with pytest.raises(WorkersFailed, match="given up"):
            list(Session(COPIER, FakeRunner(), executor).run(IDS))


def fail(_ref: StepRef, _runners: object, _case_id: str) -> None:
    raise ZeroDivisionError


def test_a_defect_keeps_its_traceback(threads: Executor) -> None:
    with pytest.raises(RuntimeError, match=r"in fail(?s:.*)ZeroDivisionError"):
        list(run_in_order(Task(fail, COPIER, ()), ["one"], threads))


def test_another_build_of_the_harness_is_an_error() -> None:
    with pytest.raises(WorkersFailed, match=r"another harness: step-harness .* not older"):
        subprocess_pool.run_task("older", "session", b"", "case")
    assert build_id().startswith("step-harness ")


@pytest.mark.parametrize(
    ("exists", "message"),
    [
        (True, r"sees other files of the step .*/step"),
        (False, "does not see the step: there is no contract"),
    ],
)
def test_a_step_with_other_files_on_the_worker_is_an_error(
    tmp_path: Path, exists: bool, message: str
) -> None:
    ref = StepRef(Gated.made(tmp_path / "step").folder)
    task = pickle.dumps((fingerprint(ref), Task(process_ids, ref, ())))
    if exists:
        (ref.path / "samples").mkdir()
        (ref.path / "samples" / "new").write_text("")
    else:
        shutil.rmtree(ref.path)
    try:
        with pytest.raises(WorkersFailed, match=message):
            subprocess_pool.run_task(build_id(), str(tmp_path), task, "one")
    finally:
        subprocess_pool.end_session(str(tmp_path))


@dataclass(frozen=True)
class LoggingRunner:
    """A runner that logs its preparation and closing, and in which process they happen."""

    log: Path
    fails: bool = False
    owner: int = 0
    name: str = "logging"

    def prepare(self) -> None:
        self._log("prepare")
        if self.fails:
            raise RunnerUnavailable("no engine", "start one")

    def run(self, case: Case) -> Outcome:
        return FakeRunner().run(case)

    def identity(self) -> object:
        return self.name

    def for_this_process(self) -> LoggingRunner:
        return replace(self, owner=os.getpid())

    def close(self) -> None:
        self._log("close")

    def _log(self, what: str) -> None:
        with self.log.open("a") as stream:
            stream.write(f"{what} {self.owner == os.getpid()} {os.getpid()}\n")


def test_runners_are_prepared_and_closed_where_the_cases_run(
    tmp_path: Path, threads: Executor
) -> None:
    log = tmp_path / "log"
    list(Session(COPIER, LoggingRunner(log), threads).run(IDS[:8]))
    events = [line.split() for line in log.read_text().splitlines()]
    workers = {worker for _, _, worker in events}
    assert str(os.getpid()) not in workers
    for worker in workers:
        logged = [(what, is_owner) for what, is_owner, other in events if other == worker]
        assert logged == [("prepare", "True"), ("close", "True")]


def test_a_runner_that_is_not_available_on_the_worker_is_an_error(
    tmp_path: Path, threads: Executor
) -> None:
    with pytest.raises(RunnerUnavailable, match="no engine"):
        list(Session(COPIER, LoggingRunner(tmp_path / "log", fails=True), threads).run(IDS))


def test_a_child_process_that_ended_after_being_idle_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess_pool, "_IDLE_TIMEOUT", 0.1)
    task = pickle.dumps((fingerprint(COPIER), Task(process_ids, COPIER, ())))
    try:
        first, _ = subprocess_pool.run_task(build_id(), "replaced", task, "one")
        wait_until(lambda: not alive(first))
        second, _ = subprocess_pool.run_task(build_id(), "replaced", task, "two")
        assert second != first
    finally:
        subprocess_pool.end_session("replaced")


@pytest.mark.parametrize("with_executor", [False, True], ids=["local", "executor"])
def test_no_worker_outlives_a_harness_that_is_killed(tmp_path: Path, with_executor: bool) -> None:
    step = Gated.made(tmp_path / "step")
    command = [str(HARNESS), "check", "--exhaustive", str(step.folder), "--jobs", "2"]
    if with_executor:
        source = (
            "import sys; from concurrent.futures import ThreadPoolExecutor; "
            "from pathlib import Path; from harness.runs.session import Session; "
            "from harness.runs.step import StepRef, load; "
            "from harness.runners.fake.runner import FakeRunner; "
            "ref = StepRef(Path(sys.argv[1])); ids = load(ref).matrix.ids; "
            "list(Session(ref, FakeRunner(), ThreadPoolExecutor(2)).run(ids))"
        )
        command = [sys.executable, "-c", source, str(step.folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        wait_until(lambda: len(step.begun) == 2)
        running.send_signal(signal.SIGKILL)
    workers_and_parents = {*step.begun, *step.begun.values()}
    wait_until(lambda: not any(alive(one) for one in workers_and_parents))
