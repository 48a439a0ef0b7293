"""A fork server: a process with an empty fake file system, which forks a child for every case.

Setting up pyfakefs is slow, since it rebinds names in every loaded module. The fork server does it
once; a child inherits the fake file system, creates the case's tree in it and runs the case. The
fork server itself never runs a script, so that every case starts from the same state.

It runs one case at a time and reports how the child ended. When every process has closed the other
end of its socket, it kills the child that still runs, and ends.
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
from harness.runners.fake import compile_cache, world
from harness.runners.fake.process import Encodings
from harness.runners.fake.world import Report, TripPoint

# The descriptor of a child's report: above those of fake files, below the usual limit.
_REPORT_FD = 200
_SOCKET_FD = 3
_CHUNK_SIZE = 1 << 20
_HEADER_SIZE = 8


@dataclass(frozen=True)
class ForkResult:
    """How a child ended: its wait status, its report (None after a crash), and its output."""

    status: int
    report: Report | None
    timed_out: bool
    stdout: bytes
    stderr: bytes
    seconds: float


@dataclass(frozen=True)
class _ChildResult:
    """What the fork server sends about a child; `report` is pickled."""

    status: int
    report: bytes
    timed_out: bool
    seconds: float


class ForkServer:
    """A handle on a fork server, for the process that started it."""

    def __init__(self) -> None:
        """Start the fork server."""
        self._stdout = tempfile.TemporaryFile()
        self._stderr = tempfile.TemporaryFile()
        self._socket, server_end = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            try:
                _set_up_process(server_end.fileno(), self._stdout.fileno(), self._stderr.fileno())
                _serve()
            except BaseException:
                traceback.print_exc()
            finally:
                posix._exit(70)
        server_end.close()

    def run_forked(self, case: Case, trip_point: TripPoint | None) -> ForkResult:
        """Run a case in a forked child.

        After any exception the fork server must be closed. Raises `HarnessError` when it has died.
        """
        for stream in (self._stdout, self._stderr):
            # Parent and children share one file offset.
            stream.seek(0)
            stream.truncate()
        self._socket.setblocking(True)
        _send(self._socket.fileno(), pickle.dumps((world.minimal(case), trip_point)))
        response = _receive(self._socket.fileno())
        if response is None:
            raise HarnessError(
                "the process that makes the fake worlds died", "run it again; free memory"
            )
        result = cast(_ChildResult, pickle.loads(response))
        report = cast(Report, pickle.loads(result.report)) if result.report else None
        output = _read_all(self._stdout), _read_all(self._stderr)
        return ForkResult(result.status, report, result.timed_out, *output, result.seconds)

    def close(self) -> None:
        """End the fork server and its child, if it has one."""
        self.disconnect()
        os.waitpid(self._process, 0)

    def disconnect(self) -> None:
        """Close this process's connection; the server ends when no process has one."""
        self._socket.close()
        self._stdout.close()
        self._stderr.close()


def _read_all(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


def _send(fd: int, message: bytes) -> None:
    left = memoryview(len(message).to_bytes(_HEADER_SIZE, "little") + message)
    while left:
        left = left[posix.write(fd, left) :]


def _receive(fd: int) -> bytes | None:
    """The next message; None when the other end is closed."""
    size = _read(fd, _HEADER_SIZE)
    return None if size is None else _read(fd, int.from_bytes(size, "little"))


def _read(fd: int, size: int) -> bytes | None:
    chunks: list[bytes] = []
    while size:
        chunk = posix.read(fd, min(size, _CHUNK_SIZE))
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


# The functions below run in the fork server, where `os` is pyfakefs's; `posix` is real.


def _set_up_process(connection: int, stdout: int, stderr: int) -> None:
    """Close every descriptor of the parent, and set up the fake file system."""
    posix.setsid()
    posix.dup2(connection, _REPORT_FD)
    posix.dup2(posix.open("/dev/null", posix.O_RDONLY), 0)
    posix.dup2(stdout, 1)
    posix.dup2(stderr, 2)
    posix.dup2(_REPORT_FD, _SOCKET_FD)
    posix.closerange(_SOCKET_FD + 1, posix.sysconf("SC_OPEN_MAX"))
    world.prepare()
    # The garbage collector of a child skips these objects, so that their pages are not copied.
    gc.collect()
    gc.freeze()


def _serve() -> None:
    while (message := _receive(_SOCKET_FD)) is not None:
        case, trip_point = pickle.loads(message)
        compile_cache.compile_ahead(world.source_of(case), case.script)
        Encodings.for_environment(case.environment)
        _send(_SOCKET_FD, pickle.dumps(_run_forked(case, trip_point)))


def _run_forked(case: Case, trip_point: TripPoint | None) -> _ChildResult:
    read_end, write_end = posix.pipe()
    started = time.perf_counter()
    child = posix.fork()
    if child == 0:
        _run_case(case, trip_point, write_end)
    posix.close(write_end)
    report, timed_out = _read_report(read_end, started + case.timeout)
    seconds = time.perf_counter() - started
    posix.close(read_end)
    _kill(child)
    _, status = posix.waitpid(child, 0)
    return _ChildResult(
        status, compile_cache.keep_patterns(report) if report else b"", timed_out, seconds
    )


def _run_case(case: Case, trip_point: TripPoint | None, write_end: int) -> NoReturn:
    real: dict[str, Any] = {"exit": posix._exit, "report": traceback.print_exception}
    try:
        posix.setsid()
        posix.dup2(write_end, _REPORT_FD)
        # The script must not reach any other descriptor.
        posix.closerange(_SOCKET_FD, _REPORT_FD)
        world.run_case(case, _REPORT_FD, trip_point)
    except BaseException:
        # Only a defect of the harness raises here; `run_case` never returns.
        real["report"](*sys.exc_info())
    finally:
        real["exit"](70)
    raise AssertionError


def _read_report(read_end: int, deadline: float) -> tuple[bytes, bool]:
    """The bytes of a child's report, and whether the deadline passed before it was complete."""
    chunks: list[bytes] = []
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    poll.register(_SOCKET_FD, select.POLLIN)
    while True:
        left = deadline - time.perf_counter()
        ready = dict(poll.poll(left * 1000)) if left > 0 else {}
        if not ready:
            return b"", True
        if _SOCKET_FD in ready:
            # The client has closed the connection.
            return b"", True
        chunk = posix.read(read_end, _CHUNK_SIZE)
        if not chunk:
            return b"".join(chunks), False
        chunks.append(chunk)


def _kill(child: int) -> None:
    try:
        posix.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        posix.kill(child, signal.SIGKILL)
