"""The process of a container: reads tasks from its input, writes responses to its output.

It is the `__main__.py` of a zip file that also holds the modules it imports, and runs as
`python3 FILE.pyz MODE`. In the mode `case` it runs one task in the container itself, and ends. In
the mode `worker` it runs tasks one after the other, each in new namespaces and with an overlay in
memory as the root, so that no task affects the next one. It ends when the connection is closed.
Runs on Python 3.8 and newer with the standard library alone.

A task is two frames, the job as JSON and the tree as a tar. A response is one frame, the tar that
`agent.run_task` returns, or an error message. A frame is one byte for its kind, eight for the size
of its data in bytes (big-endian), and the data.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import struct
import sys
import threading
import traceback
import zipfile
from functools import partial
from typing import Dict, Mapping, NamedTuple, NoReturn, Optional, Tuple

from harness.runners.inside import agent, mounts, world
from harness.runners.inside.mounts import MS_MOVE, MS_PRIVATE, MS_REC
from harness.runners.inside.stamps import Layer

HEAD = struct.Struct(">cQ")
JOB, TREE, RESULT, NO_WORLD, ERROR = b"J", b"T", b"R", b"W", b"E"
# Precedes the first response.
READY = b"\0step-harness\n"
HELPERS = "helpers/"

# How long to wait for the next task, or for the removal of the container.
_IDLE_SECONDS = 120
_SCRATCH = "/dev/.world"
_UPPER, _WORK, _ROOT = (_SCRATCH + name for name in ("/upper", "/work", "/root"))
_NAMESPACES = world.NEW_MOUNTS | world.NEW_IPC | world.NEW_PROCESSES
# Every world has its own mounts there.
_WORLD_MOUNTS = ("/proc", "/sys", "/dev")
_BUILDING, _RUNNING = 3, 4


class _File(NamedTuple):
    """A file that the engine has mounted into the container."""

    data: bytes
    mode: int


def main() -> None:
    """Run the tasks from standard input."""
    with zipfile.ZipFile(sys.argv[0]) as sent:
        names = [name for name in sent.namelist() if name.startswith(HELPERS)]
        helpers = {name[len(HELPERS) :]: sent.read(name) for name in names}
    os.unlink(sys.argv[0])
    # The kernel drops signals without a handler for the first process; Python handles SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The script inherits neither of them.
    task_fd, response_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for one in (0, 1):
        os.dup2(null, one)
    reusable = sys.argv[1] == "worker"
    if reusable:
        os.mkdir(_SCRATCH)
        # If it cannot be loaded, the first task reports why.
        with contextlib.suppress(ImportError, OSError):
            mounts.libc()
    _write(response_fd, READY)
    while True:
        task = _receive(task_fd)
        if task is None:
            return
        if reusable:
            kind, data = _in_own_world(task_fd, *task, helpers)
        else:
            kind, data = _in_container(task_fd, *task, helpers)
        _write(response_fd, HEAD.pack(kind, len(data)) + data)
        if not reusable:
            # Wait: the client removes the container itself, to know that it is gone.
            select.select([task_fd], [], [], _IDLE_SECONDS)
            return


def _receive(source: int) -> Optional[Tuple[agent.Job, bytes]]:
    """The next task; None at the end of input, or when none has arrived in time."""
    if not select.select([source], [], [], _IDLE_SECONDS)[0]:
        return None
    with contextlib.suppress(EOFError):
        job = json.loads(_frame(source))
        job["defaults"].update(os.environ)
        return job, _frame(source)
    return None


def _frame(source: int) -> bytes:
    _, size = HEAD.unpack(_read(source, HEAD.size))
    return _read(source, size)


def _read(source: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(source, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(target: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]


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
    child = os.fork()
    if child == 0:
        _run_case(job, tree, helpers, write_end)
    os.close(write_end)
    parts = []
    while True:
        if task_fd in select.select([read_end, task_fd], [], [])[0]:
            # The client sends nothing during a task: it has disconnected.
            os._exit(0)
        part = os.read(read_end, 1 << 20)
        if not part:
            break
        parts.append(part)
    os.close(read_end)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    kind = {0: RESULT, _BUILDING: NO_WORLD}.get(code, ERROR)
    return kind, b"".join(parts) or b"it ended with the exit code %d" % code


def _run_case(
    job: agent.Job, tree: bytes, helpers: Mapping[str, bytes], response_pipe: int
) -> NoReturn:
    """Build the namespaces of a task, run it, write the response and exit."""
    code = _BUILDING
    try:
        world.enter_namespaces(partial(mounts.call_libc, "unshare", _NAMESPACES))
        layer = _build_world(job)
        code = _RUNNING
        _write(
            response_pipe, agent.run_task(job, tree, helpers, python=sys.executable, layer=layer)
        )
        code = 0
    except BaseException as error:
        _write(response_pipe, _describe_error(error))
    os._exit(code)


def _describe_error(error: BaseException) -> bytes:
    lines = traceback.format_exception_only(type(error), error)
    return "".join(lines).strip().encode("utf-8", "backslashreplace")


def _build_world(job: agent.Job) -> Layer:
    """Mount an overlay in memory, make it the root, and drop capabilities."""
    os.umask(0o022)
    mounts.mount("", "/", flags=MS_REC | MS_PRIVATE)
    engine_mounts = _engine_mounts()
    mounts.mount("tmpfs", _SCRATCH, "tmpfs", options="mode=755")
    for folder in (_UPPER, _WORK, _ROOT):
        os.mkdir(folder)
    layers = "lowerdir=/,upperdir=" + _UPPER + ",workdir=" + _WORK
    mounts.mount("overlay", _ROOT, "overlay", options=layers)
    mounts.mount("proc", _ROOT + "/proc", "proc", world.MS_RESTRICTED)
    mounts.bind("/sys", _ROOT + "/sys")
    world.make_devices(_ROOT, "")
    # These descriptors are the only access to both folders after the change of the root.
    upper, lower = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (_UPPER, "/"))
    os.chdir(_ROOT)
    mounts.mount(".", "/", flags=MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    for path, file in engine_mounts.items():
        if file is not None:
            with open(path, "wb") as stream:
                stream.write(file.data)
            os.chmod(path, file.mode)
        # As in the container, it is a mount: it can be neither renamed nor removed.
        mounts.bind(path, path)
    settings = world.kernel_settings()
    for path in settings:
        mounts.bind(path, path)
    mounts.remount_read_only(settings)
    world.mount_tmpfs_folders(job["mounts"])
    mounts.limit_capabilities()
    return Layer("/proc/self/fd/%d" % upper, "/proc/self/fd/%d" % lower)


def _engine_mounts() -> Dict[str, Optional[_File]]:
    """The files that the engine has mounted into the container, like /etc/hosts; None for a volume.

    A volume starts with the content of the image at its path, which the overlay shows anyway.
    """
    found: Dict[str, Optional[_File]] = {}
    for path in sorted(mounts.mount_points()):
        if path == "/" or any(mounts.is_under(path, one) for one in _WORLD_MOUNTS):
            continue
        found[path] = None
        if os.path.isfile(path):
            with open(path, "rb") as stream:
                found[path] = _File(stream.read(), stat.S_IMODE(os.stat(path).st_mode))
    return found


if __name__ == "__main__":
    main()
