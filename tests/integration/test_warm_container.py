"""Cases that are forked in a container do what they do when each starts an interpreter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from harness.runners.real import warm
from harness.runners.real.container import ContainerRunner
from harness.runners.real.warm_plan import warmed
from tests.unit.attacks import ATTACKS, DONE
from tests.unit.test_warm_start import CASES, ENDS, LOOK, facts
from tests.unit.worlds import case_of

# Changes of the root of the case alone, and a device that cannot be opened.
CHANGES = {"interpreter", "module", "new program", "disk"}


@pytest.fixture(scope="module")
def cold(engine: str) -> Iterator[ContainerRunner]:
    runner = ContainerRunner(engine)
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def started(cold: ContainerRunner) -> ContainerRunner:
    runner, reason = warmed(cold, case_of(LOOK))
    assert reason == ""
    assert runner.modules is not None
    return runner


def forked(runner: ContainerRunner) -> int:
    assert runner.modules is not None
    return warm.pool(runner.session, runner.start_warm, runner.modules).forked


@pytest.mark.parametrize("name", CASES)
def test_a_script_sees_the_process_that_it_sees_when_it_is_started_cold(
    cold: ContainerRunner, started: ContainerRunner, name: str
) -> None:
    case = case_of(LOOK, **CASES[name])
    before = forked(started)
    outcomes = cold.run(case), started.run(case)
    assert forked(started) == before + 1
    assert [one.stderr for one in outcomes] == ["", ""]
    first, second = (json.loads(one.stdout) for one in outcomes)
    assert first == second


def test_a_script_ends_as_it_does_when_it_is_started_cold(
    cold: ContainerRunner, started: ContainerRunner
) -> None:
    different = {}
    for name, source in ENDS.items():
        case = case_of(source)
        case = case.with_tree(case.tree.with_code({"own.py": b"x = 1\n"}))
        outcomes = cold.run(case), started.run(case)
        if facts(outcomes[0]) != facts(outcomes[1]):
            different[name] = [facts(one)[:3] for one in outcomes]
    assert different == {}


def test_a_hostile_script_is_refused_the_same(
    cold: ContainerRunner, started: ContainerRunner
) -> None:
    case = case_of(ATTACKS)
    before = forked(started)
    outcomes = cold.run(case), started.run(case)
    assert forked(started) == before + 1
    assert [(one.exit_code, one.stderr) for one in outcomes] == [(0, ""), (0, "")]
    expected, got = (json.loads(one.stdout) for one in outcomes)
    # The one that runs cannot be changed; that of a forked process is another copy.
    assert {**got, "interpreter": ""} == {**expected, "interpreter": ""}
    assert not {one for one, tried in got.items() if tried == "done"} - DONE - CHANGES
    assert got["descriptors"] == got["sockets"] == []


def test_a_new_container_gets_a_new_warm_process(started: ContainerRunner) -> None:
    case = case_of("import os, json; print(os.getpid()); open('/root/left', 'w').close()")
    assert started.run(case).exit_code == 0
    started._close_reusable()
    # The first case notices, and is started cold.
    assert [started.run(case).stdout for _ in range(2)] == ["2\n", "2\n"]
    before = forked(started)
    assert started.run(case).stdout == "2\n"
    assert forked(started) == before + 1


def test_a_container_for_each_case_is_told(engine: str) -> None:
    runner = ContainerRunner(engine, "case")
    assert warmed(runner, case_of("")) == (runner, "every case has a container of its own")
