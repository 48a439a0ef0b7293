"""Circumstances that a runner cannot make are not proven; what SIGTERM means is the contract's."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Interrupt, Outcome
from harness.cases.expectation import Expectation
from harness.contracts import loaders
from harness.errors import WrongContract
from harness.promises import Evidence, circumstances, judge
from harness.promises.network import lacks_network
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, run_case
from harness.worlds.tree import Tree
from tests.unit.worlds import case_of

CONTRACT = """
name: fetch
entry_point: fetch.py
inputs:
  data: {required: true, mounts: [/opt/ml/processing/input/data]}
outputs:
  copy: {path: /opt/ml/processing/output/copy}
  log: {path: /opt/ml/processing/output/log, required: false}
exit_codes: {0: fetched, 1: failed}
"""
FETCHES = """
import sys, urllib.request
try:
    urllib.request.urlopen("http://example.com/model", timeout=2)
except OSError as error:
    sys.exit(f"error: cannot fetch: {error}")
"""
USUAL = "data=present"


@pytest.fixture
def step(tmp_path: Path) -> Path:
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    (tmp_path / "fetch.py").write_text(FETCHES)
    samples = tmp_path / "samples" / "data"
    samples.mkdir(parents=True)
    (samples / "data.txt").write_text("x")
    return tmp_path


def add(step: Path, text: str) -> None:
    with (step / "contract.yaml").open("a") as stream:
        stream.write(text)


def test_a_step_that_may_use_the_network_is_not_proven_without_one(step: Path) -> None:
    found = run_case(StepRef(step), FakeRunner(), USUAL)
    assert "no-network" in [one.promise for one in found.findings]
    add(step, "waivers: {no-network: it fetches a model}\n")
    waived = StepRef(step, timeout=20)
    for case in (USUAL, "circumstance=umask-077", "data=absent"):
        trial = run_case(waived, FakeRunner(), case)
        assert (trial.outcome.unproven, trial.findings) == ("no runner has a network", ())


def test_another_failure_is_a_finding_though_the_network_is_waived(step: Path) -> None:
    add(step, "waivers: {no-network: it fetches a model}\n")
    (step / "fetch.py").write_text("raise ValueError('no such column')")
    trial = run_case(StepRef(step), FakeRunner(), USUAL)
    assert trial.outcome.unproven == ""
    assert "exit-code" in [one.promise for one in trial.findings]


def test_success_needs_no_network(step: Path) -> None:
    add(step, "waivers: {no-network: it may fetch a model}\n")
    tried = Outcome(
        0, "", "Network is unreachable: the model beside the script is used", 0, Tree(), Tree()
    )
    assert lacks_network(loaders.load(step), tried) == ""


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxRunner]:
    monkeypatch.setattr("harness.runners.real.sandbox.privileged", lambda: False)
    runner = SandboxRunner()
    runner.prepare()
    yield runner
    runner.close()


def test_the_sandbox_of_an_ordinary_user_has_no_other_user(ordinary_user: SandboxRunner) -> None:
    case = case_of("")
    assert ordinary_user.run(case).unproven == ""
    assert "no other user" in ordinary_user.run(replace(case, user=1234)).unproven


BEFORE = Tree().with_directory("/opt/ml/processing/output/copy", "/opt/ml/processing/output/log")
COPY = "/opt/ml/processing/output/copy/x"
LOG = "/opt/ml/processing/output/log/x"


def keys_after_sigterm(
    step: Path, code: int, *written: str, left: bytes = b"x", usually: bytes = b""
) -> list[str]:
    """The findings after SIGTERM, of a step that `usually` writes this, or nothing."""
    from harness.cases.trial import UsualRuns

    contract = loaders.load(step)
    circumstance = next(one for one in circumstances(contract) if one.name.startswith("sigterm"))
    case = Case(
        script=f"/opt/ml/code/{contract.entry_point}",
        choices={"circumstance": circumstance.name},
        interrupt=Interrupt(signal.SIGTERM, 0.5),
    )
    usual = Expectation(explained=False)
    expected = circumstance.expect(contract, case, usual).for_exit_code(code)
    after = BEFORE
    for path in written:
        after = after.with_file(path, left)
    whole = BEFORE
    for path in written if usually else ():
        whole = whole.with_file(path, usually)
    ended = Outcome(0, "", "", 0.1, BEFORE, whole)
    stopped = Outcome(code, "", "", 0.1, BEFORE, after)
    runs = UsualRuns((ended, ended), (), as_expected=True)
    return [one.key for one in judge(Evidence(contract, case, expected, stopped, runs)).findings]


def test_by_default_sigterm_ends_a_step_with_143_and_leaves_nothing(step: Path) -> None:
    assert keys_after_sigterm(step, 143) == []
    assert keys_after_sigterm(step, 0) == ["exit-code/0-for-143"]
    assert keys_after_sigterm(step, 143, COPY) == ["partial-output"]


@pytest.mark.parametrize(
    ("code", "left", "found"),
    [
        # A model that was trained for less.
        (0, b'{"epochs": 2, "weight": 0.71}', []),
        (0, b'{"epochs": 9, "weight": 0.7', ["partial-output"]),
        (0, b'{"epochs": 2}', ["partial-output"]),
        # Who is stopped leaves what is as usual, or nothing.
        (143, b'{"epochs": 2, "weight": 0.71}', ["partial-output"]),
        (143, b'{"epochs": 9, "weight": 0.75}', []),
    ],
)
def test_who_comes_to_an_end_after_sigterm_may_leave_another_whole_output(
    step: Path, code: int, left: bytes, found: list[str]
) -> None:
    add(step, "sigterm: {exit_codes: [0, 143]}\n")
    usually = b'{"epochs": 9, "weight": 0.75}'
    path = f"{COPY}.json"
    keys = keys_after_sigterm(step, code, path, left=left, usually=usually)
    assert [one for one in keys if one == "partial-output"] == found


def test_a_contract_says_what_sigterm_means(step: Path) -> None:
    add(step, "sigterm: {exit_codes: [0, 143], may_write: [copy]}\n")
    for code in (0, 143):
        assert keys_after_sigterm(step, code) == []
        assert keys_after_sigterm(step, code, COPY) == []
        assert keys_after_sigterm(step, code, LOG) == ["partial-output"]
    assert keys_after_sigterm(step, 1) == ["exit-code/1-for-0"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sigterm: {may_write: [model]}\n", "sigterm.may_write.0: model is no output; they are: "),
        ("sigterm: {exit_codes: []}\n", "sigterm.exit_codes: "),
        ("sigterm: {exit_codes: [256]}\n", "sigterm.exit_codes.0: "),
        ("sigterm: {code: 0}\n", "sigterm.code: "),
    ],
)
def test_a_wrong_meaning_of_sigterm_names_file_line_and_key(
    step: Path, text: str, error: str
) -> None:
    add(step, text)
    with pytest.raises(WrongContract, match=rf"contract.yaml:10: {error}"):
        loaders.load(step)
