"""Parity: the same case through two runners, and every difference between what it did in them.

A runner is only worth something if its verdicts are those of the real world; this holds them to it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from harness.case import Outcome
from harness.promises.errors import without_tracebacks
from harness.runners import Runner
from harness.session import in_order
from harness.step import StepRef, Trial, trial
from harness.tree import Entry, Tree

# What is different from run to run in what a script says: dates, and the tokens of temporary names.
_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?")
_TOKEN = re.compile(r"[0-9a-f]{12,}|tmp\w{8}\b")


@dataclass(frozen=True)
class Pair:
    """Two runners that are compared, over some cases of a step, with `jobs` worker processes."""

    ref: StepRef
    first: Runner
    second: Runner
    jobs: int = 1

    def run(self, ids: Sequence[str]) -> Iterator[tuple[Disparity, ...]]:
        """What the runners do not agree on in each case, in the order of `ids`.

        Raises what the runners' `prepare` and `run` raise.
        """
        runners = (self.first, self.second)
        try:
            for runner in runners:
                runner.prepare()
            yield from in_order(partial(disparities, self.ref, *runners), ids, self.jobs)
        finally:
            for runner in runners:
                runner.close()


@dataclass(frozen=True)
class Disparity:
    """Something that two runners do not agree on: which case, what, and what it was in each."""

    case: str
    what: str
    first: str
    second: str


def disparities(ref: StepRef, first: Runner, second: Runner, case_id: str) -> tuple[Disparity, ...]:
    """Every difference in exit code, outputs, log or findings of one case.

    Both runners are ready. Dates of what the script writes are its own affair, and compressed files
    are compared unpacked, since another zlib packs otherwise. What is said is not compared where a
    signal falls, which is where the runner's Python is at the time, nor of a full disk, for which
    each system has words of its own.
    """
    one, two = trial(ref, first, case_id), trial(ref, second, case_id)
    return tuple(
        Disparity(case_id, what, str(a), str(b)) for what, a, b in _facts(one, two) if a != b
    )


def _facts(one: Trial, two: Trial) -> Iterator[tuple[str, object, object]]:
    yield "exit code", one.outcome.exit_code, two.outcome.exit_code
    yield "findings", _broken(one), _broken(two)
    yield "returned", one.outcome.returned, two.outcome.returned
    if not one.expected.dies:
        first, second = _after(one.outcome), _after(two.outcome)
        for path in sorted({*first.entries, *second.entries}):
            yield path, _state(first.get(path)), _state(second.get(path))
    full_disk = any(mount.size for mount in one.case.mounts)
    if one.case.interrupt is None and not full_disk:
        yield "standard output", _said(one.outcome.stdout), _said(two.outcome.stdout)
        yield "standard error", _said(one.outcome.stderr), _said(two.outcome.stderr)


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
