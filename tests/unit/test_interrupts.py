"""A signal comes in the middle of a script's work, or the case is not proven."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases.case import Case, Finding, Interrupt, Outcome
from harness.cases.expectation import Expectation
from harness.cases.trial import Trial, Verdict
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.inside.moments import came_too_late, is_done, moment, nearest
from harness.runners.real import interrupts
from harness.runners.real.exchange import Response
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.confirm import confirmed
from harness.runs.step import StepRef, run_case
from harness.worlds.tree import Tree
from tests.unit.worlds import OUTPUT, case_of

FIELD = Path(__file__).parent / "field"
SIGTERM_AT_HALF = Interrupt(signal.SIGTERM, 0.5)
# A file, written at once under another name.
AT_ONCE = "CWLM"


@pytest.mark.parametrize(
    ("effects", "at", "index"),
    [
        ("", 0.5, None),
        ("R", 0.5, None),
        ("CWL", 0.5, None),
        (AT_ONCE, 0.5, None),
        ("CWWLM", 0.0, 1),
        ("CWWLM", 1.0, 1),
        ("CWWWWLM", 0.75, 3),
        # Never after a creation.
        ("CWLCWL", 0.75, 2),
        ("CLCLCL", 0.5, 3),
        ("CWMCWM", 0.6, 2),
    ],
)
def test_a_moment_is_in_the_middle_of_the_work(effects: str, at: float, index: int | None) -> None:
    assert moment(effects, at) == index


def test_the_nearest_other_moment_comes_sooner_or_later() -> None:
    assert nearest("CWWLCWLCWL", 3) == 2
    assert nearest("CWWLCWLCWL", 5) == 6
    assert nearest("CWCW", 1) is None


def response(code: int, sent_after: int | None, ignored: bool = False) -> Response:
    seen = {"effects": "CWLCWLCWL", "sent_after": sent_after, "seconds": 1.0, "began": True}
    told = {**seen, "handles": True, "ignored": ignored, "held": False}
    return Response(
        {"exit_code": code, "seconds": 1.0, "seen": told, "unchanged": []}, "", "", Tree()
    )


@pytest.mark.parametrize(
    ("responses", "is_proven"),
    [
        # It went on at one moment, and stopped at the nearest.
        ([response(0, 3), response(143, 2)], False),
        # It goes on whenever the signal comes, or ignores it.
        ([response(0, 3), response(0, 2)], True),
        ([response(0, 3), response(143, None)], True),
        ([response(0, 3, ignored=True)], True),
        ([response(143, 3)], True),
    ],
)
def test_a_signal_that_is_lost_at_one_moment_alone_proves_nothing(
    responses: list[Response], *, is_proven: bool
) -> None:
    left = [response(0, None), *responses]
    outcome = interrupts.run(case_of("", interrupt=SIGTERM_AT_HALF), lambda _plan: left.pop(0))
    assert outcome.exit_code == responses[0].outcome["exit_code"]
    assert ((outcome.unproven == ""), left) == (is_proven, [])


def test_a_run_is_done_when_nothing_is_left_to_create_close_or_move() -> None:
    assert is_done("CWLM", "CWWWLM")
    assert not is_done("CWWWWL", "CWWWLM")
    assert not is_done("", "")


@pytest.mark.parametrize(
    ("before", "after", "rehearsed", "ignored", "late"),
    [
        # At its end, or with its last file only to be renamed.
        (AT_ONCE, "", AT_ONCE, False, True),
        ("CWL", "M", AT_ONCE, False, True),
        # It went on writing.
        ("CW", "WLM", "CWWLM", False, False),
        # It gave up: not all is there.
        ("CW", "LR", "CWWLM", False, False),
        # Nothing can be seen.
        ("", "", "", False, True),
        ("", "", "", True, False),
    ],
)
def test_a_signal_is_late_when_the_work_was_done(
    before: str, after: str, rehearsed: str, *, ignored: bool, late: bool
) -> None:
    assert came_too_late(before, after, rehearsed, ignored) == late


def trial(*keys: str, unproven: str = "") -> Trial:
    findings = tuple(Finding("sigterm", key, "", f"/{id(key)}", "", "") for key in keys)
    outcome = Outcome(0, "", "", 0.0, Tree(), Tree(), unproven=unproven)
    return Trial(Case(), Expectation(), outcome, Verdict(findings, unproven))


def keys_after(*trials: Trial) -> tuple[list[str], int]:
    """The keys of the findings, and how many runs there were."""
    left = list(trials)
    result = confirmed(left.pop(0), lambda: left.pop(0))
    return [one.key for one in result.findings], len(trials) - len(left)


def test_a_finding_counts_when_it_is_there_in_each_of_three_runs() -> None:
    assert keys_after(trial()) == ([], 1)
    assert keys_after(trial("a"), trial("a"), trial("a")) == (["a"], 3)
    assert keys_after(trial("a", "b"), trial("b", "a"), trial("a", "c")) == (["a"], 3)
    assert keys_after(trial("a"), trial("b")) == ([], 2)
    assert keys_after(trial("a"), trial(unproven="no signal")) == ([], 2)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxRunner]:
    runner = SandboxRunner()
    runner.prepare()
    yield runner
    runner.close()


COMPUTES = f"""
import signal, sys, time
{{handler}}
time.sleep(1)
with open("{OUTPUT}/whole", "w") as stream:
    stream.write("x")
