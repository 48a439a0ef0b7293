"""The samples, in the runners that need no Docker engine."""

from __future__ import annotations

import pytest

from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from tests.unit.samples import SAMPLES, Sample

# What is so only where a case's user is not the one who owns all files.
OF_SEVERAL_USERS = ("a user of its own", "a user may not do what root may")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_in_the_fake_file_system(sample: Sample) -> None:
    outcome = FakeRunner().run(sample.case)
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == list(sample.prints)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_in_a_sandbox(
    sandbox: SandboxRunner, sample: Sample, request: pytest.FixtureRequest
) -> None:
    if sample.name in OF_SEVERAL_USERS:
        request.getfixturevalue("roots_sandbox")
    outcome = sandbox.run(sample.case)
    assert (outcome.stderr, outcome.exit_code) == ("", 0)
    assert outcome.stdout.splitlines() == list(sample.prints)
