"""The process of a container: reads tasks from its input, writes responses to its output.

It runs as `python3 -c TEXT MODE`, where the text reads this module and those that it imports, and
calls `main`. In the mode `case` it runs one task in the container itself, and ends. In the mode
`worker` it runs tasks one after the other, each in new namespaces and with an overlay in memory as
the root, so that no task affects the next one. It ends when the connection is closed. Runs on
Python 3.8 and newer with the standard library alone.

A task is two frames, the job as JSON and the tree as a tar. A response is one frame, the tar that
`agent.run_task` returns, or an error message. A worker also starts warm processes, and passes
requests on to them; see `relay`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from typing import Mapping, NoReturn, Tuple

from harness.runners.inside import agent, frames, mounts, overlay, relay, world

JOB, TREE, RESULT, NO_WORLD, ERROR = b"J", b"T", b"R", b"W", b"E"
# Precedes the first response.
READY = b"\0step-harness\n"

# How long to wait for the next task, or for the removal of the container.
_IDLE_SECONDS = 120
_BUILDING, _RUNNING = 3, 4


def main(helpers: Mapping[str, bytes]) -> None:
    """Run the tasks from standard input; `helpers` are those of `agent.run_task`."""
    # The kernel drops signals without a handler for the first process; Python handles SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The script inherits neither of them.
    task_fd, response_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for one in (0, 1):
        os.dup2(null, one)
    reusable = sys.argv[1] == "worker"
    if reusable:
        os.mkdir(overlay.SCRATCH)
        # If it cannot be loaded, the first task reports why.
        with contextlib.suppress(ImportError, OSError):
            mounts.libc()
    frames.write(response_fd, READY)
    with contextlib.suppress(EOFError):
        _serve(task_fd, response_fd, reusable, helpers)


def _serve(task_fd: int, response_fd: int, reusable: bool, helpers: Mapping[str, bytes]) -> None:
    """Answer requests; raises `EOFError` when the client is gone."""
    warm_processes = relay.Relay(task_fd)
    while True:
        if not select.select([task_fd], [], [], _IDLE_SECONDS)[0]:
            return
        kind, data = frames.receive(task_fd)
        if kind != JOB:
            frames.send(response_fd, *warm_processes.answer(kind, data))
            continue
        job = json.loads(data)
        job["defaults"].update(os.environ)
        _, tree = frames.receive(task_fd)
        if reusable:
            kind, data = _in_own_world(task_fd, job, tree, helpers)
        else:
            kind, data = _in_container(task_fd, job, tree, helpers)
        frames.send(response_fd, kind, data)
        if not reusable:
            # Wait: the client removes the container itself, to know that it is gone.
            select.select([task_fd], [], [], _IDLE_SECONDS)
            return


def _in_container(
    task_fd: int, job: agent.Job, tree: bytes, helpers: Mapping[str, bytes]
) -> Tuple[bytes, bytes]:
    """Run a task in the container itself."""
    threading.Thread(target=_exit_on_disconnect, args=(task_fd,), daemon=True).start()
    try:
        return RESULT, agent.run_task(job, tree, helpers, python=sys.executable)
    except Exception as error:
        return ERROR, _describe_error(error)


def _exit_on_disconnect(task_fd: int) -> None:
    """Exit, which ends the container, when the client disconnects."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.read(task_fd, 1)
    os._exit(0)


def _in_own_world(
    task_fd: int, job: agent.Job, tree: bytes, helpers: Mapping[str, bytes]
) -> Tuple[bytes, bytes]:
    """Run a task in new namespaces with their own root, in a child process."""
    read_end, write_end = os.pipe()
    try:
        child = world.fork_first()
    except OSError as error:
        os.close(read_end)
        os.close(write_end)
        return NO_WORLD, _describe_error(error)
    if child == 0:
        _run_case(job, tree, helpers, write_end)
    os.close(write_end)
    code, data = frames.wait_for_response(child, read_end, task_fd)
    kind = {0: RESULT, _BUILDING: NO_WORLD}.get(code, ERROR)
    return kind, data or b"it ended with the exit code %d" % code


def _run_case(
    job: agent.Job, tree: bytes, helpers: Mapping[str, bytes], response_pipe: int
) -> NoReturn:
    """Build the root of a task, run it, write the response and exit."""
    code = _BUILDING
    try:
        world.enter_as_first(overlay.NAMESPACES)
        layer = overlay.build(job)
        code = _RUNNING
        frames.write(
            response_pipe, agent.run_task(job, tree, helpers, python=sys.executable, layer=layer)
        )
        code = 0
    except BaseException as error:
        frames.write(response_pipe, _describe_error(error))
    os._exit(code)


def _describe_error(error: BaseException) -> bytes:
    lines = traceback.format_exception_only(type(error), error)
    return "".join(lines).strip().encode("utf-8", "backslashreplace")
