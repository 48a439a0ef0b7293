"""Steps: a folder with a contract, its entry point and the suite that is tried on it."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness import contract as contracts
from harness.case import Case, Finding, Outcome, Result
from harness.contract import Contract
from harness.errors import WrongContract
from harness.expectation import Expectation
from harness.matrix import Matrix, Suite
from harness.promises import Evidence, judge
from harness.runners import Runner

SUITE_FILE = "conformance.py"
_TAIL_LINES = 12


@dataclass(frozen=True)
class StepRef:
    """Where a step is: small enough to be sent to another process.

    `script` is another file that takes the entry point's place, under the entry point's name.
    """

    folder: Path
    script: Path | None = None


@dataclass(frozen=True)
class Step:
    """A step that is ready to be proved."""

    contract: Contract
    matrix: Matrix


@lru_cache(maxsize=8)
def load(ref: StepRef) -> Step:
    """Read a step's contract, script and suite; raises `WrongContract`."""
    contract = contracts.load(ref.folder)
    source = contracts.read_script(ref.script or contract.script)
    return Step(contract, Matrix(_suite(ref.folder / SUITE_FILE, contract, source)))


@dataclass(frozen=True)
class Trial:
    """One case from beginning to end."""

    case: Case
    expected: Expectation
    outcome: Outcome
    findings: tuple[Finding, ...]


def try_case(ref: StepRef, runner: Runner, case_id: str) -> Trial:
    """Run one case by itself, with the runner made ready and closed."""
    runner.prepare()
    try:
        return trial(ref, runner, case_id)
    finally:
        runner.close()


def prove(ref: StepRef, runner: Runner, case_id: str) -> Result:
    """The verdict on one case, through a runner that is ready."""
    tried = trial(ref, runner, case_id)
    lines = tried.outcome.stderr.splitlines() if tried.findings else []
    return Result(
        case_id,
        tried.findings,
        tried.outcome.exit_code,
        tried.outcome.seconds,
        "\n".join(lines[-_TAIL_LINES:]),
    )


def trial(ref: StepRef, runner: Runner, case_id: str) -> Trial:
    """One case from beginning to end, through a runner that is ready."""
    step = load(ref)
    case, expected = step.matrix.case(case_id)
    outcome = runner.run(case)
    findings = judge(Evidence(step.contract, case, expected, outcome))
    return Trial(case, expected, outcome, findings)


def _suite(path: Path, contract: Contract, source: bytes) -> Suite:
    if not path.is_file():
        raise WrongContract(
            f"{path} is missing: nothing says what to try on this step",
            "write one that defines `suite(contract, script)`; dummy_training has an example",
        )
    # As a package, so that a long suite can be kept in several files: `from .more import cases`.
    name = f"_suite_{zlib.crc32(str(path).encode()):08x}"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up here.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        suite = module.suite(contract, source)
    except Exception as error:
        line = _line_in(path, error)
        raise WrongContract(
            f"{path}:{line}: the suite cannot be loaded: {type(error).__name__}: {error}",
            "mend it; `suite(contract, script)` returns a harness.matrix.Suite",
        ) from error
    if not isinstance(suite, Suite):
        raise WrongContract(
            f"{path}: suite() returned a {type(suite).__name__}", "return a harness.matrix.Suite"
        )
    return suite


def _line_in(path: Path, error: BaseException) -> int:
    line = error.lineno or 1 if isinstance(error, SyntaxError) else 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
