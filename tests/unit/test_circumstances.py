"""Circumstances: changes of the usual case, and the promises that their findings belong to."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Interrupt, Outcome
from harness.cases.expectation import Content, Expectation
from harness.cases.matrix import Axis, Matrix, Special, Suite, as_it_is
from harness.cases.trial import UsualRuns
from harness.contracts import loaders
from harness.errors import WrongUse
from harness.promises import Evidence, Promise, circumstance_id, circumstances, judge
from harness.promises.all import PROMISES
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, run_case
from harness.worlds.tree import Tree
from tests.unit.derived import make_step
from tests.unit.test_causes import CONTRACT as STEP
from tests.unit.test_causes import SAMPLES

COPIER = Path(__file__).parent / "steps" / "copier"
CONTRACT = loaders.load(COPIER)
COPY = "/opt/ml/processing/output/copy/text.txt"
BEFORE = Tree().with_directory("/tmp").with_directory("/opt/ml/processing/output/copy")
CASE = Case(id="circumstance=again", choices={"circumstance": "again"}, script="/opt/ml/code/x.py")
WRITES = Expectation(writes={COPY: Content(data=b"text")})


def change(case: Case, expected: Expectation) -> tuple[Case, Expectation]:
    return replace(case, cwd="/elsewhere"), replace(expected, exit_code=7)


def fails_when_absent(case: Case) -> Expectation:
    return Expectation(exit_code=1 if case.choices["model"] == "absent" else 0)


AXES = (Axis("model", {"present": as_it_is, "empty": as_it_is, "absent": as_it_is}),)


def test_the_usual_case_is_the_last_that_must_succeed() -> None:
    matrix = Matrix(Suite(Case(), AXES, fails_when_absent), {"moved": change})
    assert matrix.usual == "model=empty"
    assert matrix.ids[-1] == "circumstance=moved"
    case, expected = matrix.case("circumstance=moved")
    assert (case.id, case.cwd, expected.exit_code) == ("circumstance=moved", "/elsewhere", 7)
    assert case.choices == {"circumstance": "moved"}


def test_a_suite_can_name_the_usual_case() -> None:
    suite = Suite(Case(), AXES, fails_when_absent, usual="model=present")
    assert Matrix(suite).usual == "model=present"
    with pytest.raises(WrongUse, match="there is no case 'model=full'"):
        Matrix(replace(suite, usual="model=full"))


def test_a_special_case_is_usual_without_a_product() -> None:
    special = [
        Special("bad", as_it_is, Expectation(exit_code=1)),
        Special("good", as_it_is, Expectation()),
    ]
    assert Matrix(Suite(Case(), special=special)).usual == "special=good"


def test_without_a_usual_case_circumstances_are_not_proven() -> None:
    suite = Suite(Case(), special=[Special("bad", as_it_is, Expectation(exit_code=1))])
    matrix = Matrix(suite, {"moved": change})
    assert matrix.ids == ("special=bad",)
    assert "Suite(usual=" in matrix.unproven["circumstance=moved"]


def test_circumstances_have_unique_names_and_those_of_waived_promises_are_left_out() -> None:
    names = [one.name for one in circumstances(CONTRACT)]
    assert len(names) == len(set(names)) == 15
    waived = CONTRACT.model_copy(update={"waivers": {"sigterm": "nobody stops it"}})
    assert set(names) - {one.name for one in circumstances(waived)} == {
        "sigterm-at-25-percent",
        "sigterm-at-50-percent",
        "sigterm-at-75-percent",
    }


@pytest.mark.parametrize("promise", [one for one in PROMISES if one.circumstances])
def test_each_promise_is_explained_with_its_cases(promise: Promise) -> None:
    for one in promise.circumstances:
        assert circumstance_id(one) in promise.explain()


@pytest.mark.parametrize("name", [one.name for one in circumstances(CONTRACT)])
def test_a_step_that_conforms_keeps_its_promises_in_all_of_them(name: str) -> None:
    tried = run_case(StepRef(COPIER), FakeRunner(), f"circumstance={name}")
    assert tried.findings == ()


def outcome(copy: bytes | None, code: int = 0, *more: str) -> Outcome:
    after = BEFORE if copy is None else BEFORE.with_file(COPY, copy)
    for path in more:
        after = after.with_file(path, b"")
    return Outcome(code, "", "", 0.1, BEFORE, after)


def usual(*outcomes: Outcome) -> UsualRuns:
    evidence = Evidence(CONTRACT, replace(CASE, choices={}), WRITES, outcomes[0])
    return UsualRuns((outcomes[0], outcomes[-1]), judge(evidence).findings, evidence.as_expected)


def found(
    name: str, result: Outcome, usual_runs: UsualRuns, expected: Expectation = WRITES
) -> list[tuple[str, str]]:
    case = replace(CASE, choices={"circumstance": name})
    findings = judge(Evidence(CONTRACT, case, expected, result, usual_runs)).findings
    return [(one.promise, one.key) for one in findings]


GOOD = outcome(b"text")


def test_a_breach_in_a_circumstance_only_is_a_finding_of_its_promise() -> None:
    assert found("umask-077", outcome(b"te"), usual(GOOD)) == [
        ("any-umask", "output/wrong-bytes"),
        ("any-umask", "other-output"),
    ]
    assert found("umask-077", outcome(b"text", 1), usual(GOOD)) == [
        ("any-umask", "exit-code/1-for-0")
    ]
    left = outcome(b"text", 0, "/tmp/x")
    assert found("umask-077", left, usual(GOOD)) == [("any-umask", "scratch-clean/left-behind")]


def test_a_breach_in_the_usual_case_too_keeps_its_promise() -> None:
    left = outcome(b"text", 0, "/tmp/x")
    assert found("umask-077", left, usual(left)) == [("scratch-clean", "left-behind")]


def test_a_script_that_fails_the_usual_case_has_that_finding_only() -> None:
    failed = outcome(None, 1)
    assert found("full-disk", outcome(b"te", 2), usual(failed)) == [("exit-code", "1-for-0")]


def test_outputs_are_compared_between_runs() -> None:
    assert found("again", GOOD, usual(GOOD)) == []
    any_text = Expectation(holds=("/opt/ml/processing/output/copy",), explained=False)
    other = outcome(b"other")
    assert found("again", other, usual(GOOD), any_text) == [("repeatable", "differs")]
    assert found("again", GOOD, usual(GOOD, other), any_text) == [("repeatable", "differs")]
    # An output that always differs is a finding of `repeatable` only.
    assert found("other-time-zone", other, usual(GOOD, other), any_text) == []
    assert found("other-time-zone", other, usual(GOOD), any_text) == [
        ("any-time-zone", "other-output")
    ]


STOPPED = Expectation(exit_code=143, whole=True)


@pytest.mark.parametrize(
    ("after", "keys"),
    [
        (outcome(None, 143), []),
        (outcome(b"text", 143), []),
        (outcome(b"te", 143), ["partial-output"]),
        (outcome(b"text", 143, f"{COPY}.part"), ["nothing-undeclared/written"]),
        (outcome(None, 143, "/tmp/x"), ["scratch-clean/left-behind"]),
        (outcome(b"text", 0), ["exit-code/0-for-143"]),
    ],
)
def test_after_a_fault_an_output_is_complete_or_missing(after: Outcome, keys: list[str]) -> None:
    got = found("sigterm-at-50-percent", after, usual(GOOD), STOPPED)
    assert got == [("sigterm", key) for key in keys]


def test_a_signal_may_leave_a_semaphore_that_is_being_made() -> None:
    left = outcome(None, 143, "/dev/shm/sem.AbC123", "/dev/shm/semantics")
    stopped = replace(CASE, interrupt=Interrupt(signal.SIGTERM, 0.5))
    for case, paths in (
        (stopped, ["/dev/shm/semantics"]),
        (CASE, ["/dev/shm/sem.AbC123", "/dev/shm/semantics"]),
    ):
        findings = judge(Evidence(CONTRACT, case, STOPPED, left)).findings
        assert [one.where for one in findings if "left-behind" in one.key] == paths


def test_an_older_output_stays_or_is_replaced_completely() -> None:
    older = BEFORE.with_file(COPY, b"older")
    for after, keys in (
        (older, []),
        (BEFORE.with_file(COPY, b"text"), []),
        (BEFORE, ["older-output-gone"]),
        (BEFORE.with_file(COPY, b"te"), ["partial-output"]),
    ):
        result = Outcome(143, "", "", 0.1, older, after)
        got = found("sigterm-at-50-percent", result, usual(GOOD), STOPPED)
        assert got == [("sigterm", key) for key in keys]


def test_both_results_are_accepted_where_the_contract_leaves_a_choice() -> None:
    step = load(StepRef(COPIER))
    _, expected = step.matrix.case("circumstance=output-folder-missing")
    assert expected.for_exit_code(0).exit_code == 0
    assert expected.for_exit_code(1).exit_code == 1
    assert expected.for_exit_code(1).error[0].is_in("cannot write /opt/ml/processing/output/copy/x")
    assert expected.for_exit_code(2).exit_code == 0


VARIES = """
import os, pathlib, sys
source = pathlib.Path("/opt/ml/processing/input/data/data.json")
names = pathlib.Path("/opt/ml/processing/input/names/names.txt")
rows = source.read_text() + names.read_text()
os.makedirs("/opt/ml/processing/output/copy", exist_ok=True)
open("/opt/ml/processing/output/copy/data.json", "w").write("[%d]" % (WHEN))
"""


@pytest.mark.parametrize(
    ("when", "promise"),
    [
        # The runs that are compared at first have the seeds 0, 1 and 2; none is set in this case.
        ("os.environ.get('PYTHONHASHSEED') in (None, '3')", "repeatable"),
        ("os.umask(0) == 0o077", "any-umask"),
        ("7", ""),
    ],
)
def test_what_differs_by_chance_is_told_as_not_repeatable(
    tmp_path: Path, when: str, promise: str
) -> None:
    ref = make_step(tmp_path, VARIES.replace("WHEN", when), STEP, SAMPLES)
    findings = run_case(ref, FakeRunner(), "circumstance=umask-077").findings
    assert {one.promise for one in findings} == ({promise} if promise else set())
