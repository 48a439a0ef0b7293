"""The far end of the container runner: lays out a tree, runs the script, takes the tree down.

Sent into a container as the `__main__.py` of a zip file, with `job.json`, `tree.tar`, `driver.py`
and `tripwire.py` beside it, and run as `python3 JOB.pyz`. It leaves `/.harness/outcome.tar`, which
holds `outcome.json`, `stdout`, `stderr` and the tree below `tree/`. Runs on Python 3.8 and newer
with the standard library alone.

The tree afterwards is everything outside the system's own folders that the case laid out, or that
was not there, or not like that, when the container started.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

HOME = "/.harness"
# Not looked at: the kernel's folders, and the programs of the image.
_SYSTEM = ("/proc", "/sys", "/dev", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot")
_ALSO = ("/dev/shm",)
_Stamp = Tuple[int, ...]


def main() -> None:
    """Do the job in the zip file that this runs from."""
    with zipfile.ZipFile(sys.argv[0]) as sent:
        job = json.loads(sent.read("job.json"))
        tree = sent.read("tree.tar")
        os.mkdir(HOME, 0o700)
        for helper in ("driver.py", "tripwire.py"):
            sent.extract(helper, HOME)
    os.unlink(sys.argv[0])
    before = dict(_stamps())
    laid_out = _lay_out(tree)
    outcome = _run(job)
    with tarfile.open(HOME + "/outcome.tar", "w") as out:
        _add(out, "outcome.json", json.dumps(outcome).encode())
        for name in ("stdout", "stderr"):
            with open(os.path.join(HOME, name), "rb") as stream:
                _add(out, name, stream.read())
        for path, stamp in _stamps():
            if path in laid_out or before.get(path) != stamp:
                _take_down(out, path)


def _lay_out(tree: bytes) -> Set[str]:
    """Make everything that the tar holds, and return the paths."""
    with tarfile.open(fileobj=io.BytesIO(tree)) as tar:
        # Newer Pythons refuse devices and special modes otherwise; older ones ignore this.
        tar.extraction_filter = lambda member, _path: member
        tar.extractall("/", numeric_owner=True)
        for member in tar:
            if member.issym():
                times = (member.mtime, member.mtime)
                os.utime("/" + member.name, times, follow_symlinks=False)
        return {"/" + member.name for member in tar}


def _run(job: Dict[str, Any]) -> Dict[str, Any]:
    """Run the script as the job says, and return how it ended."""
    points = os.path.join(HOME, "points")
    script = job["script"]
    folder, name = os.path.split(script)
    command = [name if job["relative"] else script, *job["arguments"]]
    if job["call"] is not None:
        command = [HOME + "/driver.py", script, job["call"]]
    elif job["interrupt"] is not None:
        command = [HOME + "/tripwire.py", job["interrupt"], points, *command]
    started = time.perf_counter()
    with open(HOME + "/stdout", "wb") as stdout, open(HOME + "/stderr", "wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder if job["relative"] else job["cwd"],
            env={**job["defaults"], **os.environ, **job["variables"]},
            start_new_session=True,
        )
        code = _wait(child, job["timeout"])
        seconds = time.perf_counter() - started
        # Whatever it started and did not wait for.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    return {"exit_code": code, "seconds": seconds, "points": _read_points(points)}


def _wait(child: subprocess.Popen[bytes], timeout: float) -> Optional[int]:
    """The exit code as a shell reports it; None when the script did not end in time."""
    try:
        code = child.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None
    return 128 - code if code < 0 else code


def _read_points(path: str) -> Optional[List[int]]:
    if not os.path.exists(path):
        return None
    with open(path) as stream:
        points: Optional[List[int]] = json.load(stream)
    return points


def _stamps() -> Iterator[Tuple[str, _Stamp]]:
    """Every path that is looked at, parents first, with what shows a change of it."""
    waiting = [*_ALSO, "/"]
    while waiting:
        folder = waiting.pop()
        try:
            inside = sorted(os.scandir(folder), key=lambda one: one.name)
        except OSError:
            continue
        for one in inside:
            if one.path in _SYSTEM or one.path == HOME:
                continue
            try:
                status = one.stat(follow_symlinks=False)
            except OSError:
                continue
            yield (
                one.path,
                (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns),
            )
            if stat.S_ISDIR(status.st_mode):
                waiting.append(one.path)


def _take_down(out: tarfile.TarFile, path: str) -> None:
    status = os.lstat(path)
    info = tarfile.TarInfo("tree" + path)
    info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    info.mtime = status.st_mtime
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            data = stream.read()
        info.size = len(data)
        out.addfile(info, io.BytesIO(data))
        return
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.type = tarfile.CHRTYPE
    else:
        info.type = tarfile.FIFOTYPE
    out.addfile(info)


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    main()