"""
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))"


def test_a_script_that_writes_at_once_is_interrupted_while_it_computes(
    sandbox: SandboxRunner,
) -> None:
    for handler, code in (("", 143), (HANDLER.format(code=9), 9)):
        case = case_of(COMPUTES.format(handler=handler), interrupt=SIGTERM_AT_HALF)
        outcome = sandbox.run(case)
        assert (outcome.exit_code, outcome.unproven) == (code, "")
        assert outcome.after is not None
        assert f"{OUTPUT}/whole" not in outcome.after


def test_a_script_that_ignores_the_signal_or_ends_as_if_done_has_got_it(
    sandbox: SandboxRunner,
) -> None:
    for handler in (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "signal.signal(signal.SIGTERM, lambda *_: None)",
        HANDLER.format(code=0),
    ):
        case = case_of(COMPUTES.format(handler=handler), interrupt=SIGTERM_AT_HALF)
        outcome = sandbox.run(case)
        assert (outcome.exit_code, outcome.unproven) == (0, "")


def test_a_signal_waits_for_what_the_script_sets_up(sandbox: SandboxRunner) -> None:
    """No script can handle it while Python starts, or imports what the script needs."""
    source = f"""
        import signal, sys, time
        time.sleep(0.7)
        {HANDLER.format(code=9)}
        time.sleep(0.7)
    """
    case = case_of(source, interrupt=Interrupt(signal.SIGTERM, 0.1))
    assert sandbox.run(case).exit_code == 9


LOCKS = f"""
import atexit, os, signal, sys
open("/tmp/lock", "w").close()
atexit.register(os.unlink, "/tmp/lock")
{{handler}}
with open("{OUTPUT}/whole", "w") as stream:
    stream.write("x")
"""


@pytest.mark.parametrize(
    ("handler", "left"),
    [
        (HANDLER.format(code=143), False),
        # It never handles the signal, which the exit handler does not know of.
        ("", True),
        ("signal.signal(signal.SIGUSR1, lambda *_: None)", True),
    ],
)
def test_a_signal_waits_in_the_fake_runner_too(handler: str, left: bool) -> None:
    case = case_of(LOCKS.format(handler=handler), interrupt=SIGTERM_AT_HALF)
    outcome = FakeRunner().run(case)
    assert outcome.exit_code == 143
    assert outcome.after is not None
    assert ("/tmp/lock" in outcome.after) == left


POLLS = f"""
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
try:
    with open("{OUTPUT}/draft", "w") as stream:
        for number in range(60):
            stream.write("x" * 100_000)
            stream.flush()
            if signal.SIGTERM in signal.sigpending():
                sys.exit(143)
    os.rename("{OUTPUT}/draft", "{OUTPUT}/whole")
finally:
    if {{cleans}} and os.path.exists("{OUTPUT}/draft"):
        os.remove("{OUTPUT}/draft")
"""


@pytest.mark.parametrize("runner", [FakeRunner(), SandboxRunner()], ids=lambda one: one.name)
@pytest.mark.parametrize("cleans", [True, False])
def test_a_script_that_blocks_the_signal_and_looks_whether_it_came_has_got_it(
    runner: Runner, *, cleans: bool
) -> None:
    case = case_of(
        POLLS.format(cleans=cleans), interrupt=replace(SIGTERM_AT_HALF, unhandled="kills")
    )
    outcome = runner.run(case)
    assert (outcome.exit_code, outcome.unproven) == (143, "")
    assert outcome.after is not None
    assert (f"{OUTPUT}/draft" in outcome.after) == (not cleans)
    assert f"{OUTPUT}/whole" not in outcome.after


COMMITS = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
time.sleep(0.05)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
for number in range({{writes}}):
    with open("{OUTPUT}/draft", "a") as stream:
        stream.write("x" * 10_000)
    time.sleep(0.01)
os.rename("{OUTPUT}/draft", "{OUTPUT}/whole")
signal.pthread_sigmask({{after}}, [signal.SIGTERM])
"""


@pytest.mark.parametrize("runner", [FakeRunner(), SandboxRunner()], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("writes", "after", "code"),
    [(5, "signal.SIG_UNBLOCK", 143), (1, "signal.SIG_UNBLOCK", 143), (5, "signal.SIG_BLOCK", 0)],
    ids=["during it", "before its only write", "never handled"],
)
def test_a_signal_that_a_script_holds_back_during_its_commit_is_no_finding(
    runner: Runner, writes: int, after: str, code: int
) -> None:
    source = COMMITS.format(writes=writes, after=after)
    outcome = runner.run(case_of(source, interrupt=SIGTERM_AT_HALF))
    assert outcome.exit_code == code
    assert outcome.after is not None
    # What ends as the signal wants was stopped before the commit, or is not proven.
    is_whole = f"{OUTPUT}/whole" in outcome.after
    assert is_whole if code == 0 else not is_whole or outcome.unproven
    assert code == 143 or not outcome.unproven


