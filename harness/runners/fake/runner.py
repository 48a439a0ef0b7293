"""The fake runner: the script runs in a fake file system in a forked process, in milliseconds.

Each case runs in its own process, so that a hang, a crash and a call of `os._exit` are outcomes.
In that process the tree becomes a fake file system (pyfakefs) in which the script is executed as
`__main__`. What pyfakefs cannot contain (subprocesses, forks, memory maps, real files) raises
`RunnerCannot` and never yields a verdict.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.cases.case import Case, Outcome
from harness.cases.fault import NO_SUCH_OPERATION
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.fake.effects import BEFORE_ALL
from harness.runners.fake.fork_server import ForkResult, ForkServer
from harness.runners.fake.report import Report
from harness.runners.fake.world import TripPoint
from harness.runners.inside import identity, moments

_NO_EFFECT = (
    "the signal was not delivered: the script writes nothing, and the fake runner cannot interrupt "
    "what it computes; --runner sandbox can"
)
_TOO_LATE = "the signal was not delivered: the script was at its end"
# The fork servers of this process that run no case now, by their hash seed; a thread pops one and
# appends it again.
_idle: dict[str | None, list[ForkServer]] = {}
# To start a Python takes half a second: the two usual runs have the hash seed of this process.
_OWN_SEEDS = (None, "0", "1")


@dataclass(frozen=True)
class FakeRunner:
    """Runs cases in a fake file system, and tells what they look at if it `observes`."""

    name: str = "fake"
    observes: bool = False

    def prepare(self) -> None:
        """Check that this system can fork; raises `RunnerUnavailable`."""
        if not hasattr(os, "fork"):
            raise RunnerUnavailable(
                "the fake runner needs os.fork, which this system does not have",
                "use Linux or macOS, or --runner container",
            )

    def run(self, case: Case) -> Outcome:
        """Run one case in a forked child; raises `RunnerCannot`."""
        if case.is_other_program:
            raise RunnerCannot(
                f"the fake runner cannot judge this script: its first line says that {case.script} "
                "is run by another program than Python",
                "run it with --runner sandbox, or --runner container",
            )
        with _fork_server(case) as fork_server:
            if case.interrupt is None:
                run = fork_server.run_forked(case, None, observed=self.observes)
                return _with_operations(_outcome(case, run), case, run.report)
            rehearsal = fork_server.run_forked(case, TripPoint(case.interrupt.signal))
            outcome, report = _outcome(case, rehearsal), rehearsal.report
            if report is None or outcome.exit_code is None:
                return outcome
            if not report.effects:
                return replace(outcome, unproven=_NO_EFFECT)
            moment = moments.moment(report.effects, case.interrupt.at)
            moment = BEFORE_ALL if moment is None else moment
            trip_point = TripPoint(
                case.interrupt.signal,
                moment,
                will_handle=report.handles,
                unhandled=case.interrupt.unhandled,
            )
            run = fork_server.run_forked(case, trip_point)
            number = case.interrupt.signal
            return _interrupted(_outcome(case, run), run.report, report, number)

    def identity(self) -> object:
        """This Python, which also runs the scripts."""
        return self.name, identity.describe_python()

    def for_this_process(self) -> FakeRunner:
        """The same in every process."""
        return self

    def observing(self) -> FakeRunner:
        """The same, telling of each case what it looked at."""
        return replace(self, observes=True)

    def close(self) -> None:
        """End the idle fork servers."""
        for fork_server in _take_all():
            fork_server.close()


@contextmanager
def _fork_server(case: Case) -> Iterator[ForkServer]:
    """A fork server for one case: an idle one, or a new one."""
    seed = case.variables.get("PYTHONHASHSEED")
    seed = None if seed in _OWN_SEEDS else seed
    idle = _idle.setdefault(seed, [])
    fork_server = idle.pop() if idle else ForkServer(seed)
    try:
        yield fork_server
    except RunnerCannot:
        idle.append(fork_server)
        raise
    except BaseException:
        fork_server.close()
        raise
    idle.append(fork_server)


def _take_all() -> Iterator[ForkServer]:
    for idle in _idle.values():
        while idle:
            yield idle.pop()


def _disconnect_all() -> None:
    """Close the connections that a forked process has inherited."""
    for fork_server in _take_all():
        fork_server.disconnect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disconnect_all)
atexit.register(FakeRunner().close)


def _interrupted(
    outcome: Outcome, report: Report | None, rehearsal: Report, number: int
) -> Outcome:
    """The outcome of a run with a signal, which is not proven when the signal came too late."""
    if report is None:
        return outcome
    sent_after = report.sent_after
    if outcome.exit_code != rehearsal.exit_code:
        stopped = outcome.exit_code == 128 + number
        late = moments.waited(report.effects, rehearsal.effects, report.held, stopped)
    else:
        late = sent_after is None or moments.came_too_late(
            report.effects[:sent_after],
            report.effects[sent_after:],
            rehearsal.effects,
            ignored=False,
        )
    return replace(outcome, unproven=_TOO_LATE, must_be_proven=False) if late else outcome


def _with_operations(outcome: Outcome, case: Case, report: Report | None) -> Outcome:
    """The outcome of a run with a fault, which is not proven where its operation did not come."""
    if case.fault is None or report is None:
        return outcome
    if case.fault.effect and not report.struck:
        return replace(outcome, unproven=NO_SUCH_OPERATION, must_be_proven=False)
    return replace(outcome, operations=tuple(report.operations))


def _outcome(case: Case, child: ForkResult) -> Outcome:
    report = child.report
    if report is not None and report.refused:
        raise RunnerCannot(
            f"the fake runner cannot judge this script: in case {case.id!r} it {report.refused}",
            "run it with --runner sandbox, or --runner container",
        )
    if report is None and not child.timed_out and _is_kept_in(child.status):
        raise RunnerCannot(
            f"the fake runner cannot judge this script: in case {case.id!r} it does what would "
            "leave the fake file system, beneath Python; the kernel has ended it",
            "run it with --runner sandbox, or --runner container",
        )
    if report is None and not child.timed_out and os.WIFEXITED(child.status):
        # It did not exit through Python: the fake file system is lost.
        raise RunnerCannot(
            f"the fake runner cannot judge this script: in case {case.id!r} it ended its process "
            f"by other means than Python's, with status {os.WEXITSTATUS(child.status)}",
            "run it with --runner sandbox, or --runner container",
        )
    if child.timed_out or (report is not None and report.hangs):
        exit_code = None
    elif report is not None:
        exit_code = report.exit_code
    else:
        exit_code = _shell_code(child.status)
    return Outcome(
        exit_code=exit_code,
        stdout=child.stdout.decode("utf-8", "backslashreplace"),
        stderr=child.stderr.decode("utf-8", "backslashreplace"),
        seconds=child.seconds + (0 if report is None else report.slept),
        before=case.tree,
        after=None if report is None else report.tree_of(case),
        returned=None if report is None else report.returned,
        observed=None if report is None else report.observed,
    )


def _is_kept_in(status: int) -> bool:
    """Whether the kernel has ended a process for a system call that is refused."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS


def _shell_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
