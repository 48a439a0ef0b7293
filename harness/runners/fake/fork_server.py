"""A fork server: a process with an empty fake world, which forks a child for every case.

Making the fake world is what costs: pyfakefs rebinds names in every module that is loaded. The
fork server has done it, once; a child inherits the world, lays the case's tree out in it and runs
the case. The fork server itself runs nothing of any script: each case finds the same world.

It serves one case at a time, reports how the child ended, and ends when nobody holds the other end
of its socket any more, together with the child that it has then.
"""

from __future__ import annotations

import gc
import os
import pickle
import posix
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from typing import IO, Any, NoReturn, cast

from harness.cases.case import Case
from harness.errors import HarnessError
from harness.runners.fake import patched_modules, world
from harness.runners.fake.process import Encodings
from harness.runners.fake.world import Report, TripPoint

# Where a child reports: above the numbers that fake files get, below the usual limit.
_PIPE = 200
_SOCKET = 3
_CHUNK = 1 << 20
_SIZE = 8


@dataclass(frozen=True)
class ForkResult:
    """How a child ended: its wait status, what it reported (None after a crash), what it said."""

    status: int
    report: Report | None
    timed_out: bool
    stdout: bytes
    stderr: bytes
    seconds: float


@dataclass(frozen=True)
class _End:
    """What the fork_server says of a child; `report` is pickled."""

    status: int
    report: bytes
    timed_out: bool
    seconds: float


class ForkServer:
    """The fork_server as seen from outside, by the process that started it."""

    def __init__(self) -> None:
        """Start it."""
        self._stdout = tempfile.TemporaryFile()
        self._stderr = tempfile.TemporaryFile()
        self._socket, inside = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            try:
                _become(inside.fileno(), self._stdout.fileno(), self._stderr.fileno())
                _serve()
            except BaseException:
                traceback.print_exc()
            finally:
                posix._exit(70)
        inside.close()

    def run_forked(self, case: Case, trip_point: TripPoint | None) -> ForkResult:
        """Run a case in a forked child; whoever is interrupted in here closes the fork server."""
        for stream in (self._stdout, self._stderr):
            # The children write where their fork server's position is, which is this one.
            stream.seek(0)
            stream.truncate()
        self._socket.setblocking(True)
        _send(self._socket.fileno(), pickle.dumps((world.minimal(case), trip_point)))
        answer = _receive(self._socket.fileno())
        if answer is None:
            raise HarnessError(
                "the process that makes the fake worlds died", "run it again; free memory"
            )
        end = cast(_End, pickle.loads(answer))
        report = cast(Report, pickle.loads(end.report)) if end.report else None
        said = _all(self._stdout), _all(self._stderr)
        return ForkResult(end.status, report, end.timed_out, *said, end.seconds)

    def close(self) -> None:
        """End it, with the child that it may have."""
        self.leave()
        os.waitpid(self._process, 0)

    def leave(self) -> None:
        """Let go of it: it ends when everybody has."""
        self._socket.close()
        self._stdout.close()
        self._stderr.close()


def _all(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


def _send(number: int, message: bytes) -> None:
    left = memoryview(len(message).to_bytes(_SIZE, "little") + message)
    while left:
        left = left[posix.write(number, left) :]


def _receive(number: int) -> bytes | None:
    """The next message; None when the other end is closed."""
    size = _read(number, _SIZE)
    return None if size is None else _read(number, int.from_bytes(size, "little"))


def _read(number: int, size: int) -> bytes | None:
    chunks: list[bytes] = []
    while size:
        chunk = posix.read(number, min(size, _CHUNK))
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


# From here on everything runs in the fork server, where `os` is pyfakefs's; `posix` is real.


def _become(inside: int, stdout: int, stderr: int) -> None:
    """Let go of all that the parent has open, and make the fake world."""
    posix.setsid()
    posix.dup2(inside, _PIPE)
    posix.dup2(posix.open("/dev/null", posix.O_RDONLY), 0)
    posix.dup2(stdout, 1)
    posix.dup2(stderr, 2)
    posix.dup2(_PIPE, _SOCKET)
    posix.closerange(_SOCKET + 1, posix.sysconf("SC_OPEN_MAX"))
    world.prepare()
    # What is there now is passed over when a child collects its garbage, and not copied for it.
    gc.collect()
    gc.freeze()


def _serve() -> None:
    while (message := _receive(_SOCKET)) is not None:
        case, trip_point = pickle.loads(message)
        patched_modules.compile_ahead(world.source_of(case), case.script)
        Encodings.of(case.environment)
        _send(_SOCKET, pickle.dumps(_run_forked(case, trip_point)))


def _run_forked(case: Case, trip_point: TripPoint | None) -> _End:
    read_end, write_end = posix.pipe()
    started = time.perf_counter()
    child = posix.fork()
    if child == 0:
        _run_case(case, trip_point, write_end)
    posix.close(write_end)
    report, timed_out = _report(read_end, started + case.timeout)
    seconds = time.perf_counter() - started
    posix.close(read_end)
    _kill(child)
    _, status = posix.waitpid(child, 0)
    return _End(status, patched_modules.learn(report) if report else b"", timed_out, seconds)


def _run_case(case: Case, trip_point: TripPoint | None, write_end: int) -> NoReturn:
    real: dict[str, Any] = {"exit": posix._exit, "report": traceback.print_exception}
    try:
        posix.setsid()
        posix.dup2(write_end, _PIPE)
        # What else is open is not the script's, whatever number it guesses.
        posix.closerange(_SOCKET, _PIPE)
        world.run_case(case, _PIPE, trip_point)
    except BaseException:
        # Only a defect of the harness gets here; a script's end never returns.
        real["report"](*sys.exc_info())
    finally:
        real["exit"](70)
    raise AssertionError


def _report(read_end: int, deadline: float) -> tuple[bytes, bool]:
    """All that a child reports, and whether the deadline passed before its end."""
    chunks: list[bytes] = []
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    poll.register(_SOCKET, select.POLLIN)
    while True:
        left = deadline - time.perf_counter()
        ready = dict(poll.poll(left * 1000)) if left > 0 else {}
        if not ready:
            return b"", True
        if _SOCKET in ready:
            # Nobody waits for this case any more.
            return b"", True
        chunk = posix.read(read_end, _CHUNK)
        if not chunk:
            return b"".join(chunks), False
        chunks.append(chunk)


def _kill(child: int) -> None:
    try:
        posix.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        posix.kill(child, signal.SIGKILL)
