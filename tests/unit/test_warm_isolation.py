"""A hostile script gets no further in a process that was forked than in one of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from harness.runners.real.sandbox import SandboxRunner
from tests.unit.attacks import ATTACKS, DONE
from tests.unit.test_warm_start import run_warm, started_warm
from tests.unit.worlds import case_of

# What is left of an earlier case would be seen in a later one.
PROCESSES = "import os; print(sorted(name for name in os.listdir('/proc') if name.isdigit()))"


@pytest.fixture(params=["root", "ordinary user"])
def any_sandbox(
    sandbox: SandboxRunner, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SandboxRunner]:
    """The sandbox of root, then of a user who makes it in a user namespace."""
    if request.param == "root":
        yield request.getfixturevalue("roots_sandbox")
        return
    monkeypatch.setattr("harness.runners.real.sandbox.privileged", lambda: False)
    runner = SandboxRunner()
    runner.prepare()
    yield runner
    runner.close()


def test_a_hostile_script_is_refused_the_same(any_sandbox: SandboxRunner) -> None:
    usual = case_of("import ctypes, gc, json, socket, subprocess, threading")
    with started_warm(any_sandbox, usual) as runner:
        cold = any_sandbox.run(case_of(ATTACKS))
        forked = run_warm(runner, case_of(ATTACKS))
        after = run_warm(runner, case_of(PROCESSES))
        assert (cold.exit_code, cold.stderr) == (0, "")
        assert (forked.exit_code, forked.stderr) == (0, "")
        assert after.stdout == any_sandbox.run(case_of(PROCESSES)).stdout
    expected, got = json.loads(cold.stdout), json.loads(forked.stdout)
    assert got == expected
    assert not {one for one, tried in got.items() if tried == "done"} - DONE
    assert got["above"] == got["descriptors"] == got["sockets"] == []
