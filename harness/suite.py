"""What a suite is written with, in one place, and the two things that most suites need.

A suite is the file `conformance.py` beside a contract, with a function `suite(contract, script)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.cases.case import Case
from harness.cases.code_beside import source_folder
from harness.cases.expectation import Archive, Content, Expectation, Says
from harness.cases.matrix import Axis, Edit, Special, Suite, as_it_is
from harness.contracts.contract import Contract
from harness.worlds.jobs import PROCESSING, TRAINING, Job
from harness.worlds.tree import Tree

__all__ = [
    "PROCESSING",
    "TRAINING",
    "Archive",
    "Axis",
    "Case",
    "Content",
    "Contract",
    "Edit",
    "Expectation",
    "Says",
    "Special",
    "Suite",
    "Tree",
    "as_it_is",
    "channel",
    "suite_of",
]


def channel(name: str, files: Mapping[str, bytes]) -> Edit:
    """The job has the channel `name`, and in it `files`: relative name → bytes."""
    return lambda case: case.with_tree(case.tree.with_channel(name, files))


def suite_of(
    job: Job,
    contract: Contract,
    script: bytes,
    axes: Sequence[Axis],
    expect: Callable[[Case], Expectation],
    special: Sequence[Special] = (),
) -> Suite:
    """A suite whose cases begin in the bare world of a job, the script where the job has its code.

    `axes` and `special` edit it, `expect` tells what a case of the product must do.
    """
    tree = Tree.for_job(job, contract.output_folders)
    start = Case(
        tree=tree.with_code(source_folder(contract, script), at=job.code),
        script=f"{job.code}/{contract.entry_point}",
        cwd=job.working_directory,
    )
    return Suite(start, axes, expect, special)
