"""The far end of the real worlds: lays out a tree, runs the script, takes the tree down.

`perform` is called in a container or in a sandbox. Its answer is a tar that holds `outcome.json`,
`stdout`, `stderr` and, below `tree/`, what of the tree is not as it was sent: the paths of the rest
are in `outcome.json`, as `kept`. Runs on Python 3.8 and newer with the standard library alone.

The tree afterwards is everything outside the system's own folders that the case laid out, or that
was not there, or not like that, when the script started.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import time
from typing import (
    Any,
    BinaryIO,
    Callable,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from harness.runners.inside import mounts, stamps
from harness.runners.inside.stamps import Layer, Look, Stamp

HOME = "/.harness"
Job = Dict[str, Any]


def perform(
    job: Job,
    tree: bytes,
    helpers: Mapping[str, bytes],
    *,
    python: str,
    hidden: Sequence[str] = (),
    layer: Optional[Layer] = None,
    become: Optional[Callable[[int], None]] = None,
) -> bytes:
    """Do a job in the world that this process lives in, and return the answer.

    `helpers` run beside the script, each a file of its own: name → source. `python` is the
    interpreter of the script. What lies in the folders `hidden` is no part of the world, which is
    a `layer` over another one or a whole. `become(user)` makes a process a user's.
    """
    os.umask(0o022)
    os.mkdir(HOME)
    for name, source in helpers.items():
        with open(os.path.join(HOME, name), "wb") as stream:
            stream.write(source)
    laid_out = _lay_out(tree)
    if job["user"]:
        _open_ways(hidden)
    shown = _shown_as(laid_out)
    look = Look((HOME, *hidden), layer)
    with contextlib.ExitStack() as open_files:
        if job["read_only"]:
            mounts.seal(job["read_only"], [*job["writable"], HOME])
            mounts.limit_capabilities()
        for folder in job["full"]:
            open_files.enter_context(mounts.fill(folder))
        # Kept open: a script may remove them.
        stdout, stderr = (
            open_files.enter_context(open(os.path.join(HOME, name), "w+b"))
            for name in ("stdout", "stderr")
        )
        before = look.stamps()
        outcome = _run(job, python, become or _become, stdout, stderr)
        said = {"stdout": _all(stdout), "stderr": _all(stderr)}
    answer = io.BytesIO()
    kept = []
    with tarfile.open(fileobj=answer, mode="w") as out:
        for path, stamp in look.stamps().items():
            stands_for = shown[path][1] if path in shown and shown[path][0] == stamp else None
            sent = laid_out.get(path)
            if not (stands_for or sent or (before.get(path) or look.beneath(path)) != stamp):
                continue
            info, data = _taken_down(path, stands_for)
            if sent is not None and _is_as_sent(info, data, sent, tree):
                kept.append(path)
            else:
                out.addfile(info, io.BytesIO(data))
        _add(out, "outcome.json", json.dumps(dict(outcome, kept=kept)).encode())
        for name, data in said.items():
            _add(out, name, data)
    return answer.getvalue()


class _Tar(tarfile.TarFile):
    """A tar that is laid out as far as this world allows."""

    devices: List[str]

    def chown(self, tarinfo: tarfile.TarInfo, targetpath: Any, numeric_owner: bool) -> None:
        """Give a file its owner, if there is such a user here."""
        with contextlib.suppress(OSError):
            os.lchown(targetpath, tarinfo.uid, tarinfo.gid)

    def makedev(self, tarinfo: tarfile.TarInfo, targetpath: Any) -> None:
        """Make a device, or remember to show the null device there."""
        try:
            super().makedev(tarinfo, targetpath)
        except PermissionError:
            open(targetpath, "wb").close()
            self.devices.append(str(targetpath))


def _lay_out(tree: bytes) -> Dict[str, tarfile.TarInfo]:
    """Make everything that the tar holds, and return it: path → member."""
    with _Tar.open(fileobj=io.BytesIO(tree), mode="r:") as tar:
        assert isinstance(tar, _Tar)
        tar.devices = []
        # Newer Pythons refuse devices and special modes otherwise; older ones ignore this.
        tar.extraction_filter = lambda member, _path: member
        for member in tar:
            _clear("/" + member.name, member)
        tar.extractall("/", numeric_owner=True)
        for path in tar.devices:
            mounts.bind("/dev/null", path)
        if tar.devices:
            mounts.forbid_writing(tar.devices)
        for member in tar:
            if member.issym():
                times = (member.mtime, member.mtime)
                os.utime("/" + member.name, times, follow_symlinks=False)
        return {"/" + member.name: member for member in tar}


def _clear(path: str, member: tarfile.TarInfo) -> None:
    """Remove what the image has at a path where the tree has something of another kind.

    A link to a folder does as a folder.
    """
    if not os.path.lexists(path) or (member.isdir() and os.path.isdir(path)):
        return
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    elif not (member.isreg() and stat.S_ISREG(mode)):
        os.unlink(path)


def _open_ways(folders: Sequence[str]) -> None:
    """Let everybody pass through the folders that these lie in."""
    for folder in filter(os.path.exists, folders):
        parent = os.path.dirname(folder)
        while parent != "/":
            mode = stat.S_IMODE(os.stat(parent).st_mode)
            if not mode & 0o001:
                os.chmod(parent, mode | 0o111)
            parent = os.path.dirname(parent)


def _shown_as(
    laid_out: Mapping[str, tarfile.TarInfo],
) -> Dict[str, Tuple[Stamp, tarfile.TarInfo]]:
    """What is not quite as the tree has it: how it looks, and what it stands for."""
    found = {}
    for path, member in laid_out.items():
        status = os.lstat(path)
        same = (status.st_uid, status.st_gid) == (member.uid, member.gid)
        if not member.issym():
            same = same and stat.S_IMODE(status.st_mode) == member.mode
        if not same:
            found[path] = stamps.of(status), member
    return found


def _become(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _run(
    job: Job,
    python: str,
    become: Callable[[int], None],
    stdout: BinaryIO,
    stderr: BinaryIO,
) -> Dict[str, Any]:
    """Run the script as the job says, and return how it ended."""
    points = os.path.join(HOME, "points")
    script, user = job["script"], job["user"]
    folder, name = os.path.split(script)
    command = [name if job["relative"] else script, *job["arguments"]]
    if job["call"] is not None:
        command = [HOME + "/driver.py", script, job["call"]]
    elif job["interrupt"] is not None:
        command = [HOME + "/tripwire.py", job["interrupt"], points, *command]
        open(points, "w").close()
        os.chmod(points, 0o666)
    os.umask(job["umask"])
    started = time.perf_counter()
    child = subprocess.Popen(
        [python, *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=folder if job["relative"] else job["cwd"],
        env={**job["defaults"], **job["variables"]},
        start_new_session=True,
        # Without one, a faster way to start is taken.
        preexec_fn=(lambda: become(user)) if user else None,
    )
    code = _wait(child, job["timeout"])
    seconds = time.perf_counter() - started
    os.umask(0o022)
    _end_all(child.pid)
    return {"exit_code": code, "seconds": seconds, "points": _read_points(points)}


def _end_all(leader: int) -> None:
    """End whatever the script has started and not waited for."""
    if os.getpid() != 1:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
        return
    # This is the first process of a world of its own: all others in it are the script's.
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _wait(child: subprocess.Popen[bytes], timeout: float) -> Optional[int]:
    """The exit code as a shell reports it; None when the script did not end in time.

    An alarm ends the wait: subprocess itself would look from time to time, up to 50 ms too late.
    """
    deadline = time.monotonic() + timeout
    over: List[bool] = []

    def late(_number: int, _frame: Any) -> None:
        # The script may send this signal too.
        if time.monotonic() >= deadline:
            over.append(True)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    code = child.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if over:
        return None
    return 128 - code if code < 0 else code


def _read_points(path: str) -> Optional[List[int]]:
    if not os.path.exists(path):
        return None
    with open(path) as stream:
        text = stream.read()
    points: Optional[List[int]] = json.loads(text) if text else None
    return points


def _taken_down(path: str, stands_for: Optional[tarfile.TarInfo]) -> Tuple[tarfile.TarInfo, bytes]:
    """What is at a path, as a tar has it, and the bytes of a file."""
    status = os.lstat(path)
    if stands_for is not None and stands_for.isdir():
        status = os.stat(path)
    info, data = tarfile.TarInfo("tree" + path), b""
    info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    info.mtime = status.st_mtime
    if stands_for is not None:
        info.mode, info.uid, info.gid = stands_for.mode, stands_for.uid, stands_for.gid
        info.mtime = stands_for.mtime
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            data = stream.read()
        info.size = len(data)
    elif stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.type = tarfile.CHRTYPE
    else:
        info.type = tarfile.FIFOTYPE
    return info, data


def _is_as_sent(info: tarfile.TarInfo, data: bytes, sent: tarfile.TarInfo, tree: bytes) -> bool:
    """Whether something is what the tar `tree` has there: bytes, owner, mode, date and all."""
    looks = [
        (one.type, one.mode, one.uid, one.gid, one.mtime, one.linkname, one.size)
        for one in (info, sent)
    ]
    return looks[0] == looks[1] and data == tree[sent.offset_data : sent.offset_data + sent.size]


def _all(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read()


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))
