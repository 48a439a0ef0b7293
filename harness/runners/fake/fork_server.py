"""A fork server: a process with an empty fake file system, which forks a child for every case.

Setting up pyfakefs is slow, since it rebinds names in every loaded module. The fork server does it
once; a child inherits the fake file system, creates the case's tree in it and runs the case. The
fork server itself never runs a script, so that every case starts from the same state.

It runs one case at a time and reports how the child ended. When every process has closed the other
end of its socket, it kills the child that still runs, and ends.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import posix
import re
import select
import signal
import socket
import struct
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

from harness.cases.case import Case
from harness.errors import HarnessError
from harness.runners.fake import compile_cache, report, template, world
from harness.runners.fake.process import Encodings
from harness.runners.fake.report import BrokenReport, Report
from harness.runners.fake.world import TripPoint
from harness.runners.inside import huge_pages, mounts, system_calls
from harness.runners.inside.capture import Capture
from harness.runners.inside.variables import forget_environment

# The descriptor of a child's report: above those of fake files, below the usual limit.
_REPORT_FD = min(200, os.sysconf("SC_OPEN_MAX") - 1)
_SOCKET_FD = 3
_STREAMS = (1, 2)
_CHUNK_SIZE = 1 << 20
_SIZE = struct.Struct("<Q")
# How long the streams of a child are left to their pipes: to be woken at every line that it writes
# costs more than many a script, and only one that writes more than a pipe holds has to wait.
_QUIET_SECONDS = 0.1
# The time that a fork server may take in addition to the script.
_GRACE_SECONDS = 60.0


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
    """What the fork server sends about a child; `report` is as the child has written it."""

    status: int
    timed_out: bool
    seconds: float
    report: bytes
    stdout: bytes
    stderr: bytes


class ForkServer:
    """A handle on a fork server, for the process that started it."""

    def __init__(self, hash_seed: str | None = None) -> None:
        """Start the fork server: a fork of a process of this Python, or one with another hash seed.

        `start_template` makes the process that it is forked from; else it is this one.
        """
        self._process: int | None = None
        connection = template.new_fork_server() if hash_seed is None else None
        if connection is not None:
            self._socket = connection
            return
        self._socket, server_end = socket.socketpair()
        if hash_seed is not None:
            self._process = _start_python(server_end.fileno(), hash_seed)
            server_end.close()
            return
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        _load_libc()
        self._process = os.fork()
        if self._process == 0:
            serve(server_end.fileno())
        server_end.close()

    def run_forked(
        self, case: Case, trip_point: TripPoint | None, *, observed: bool = False
    ) -> ForkResult:
        """Run a case in a forked child, and record what it looks at if it is to be `observed`.

        After any exception the fork server must be closed. Raises `HarnessError` when it has died,
        or does not answer.
        """
        key = os.urandom(report.KEY_SIZE)
        self._socket.setblocking(True)
        _send(self._socket.fileno(), pickle.dumps((world.minimal(case), trip_point, key, observed)))
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        answers = poll.poll((case.timeout + _GRACE_SECONDS) * 1000)
        result = _receive_result(self._socket.fileno()) if answers else None
        if result is None:
            state = "died" if answers else "does not answer"
            raise HarnessError(
                f"the process that makes the fake worlds {state}", "run it again; free memory"
            )
        try:
            found = Report.from_bytes(result.report, key) if result.report else None
        except BrokenReport:
            found = None
        return ForkResult(
            result.status, found, result.timed_out, result.stdout, result.stderr, result.seconds
        )

    def close(self) -> None:
        """End the fork server and its child, if it has one."""
        if self._process is None:
            # It is not a child of this process; at its end the connection is closed.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                self._socket.settimeout(template.END_SECONDS)
                self._socket.recv(1)
            self.disconnect()
            return
        self.disconnect()
        template.wait_for_end(self._process)

    def disconnect(self) -> None:
        """Close this process's connection; the server ends when no process has one."""
        self._socket.close()


def start_template() -> None:
    """Fork the process that this one, and those forked from it, have their fork servers from.

    Called before this process has read a step, it makes each case cheaper. Whatever is changed here
    later, a fork server does not have.
    """
    _load_libc()
    template.start(_set_up_process, _serve_until_closed)


def _load_libc() -> None:
    """Load it before the fork, since the files of this machine are hidden after it."""
    with contextlib.suppress(ImportError, OSError):
        mounts.libc()


def _start_python(connection: int, hash_seed: str) -> int:
    """Start a Python that serves with another hash seed, which no fork has; its process id."""
    target = _REPORT_FD + 1
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve({target})"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    actions = [(os.POSIX_SPAWN_DUP2, connection, target)]
    words = [sys.executable, "-c", code]
    return os.posix_spawn(sys.executable, words, environment, file_actions=actions)


def serve(connection: int) -> NoReturn:
    """Be the fork server: run cases until nobody is connected, and end this process."""
    try:
        _load_libc()
        _serve_until_closed(_set_up_process(connection))
    finally:
        # Only where it cannot be set up.
        traceback.print_exc()
        posix._exit(70)


def _serve_until_closed(connection: int) -> NoReturn:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if connection != _SOCKET_FD:
            posix.setsid()
            posix.dup2(connection, _SOCKET_FD)
            posix.closerange(_SOCKET_FD + 1, posix.sysconf("SC_OPEN_MAX"))
        _serve()
    except ConnectionError:
        # The client has closed the connection in the middle of a case.
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        posix._exit(70)
    raise AssertionError


