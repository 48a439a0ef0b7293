"""The fake runner does what a sandbox does, operation by operation, or refuses to judge."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.errors import RunnerCannot
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from tests.operations.table import (
    GROUPS,
    PROCESSES,
    done,
    script_of,
    script_of_process,
    tree_for,
)
from tests.unit.worlds import case_of

# What pyfakefs cannot do, and the words that tell.
REFUSED = {
    "detach": "takes a file apart (detach)",
    "os.dup": "duplicates a file descriptor (os.dup)",
    "os.dup2": "duplicates a file descriptor (os.dup2)",
    "a pipe": "makes a pipe (os.pipe)",
    "a pipe that nobody reads": "makes a pipe (os.pipe)",
    "os.open of no name": "makes a file that has no name (os.O_TMPFILE)",
    "standard output into a file": "duplicates a file descriptor (os.dup)",
}


def made(runner: Runner, operations: Mapping[str, str]) -> Mapping[str, object]:
    case = case_of(script_of(operations), tree_for(len(operations)))
    return done(runner.run(case), operations)


def test_there_are_many() -> None:
    assert sum(map(len, GROUPS.values())) > 400


@pytest.mark.parametrize("group", GROUPS)
def test_an_operation_does_the_same_in_both(sandbox: SandboxRunner, group: str) -> None:
    operations = {name: code for name, code in GROUPS[group].items() if name not in REFUSED}
    real = made(sandbox, operations)
    assert real[""] == ("", 0)
    assert made(FakeRunner(), operations) == real


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_does_the_same_in_both(sandbox: SandboxRunner, name: str) -> None:
    case = case_of(script_of_process(PROCESSES[name]), tree_for(1))
    real, fake = sandbox.run(case), FakeRunner().run(case)
    assert (fake.exit_code, fake.stdout, fake.stderr.splitlines()[-1:]) == (
        real.exit_code,
        real.stdout,
        real.stderr.splitlines()[-1:],
    )
    assert done(fake, {name: ""})[name] == done(real, {name: ""})[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused(name: str) -> None:
    (code,) = (group[name] for group in GROUPS.values() if name in group)
    with pytest.raises(RunnerCannot) as refusal:
        made(FakeRunner(), {name: code})
    assert f"it {REFUSED[name]}\n" in str(refusal.value)


@pytest.mark.parametrize("listing", ["os.scandir(b'/')", "os.walk(b'/')"])
def test_a_listing_of_bytes_is_refused(listing: str) -> None:
    with pytest.raises(RunnerCannot, match="a path in bytes"):
        FakeRunner().run(case_of(f"import os; {listing}"))


def test_a_difference_is_found(sandbox: SandboxRunner) -> None:
    # A sandbox has an /etc/passwd, the fake file system has none.
    operations = {"same": "p(1)", "other": "p(os.path.exists('/etc/passwd'))"}
    real, fake = made(sandbox, operations), made(FakeRunner(), operations)
    assert [name for name in real if real[name] != fake[name]] == ["other"]
