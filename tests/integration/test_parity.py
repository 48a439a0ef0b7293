"""The fake runner, sandboxes and containers yield the same outcome in every case of a matrix.

Sandboxes and containers fork the cases from processes that have the imports loaded; some cases are
compared with what they do when each starts an interpreter.

What the fake runner yields is held to the contract as well. So where these tests may not be
skipped, `tests/conftest.py` deselects the same cases of `dummy_training/conformance.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cases.case import Result
from harness.cases.shard import Shard
from harness.cases.trial import Difference
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.container import ContainerRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.parity import differences_between
from harness.runs.session import run_in_order
from harness.runs.step import StepRef, load, run_case
from harness.runs.warm_start import warm_runner
from harness.runs.workers import Task

STEP = Path(__file__).parents[2] / "dummy_training"
# The fake runner, a sandbox and a container, which fork their cases.
_FORKING = 3
SHARDS = [Shard(number, 6) for number in range(1, 7)]


@dataclass(frozen=True)
class Compared:
    """One case in several runners: the differences, and the result of the first runner."""

    differences: tuple[Difference, ...]
    result: Result


def is_of_product(case_id: str) -> bool:
    return not case_id.startswith(("special=", "circumstance="))


def compare_case(ref: StepRef, runners: Sequence[Runner], case_id: str) -> Compared:
    # A container for each case is slow, as is an interpreter for each, and locations of inputs make
    # no difference to them.
    in_which = runners[:_FORKING] if is_of_product(case_id) else runners
    trials = [run_case(ref, runner, case_id) for runner in in_which]
    return Compared(differences_between(trials), trials[0].result)


def compare(ref: StepRef, image: str, ids: Sequence[str], *cold: Runner) -> list[Compared]:
    """Each case in all runners; in the `cold` ones only those that are not of the product."""
    started = [warm_runner(ref, one) for one in (SandboxRunner(), ContainerRunner(image))]
    assert [reason for _, reason in started] == ["", ""]
    warm = [runner for runner, _ in started]
    runners: tuple[Runner, ...] = (FakeRunner(), *warm, *cold)
    assert len(runners) == _FORKING + len(cold)
    # Tests run side by side; of two workers one has something to do while the other waits for its
    # engine.
    return list(run_in_order(Task(compare_case, ref, runners), ids, 2))


@pytest.mark.long
@pytest.mark.parametrize(
    "shard", [pytest.param(one, marks=pytest.mark.proves(one), id=str(one)) for one in SHARDS]
)
def test_all_runners_agree_in_every_case(engine: str, sandbox: SandboxRunner, shard: Shard) -> None:
    ref = StepRef(STEP)
    assert load(ref).matrix.unproven == {}
    ids = [one for one in load(ref).matrix.ids if shard.contains(one)]
    number = sum(map(is_of_product, ids))
    assert number > 100
    assert len(ids) - number > 20
    # What starts a worker, and the usual case in each runner, is done once for both.
    compared = compare(ref, engine, ids, SandboxRunner(), ContainerRunner(engine, "case"))
    assert [one.result.case for one in compared] == ids
    failed = [one.result for one in compared if one.result.findings or one.result.unproven]
    assert failed == []
    assert [difference for one in compared for difference in one.differences] == []


def test_a_difference_between_the_runners_is_found(
    engine: str, sandbox: SandboxRunner, tmp_path: Path
) -> None:
    # Sandboxes and containers have an /etc/passwd, the fake file system has none.
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "print('passwd' if os.path.exists('/etc/passwd') else 'none')\n"
        "sys.exit(4 if os.path.exists('/etc/passwd') else 5)\n"
    )
    (compared,) = compare(StepRef(STEP, script), engine, ("special=nothing-anywhere",))
    found = compared.differences
    assert {"exit code", "standard output", "findings"} <= {one.what for one in found}
    assert ("5", "4", "4") in [one.got for one in found]
