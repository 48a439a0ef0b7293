"""Small steps and outcomes, for tests of what the outputs of a step hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.cases.case import Case, Outcome
from harness.cases.expectation import Expectation
from harness.cases.trial import UsualRuns
from harness.contracts.contract import Contract
from harness.promises import Breach, Evidence, NotProven, Promise
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, run_case
from harness.worlds.tree import Tree

DATA = "/opt/ml/processing/input/data"
OUT = "/opt/ml/processing/output/out"
SCRIPT = "/opt/ml/code/step.py"
DERIVED = Expectation(holds=(OUT,), explained=False)


def contract(**out: Any) -> Contract:
    """A step with the input `data` and the output `out`, whose keys these are."""
    top = {key: out.pop(key) for key in ("scratch", "inputs", "outputs", "origin") if key in out}
    return Contract.model_validate(
        {
            "name": "step",
            "entry_point": "step.py",
            "inputs": {"data": {"required": True, "mounts": (DATA,)}},
            "outputs": {"out": {"path": OUT, **out}},
            "exit_codes": {0: "done", 1: "failed"},
            **top,
        }
    )


def outcome(
    written: Mapping[str, bytes],
    given: Mapping[str, bytes] | None = None,
    code: int = 0,
    gone: Sequence[str] = (),
) -> Outcome:
    """A run that found files (relative to `data`, or absolute) and wrote some (to `out`)."""
    before = Tree().with_file(SCRIPT, b"").with_directory(OUT, DATA)
    for name, data in (given or {}).items():
        before = before.with_file(name if name.startswith("/") else f"{DATA}/{name}", data)
    after = before
    for name, data in written.items():
        after = after.with_file(name if name.startswith("/") else f"{OUT}/{name}", data)
    for name in gone:
        after = after.without(name)
    return Outcome(code, "", "", 0.1, before, after)


def evidence(
    step: Contract,
    result: Outcome,
    expected: Expectation = DERIVED,
    usual: tuple[Outcome, Outcome] | None = None,
    **more: Any,
) -> Evidence:
    """The evidence of a run, beside two usual runs."""
    runs = None if usual is None else UsualRuns(usual, (), True)
    return Evidence(step, Case(script=SCRIPT), expected, result, runs, **more)


def keys(promise: Promise, given: Evidence) -> list[str]:
    """The keys of the breaches of a promise, and `not proven` for each that is undecided."""
    return [one.key for one in breaches(promise, given)]


def breaches(promise: Promise, given: Evidence) -> list[Breach]:
    """The breaches of a promise; what is undecided as one with the key `not proven`."""
    return [
        Breach("not proven", "", "", one.reason) if isinstance(one, NotProven) else one
        for one in promise.check(given)
    ]


def write_step(folder: Path, terms: str, script: str, samples: Mapping[str, bytes]) -> StepRef:
    """A step in a folder: its contract, its script, and the samples of its inputs."""
    (folder / "contract.yaml").write_text(terms, encoding="utf-8")
    (folder / "step.py").write_text(script, encoding="utf-8")
    for name, data in samples.items():
        file = folder / "samples" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return StepRef(folder)


def findings(ref: StepRef, case_id: str) -> set[str]:
    """`PROMISE/KEY` of each finding of a case in the fake file system."""
    return {f"{one.promise}/{one.key}" for one in run_case(ref, FakeRunner(), case_id).findings}
