"""Steps: reading a contract, its script and its suite, and running one case of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from harness.cases.case import Case, Outcome, Result
from harness.cases.code_beside import files_in, image_files, source_folder
from harness.cases.derive import derive_suite
from harness.cases.expectation import Expectation
from harness.cases.following import Trace
from harness.cases.matrix import Change, Matrix, Suite
from harness.cases.trial import Trial, UsualRuns
from harness.cases.watched import Watch
from harness.contracts import loaders
from harness.contracts.contract import Contract, Level
from harness.contracts.outputs import files_beside
from harness.contracts.reading import Apart
from harness.errors import WrongContract, WrongUse
from harness.files.digest import digest
from harness.files.modules import execute, sources, wrong_contract_on_error
from harness.promises import (
    Breach,
    Circumstance,
    Evidence,
    circumstances,
    content,
    judge,
    unlisted,
)
from harness.promises.all import PROMISE_NAMES
from harness.promises.defaults import leaves_other_outputs
from harness.promises.network import lacks_network
from harness.promises.table_content import ROW_KEYS
from harness.promises.usual_outputs import writes_nothing
from harness.runners import Runner
from harness.runners.covering import CoveringRunner
from harness.runs.chance import without_chance
from harness.runs.classes import Classes
from harness.runs.confirm import confirmed
from harness.runs.timeouts import LONGEST_USUAL, Limit, grown_timeout
from harness.worlds import jobs


@dataclass(frozen=True)
class StepRef:
    """A step by its paths and options: small, picklable and hashable.

    `path` is the contract, or its folder. `script` is a file that replaces the entry point, under
    the entry point's name; `code` is the folder of the entry point. With `pairwise` the matrix has
    not all combinations, but every pair of choices. `step` is the step's name in a file of several,
    and `profile` the type of job for a derived suite. `level` wins over the contract's, which wins
    over `default_level`. `timeout` is how long any case may take, in seconds; None is what the
    contract says.
    """

    path: Path
    script: Path | None = None
    code: Path | None = None
    pairwise: bool = False
    step: str | None = None
    profile: str | None = None
    level: Level | None = None
    default_level: Level | None = None
    timeout: float | None = None


# Of two outputs by turns all are the same in so many runs of two cases once in 256 times.
_MORE_RUNS = 5
_NO_OUTPUT = (
    "the usual case, {}, writes nothing into any output, so that nothing can be seen of it under "
    "other circumstances; name another in the suite: Suite(usual=…)"
)
# Gives the verdict on one case of a step, through a prepared runner.
JudgeCase = Callable[[StepRef, Runner, str], Result]


@dataclass(frozen=True)
class Step:
    """A step that has been read: its contract, its cases, and how long they may take."""

    contract: Contract
    matrix: Matrix
    level: Level
    limit: Limit


def read_contract(
    path: Path,
    code: Path | None = None,
    step: str | None = None,
    script: Path | None = None,
    apart: Apart | None = None,
) -> Contract:
    """The contract of a step, whose waivers name promises; raises as `loaders.load` does."""
    return loaders.load(path, code, step, script, PROMISE_NAMES, apart)


@lru_cache(maxsize=8)
def load(ref: StepRef) -> Step:
    """Read a step's contract, script and suite; raises `WrongContract`."""
    contract = read_contract(ref.path, ref.code, ref.step, ref.script)
    source = loaders.read_script(ref.script or contract.script)
    suite = _suite(contract, source, ref.profile)
    changes = {one.name: _change(contract, one) for one in circumstances(contract)}
    limit = Limit.of(ref.timeout, contract)
    origin = contract.suite if contract.suite.is_file() else None

    def find(name: str) -> Change | None:
        found = unlisted(contract, name)
        return None if found is None else _change(contract, found)

    matrix = Matrix(suite, changes, unlisted=find, pairwise=ref.pairwise, origin=origin)
    return Step(contract, matrix, level_of(ref, contract), limit)


def level_of(ref: StepRef, contract: Contract) -> Level:
    """How strictly a step is judged: as asked for, else as its contract says.

    Else it is `practical` for a suite that is derived, and `strict` for one that was written.
    """
    written: Level = "strict" if contract.suite.is_file() else "practical"
    return ref.level or contract.level or ref.default_level or written


@lru_cache(maxsize=8)
def fingerprint(ref: StepRef) -> str:
    """A digest of the contents of a step's files, whatever their location.

    The files are the contract, script, suite, samples and profile, and the modules that script and
    suite import from their folders. Raises as `load` does.
    """
    contract = load(ref).contract
    profile = Path(ref.profile) if ref.profile else None
    try:
        return digest(
            contract.name,
            contract.origin.read_bytes(),
            source_folder(contract, loaders.read_script(ref.script or contract.script)),
            sources(contract.suite),
            files_in(contract.samples),
            files_beside(contract.outputs, contract.origin.parent),
            image_files(contract),
            profile.read_bytes() if profile and profile.is_file() else ref.profile,
            ref.pairwise,
            level_of(ref, contract),
            # A waiver counts up to a day.
            sorted(contract.waivers),
        )
    except OSError as error:
        raise WrongContract(
            f"{error.filename}: cannot be read: {error.strerror}",
            "a step is identified by all of its files: let it be read, or remove it",
        ) from None


