"""The clock of the fake runner: sleeping takes no time, and moves every clock on."""

from __future__ import annotations

import time

import pytest

from harness.cases.case import Outcome
from harness.runners.fake.runner import FakeRunner
from tests.unit.worlds import OUTPUT, case_of


def run(source: str, **changes: object) -> Outcome:
    return FakeRunner().run(case_of(source, None, **changes))


def test_sleeping_takes_no_time_and_moves_the_clocks_on() -> None:
    source = """
        import time
        from time import monotonic, sleep
        clocks = (time.time, monotonic, time.perf_counter)
        before = [one() for one in clocks]
        nanoseconds = time.time_ns()
        for _ in range(10):
            sleep(100)
        print(*(int(one() - then) for one, then in zip(clocks, before)))
        print((time.time_ns() - nanoseconds) // 10**9)
    """
    started = time.monotonic()
    outcome = run(source, timeout=2000)
    assert outcome.stdout == "1000 1000 1000\n1000\n"
    assert outcome.seconds >= 1000
    assert time.monotonic() - started < 500


@pytest.mark.parametrize(
    "source",
    [
        "import time\nwhile True: time.sleep(10)",
        "import time\ntime.sleep(3600)",
        "import time\nend = time.monotonic() + 3600\nwhile time.monotonic() < end: time.sleep(1)",
    ],
)
def test_a_script_that_sleeps_too_long_hangs(source: str) -> None:
    started = time.monotonic()
    assert run(source, timeout=1000).exit_code is None
    assert time.monotonic() - started < 500


def test_a_poll_ends_by_its_own_clock() -> None:
    source = """
        import time
        end = time.time() + 30
        while time.time() < end:
            time.sleep(5)
        print("no answer")
    """
    assert run(source, timeout=60).stdout == "no answer\n"


def test_a_script_with_another_clock_is_not_said_to_hang() -> None:
    source = """
        import datetime, time
        end = datetime.datetime.now() + datetime.timedelta(seconds=0.3)
        while datetime.datetime.now() < end:
            time.sleep(0.1)
    """
    assert run(source, timeout=5).exit_code == 0


def test_a_wrong_sleep_is_an_error() -> None:
    outcome = run("import time\ntime.sleep(-1)")
    assert (outcome.exit_code, "must be non-negative" in outcome.stderr) == (1, True)


def test_files_have_the_time_of_the_clock() -> None:
    source = f"""
        import os, time
        time.sleep(500)
        open("{OUTPUT}/x", "w").close()
        print(abs(os.stat("{OUTPUT}/x").st_mtime - time.time()) < 100)
    """
    assert run(source, timeout=1000).stdout == "True\n"


@pytest.mark.parametrize(
    "source",
    [
        """
        import threading, time
        done = []
        def work():
            until = time.process_time() + 0.2
            while time.process_time() < until:
                pass
            done.append(1)
        threading.Thread(target=work).start()
        while not done:
            time.sleep(0.1)
        """,
        """
        import signal, time
        done = []
        signal.signal(signal.SIGALRM, lambda *_: done.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        while not done:
            time.sleep(1)
        """,
    ],
)
def test_a_script_that_waits_for_something_does_not_hang(source: str) -> None:
    assert run(source, timeout=100).exit_code == 0
