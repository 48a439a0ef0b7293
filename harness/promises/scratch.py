"""Temporary folders: the script leaves nothing in them, however it ends."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contracts.contract import Contract
from harness.promises import Breach, Evidence, Promise
from harness.worlds.tree import is_under

SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")
# The C library makes a named semaphore there, and removes it, in several steps, of which a script
# that is stopped in between knows nothing; see sem_overview(7).
_SEMAPHORES = "/dev/shm/sem."


def check(evidence: Evidence) -> Iterator[Breach]:
    """Each thing in a temporary folder that was not there, is gone, or has changed."""
    before, after = evidence.outcome.before, evidence.outcome.after
    if after is None or evidence.expected.dies:
        return
    declared = evidence.contract.scratch
    for path, entry in sorted(after.added_or_changed(before)):
        if not _is_temporary(path) or path in SCRATCH or path in evidence.expected.writes:
            continue
        if any(is_under(path, one) or is_under(one, path) for one in declared):
            continue
        if any(is_under(written, path) for written in evidence.expected.writes):
            continue
        if evidence.case.interrupt is not None and path.startswith(_SEMAPHORES):
            continue
        old = before.get(path)
        if old is None:
            yield Breach("left-behind", path, "nothing", f"a {entry.kind}")
        elif not entry.same_content(old):
            yield Breach("changed", path, "as it was before", "something else")
    for path, _ in sorted(after.removed(before)):
        if any(is_under(path, one) for one in declared):
            continue
        if _is_temporary(path) and path not in SCRATCH:
            yield Breach("removed", path, "as it was before", "nothing")


def _is_temporary(path: str) -> bool:
    return any(is_under(path, folder) for folder in SCRATCH)


def is_scratch(path: str, contract: Contract) -> bool:
    """Whether the path lies in a temporary folder, or in one that the contract names."""
    return any(is_under(path, folder) for folder in (*SCRATCH, *contract.scratch))


PROMISE = Promise(
    "scratch-clean",
    "The temporary folders hold what they held before the script ran.",
    check,
    by_path=True,
    practical="warning",
    minor=True,
)
