"""The fake runner: the script in a fake file system, in a forked child, in milliseconds.

Each case runs in a child of its own, so that a script that hangs, crashes or calls `os._exit` is an
outcome. In the child the tree becomes a fake file system (pyfakefs) and the script is executed as
`__main__` there. What pyfakefs cannot contain (subprocesses, forks, memory maps, real files) is
refused loudly: the answer is `RunnerCannot`, never a verdict.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.fake.fork_server import ForkResult, ForkServer
from harness.runners.fake.world import REHEARSAL, TripPoint
from harness.runners.inside import driver, identity, tripwire

# Those of this process that have no case at the moment; a thread takes one and puts it back.
_idle: list[ForkServer] = []


@dataclass(frozen=True)
class FakeRunner:
    """Runs cases in a fake file system."""

    name: str = "fake"

    def prepare(self) -> None:
        """Check that this system can fork."""
        if not hasattr(os, "fork"):
            raise RunnerUnavailable(
                "the fake runner needs os.fork, which this system does not have",
                "use Linux or macOS, or --runner container",
            )

    def run(self, case: Case) -> Outcome:
        """Run one case in a forked child; raises `RunnerCannot`."""
        with _zygote() as fork_server:
            if case.interrupt is None:
                return _outcome(case, fork_server.run_forked(case, None))
            rehearsal = fork_server.run_forked(case, REHEARSAL)
            if rehearsal.report is None or rehearsal.report.points is None:
                return _outcome(case, rehearsal)
            window = tripwire.window(rehearsal.report.points, case.interrupt.at)
            return _outcome(
                case, fork_server.run_forked(case, TripPoint(window, case.interrupt.signal))
            )

    def identity(self) -> object:
        """This Python, which runs the scripts too."""
        return self.name, identity.described()

    def here(self) -> FakeRunner:
        """The same everywhere."""
        return self

    def close(self) -> None:
        """End the processes that were kept for further cases."""
        while _idle:
            _idle.pop().close()


@contextmanager
def _zygote() -> Iterator[ForkServer]:
    """A fork_server for one case: one that is there already, or a new one."""
    fork_server = _idle.pop() if _idle else ForkServer()
    try:
        yield fork_server
    except RunnerCannot:
        _idle.append(fork_server)
        raise
    except BaseException:
        fork_server.close()
        raise
    _idle.append(fork_server)


def _forget() -> None:
    """In a forked process: what the parent keeps is not this one's."""
    while _idle:
        _idle.pop().leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(FakeRunner().close)


def _outcome(case: Case, child: ForkResult) -> Outcome:
    report = child.report
    if report is not None and report.refused:
        raise RunnerCannot(
            f"the fake runner cannot judge this script: in case {case.id!r} it {report.refused}",
            "run it with --runner sandbox, or --runner container",
        )
    if report is None and not child.timed_out and os.WIFEXITED(child.status):
        # Not through Python's own exit: what it wrote is lost with it.
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
    stdout, returned = driver.split(child.stdout.decode("utf-8", "backslashreplace"))
    return Outcome(
        exit_code=exit_code,
        stdout=stdout,
        stderr=child.stderr.decode("utf-8", "backslashreplace"),
        seconds=child.seconds,
        before=case.tree,
        after=None if report is None else report.tree_of(case),
        returned=returned,
    )


def _shell_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
