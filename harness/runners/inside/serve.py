"""The far end of the container runner: takes tasks from standard input, answers on output.

A container gets it as the `__main__.py` of a zip file, with what it needs of the harness beside
it, and runs it as `python3 FILE.pyz MODE`. In the mode `case` it does one task, in the container
as it is, and ends. In the mode `worker` it does one after the other, each in a world of its own:
new namespaces, and a root in memory laid over the container's, so that nothing of it is left for
the next. It ends when nobody is at the other end any more. Runs on Python 3.8 and newer with the
standard library alone.

A task is two frames, the job as JSON and the tree as a tar; an answer is one, the tar that
`agent.perform` makes, or what went wrong. A frame is a byte that tells its kind, eight that tell
its size, and so many bytes.
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
JOB, TREE, ANSWER, NO_WORLD, TROUBLE = b"J", b"T", b"A", b"W", b"E"
# What comes before the first answer.
READY = b"\0step-harness\n"
HELPERS = "helpers/"

# Seconds after which nobody is expected to come any more.
_IDLE = 120
_SCRATCH = "/dev/.world"
_UPPER, _WORK, _ROOT = (_SCRATCH + name for name in ("/upper", "/work", "/root"))
_NAMESPACES = world.NEW_MOUNTS | world.NEW_IPC | world.NEW_PROCESSES
# What is mounted there is every world's own.
_OWN = ("/proc", "/sys", "/dev")
_BUILDING, _PERFORMING = 3, 4


class _File(NamedTuple):
    """A file of the engine's, in the container as it is."""

    data: bytes
    mode: int


def main() -> None:
    """Serve whoever is at the other end."""
    with zipfile.ZipFile(sys.argv[0]) as sent:
        names = [name for name in sent.namelist() if name.startswith(HELPERS)]
        helpers = {name[len(HELPERS) :]: sent.read(name) for name in names}
    os.unlink(sys.argv[0])
    # No script can end the first process of its world; Python's own handler would let it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The script gets neither of them.
    tasks, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for one in (0, 1):
        os.dup2(nothing, one)
    lasting = sys.argv[1] == "worker"
    if lasting:
        os.mkdir(_SCRATCH)
        # Where there is none, the first world says so.
        with contextlib.suppress(ImportError, OSError):
            mounts.library()
    _write(answers, READY)
    while True:
        task = _receive(tasks)
        if task is None:
            return
        if lasting:
            kind, data = _apart(tasks, *task, helpers)
        else:
            kind, data = _here(tasks, *task, helpers)
        _write(answers, HEAD.pack(kind, len(data)) + data)
        if not lasting:
            # Whoever asked removes the container, and knows then that it is gone.
            select.select([tasks], [], [], _IDLE)
            return


def _receive(source: int) -> Optional[Tuple[agent.Job, bytes]]:
    """The next task; None when no more will come."""
    if not select.select([source], [], [], _IDLE)[0]:
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


def _here(
    tasks: int, job: agent.Job, tree: bytes, helpers: Mapping[str, bytes]
) -> Tuple[bytes, bytes]:
    """Do a task in this very world."""
    threading.Thread(target=_end_with, args=(tasks,), daemon=True).start()
    try:
        return ANSWER, agent.perform(job, tree, helpers, python=sys.executable)
    except Exception as error:
        return TROUBLE, _describe_error(error)


def _end_with(tasks: int) -> None:
    """End, and with this process the container, when whoever sent the task is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.read(tasks, 1)
    os._exit(0)


def _apart(
    tasks: int, job: agent.Job, tree: bytes, helpers: Mapping[str, bytes]
) -> Tuple[bytes, bytes]:
    """Do a task in a world that ends with it."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        _run_case(job, tree, helpers, write_end)
    os.close(write_end)
    parts = []
    while True:
        if tasks in select.select([read_end, tasks], [], [])[0]:
            # Nothing can come in the middle of a task: whoever sent it is gone.
            os._exit(0)
        part = os.read(read_end, 1 << 20)
        if not part:
            break
        parts.append(part)
    os.close(read_end)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    kind = {0: ANSWER, _BUILDING: NO_WORLD}.get(code, TROUBLE)
    return kind, b"".join(parts) or b"it ended with the exit code %d" % code


def _run_case(job: agent.Job, tree: bytes, helpers: Mapping[str, bytes], answer: int) -> NoReturn:
    """Make a world, do a task in it, write the answer and end."""
    code = _BUILDING
    try:
        world.enter(partial(mounts.call, "unshare", _NAMESPACES))
        layer = _build(job)
        code = _PERFORMING
        _write(answer, agent.perform(job, tree, helpers, python=sys.executable, layer=layer))
        code = 0
    except BaseException as error:
        _write(answer, _describe_error(error))
    os._exit(code)


def _describe_error(error: BaseException) -> bytes:
    lines = traceback.format_exception_only(type(error), error)
    return "".join(lines).strip().encode("utf-8", "backslashreplace")


def _build(job: agent.Job) -> Layer:
    """Lay a root in memory over the container's, and enter it with no more rights than others."""
    os.umask(0o022)
    mounts.mount("", "/", flags=MS_REC | MS_PRIVATE)
    engines_own = _engines_own()
    mounts.mount("tmpfs", _SCRATCH, "tmpfs", options="mode=755")
    for folder in (_UPPER, _WORK, _ROOT):
        os.mkdir(folder)
    layers = "lowerdir=/,upperdir=" + _UPPER + ",workdir=" + _WORK
    mounts.mount("overlay", _ROOT, "overlay", options=layers)
    mounts.mount("proc", _ROOT + "/proc", "proc", world.QUIET)
    mounts.bind("/sys", _ROOT + "/sys")
    world.make_devices(_ROOT, "")
    # From inside, there is no other way to where they lie.
    over, beneath = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (_UPPER, "/"))
    os.chdir(_ROOT)
    mounts.mount(".", "/", flags=MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    for path, file in engines_own.items():
        if file is not None:
            with open(path, "wb") as stream:
                stream.write(file.data)
            os.chmod(path, file.mode)
        # Here too it can be neither renamed nor removed, and nothing be renamed into it.
        mounts.bind(path, path)
    settings = world.settings()
    for path in settings:
        mounts.bind(path, path)
    mounts.forbid_writing(settings)
    world.mount_folders(job["mounts"])
    mounts.limit_capabilities()
    return Layer("/proc/self/fd/%d" % over, "/proc/self/fd/%d" % beneath)


def _engines_own() -> Dict[str, Optional[_File]]:
    """What the engine has mounted into the container: files like /etc/hosts; None for a volume.

    A volume holds what the image has in its place, which the root of each world has anyway.
    """
    found: Dict[str, Optional[_File]] = {}
    for path in sorted(mounts.points()):
        if path == "/" or any(mounts.is_under(path, one) for one in _OWN):
            continue
        found[path] = None
        if os.path.isfile(path):
            with open(path, "rb") as stream:
                found[path] = _File(stream.read(), stat.S_IMODE(os.stat(path).st_mode))
    return found


if __name__ == "__main__":
    main()
