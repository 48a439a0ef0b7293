"""Collected: a training job keeps what is in its own folders, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contracts.limits import is_training
from harness.promises import Breach, Evidence, Promise

MODEL = "/opt/ml/model"


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each output of a training job that is written where the job does not collect it.

    A step that runs as a processing job too has its outputs there; as a training job it must leave
    something in /opt/ml/model. A suite of one's own says itself what must be where.
    """
    job, after = evidence.case.tree.job, evidence.outcome.after
    lost = _lost(evidence)
    if job is None or after is None or not lost or not evidence.succeeded:
        return
    if may_leave_a_model(evidence):
        if not any(entry.kind == "file" for _, entry in after.under(MODEL)):
            wanted = f"a file in {MODEL}, since {', '.join(lost)} is lost in a {job.name} job"
            yield Breach("nothing-collected", MODEL, wanted, "none")
        return
    wanted = f"an output in one of {', '.join(job.collects)}"
    for path in lost:
        yield Breach("not-collected", path, wanted, "an output here")


def may_leave_a_model(evidence: Evidence) -> bool:
    """Whether the step runs as both types of job, and as a training job here.

    It may then leave in /opt/ml/model what no output of its contract names.
    """
    contract = evidence.contract
    is_both = contract.job is None and not is_training(contract)
    return is_both and bool(_lost(evidence))


def _lost(evidence: Evidence) -> list[str]:
    """The outputs that the job does not collect, in a derived suite."""
    job = evidence.case.tree.job
    if job is None or evidence.expected.explained:
        return []
    outputs = evidence.contract.outputs.values()
    return [one.path for one in outputs if not job.collects_from(one.path)]


PROMISE = Promise(
    "collected",
    "The outputs of a training job are in folders that it collects: all others are lost.",
    check,
    by_path=True,
)
