"""Damaged inputs: what is no whole file of its form must not pass for one."""

from __future__ import annotations

from collections.abc import Iterator

from harness.promises import Breach, Evidence, Promise
from harness.promises.defaults import leaves_other_outputs
from harness.promises.usual_outputs import outputs
from harness.worlds.archives.content import unpacked_parts
from harness.worlds.tree import is_under

# Many libraries fill up a row that is too short, and say nothing.
_ROWS = (".csv", ".tsv")


def check(evidence: Evidence) -> Iterator[Breach]:
    """One breach when a script accepts a damaged input that its contract does not tolerate.

    Damaged are half an archive, image, array, pickle, XML or Parquet file, broken JSON or YAML, and
    a row that is too short. A contract that has `damaged: tolerated` for an input accepts them. Of
    an optional input that changes nothing either way `effect` tells that. A file that is passed on
    as it is need not be read, unless the contract says that it `fails`.
    """
    path = evidence.expected.damaged
    if not path or evidence.outcome.exit_code != 0:
        return
    if not _is_not_needed(evidence, path) and not _is_passed_on(evidence, path):
        is_row = path.endswith(_ROWS)
        key = "short-row-accepted" if is_row else "accepted"
        wanted = "a failure, or `damaged: tolerated` in the contract"
        yield Breach(key, path, wanted, "exit code 0", hurts=not is_row, minor=is_row)


def _is_not_needed(evidence: Evidence, path: str) -> bool:
    """Whether an optional input leaves the outputs as they are with the whole file."""
    usual = evidence.usual_outcome
    is_optional = any(
        is_under(path, mount)
        for one in evidence.contract.inputs.values()
        if not one.required
        for mount in one.mounts
    )
    return is_optional and usual is not None and not leaves_other_outputs(evidence, usual)


def _is_passed_on(evidence: Evidence, path: str) -> bool:
    """Whether an output holds the damaged file as it is, alone or packed with others."""
    one = next(
        (
            known
            for known in evidence.contract.inputs.values()
            if any(is_under(path, mount) for mount in known.mounts)
        ),
        None,
    )
    damaged = evidence.outcome.before.get(path)
    if damaged is None or (one is not None and "damaged" in one.model_fields_set):
        return False
    return any(
        part == damaged.data
        for entry in outputs(evidence, evidence.outcome, with_volatile=True).values()
        if entry.kind == "file"
        for part in unpacked_parts(entry.data)
    )


PROMISE = Promise(
    "damaged-input",
    "A damaged input makes the script fail, unless the contract says that it is tolerated.",
    check,
    practical="warning",
)
