"""The agent: extracts a tree, runs the script in it, and archives the tree afterwards.

`run_task` is called in a container or sandbox. Its response is a tar of `outcome.json`, `stdout`,
`stderr` and, below `tree/`, the entries of the tree that differ from those sent; the paths of the
others are listed in `outcome.json`, under `unchanged`. Runs on Python 3.8 and newer with the
standard library alone.

The tree afterwards consists of the entries sent and of those that the script created or changed,
outside the system's folders.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import stat
import subprocess
import tarfile
import time
from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from harness.runners.inside import (
    faults,
    laid_out,
    mounts,
    recorder,
    supervision,
    system_calls,
)
from harness.runners.inside.stamps import Layer, Scan, TooMuch
from harness.runners.inside.streams import Streams
from harness.runners.inside.watch import SCRATCH, Listing, Process, Watch

HELPER_FOLDER = "/.harness"
# Where a script that is learnt from writes, at its end, which modules it has imported.
LEARNED = HELPER_FOLDER + "/learned"
_PR_SET_DUMPABLE = 4
_E2BIG = os.strerror(errno.E2BIG).lower().encode()
# What a watch sees of a script that does not start.
_NOTHING_SEEN = {
    **{"effects": "", "sent_after": None, "seconds": 0.0, "began": False},
    **{"handles": False, "ignored": False, "held": False},
}
# Of what is learnt from a script, in bytes.
_MAX_LEARNED = 1 << 20
Job = Dict[str, Any]
# No bytecode files, and nothing of the output is lost: no variable says so to the script.
OPTIONS = ("-B", "-u")
# Gets the streams of a script, and the connection of its supervisor, if it has one.
Start = Callable[[Streams, Optional[int]], Process]


def run_task(
    job: Job,
    tree: bytes,
    helpers: Mapping[str, bytes],
    *,
    python: str,
    hidden: Sequence[str] = (),
    layer: Optional[Layer] = None,
    set_user: Optional[Callable[[int], None]] = None,
    start: Optional[Start] = None,
) -> bytes:
    """Run a task in the namespaces of this process, and return the response.

    `helpers` are the programs that run the script: file name → source. `python` is the interpreter
    of the script. `hidden` and `layer` are those of `Scan`. `set_user(user)` changes the user of
    the calling process. `start` starts the script in another way than with a new interpreter.
    """
    os.umask(0o022)
    os.mkdir(HELPER_FOLDER)
    begin = os.stat(HELPER_FOLDER).st_ctime_ns
    for name, source in helpers.items():
        with open(os.path.join(HELPER_FOLDER, name), "wb") as stream:
            stream.write(source)
    if job.get("record"):
        recorder.number_files_anew(HELPER_FOLDER)
    sent = laid_out.extract(tree)
    if job["user"]:
        _make_reachable(hidden)
    stand_ins = laid_out.stand_ins(sent)
    with contextlib.ExitStack() as open_files:
        if job["read_only"]:
            mounts.make_read_only(job["read_only"], [*job["writable"], HELPER_FOLDER])
            mounts.limit_capabilities()
        for folder in job["full"]:
            open_files.enter_context(mounts.fill(folder))
        scan = Scan((HELPER_FOLDER, *hidden), layer, begin)
        watch = None
        if job["interrupt"] is not None:
            folders = [path for path, member in sent.items() if member.isdir()]
            watch = Watch(job["script"], folders, job["interrupt"])
        is_forked = start is not None
        if start is None:
            start = partial(_start, job, python, set_user or _set_user)
        outcome, output = _run(job, start, watch, hidden, is_forked)
        if job.get("learn"):
            outcome["learned"] = _read_learned()
    response = io.BytesIO()
    unchanged: List[str] = []
    with tarfile.open(fileobj=response, mode="w") as out:
        try:
            for path, stamp in scan.stamps().items():
                shown, stands_for = stand_ins.get(path, (None, None))
                if shown != stamp:
                    stands_for = None
                member = sent.get(path)
                if not (stands_for or member) and scan.is_as_before(path, stamp):
                    continue
                info, data = laid_out.archive_member(path, stands_for)
                if member is not None and laid_out.is_unchanged(info, data, member, tree):
                    unchanged.append(path)
                    continue
                if out.offset + info.size > laid_out.MAX_SIZE:
                    raise TooMuch("files of more than %d MiB" % (laid_out.MAX_SIZE >> 20))
                out.addfile(info, io.BytesIO(data))
        except TooMuch as error:
            outcome["too_much"] = str(error)
        _add(out, "outcome.json", json.dumps(dict(outcome, unchanged=unchanged)).encode())
        for name, data in output.items():
            _add(out, name, data)
    return response.getvalue()


def _make_reachable(folders: Sequence[str]) -> None:
    """Let every user pass through the parents of these folders."""
    for folder in filter(os.path.exists, folders):
        parent = os.path.dirname(folder)
        while parent != "/":
            mode = stat.S_IMODE(os.stat(parent).st_mode)
            if not mode & 0o001:
                os.chmod(parent, mode | 0o111)
            parent = os.path.dirname(parent)


def _set_user(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _protect() -> None:
    """Close the memory and the descriptors of this process to all others of its user.

    Where there is no `ctypes`, nothing is done.
    """
    with contextlib.suppress(ImportError, OSError):
        mounts.call_libc("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def own_itself() -> None:
    """Undo `_protect` in the process of a script, whose folder in /proc would not be its own."""
    with contextlib.suppress(ImportError, OSError):
        mounts.call_libc("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)


def rules_of(job: Job) -> List[system_calls.Rule]:
    """The system calls of a script before which the kernel asks its supervisor."""
    return recorder.RULES if job.get("record") else faults.RULES


def _confine(
    user: int,
    set_user: Callable[[int], None],
    supervised: Optional[int],
    rules: Sequence[system_calls.Rule],
) -> None:
    """Become the user of the script, in the process that becomes the script."""
    own_itself()
    if user:
        set_user(user)
        system_calls.refuse(system_calls.of_container())
    if supervised is not None:
        supervision.hand_over(supervised, rules)


def _start(
    job: Job,
    python: str,
    set_user: Callable[[int], None],
    streams: Streams,
    supervised: Optional[int],
) -> Process:
    """Start the script of a job with a new interpreter."""
    script, user = job["script"], job["user"]
    command = [job["started_as"], *job["arguments"]]
    if job["module"]:
        command = ["-m", job["module"], *job["arguments"]]
    becomes_other = bool(user) or supervised is not None
    passed = []
    if job["call"] is not None:
        passed = [streams.answering.fileno()]
        command = [HELPER_FOLDER + "/driver.py", script, job["call"], str(passed[0])]
    return subprocess.Popen(
        [*job["direct"], script, *job["arguments"]]
        if job["direct"]
        else [python, *OPTIONS, *command],
        stdin=subprocess.DEVNULL,
        stdout=streams.write_end("stdout"),
        stderr=streams.write_end("stderr"),
        cwd=job["cwd"],
        env={**job["defaults"], **job["variables"]},
        start_new_session=True,
        pass_fds=passed,
        # Without a preexec_fn, subprocess can use vfork, which is faster.
        preexec_fn=(
            partial(_confine, user, set_user, supervised, rules_of(job)) if becomes_other else None
        ),
    )


def _run(
    job: Job, start: Start, watch: Optional[Watch], hidden: Sequence[str], is_forked: bool
) -> Tuple[Dict[str, Any], Dict[str, bytes]]:
    """Run the script of a job: its exit code, seconds and what `watch` has seen; its streams."""
    streams = Streams(job["user"])
    os.umask(job["umask"])
    _protect()
    if not job["user"]:
        system_calls.refuse(system_calls.of_container())
    supervisor: Optional[supervision.Listener] = None
    awaited = "" if is_forked or job["direct"] else job["script"]
    if job["fault"]:
        supervisor = faults.Supervisor(job["fault"], hidden, awaited)
    elif job.get("record"):
        supervisor = recorder.Recorder(hidden, [job["script"], job["cwd"]])
    elif watch is not None and watch.is_stepped:
        everywhere = {"folders": watch.folders, "known": [], "effect": ""}
        supervisor = faults.Supervisor(everywhere, hidden, awaited, watch.look)
    # A script that looks through such a folder finds its interpreter there, as in no container.
    listing = Listing(one for one in SCRATCH if any(mounts.is_under(path, one) for path in hidden))
    started = time.perf_counter()
    try:
        child = start(streams, supervisor.connection if supervisor else None)
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        # As where an engine cannot start a container: nothing has run.
        streams.follow()
        said = {"stdout": b"", "stderr": b"the script cannot be started: %s\n" % _E2BIG}
        nothing = streams.returned()
        return {"exit_code": 126, "seconds": 0.0, "seen": _NOTHING_SEEN, "returned": nothing}, said
    streams.follow()
    if supervisor is not None:
        supervisor.started()
    if watch is not None:
        watch.follow(child)
    code = _wait(child, job["timeout"])
    seconds = time.perf_counter() - started
    seen = None if watch is None else watch.finish()
    os.umask(0o022)
    _kill_leftovers(child.pid)
    outcome = {"exit_code": code, "seconds": seconds, "seen": seen, "listed": listing.finish()}
    if supervisor is not None:
        told = supervisor.finish()
        outcome["faults"] = told if job["fault"] else None
        outcome["observed"] = told if job.get("record") else None
    output = streams.finish()
    return dict(outcome, returned=streams.returned()), output


def _kill_leftovers(leader: int) -> None:
    """Kill the processes that the script has left running."""
    if os.getpid() != 1:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
        return
    # The first process of a process namespace: all others in it are the script's.
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _wait(child: Process, timeout: float) -> Optional[int]:
    """The exit code as a shell reports it; None after `timeout` seconds.

    An alarm ends the wait: the timeout of subprocess polls, and may be up to 50 ms late.
    """
    deadline = time.monotonic() + timeout
    timed_out: List[bool] = []

    def on_alarm(_number: int, _frame: Any) -> None:
        # The script may send this signal too.
        if time.monotonic() >= deadline:
            timed_out.append(True)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    code = child.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if timed_out:
        return None
    return 128 - code if code < 0 else code


def _read_learned() -> str:
    """What the script's process has written about its modules; "" if it has not."""
    try:
        # It may have made anything of the file.
        source = os.open(LEARNED, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(source, encoding="utf-8") as stream:
            return stream.read(_MAX_LEARNED)
    except (OSError, ValueError):
        return ""


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))