@pytest.mark.parametrize("runner", [FakeRunner(), SandboxRunner()], ids=lambda one: one.name)
@pytest.mark.parametrize("moment", ["25", "50", "75"])
def test_a_script_that_takes_another_time_in_each_run_has_no_finding(
    runner: Runner, moment: str
) -> None:
    trial = run_case(StepRef(FIELD / "jitter"), runner, f"circumstance=sigterm-at-{moment}-percent")
    assert trial.findings == ()
    # It has no handler, and its contract asks for none.
    assert trial.outcome.exit_code == 137 or "not delivered" in trial.outcome.unproven


def test_a_signal_never_comes_right_after_a_creation(sandbox: SandboxRunner) -> None:
    """A script cannot handle it between the call that creates a file and the `try`."""
    source = f"""
        import os, signal, sys, tempfile, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        for number in range(30):
            handle, draft = tempfile.mkstemp(dir={OUTPUT!r})
            try:
                with os.fdopen(handle, "wb") as stream:
                    for _ in range(5):
                        stream.write(b"x" * 10_000)
                        time.sleep(0.001)
            finally:
                os.unlink(draft)
    """
    for at in (0.3, 0.6):
        case = case_of(source, interrupt=Interrupt(signal.SIGTERM, at))
        outcome = sandbox.run(case)
        assert outcome.exit_code == 143
        assert outcome.after is not None
        assert [path for path, _ in outcome.after if path not in outcome.before] == []


WRITES_TWO = f"""
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for name in ("one", "two"):
    try:
        with open("{OUTPUT}/draft", "w") as stream:
            stream.write(name)
        os.rename("{OUTPUT}/draft", "{OUTPUT}/" + name)
    finally:
        if {{cleans}} and os.path.exists("{OUTPUT}/draft"):
            os.unlink("{OUTPUT}/draft")
"""
READS_AND_WRITES = f"""
import signal, sys
{{handler}}
text = open(__file__).read()
with open("{OUTPUT}/whole", "w") as stream:
    stream.write(text)
"""


@pytest.mark.parametrize(
    ("modules", "source", "code", "left"),
    [
        (None, WRITES_TWO.format(cleans=True), 143, set()),
        (None, WRITES_TWO.format(cleans=False), 143, {"draft"}),
        # It does its work at once: the signal comes while it reads.
        (("traceback",), READS_AND_WRITES.format(handler=HANDLER.format(code=9)), 9, set()),
        (None, READS_AND_WRITES.format(handler=""), 143, set()),
    ],
)
def test_a_script_that_is_always_too_fast_is_watched_step_by_step(
    sandbox: SandboxRunner,
    monkeypatch: pytest.MonkeyPatch,
    modules: tuple[str, ...] | None,
    source: str,
    code: int,
    left: set[str],
) -> None:
    monkeypatch.setattr("harness.runners.real.interrupts._LEAST_TRIES", 0)
    runner = sandbox if modules is None else sandbox.with_modules(modules)
    outcome = runner.run(case_of(source, interrupt=Interrupt(signal.SIGTERM, 0.0)))
    assert (outcome.exit_code, outcome.unproven) == (code, "")
    assert outcome.after is not None
    names = {path.rpartition("/")[2] for path, _ in outcome.after.under(OUTPUT)}
    assert names - {"one", "model"} == left


def test_nothing_is_added_to_the_script(sandbox: SandboxRunner) -> None:
    source = "import sys\nprint(sys.getprofile(), sys.gettrace(), sys.argv, __file__)"
    plain = sandbox.run(case_of(source))
    watched = sandbox.run(replace(case_of(source), interrupt=SIGTERM_AT_HALF))
    assert plain.stdout.startswith("None None")
    # The signal may come between two pieces of what is printed.
    assert plain.stdout.startswith(watched.stdout)


def test_a_script_that_is_always_at_its_end_is_not_proven(
    sandbox: SandboxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runners.real.interrupts._is_delivered", lambda *_: False)
    outcome = sandbox.run(case_of("print('x')", interrupt=SIGTERM_AT_HALF))
    assert "not delivered" in outcome.unproven


def test_without_inotify_a_share_of_the_time_is_left(
    sandbox: SandboxRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runners.inside.watch.Watch._start_watching", lambda *_: None)
    source = "import time\ntime.sleep(1)\n"
    outcome = sandbox.run(case_of(source, interrupt=SIGTERM_AT_HALF))
    assert (outcome.exit_code, outcome.unproven) == (143, "")
