"""The fake runner, sandboxes and containers yield the same outcome in every case of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.cases.shard import Shard
from harness.cases.trial import Difference
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.container import ContainerRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.parity import Comparison
from harness.runs.step import StepRef, load

STEP = Path(__file__).parents[2] / "dummy_training"
SHARDS = [Shard(number, 8) for number in range(1, 9)]
CIRCUMSTANCE = "circumstance="


def compare(
    ref: StepRef, image: str, ids: Sequence[str], *others: ContainerRunner
) -> list[Difference]:
    runners: tuple[Runner, ...] = (FakeRunner(), SandboxRunner(), ContainerRunner(image), *others)
    # Tests run side by side; of two workers one has something to do while the other waits for its
    # engine.
    return [one for case in Comparison(ref, runners, 2).run(ids) for one in case]


@pytest.mark.parametrize("shard", SHARDS, ids=str)
def test_all_runners_agree_in_every_case(engine: str, sandbox: SandboxRunner, shard: Shard) -> None:
    ref = StepRef(STEP)
    ids = [one for one in load(ref).matrix.ids if not one.startswith(CIRCUMSTANCE)]
    mine = [one for one in ids if shard.contains(one)]
    product = [one for one in mine if not one.startswith("special=")]
    special = [one for one in mine if one.startswith("special=")]
    assert len(product) > 100
    assert len(special) > 20
    assert compare(ref, engine, product) == []
    # A container for each case is slow, and locations of inputs make no difference to it.
    assert compare(ref, engine, special, ContainerRunner(engine, "case")) == []


def test_all_runners_agree_in_every_circumstance(engine: str, sandbox: SandboxRunner) -> None:
    ref = StepRef(STEP)
    ids = [one for one in load(ref).matrix.ids if one.startswith(CIRCUMSTANCE)]
    assert len(ids) > 10
    assert compare(ref, engine, ids, ContainerRunner(engine, "case")) == []


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
    found = compare(StepRef(STEP, script), engine, ("special=nothing-anywhere",))
    assert {"exit code", "standard output", "findings"} <= {one.what for one in found}
    assert ("5", "4", "4") in [one.got for one in found]
