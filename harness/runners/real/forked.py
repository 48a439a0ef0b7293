"""Runs work in a forked process that answers with bytes, and is waited for so long."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection
from typing import IO

# How long the processes that it has started may take to end.
_END_SECONDS = 60.0


def run(
    work: Callable[[int], object], seconds: float, *, keeps_files: bool = True
) -> tuple[bytes, str]:
    """What `work` writes to the descriptor that it is given, and what went wrong, "" for nothing.

    It ends its process itself, with 0. After `seconds` the process is killed, and when it ends,
    those that it has started are waited for. Without `keeps_files` it has no file of this process.
    """
    with tempfile.TemporaryFile() as response, tempfile.TemporaryFile() as trouble:
        read_end, write_end = os.pipe()
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        child = os.fork()
        if child == 0:
            try:
                if not keeps_files:
                    _close_files({response.fileno(), trouble.fileno(), write_end})
                work(response.fileno())
            except BaseException as error:
                message = "".join(traceback.format_exception_only(error))
                os.write(trouble.fileno(), message.encode("utf-8", "backslashreplace"))
            finally:
                os._exit(70)
        try:
            os.close(write_end)
            ended = _wait_until_closed(read_end, seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            # All processes that it has started have inherited the pipe.
            _wait_until_closed(read_end, _END_SECONDS)
            os.close(read_end)
        data = _read_all(response)
        if data and not status:
            return data, ""
        reason = _read_all(trouble).decode(errors="replace") if ended else "it does not end"
        return data, reason.strip() or f"status {status}"


def _close_files(kept: Collection[int]) -> None:
    """Close all descriptors but these; the standard streams lead nowhere."""
    null = os.open("/dev/null", os.O_RDWR)
    for one in (0, 1, 2):
        os.dup2(null, one)
    for one in map(int, os.listdir("/proc/self/fd")):
        if one > 2 and one not in kept:
            # The one that lists them is closed by now.
            with contextlib.suppress(OSError):
                os.close(one)


def _wait_until_closed(read_end: int, seconds: float) -> bool:
    """Whether every process closes the other end of a pipe within `seconds`."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            return True
    return False


def _read_all(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()