def _change(contract: Contract, circumstance: Circumstance) -> Change:
    return lambda case, usual: (
        circumstance.edit(contract, case),
        circumstance.expect(contract, case, usual),
    )


def run_single_case(ref: StepRef, runner: Runner, case_id: str) -> Trial:
    """Run and judge one case, preparing and closing the runner."""
    runner.prepare()
    try:
        return run_case(ref, runner, case_id)
    finally:
        runner.close()


def prove(ref: StepRef, runner: Runner, case_id: str) -> Result:
    """The verdict on one case, through a prepared runner.

    Where cases follow from others, it may be that on another case of the same class.
    """
    classes = _classes(ref, runner) if isinstance(runner, CoveringRunner) else None
    choices = classes.choices(case_id) if classes else None
    if classes is None or choices is None:
        return run_case(ref, runner, case_id).result
    if (known := classes.find(case_id, choices)) is not None:
        return known
    watch = classes.watch(choices)
    result = run_case(ref, runner, case_id, watch).result
    if watch.is_complete:
        classes.add(watch, result)
    return result


@lru_cache(maxsize=8)
def _classes(ref: StepRef, _runner: Runner) -> Classes:
    return Classes(load(ref).matrix)


def run_case(ref: StepRef, runner: Runner, case_id: str, watch: Watch | None = None) -> Trial:
    """Run and judge one case, through a prepared runner; what is looked at is told to `watch`."""
    case, _ = load(ref).matrix.case(case_id)
    trial = _run_once(ref, runner, case_id, watch)
    is_usual = trial.usual is not None and not trial.usual.as_expected
    if case.interrupt is None or is_usual:
        return trial
    # The moment of a signal is not exact.
    return confirmed(trial, lambda: _run_once(ref, runner, case_id))


def _run_once(ref: StepRef, runner: Runner, case_id: str, watch: Watch | None = None) -> Trial:
    step = load(ref)
    case, expected = step.matrix.case(case_id)
    case, outcome = _run_in_time(ref, runner, case)
    usual = _run_usual(ref, runner) if "circumstance" in case.choices else None
    unproven = outcome.unproven or (usual.outcomes[0].unproven if usual else "")
    if not unproven and usual and _shows_nothing(step, usual):
        unproven = _NO_OUTPUT.format(step.matrix.usual)
    outcome = replace(outcome, unproven=unproven)
    seen, seen_outcome = case, outcome
    if watch is not None and (trace := _trace(runner, case)) is not None:
        seen, seen_outcome = watch.views(case, outcome, *trace)
        expected = watch.expectation(step.matrix, seen, outcome.exit_code)
    expected = expected.for_exit_code(outcome.exit_code)
    compared = usual.outcomes[0] if usual else _usual_outcome(ref, runner, case, expected)
    is_usual = case_id == step.matrix.usual
    evidence = Evidence(
        step.contract, seen, expected, seen_outcome, usual, compared, is_usual=is_usual
    )
    evidence = _with_same(ref, runner, evidence)
    evidence = _with_beside(ref, runner, evidence)
    verdict = without_chance(
        evidence,
        judge(evidence, step.level),
        step.level,
        lambda: (
            _run_often(ref, runner, one)
            for one in (case_id, step.matrix.usual if usual else evidence.expected.same_as)
        ),
    )
    return Trial(case, expected, outcome, verdict.of(case_id), usual)


def _trace(runner: Runner, case: Case) -> Trace | None:
    return runner.trace(case) if isinstance(runner, CoveringRunner) else None


def _shows_nothing(step: Step, usual: UsualRuns) -> bool:
    """Whether the usual case writes nothing, though the step has outputs."""
    has_outputs = bool(step.contract.outputs) and usual.as_expected
    return has_outputs and writes_nothing(step.contract, usual.outcomes[0])


def _run_in_time(ref: StepRef, runner: Runner, case: Case) -> tuple[Case, Outcome]:
    """Run a case in the time that it may take; the case with that timeout, and its outcome."""
    step = load(ref)
    case = step.limit.apply(case)
    outcome = runner.run(case)
    if step.limit.may_grow(case, outcome):
        grown = replace(case, timeout=_grown_timeout(ref, runner))
        if grown.timeout > case.timeout:
            case, outcome = grown, runner.run(grown)
    return case, replace(
        outcome, unproven=outcome.unproven or lacks_network(step.contract, outcome)
    )


@lru_cache(maxsize=8)
def _grown_timeout(ref: StepRef, runner: Runner) -> float:
    """The default timeout of a step whose cases take long, in seconds; 0 without a usual case."""
    step = load(ref)
    if not step.matrix.usual:
        return 0.0
    case, _ = step.matrix.case(step.matrix.usual)
    return grown_timeout(runner.run(replace(case, timeout=LONGEST_USUAL)))


