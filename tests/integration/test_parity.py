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
SHARDS = [Shard(number, 6) for number in range(1, 7)]


@dataclass(frozen=True)
class Compared:
    """One case in several runners: the differences, and the result of the first runner."""

    differences: tuple[Difference, ...]
    result: Result


def compare_case(ref: StepRef, runners: Sequence[Runner], case_id: str) -> Compared:
    trials = [run_case(ref, runner, case_id) for runner in runners]
    return Compared(differences_between(trials), trials[0].result)


def compare(ref: StepRef, image: str, ids: Sequence[str], *others: Runner) -> list[Compared]:
    started = [warm_runner(ref, one) for one in (SandboxRunner(), ContainerRunner(image))]
    assert [reason for _, reason in started] == ["", ""]
    warm = [runner for runner, _ in started]
    runners: tuple[Runner, ...] = (FakeRunner(), *warm, *others)
    # Tests run side by side; of two workers one has something to do while the other waits for its
    # engine.
    return list(run_in_order(Task(compare_case, ref, runners), ids, 2))


def assert_all_pass(ref: StepRef, image: str, ids: Sequence[str], *others: Runner) -> None:
    """Each case is proved, without a finding, in the fake runner, and the same in all others."""
    compared = compare(ref, image, ids, *others)
    assert [one.result.case for one in compared] == list(ids)
    failed = [one.result for one in compared if one.result.findings or one.result.unproven]
    assert failed == []
    assert [difference for one in compared for difference in one.differences] == []


@pytest.mark.parametrize(
    "shard", [pytest.param(one, marks=pytest.mark.proves(one), id=str(one)) for one in SHARDS]
)
def test_all_runners_agree_in_every_case(engine: str, sandbox: SandboxRunner, shard: Shard) -> None:
    ref = StepRef(STEP)
    assert load(ref).matrix.unproven == {}
    ids = [one for one in load(ref).matrix.ids if shard.contains(one)]
    others = [one for one in ids if one.startswith(("special=", "circumstance="))]
    product = [one for one in ids if one not in others]
    assert len(product) > 100
    assert len(others) > 20
    assert_all_pass(ref, engine, product)
    # A container for each case is slow, as is an interpreter for each, and locations of inputs make
    # no difference to them.
    assert_all_pass(ref, engine, others, SandboxRunner(), ContainerRunner(engine, "case"))


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
