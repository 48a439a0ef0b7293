"""The samples, in the runners that need no Docker engine."""

from __future__ import annotations

import pytest

from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from tests.unit.samples import SAMPLES, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_in_the_fake_file_system(sample: Sample) -> None:
    outcome = FakeRunner().run(sample.case)
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == list(sample.prints)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_in_a_sandbox(sandbox: SandboxRunner, sample: Sample) -> None:
    outcome = sandbox.run(sample.case)
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == list(sample.prints)
