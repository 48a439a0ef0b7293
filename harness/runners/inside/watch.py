"""Watches what a script does to the file system, and sends it a signal at a moment of its work.

The parent of the script sees the effects through inotify. Nothing is added to the script's process:
it is as fast as without. At the chosen effect the script is stopped, so that what it does is known
when the signal is sent, and continued. Without inotify only shares of time can be used.

A script that is at its end before its effects are seen is watched step by step: each operation on a
file waits until all effects before it are known.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import threading
import time
from typing import Any, Dict, Iterable, Iterator, List, Optional, Protocol, Tuple

from harness.runners.inside import mounts
from harness.runners.inside.moments import CLOSED, CREATED, MOVED, REMOVED, WRITTEN, is_done

_EFFECTS = {0x2: WRITTEN, 0x8: CLOSED, 0x80: MOVED, 0x100: CREATED, 0x200: REMOVED}
_OPENED, _IS_FOLDER, _ONLY_FOLDERS = 0x20, 0x40000000, 0x01000000
_MASK = sum(_EFFECTS) | _OPENED | _ONLY_FOLDERS
_READ, _LOST = 0x1, 0x4000
_HEAD = struct.Struct("iIII")
_BUFFER = 1 << 16
_CLD_STOPPED = 5
# Operations before which nothing is interrupted: what they create would be left behind.
_CREATIONS = ("create", "mkdir", "link")
_POLL_SECONDS = 0.005
# After a creation the script may be about to handle what interrupts it, for this long.
_SETTLED_SECONDS = 0.05
# How far the script is put back behind the process that watches it.
_NICENESS = 5
# Where scripts put temporary files, in addition to the folders of the tree.
SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")


class Process(Protocol):
    """The process of a script, as of `subprocess.Popen`."""

    pid: int
    returncode: Any

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        ...


class Watch:
    """Watches one script from before its start until its end.

    `plan` is the moment: its keys are `signal`; `unhandled`, what the signal means to a script that
    does not handle it, "ends", "ignored" or "kills"; `rehearsed`, `began` and `handles`, what was
    seen in a rehearsal; and `effect`, the index of an effect, or `seconds` after the start of the
    script. `stepped` is the name of the operations before which the signal may come, "" for all but
    creations; the script is then watched step by step. A plan without `signal` only watches.
    """

    def __init__(self, script: str, folders: Iterable[str], plan: Dict[str, Any]) -> None:
        """Watch these folders, and the script's own."""
        self._plan = plan
        self._script = script
        self._script_watch: Optional[int] = None
        self._folders: Dict[int, str] = {}
        self._effects = ""
        self._began: Optional[float] = None
        self._changed = 0.0
        self._handles = self._ignored = self._held = False
        self._sent_after: Optional[int] = None
        self._followed, self._ended = threading.Event(), threading.Event()
        self.is_stepped = "stepped" in plan
        self.folders: List[str] = [os.path.dirname(script), *SCRATCH, *folders]
        self._fd = self._start_watching(self.folders)

    def follow(self, child: Process) -> None:
        """Follow a script that has just started, in a thread."""
        self._child = child
        _put_before(child.pid)
        self._started = time.perf_counter()
        self._followed.set()
        run = self._ended.wait if self.is_stepped else self._run
        self._thread = threading.Thread(target=run, daemon=True)
        # The alarm that ends a script which hangs is for this thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    def look(self, operation: str) -> bool:
        """Send the signal if its moment has come, before an operation that waits for this answer.

        Whether the script was killed, and the operation must not come.
        """
        self._followed.wait()
        if self._fd is None or self._sent_after is not None:
            return False
        self._read()
        if "signal" not in self._plan:
            self._handles = self._handles or self._has_set_up()
            return False
        wanted = self._plan["stepped"]
        fits = operation == wanted if wanted else operation not in _CREATIONS
        if not (fits and self._is_due()) or self._has_just_created():
            return False
        if is_done(self._effects, self._plan["rehearsed"]):
            return False
        self._sent_after = len(self._effects)
        return self._deliver(self._child.pid) == signal.SIGKILL

    def finish(self) -> Dict[str, Any]:
        """What was seen, after the end of the script, as JSON values.

        `effects` are those of `moments`, `sent_after` their number when the signal was sent (None
        if it was not), `seconds` the time from the start of the script. `began` is whether that
        was seen; else it is the start of the interpreter. `handles` is whether the script came to
        handle, ignore or block SIGTERM, `ignored` and `held` whether it ignored or blocked that
        when it was sent.
        """
        ended = time.perf_counter()
        self._ended.set()
        self._thread.join()
        if self._fd is not None:
            self._read()
            os.close(self._fd)
        return {
            "effects": self._effects,
            "sent_after": self._sent_after,
            "seconds": ended - (self._began or self._started),
            "began": self._began is not None,
            "handles": self._handles,
            "ignored": self._ignored,
            "held": self._held,
        }

    def _start_watching(self, folders: Iterable[str]) -> Optional[int]:
        """The descriptor of inotify; None where there is none, or none is left."""
        fd = _open_inotify()
        if fd is not None:
            for folder in dict.fromkeys(folders):
                self._add_watch(fd, folder)
        return fd

    def _add_watch(self, fd: int, folder: str) -> None:
        number = int(mounts.libc().inotify_add_watch(fd, os.fsencode(folder), _MASK))
        if number >= 0:
            self._folders[number] = folder

    def _run(self) -> None:
        """Read effects, and send the signal at its moment."""
        poll = select.poll()
        if self._fd is not None:
            poll.register(self._fd, select.POLLIN)
        while not self._ended.is_set():
            if poll.poll(_POLL_SECONDS * 1000):
                self._read()
            if "signal" not in self._plan and not self._handles:
                self._handles = self._has_set_up()
            if "signal" in self._plan and self._sent_after is None and self._is_due():
                self._send()

    def _read(self) -> None:
        """Record the effects since the last call."""
        assert self._fd is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                for watch, mask, name in _events(os.read(self._fd, _BUFFER)):
                    self._record(watch, mask, name)

    def _record(self, watch: int, mask: int, name: bytes) -> None:
        path = os.path.join(self._folders.get(watch, ""), os.fsdecode(name))
        if mask & _OPENED:
            if path == self._script and self._began is None:
                self._began = time.perf_counter()
            return
        self._effects += _EFFECTS.get(mask & ~_IS_FOLDER, "")
        self._changed = time.perf_counter()
        if mask & _IS_FOLDER and mask & ~_IS_FOLDER in (0x80, 0x100):
            assert self._fd is not None
            self._add_watch(self._fd, path)

    def _is_due(self) -> bool:
        """Whether the moment has come, unless the script has not yet set up what it will handle."""
        if "effect" in self._plan:
            return len(self._effects) > int(self._plan["effect"])
        began = self._began if self._plan["began"] else self._started
        if began is None or time.perf_counter() - began < self._plan["seconds"]:
            return False
        is_sigterm: bool = self._plan["signal"] == signal.SIGTERM
        return not is_sigterm or not self._plan["handles"] or self._has_set_up()

    def _has_set_up(self) -> bool:
        """Whether the script does something else on SIGTERM than to end."""
        return any(map(self._mask, ("SigCgt", "SigIgn", "SigBlk")))

    def _mask(self, name: str) -> bool:
        """Whether SIGTERM is in a signal mask of the script."""
        try:
            with open("/proc/%d/status" % self._child.pid) as stream:
                lines = [line.split() for line in stream if line.startswith(name)]
            return bool(lines and int(lines[0][1], 16) >> (signal.SIGTERM - 1) & 1)
        except (OSError, ValueError):
            return False

    def _send(self) -> None:
        """Send the signal to the stopped script, unless that must be later or is too late."""
        if not self._stop():
            return
        pid = self._child.pid
        # The script may be gone, by a signal of its own.
        with contextlib.suppress(ProcessLookupError):
            if self._fd is not None:
                self._read()
            if is_done(self._effects, self._plan["rehearsed"]):
                self._plan = {}
            elif not self._has_just_created():
                self._deliver(pid)
                self._sent_after = len(self._effects)
            os.kill(pid, signal.SIGCONT)

    def _deliver(self, pid: int) -> int:
        """Send the signal, or what it means to this script; the number that was sent."""
        number, unhandled = self._plan["signal"], self._plan["unhandled"]
        self._ignored, self._held = self._mask("SigIgn"), self._mask("SigBlk")
        if unhandled != "ends" and not self._has_set_up():
            self._ignored = unhandled == "ignored"
            number = 0 if self._ignored else signal.SIGKILL
        os.kill(pid, number)
        return int(number)

    def _has_just_created(self) -> bool:
        recent = time.perf_counter() - self._changed < _SETTLED_SECONDS
        return recent and self._effects.endswith(CREATED)

    def _stop(self) -> bool:
        """Stop the script, and wait until it has stopped; whether it is still there."""
        try:
            if self._child.returncode is not None:
                return False
            os.kill(self._child.pid, signal.SIGSTOP)
            options = os.WSTOPPED | os.WEXITED | os.WNOWAIT
            state: Any = os.waitid(os.P_PID, self._child.pid, options)
        except (ProcessLookupError, ChildProcessError):
            return False
        return bool(state is not None and state.si_code == _CLD_STOPPED)