def _send(fd: int, *parts: bytes) -> None:
    left = memoryview(b"".join(_SIZE.pack(len(one)) + one for one in parts))
    while left:
        left = left[posix.write(fd, left) :]


def _receive(fd: int) -> bytes | None:
    """The next message; None when the other end is closed."""
    size = _read(fd, _SIZE.size)
    return None if size is None else _read(fd, *_SIZE.unpack(size))


def _receive_result(fd: int) -> _ChildResult | None:
    found = [part for part in (_receive(fd) for _ in range(4)) if part is not None]
    return None if len(found) < 4 else _ChildResult(*json.loads(found[0]), *found[1:])


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


def _set_up_process(connection: int) -> int:
    """Close every descriptor of the parent, and set up the fake file system.

    Returns the new number of the connection.
    """
    posix.setsid()
    posix.dup2(connection, _REPORT_FD)
    null = posix.open("/dev/null", posix.O_RDWR)
    # A defect of this process itself is told on standard error.
    for one in (0, 1):
        posix.dup2(null, one)
    posix.dup2(_REPORT_FD, _SOCKET_FD)
    posix.closerange(_SOCKET_FD + 1, posix.sysconf("SC_OPEN_MAX"))
    readable = world.prepare()
    # The patterns of the harness would leave no room for those of scripts.
    re.purge()
    forget_environment()
    # The garbage collector of a child skips these objects, so that their pages are not copied.
    gc.collect()
    gc.freeze()
    huge_pages.use()
    system_calls.hide_files(readable)
    system_calls.refuse(system_calls.of_fake_file_system())
    return _SOCKET_FD


def _serve() -> None:
    while (message := _receive(_SOCKET_FD)) is not None:
        case, trip_point, key, observed = pickle.loads(message)
        compile_cache.compile_ahead(world.source_of(case), case.script)
        Encodings.for_environment(case.environment)
        result = _run_forked(case, trip_point, key, observed)
        head = json.dumps([result.status, result.timed_out, result.seconds]).encode()
        _send(_SOCKET_FD, head, result.report, result.stdout, result.stderr)


def _run_forked(
    case: Case, trip_point: TripPoint | None, key: bytes, observed: bool
) -> _ChildResult:
    pipes = {one: posix.pipe() for one in (_REPORT_FD, *_STREAMS)}
    started = time.perf_counter()
    child = posix.fork()
    if child == 0:
        ends = {one: pipe[1] for one, pipe in pipes.items()}
        _run_case(case, trip_point, key, ends, observed)
    for _, write_end in pipes.values():
        posix.close(write_end)
    streams = [Capture(pipes[one][0]) for one in _STREAMS]
    data, timed_out = _read_report(pipes[_REPORT_FD][0], streams, started + case.timeout)
    seconds = time.perf_counter() - started
    _kill(child)
    _, status = posix.waitpid(child, 0)
    for stream in streams:
        stream.read()
    for read_end, _ in pipes.values():
        posix.close(read_end)
    compile_cache.keep_patterns(report.patterns_of(data, key))
    return _ChildResult(status, timed_out, seconds, data, *(one.content() for one in streams))


def _run_case(
    case: Case,
    trip_point: TripPoint | None,
    key: bytes,
    pipes: dict[int, int],
    observed: bool,
) -> NoReturn:
    real: dict[str, Any] = {"exit": posix._exit, "report": traceback.print_exception}
    try:
        posix.setsid()
        for descriptor, pipe in pipes.items():
            posix.dup2(pipe, descriptor)
        # The script must not reach any other descriptor.
        posix.closerange(_SOCKET_FD, _REPORT_FD)
        posix.closerange(_REPORT_FD + 1, posix.sysconf("SC_OPEN_MAX"))
        world.run_case(case, _REPORT_FD, key, trip_point, observed=observed)
    except BaseException:
        # Only a defect of the harness raises here; `run_case` never returns.
        real["report"](*sys.exc_info())
    finally:
        real["exit"](70)
    raise AssertionError


def _read_report(source: int, streams: list[Capture], deadline: float) -> tuple[bytes, bool]:
    """The bytes of a child's report, and whether the deadline passed before it was complete."""
    chunks: list[bytes] = []
    size = 0
    open_streams = {one.source: one for one in streams}
    quiet = True
    poll = select.poll()
    for descriptor in (source, _SOCKET_FD):
        poll.register(descriptor, select.POLLIN)
    while True:
        left = deadline - time.perf_counter()
        wait = min(left, _QUIET_SECONDS) if quiet else left
        ready = dict(poll.poll(wait * 1000)) if left > 0 else {}
        if not ready and (left <= 0 or not quiet):
            return b"", True
        if not ready:
            quiet = False
            for descriptor in open_streams:
                poll.register(descriptor, select.POLLIN)
        if _SOCKET_FD in ready:
            # The client has closed the connection.
            return b"", True
        for descriptor in ready.keys() & open_streams.keys():
            if not open_streams[descriptor].read():
                poll.unregister(descriptor)
                del open_streams[descriptor]
        if source in ready:
            chunk = posix.read(source, _CHUNK_SIZE)
            size += len(chunk)
            if not chunk or size > report.MAX_SIZE:
                return b"".join(chunks), False
            chunks.append(chunk)


def _kill(child: int) -> None:
    try:
        posix.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        posix.kill(child, signal.SIGKILL)
