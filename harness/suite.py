"""Everything that suites need: the one module of the harness that they import.

A suite is the file `conformance.py` beside a contract, with a function `suite(contract, script)`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

from harness.cases.case import Call, Case, Interrupt, Mount
from harness.cases.expectation import Archive, Content, Expectation, Matches, Raises, Returns
from harness.cases.matrix import Axis, Edit, Special, Suite, as_it_is
from harness.cases.start import start_case
from harness.contracts.contract import Contract
from harness.worlds.archives import (
    HOSTILE,
    HUGGING_FACE,
    LAYOUTS,
    PYTORCH,
    TENSORFLOW,
    Member,
    directory,
    file,
    hardlink,
    model_archive,
    sparse,
    symlink,
)
from harness.worlds.jobs import PROCESSING, TRAINING, Job, Request
from harness.worlds.tree import Entry, Tree

__all__ = [
    "HOSTILE",
    "HUGGING_FACE",
    "LAYOUTS",
    "PROCESSING",
    "PYTORCH",
    "TENSORFLOW",
    "TRAINING",
    "Archive",
    "Axis",
    "Call",
    "Case",
    "Content",
    "Contract",
    "Edit",
    "Entry",
    "Expectation",
    "Interrupt",
    "Job",
    "Matches",
    "Member",
    "Mount",
    "Raises",
    "Request",
    "Returns",
    "Special",
    "Suite",
    "Tree",
    "as_it_is",
    "channel",
    "directory",
    "file",
    "hardlink",
    "model_archive",
    "sparse",
    "suite_of",
    "symlink",
]
# Names from before 0.2; remove them with 0.3.
_OLD_NAMES = {"Says": "Matches"}


def __getattr__(name: str) -> object:
    """Return the value of an old name, with a warning."""
    if name not in _OLD_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _OLD_NAMES[name]
    warnings.warn(f"harness.suite.{name} is {new} now", DeprecationWarning, stacklevel=2)
    return globals()[new]


def channel(name: str, files: Mapping[str, bytes]) -> Edit:
    """An edit that adds the channel `name` with `files`: relative name → bytes."""
    return lambda case: case.with_tree(case.tree.with_channel(name, files))


def suite_of(
    job: Job,
    contract: Contract,
    script: bytes,
    axes: Sequence[Axis],
    expect: Callable[[Case], Expectation],
    special: Sequence[Special] = (),
) -> Suite:
    """A suite whose cases start from the tree of a job, with the script in the job's code folder.

    `axes` and `special` edit that case; `expect` returns what a case of the product must do.
    """
    tree = Tree.for_job(job, contract.folders_by_output)
    return Suite(start_case(contract, script, job, tree), axes, expect, special)
