"""The samples, in real containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.runners.real.container import ContainerRunner
from tests.unit.samples import SAMPLES, Sample


@pytest.fixture(scope="module")
def runner(engine: str) -> Iterator[ContainerRunner]:
    runner = ContainerRunner(engine)
    runner.prepare()
    yield runner
    runner.close()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_in_a_container(runner: ContainerRunner, sample: Sample) -> None:
    outcome = runner.run(sample.case)
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == list(sample.prints)
