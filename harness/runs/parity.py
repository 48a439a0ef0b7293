"""Parity: the same case through several runners, and every difference in what it did in them.

A runner is only worth something if its verdicts are those of the real world; this holds them to it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.cases.case import Outcome
from harness.cases.trial import Difference, Trial
from harness.promises.errors import without_tracebacks
from harness.runners import Runner
from harness.runs.session import in_order
from harness.runs.step import StepRef, trial
from harness.runs.workers import Work, Workers
from harness.worlds.tree import Entry, Tree

# What is different from run to run in what a script says: dates, the tokens of temporary names, and
# the sizes and ratios of what is packed, since another zlib packs otherwise.
_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?")
_TOKEN = re.compile(r"[0-9a-f]{12,}|tmp\w{8}\b|\b\d+\.\d+(?:\s?[kKMG]i?B\b|\s?%)")


@dataclass(frozen=True)
class Comparison:
    """Runners that are compared, over some cases of a step, with `workers` as a session has."""

    ref: StepRef
    runners: tuple[Runner, ...]
    workers: Workers = 1

    def run(self, ids: Sequence[str]) -> Iterator[tuple[Difference, ...]]:
        """What the runners do not agree on in each case, in the order of `ids`.

        Raises what the runners' `prepare` and `run` raise, and `WorkersFailed`.
        """
        yield from in_order(Work(differences, self.ref, self.runners), ids, self.workers)


def differences(ref: StepRef, runners: Sequence[Runner], case_id: str) -> tuple[Difference, ...]:
    """Every difference in exit code, outputs, log or findings of one case.

    The runners are ready. Dates of what the script writes are its own affair, and compressed files
    are compared unpacked, since another zlib packs otherwise. What is said is not compared where a
    signal falls, which is where the runner's Python is at the time, nor of a full disk, for which
    each system has words of its own.
    """
    trials = [trial(ref, runner, case_id) for runner in runners]
    return tuple(
        Difference(case_id, what, tuple(map(str, got)))
        for what, got in _facts(trials)
        if any(one != got[0] for one in got)
    )


def _facts(trials: Sequence[Trial]) -> Iterator[tuple[str, list[object]]]:
    """What is compared: its name, and what it was in each trial."""
    outcomes = [one.outcome for one in trials]
    yield "exit code", [one.exit_code for one in outcomes]
    yield "findings", [_broken(one) for one in trials]
    case, expected = trials[0].case, trials[0].expected
    full_disk = any(mount.size is not None for mount in case.mounts)
    yield "returned", [_returned(one, with_message=not full_disk) for one in outcomes]
    if not expected.dies:
        trees = [_after(one) for one in outcomes]
        for path in sorted({path for tree in trees for path in tree.entries}):
            yield path, [_state(tree.get(path)) for tree in trees]
    if case.interrupt is None and not full_disk:
        yield "standard output", [_said(one.stdout) for one in outcomes]
        yield "standard error", [_said(one.stderr) for one in outcomes]


def _returned(outcome: Outcome, *, with_message: bool) -> Mapping[str, object] | None:
    if outcome.returned is None or with_message:
        return outcome.returned
    return {key: value for key, value in outcome.returned.items() if key != "message"}


def _broken(tried: Trial) -> list[tuple[str, str, str]]:
    return [(one.promise, one.key, one.where) for one in tried.findings]


def _after(outcome: Outcome) -> Tree:
    return Tree() if outcome.after is None else outcome.after


def _state(entry: Entry | None) -> tuple[object, ...]:
    if entry is None:
        return ("nothing",)
    data = entry.data
    if data.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):
            data = zlib.decompress(data, wbits=31)
    mode = "" if entry.kind in ("symlink", "fifo", "device") else f"{entry.mode:04o}"
    return entry.kind, mode, entry.uid, entry.gid, entry.target, zlib.crc32(data), len(data)


def _said(text: str) -> list[str]:
    """What a script says, less what belongs to the moment and to the version of Python.

    Tracebacks do: the lines of the standard library are in them, and its words.
    """
    return [_TOKEN.sub("…", _DATE.sub("…", line)) for line in without_tracebacks(text)]
