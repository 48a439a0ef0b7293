"""The type of job that a contract implies."""

from __future__ import annotations

from pathlib import Path

from harness.contracts.contract import Contract
from harness.contracts.limits import is_training
from harness.worlds.jobs import PROCESSING, TRAINING, Job, profile


def job_type(contract: Contract) -> Job:
    """The type that the contract's origin names, or that the mounts of its inputs imply.

    A step with a mount in a processing job runs as one, even where it has others.
    """
    if contract.job is not None:
        return profile(contract.job.profile)
    if not is_training(contract):
        return PROCESSING
    is_program = not Path(contract.entry_point).suffix
    return profile("own-container") if is_program else TRAINING
