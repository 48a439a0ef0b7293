"""The fake runner, sandboxes and containers yield the same outcome in every case of a matrix."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.cases.trial import Difference
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.container import ContainerRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.parity import Comparison
from harness.runs.step import StepRef, load

STEP = Path(__file__).parents[2] / "dummy_training"


def compare(ref: StepRef, image: str, ids: tuple[str, ...]) -> list[Difference]:
    # The cases wait for the engine more than for a processor.
    jobs = 2 * (os.cpu_count() or 1)
    runners = (FakeRunner(), SandboxRunner(), ContainerRunner(image))
    return [one for case in Comparison(ref, runners, jobs).run(ids) for one in case]


@pytest.mark.timeout(1800)
def test_all_runners_agree_in_every_case(engine: str, sandbox: SandboxRunner) -> None:
    ref = StepRef(STEP)
    ids = load(ref).matrix.ids
    assert len(ids) > 1_200
    assert compare(ref, engine, ids) == []


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
