"""Parity: runs the same case through several runners, and finds every difference between them.

A runner is useful only if its verdicts are those of a real job; this checks that they are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.cases.case import Case, Outcome
from harness.cases.trial import Difference, Trial
from harness.errors import HarnessError
from harness.promises.errors import without_tracebacks
from harness.runners import Runner
from harness.runs.session import run_in_order
from harness.runs.step import StepRef, load, run_case
from harness.runs.workers import Task, Workers
from harness.worlds.tree import Entry, Tree

# What differs from run to run in a script's output: dates, random parts of temporary names, and
# sizes and ratios of compressed data, which depend on the version of zlib.
_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?")
_TELLS_VERSION = b"import sys; print('.'.join(map(str, sys.version_info[:3])))"
_TOKEN = re.compile(r"[0-9a-f]{12,}|tmp\w{8}\b|\b\d+\.\d+(?:\s?[kKMG]i?B\b|\s?%)")


@dataclass(frozen=True)
class Comparison:
    """A comparison of runners over some cases of a step; `workers` are those of a `Session`."""

    ref: StepRef
    runners: tuple[Runner, ...]
    workers: Workers = 1

    def run(self, ids: Sequence[str]) -> Iterator[tuple[Difference, ...]]:
        """The differences between the runners in each case, in the order of `ids`.

        Raises what the runners' `prepare` and `run` raise, and `WorkersFailed`.
        """
        yield from run_in_order(Task(differences, self.ref, self.runners), ids, self.workers)


def differences(ref: StepRef, runners: Sequence[Runner], case_id: str) -> tuple[Difference, ...]:
    """Every difference between prepared runners in one case."""
    return differences_between([run_case(ref, runner, case_id) for runner in runners])


def differences_between(trials: Sequence[Trial]) -> tuple[Difference, ...]:
    """Every difference in exit code, outputs, log or findings between trials of one case.

    Modification times of outputs are not compared. Compressed files are compared decompressed,
    since their bytes depend on the version of zlib. Logs are not compared in cases with a signal,
    which arrives at another point each time, nor in cases with a full disk, for which the error
    message depends on the system.
    """
    if any(one.outcome.unproven for one in trials):
        # A runner that could not make the case has nothing to be compared.
        return ()
    return tuple(
        Difference(trials[0].case.id, what, tuple(map(str, got)))
        for what, got in _compared_facts(trials)
        if any(one != got[0] for one in got)
    )


def pythons(ref: StepRef, runners: Sequence[Runner]) -> tuple[str, ...]:
    """The version of the Python that each runner runs scripts with, "" where that is not told."""
    return tuple(_python_of(runner, _telling_version(ref)) for runner in runners)


def _telling_version(ref: StepRef) -> Case:
    """A case of a step, with a script that prints the version of its Python instead."""
    matrix, limit = load(ref).matrix, load(ref).limit
    case, _ = matrix.case(matrix.usual or matrix.ids[0])
    tree = case.tree.with_file(case.script, _TELLS_VERSION)
    return limit.apply(replace(case, tree=tree, call=None, interrupt=None, fault=None))


def _python_of(runner: Runner, case: Case) -> str:
    try:
        runner.prepare()
        return runner.run(case).stdout.strip()
    except HarnessError:
        return ""
    finally:
        runner.close()


def _compared_facts(trials: Sequence[Trial]) -> Iterator[tuple[str, list[object]]]:
    """What is compared: its name, and its value in each trial."""
    outcomes = [one.outcome for one in trials]
    if any(one.unproven for one in outcomes):
        return
    yield "exit code", [one.exit_code for one in outcomes]
    yield "findings", [_finding_keys(one) for one in trials]
    case, expected = trials[0].case, trials[0].expected
    full_disk = any(mount.size is not None for mount in case.mounts)
    yield "returned", [_returned(one, with_message=not full_disk) for one in outcomes]
    if not expected.dies:
        trees = [_tree_after(one) for one in outcomes]
        for path in sorted({path for tree in trees for path in tree.entries}):
            yield path, [_entry_state(tree.get(path)) for tree in trees]
    if case.interrupt is None and not full_disk:
        yield "standard output", [_without_variable_parts(one.stdout) for one in outcomes]
        yield "standard error", [_without_variable_parts(one.stderr) for one in outcomes]


def _returned(outcome: Outcome, *, with_message: bool) -> Mapping[str, object] | None:
    if outcome.returned is None or with_message:
        return outcome.returned
    return {key: value for key, value in outcome.returned.items() if key != "message"}


def _finding_keys(trial: Trial) -> list[tuple[str, str, str]]:
    return [(one.promise, one.key, one.where) for one in trial.findings]


def _tree_after(outcome: Outcome) -> Tree:
    return Tree() if outcome.after is None else outcome.after


def _entry_state(entry: Entry | None) -> tuple[object, ...]:
    if entry is None:
        return ("nothing",)
    data = entry.data
    if data.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):
            data = zlib.decompress(data, wbits=31)
    mode = "" if entry.kind in ("symlink", "fifo", "device") else f"{entry.mode:04o}"
    return entry.kind, mode, entry.uid, entry.gid, entry.target, zlib.crc32(data), len(data)


def _without_variable_parts(text: str) -> list[str]:
    """The lines of a script's output without what differs from run to run, and tracebacks.

    Tracebacks hold line numbers and messages of the standard library, which depend on its version.
    """
    return [_TOKEN.sub("…", _DATE.sub("…", line)) for line in without_tracebacks(text)]