class Listing:
    """Sees whether anybody lists one of some folders."""

    def __init__(self, folders: Iterable[str]) -> None:
        """Begin now; without any folders nothing is done."""
        self._folders: Dict[int, str] = {}
        self._fd: Optional[int] = None
        for folder in folders:
            self._fd = _open_inotify() if self._fd is None else self._fd
            if self._fd is not None:
                mask = _READ | _ONLY_FOLDERS
                number = mounts.libc().inotify_add_watch(self._fd, os.fsencode(folder), mask)
                self._folders[int(number)] = folder

    def finish(self) -> str:
        """One of the folders that have been listed, or may have been; "" for none."""
        if self._fd is None:
            return ""
        listed = ""
        with contextlib.suppress(BlockingIOError):
            while True:
                for watch, mask, name in _events(os.read(self._fd, _BUFFER)):
                    if mask & _LOST:
                        listed = next(iter(self._folders.values()))
                    elif mask & _IS_FOLDER and not name:
                        listed = self._folders.get(watch, listed)
        os.close(self._fd)
        return listed


def _open_inotify() -> Optional[int]:
    """A descriptor of inotify; None where there is none, or none is left."""
    try:
        fd = int(mounts.libc().inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    except (ImportError, OSError, AttributeError):
        return None
    return None if fd < 0 else fd


def _events(data: bytes) -> Iterator[Tuple[int, int, bytes]]:
    """Events in what was read from inotify: number of the watch, mask, and name in the folder."""
    offset = 0
    while offset < len(data):
        watch, mask, _, size = _HEAD.unpack_from(data, offset)
        offset += _HEAD.size
        yield watch, mask, data[offset : offset + size].rstrip(b"\0")
        offset += size


def _put_before(script: int) -> None:
    """Let the watching process go before the script, on one processor, as far as that is allowed.

    On a busy machine the script would otherwise be at its end before its effects are seen.
    """
    with contextlib.suppress(OSError):
        processors = sorted(os.sched_getaffinity(0))
        one = {processors[script % len(processors)]}
        os.sched_setaffinity(0, one)
        os.sched_setaffinity(script, one)
        os.setpriority(os.PRIO_PROCESS, script, _NICENESS)
