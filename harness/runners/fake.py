"""The fake runner: the script in a fake file system, in a forked child, in milliseconds.

Each case runs in a child of its own, so that a script that hangs, crashes or calls `os._exit` is an
outcome. In the child the tree becomes a fake file system (pyfakefs) and the script is executed as
`__main__` there. What pyfakefs cannot contain (subprocesses, forks, memory maps, real files) is
refused loudly: the answer is `RunnerCannot`, never a verdict.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, cast

from harness.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners import driver, fake_world, identity, tripwire
from harness.runners.fake_world import Report
from harness.tree import Tree

# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"exit": os._exit, "report": traceback.print_exception}
# Where a child reports: above the numbers that fake files get, below the usual limit.
_PIPE = 200


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
        fake_world.warm_up()
        with contextlib.suppress(SyntaxError, ValueError):
            fake_world.compiled(case.tree.entries[case.script].data, case.script)
        if case.interrupt is None:
            return _outcome(case, _in_child(case, None))
        rehearsal = _in_child(case, tripwire.Tripwire())
        if rehearsal.report is None or rehearsal.report.points is None:
            return _outcome(case, rehearsal)
        window = tripwire.window(rehearsal.report.points, case.interrupt.at)
        number = case.interrupt.signal
        return _outcome(case, _in_child(case, tripwire.Tripwire(window, _sender(number))))

    def identity(self) -> object:
        """This Python, which runs the scripts too."""
        return self.name, identity.described()

    def close(self) -> None:
        """Nothing is left behind."""


@dataclass(frozen=True)
class _Child:
    """How a child ended: its wait status, what it reported (None after a crash), what it said."""

    status: int
    report: Report | None
    timed_out: bool
    stdout: bytes
    stderr: bytes
    seconds: float


def _sender(number: signal.Signals) -> Callable[[], None]:
    return lambda: fake_world.receive(number)


def _in_child(case: Case, wire: tripwire.Tripwire | None) -> _Child:
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        started = time.perf_counter()
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                os.dup2(write_end, _PIPE)
                # What else the parent has open is not the script's, whatever number it guesses.
                os.closerange(3, _PIPE)
                fake_world.live(case, _PIPE, wire)
            except BaseException:
                # Only a defect of the harness gets here; a script's end never returns.
                _REAL["report"](*sys.exc_info())
            finally:
                _REAL["exit"](70)
        try:
            os.close(write_end)
            answer, timed_out = _read(read_end, started + case.timeout)
            seconds = time.perf_counter() - started
        finally:
            _end(child)
            _, status = os.waitpid(child, 0)
        report = cast(Report, pickle.loads(answer)) if answer else None
        return _Child(status, report, timed_out, _all(stdout), _all(stderr), seconds)


def _read(read_end: int, deadline: float) -> tuple[bytes, bool]:
    """All that comes through the pipe, and whether the deadline passed before its end."""
    chunks: list[bytes] = []
    with os.fdopen(read_end, "rb", buffering=0) as pipe:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while True:
            left = deadline - time.perf_counter()
            if left <= 0 or not poll.poll(left * 1000):
                return b"", True
            chunk = pipe.read(1 << 20)
            if not chunk:
                return b"".join(chunks), False
            chunks.append(chunk)


def _end(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)


def _all(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


def _outcome(case: Case, child: _Child) -> Outcome:
    report = child.report
    if report is not None and report.refused:
        raise RunnerCannot(
            f"the fake runner cannot judge this script: in case {case.id!r} it {report.refused}",
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
        after=None if report is None else Tree.from_tar(report.tree),
        returned=returned,
    )


def _shell_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