def _usual_outcome(
    ref: StepRef, runner: Runner, case: Case, expected: Expectation
) -> Outcome | None:
    """What the usual case did, if it ended as expected, for a case that is compared with it."""
    step = load(ref)
    is_other = expected.lacks or expected.varies or expected.damaged or expected.other_host
    is_compared = not expected.explained and bool(is_other)
    if not is_compared or step.matrix.usual in ("", case.id):
        return None
    _, outcome = _run_usual_once(ref, runner)
    _, usual = step.matrix.case(step.matrix.usual)
    is_usable = usual.accepts_exit_code(outcome.exit_code) and not outcome.unproven
    return outcome if is_usable else None


def _with_same(ref: StepRef, runner: Runner, evidence: Evidence) -> Evidence:
    """The evidence with two runs of the case that must leave the same outputs, where it did not."""
    other = evidence.expected.same_as
    if not load(ref).matrix.lists(other) or evidence.outcome.unproven:
        return evidence
    _, first = _run_first(ref, runner, other)
    if first.unproven or first.exit_code != 0 or not leaves_other_outputs(evidence, first):
        return evidence
    return replace(evidence, same_as=_run_twice(ref, runner, other))


def _with_beside(ref: StepRef, runner: Runner, evidence: Evidence) -> Evidence:
    """The evidence with what bears out, or tells already, that a part changes nothing, if so."""
    expected, usual = evidence.expected, evidence.usual_outcome
    if not expected.partial or usual is None or evidence.outcome.unproven:
        return evidence
    if evidence.outcome.exit_code != 0 or leaves_other_outputs(evidence, usual):
        return evidence
    step = load(ref)
    case, of_usual = step.matrix.case(step.matrix.usual)
    judged = Evidence(step.contract, case, of_usual, usual, is_usual=True)
    lacks = any(one.key in ROW_KEYS for one in content.check(judged) if isinstance(one, Breach))
    evidence = replace(evidence, usual_lacks_rows=lacks)
    other = expected.same_in or expected.other_in
    if not other:
        return evidence
    _, beside = _run_first(ref, runner, other)
    return evidence if beside.unproven else replace(evidence, beside=beside)


def _run_usual_once(ref: StepRef, runner: Runner) -> tuple[Case, Outcome]:
    """The first run of the usual case: the case as it was run, and its outcome."""
    return _run_first(ref, runner, load(ref).matrix.usual)


def _run_usual(ref: StepRef, runner: Runner) -> UsualRuns:
    return _run_twice(ref, runner, load(ref).matrix.usual)


@lru_cache(maxsize=8)
def _run_first(ref: StepRef, runner: Runner, case_id: str) -> tuple[Case, Outcome]:
    case, _ = load(ref).matrix.case(case_id)
    return _run_in_time(ref, runner, _with_hash_seed(case, "0"))


@lru_cache(maxsize=8)
def _run_twice(ref: StepRef, runner: Runner, case_id: str) -> UsualRuns:
    """Run a case twice: in different seconds, and with different hash seeds."""
    step = load(ref)
    _, expected = step.matrix.case(case_id)
    case, first = _run_first(ref, runner, case_id)
    time.sleep(1 - time.time() % 1)
    second = runner.run(_with_hash_seed(case, "1"))
    expected = replace(expected.for_exit_code(first.exit_code), varies="", same_as="")
    evidence = Evidence(step.contract, case, expected, first, is_usual=case_id == step.matrix.usual)
    findings = judge(evidence, step.level).findings
    return UsualRuns((first, second), findings, evidence.as_expected)


@lru_cache(maxsize=8)
def _run_often(ref: StepRef, runner: Runner, case_id: str) -> tuple[Outcome, ...]:
    """Some more runs of a case, with different hash seeds."""
    case, _ = load(ref).matrix.case(case_id)
    return tuple(
        _run_in_time(ref, runner, _with_hash_seed(case, str(seed)))[1] for seed in range(_MORE_RUNS)
    )


def _with_hash_seed(case: Case, seed: str) -> Case:
    return replace(case, variables={**case.variables, "PYTHONHASHSEED": seed})


def _suite(contract: Contract, source: bytes, profile: str | None) -> Suite:
    path = contract.suite
    if not path.is_file():
        return derive_suite(contract, source, jobs.profile(profile) if profile else None)
    if profile is not None:
        raise WrongUse(
            f"--profile {profile}: {path} says itself as which jobs the step is run",
            "leave --profile out; it is for steps that have no suite of their own",
        )
    hint = "mend it; `suite(contract, script)` returns a harness.cases.matrix.Suite"
    with wrong_contract_on_error(path, "the suite cannot be loaded", hint):
        suite = execute(path).suite(contract, source)
    if not isinstance(suite, Suite):
        raise WrongContract(f"{path}: suite() returned a {type(suite).__name__}", hint)
    return suite


def forget() -> None:
    """Read every step anew from now on: its files may have changed since this process began."""
    for cached in (load, fingerprint, _grown_timeout, _run_first, _run_twice, _run_often, _classes):
        cached.cache_clear()
