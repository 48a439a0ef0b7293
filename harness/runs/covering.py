"""Covering: which steps are proved by running only cases that no other one answers for."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.cases.case import Case, Outcome, Result
from harness.cases.expectation import Expectation
from harness.cases.following import start_of
from harness.cases.results import Results, number_of
from harness.errors import RunnerCannot, WrongUse
from harness.files.formats import MissingLibrary
from harness.promises import Evidence
from harness.promises.usual_outputs import changed, outputs
from harness.runners import Runner
from harness.runners.covering import CoveringRunner, InSandbox, ends_alike
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.session import Session, run_in_order
from harness.runs.step import StepRef, load
from harness.runs.workers import Task, Workers

# Each is judged with what a run in the fake file system, or in the sandbox, looks at.
_RUNNERS = ("fake", "sandbox")
# The usual case is run some more times first, which so many cases are worth.
WORTH = 50
# What is recorded in the sandbox is run once more, and slower.
WORTH_IN_SANDBOX = 100
# Of the cases, so many are recorded in the sandbox before it is known whether others follow.
_TRIES = 0.1
# Of the cases that follow from others, so many are run all the same.
_SAMPLE = 20
# More are run only where that is asked for.
MAX_RUNS = 100_000
_SHARE = 0.01
_SEED = 0


def can_cover(runner: Runner, cases: int) -> bool:
    """Whether covering is worth a try, with this runner and so many cases."""
    return runner.name in _RUNNERS and cases >= WORTH


@dataclass(frozen=True)
class Basis:
    """How cases answer for others: why not, "" when nothing says so, and what is recorded where."""

    reason: str = ""
    in_sandbox: InSandbox | None = None


def basis(ref: StepRef, runner: Runner, workers: Workers, cases: int) -> Basis:
    """How so many cases of a step may answer for others.

    The usual case is run some times for it. Raises what running it raises.
    """
    usual = load(ref).matrix.usual
    if not usual:
        return Basis("it has no usual case, which would show whether its runs are repeatable")
    task = Task(partial(_basis_of_usual, cases), ref, (runner,))
    (found,) = run_in_order(task, [usual], workers if isinstance(workers, Executor) else 1)
    return found


def _basis_of_usual(cases: int, ref: StepRef, runners: Sequence[Runner], case_id: str) -> Basis:
    (runner,) = runners
    step = load(ref)
    case, expected = step.matrix.case(case_id)
    case = step.limit.apply(case)
    if start_of(case) is None:
        return Basis("its usual case is one under circumstances")
    first = runner.run(case)
    seen, refusal = _seen_in_fake(case, first)
    in_sandbox = None
    if refusal:
        if not isinstance(runner, SandboxRunner):
            return Basis(refusal)
        if cases < WORTH_IN_SANDBOX:
            return Basis(f"{refusal}, and so few are not worth being recorded in the sandbox")
        seen = runner.observing().run(case)
        in_sandbox = InSandbox(SameOutputs(ref), math.ceil(cases * _TRIES))
    if seen is None or seen.observed is None:
        return Basis("what its usual case looks at is not known")
    if seen.observed.hidden:
        return Basis(f"its usual case {seen.observed.hidden}")
    evidence = Evidence(step.contract, case, expected, first)
    others = (runner.run(one) for one in _again(case))
    is_repeatable = all(_same(evidence, first, one) for one in others)
    return Basis("" if is_repeatable else _NOT_REPEATABLE, in_sandbox)


def _seen_in_fake(case: Case, outcome: Outcome) -> tuple[Outcome | None, str]:
    """A run in the fake file system, or why it tells nothing of this outcome of the case."""
    try:
        seen = FakeRunner().observing().run(case)
    except RunnerCannot as refusal:
        return None, refusal.what
    if not ends_alike(seen, outcome):
        return None, "its usual case ends otherwise in the fake file system"
    return seen, ""


@dataclass(frozen=True)
class SameOutputs:
    """Whether two runs of a case of this step leave the same outputs."""

    ref: StepRef

    def __call__(self, case: Case, first: Outcome, second: Outcome) -> bool:
        """As the contract says what may differ."""
        step = load(self.ref)
        return _same(Evidence(step.contract, case, Expectation(), first), first, second)


_NOT_REPEATABLE = "its usual case is not repeatable"


def _again(case: Case) -> Iterator[Case]:
    """The case three times, as the promise `repeatable` has it."""
    for seed in "012":
        variables = {**case.variables, "PYTHONHASHSEED": seed}
        yield replace(case, variables=variables, reversed_listing=seed == "2")


def _same(evidence: Evidence, first: Outcome, second: Outcome) -> bool:
    if first.exit_code != second.exit_code:
        return False
    try:
        old, new = (outputs(evidence, one) for one in (first, second))
        return not any(True for _ in changed(old, new))
    except MissingLibrary:
        return False


def check_number(step: str, cases: int, reason: str) -> None:
    """Raise `WrongUse` where so many cases would be run, none of which answers for another."""
    if cases > MAX_RUNS:
        raise WrongUse(
            f"{step} has {cases:,} cases, too many to run each of them: {reason}",
            "use `harness check --pairwise`, with which every pair of choices is in some case; or "
            "choose cases with -k or --shard; or run all of them with --exhaustive",
        )


@contextmanager
def covering(runner: Runner, in_sandbox: InSandbox | None = None) -> Iterator[CoveringRunner]:
    """A runner that runs no case twice, for one session."""
    with tempfile.TemporaryDirectory(prefix="harness-runs-") as folder:
        yield CoveringRunner(runner, Path(folder), in_sandbox=in_sandbox)


@dataclass(frozen=True)
class Sample:
    """The cases that follow from others and are run all the same, and those of another verdict."""

    ids: tuple[str, ...]
    other: tuple[str, ...]


def check_sample(results: Results, session: Session) -> Sample:
    """Run some of the cases that follow from others, always the same ones; raises as a session."""
    number = number_of(results, _follows)
    size = min(number, max(_SAMPLE, math.ceil(number * _SHARE)))
    picked = frozenset(random.Random(_SEED).sample(range(number), size))
    sample = [one for at, one in enumerate(results.where(_follows)) if at in picked]
    ids = tuple(one.case for one in sample)
    found = zip(sample, session.run(ids), strict=True)
    return Sample(ids, tuple(one.case for was, one in found if _verdict(one) != _verdict(was)))


def _follows(result: Result) -> bool:
    return bool(result.follows)


def _verdict(result: Result) -> tuple[object, ...]:
    found = frozenset((one.promise, one.key, one.severity) for one in result.findings)
    return result.exit_code, result.unproven, found
