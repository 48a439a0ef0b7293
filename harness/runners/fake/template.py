"""The process that fork servers are forked from, with the empty fake file system set up in it.

A fork copies the page tables of all that its parent holds, and a process that has read a step holds
its archives. So this one is forked first, and every worker of a run has its fork servers from it.
Where there is none, a fork server is forked from the process that needs it.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import os
import posix
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

# The socket of this process, and of those forked from it, by which fork servers are asked for.
_requests: socket.socket | None = None
# How long a process may take to end.
END_SECONDS = 1.0
_REQUEST = b"fork"
_DESCRIPTOR = array.array("i")


def start(set_up: Callable[[int], int], serve: Callable[[int], NoReturn]) -> None:
    """Fork the process, unless there is one; best while this process holds little.

    There, `set_up(descriptor)` returns the number that the descriptor has from then on, and
    `serve(descriptor)` is what each process that is forked does with its connection.
    """
    global _requests
    if _requests is not None or sys.platform != "linux":
        return
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    process = os.fork()
    if process == 0:
        _fork_on_request(theirs.fileno(), set_up, serve)
    theirs.close()
    _requests = ours
    atexit.register(_end, os.getpid(), process)


def new_fork_server() -> socket.socket | None:
    """The connection to a fork server that is forked for it; None where there is no process for it.

    It is closed at once when that process has died.
    """
    if _requests is None:
        return None
    ours, theirs = socket.socketpair()
    try:
        socket.send_fds(_requests, [_REQUEST], [theirs.fileno()])
    except OSError:
        ours.close()
        return None
    finally:
        theirs.close()
    return ours


def _end(owner: int, process: int) -> None:
    """Let the process end, at the end of the one that has started it."""
    if _requests is not None and os.getpid() == owner:
        _requests.close()
        wait_for_end(process)


def wait_for_end(process: int) -> None:
    """Wait for a child that ends by itself, and kill it if it does not within a second."""
    deadline = time.monotonic() + END_SECONDS
    # Where the kernel is told to reap children by itself, there is none to wait for.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(process, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.001)


def _fork_on_request(
    connection: int, set_up: Callable[[int], int], serve: Callable[[int], NoReturn]
) -> NoReturn:
    try:
        requests = socket.socket(fileno=set_up(connection))
        # Nobody waits for the fork servers.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        size = _DESCRIPTOR.itemsize
        while True:
            message, ancillary, _, _ = requests.recvmsg(len(_REQUEST), socket.CMSG_SPACE(size))
            if not message:
                break
            (descriptor,) = array.array("i", ancillary[0][2][:size])
            if posix.fork() == 0:
                serve(descriptor)
            posix.close(descriptor)
    except BaseException:
        traceback.print_exc()
    finally:
        posix._exit(0)
    raise AssertionError
