"""The sandbox runner: the script in a real process, in a Linux mount namespace of its own.

For steps that use subprocesses or extensions in C, where there is no Docker engine. The tree lies
at the real `/opt/ml`, in a file system in memory; the interpreter and the programs of this machine
are there too, read-only. The interpreter is the one that runs the harness, or the one that
HARNESS_PYTHON names.

Root needs nothing more. For anybody else root is a name in a user namespace, where this one user is
all there are: files have no other owner, and a case's own user may do what that owner may.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import IO

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable, WrongUse
from harness.runners.inside import identity, mounts
from harness.runners.real import exchange, sandbox_world
from harness.runners.real.sandbox_world import Interpreter
from harness.worlds.tree import Tree

# What making and taking down a world may take beside the script itself, in seconds.
_GRACE = 60.0
_MAY_MOUNT = 21
_PREFIXES = ("prefix", "base_prefix", "exec_prefix", "base_exec_prefix")
# Where a system says that it does not let users have namespaces: file → what to do about it.
_SWITCHES = {
    "/proc/sys/user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=10000"),
    "/proc/sys/kernel/unprivileged_userns_clone": (
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}


@dataclass(frozen=True)
class SandboxRunner:
    """Runs cases in sandboxes, with the interpreter `python`."""

    python: str = sys.executable
    name: str = "sandbox"

    def prepare(self) -> None:
        """Make a world, to see whether this system lets us."""
        if not sys.platform.startswith("linux"):
            raise RunnerUnavailable(
                f"the sandbox runner needs Linux; this is {sys.platform}", "use --runner container"
            )
        script = "/opt/ml/code/nothing.py"
        nothing = Case(id="", tree=Tree().with_file(script, b""), script=script, cwd="/")
        try:
            self.run(nothing)
        except RunnerCannot as error:
            reason = error.what.partition(": ")[2]
            raise RunnerUnavailable(f"no sandbox can be made here: {reason}", _advice()) from None

    def run(self, case: Case) -> Outcome:
        """Run one case in a sandbox of its own; raises `RunnerCannot`."""
        interpreter = _interpreter(self.python)
        if path := sandbox_world.in_the_way(case, interpreter.folders):
            raise RunnerCannot(
                f"case {case.id!r} has {path}, where the interpreter {interpreter.python} lives",
                "name another interpreter with HARNESS_PYTHON, or use --runner container",
            )
        return exchange.run(case, partial(_in_sandbox, case, interpreter))

    def identity(self) -> object:
        """The interpreter, and when something in the folders of this machine was installed."""
        there = json.loads(_answer(self.python, "-I", str(identity.__file__)))
        return self.name, self.python, there, _privileged(), _installed()

    def here(self) -> SandboxRunner:
        """The same everywhere."""
        return self

    def close(self) -> None:
        """Nothing is left behind."""


def _in_sandbox(case: Case, interpreter: Interpreter, interrupt: str | None) -> exchange.Answer:
    # Inside, the files of this package are out of reach.
    task = exchange.Task.of(case, interrupt)
    sandbox_world.etc_files()
    mounts.library()
    exchange.helpers()
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as trouble:
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            try:
                sandbox_world.run_case(task, interpreter, answer.fileno(), _privileged())
            except BaseException as error:
                told = "".join(traceback.format_exception_only(error))
                os.write(trouble.fileno(), told.encode("utf-8", "backslashreplace"))
            finally:
                os._exit(70)
        try:
            os.close(write_end)
            ended = _closed(read_end, case.timeout + _GRACE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            # Whatever was in the world has ended, too, when nobody holds this any more.
            _closed(read_end, _GRACE)
            os.close(read_end)
        data = _all(answer)
        if status or not data:
            reason = _all(trouble).decode() if ended else "it does not end"
            raise RunnerCannot(
                f"the sandbox of case {case.id!r} failed: {reason.strip() or f'status {status}'}",
                "run it again; if it fails every time, use --runner container",
            )
        return exchange.Answer.from_tar(data)


def _closed(read_end: int, seconds: float) -> bool:
    """Whether the other end of a pipe is closed by everybody before the time is over."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            return True
    return False


def _all(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


def _privileged() -> bool:
    """Whether this is root with the right to mount."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (effective,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
    return os.geteuid() == 0 and bool(int(effective, 16) >> _MAY_MOUNT & 1)


def _installed() -> list[tuple[str, int]]:
    """When each shared folder that programs and libraries lie in last got or lost one."""
    parts = ("", "bin", "sbin", "lib", "local/bin", "local/lib")
    found = (Path(shared, part) for shared in sandbox_world.SHARED for part in parts)
    return [(str(path), path.stat().st_mtime_ns) for path in found if path.is_dir()]


def _advice() -> str:
    for path, (off, command) in _SWITCHES.items():
        with contextlib.suppress(OSError):
            if Path(path).read_text().strip() == off and not _privileged():
                return f"as root: {command}; or use --runner container"
    return (
        "the harness needs root, or user namespaces; in a container, docker run --privileged; "
        "else use --runner container"
    )


@lru_cache(maxsize=4)
def _interpreter(python: str) -> Interpreter:
    """What a Python says of itself; raises `WrongUse` when it does not answer."""
    if python == sys.executable:
        return _describe_error(python, [getattr(sys, name) for name in _PREFIXES])
    ask = f"import json, sys; print(json.dumps([getattr(sys, n) for n in {_PREFIXES!r}]))"
    return _describe_error(python, json.loads(_answer(python, "-c", ask)))


def _answer(python: str, *arguments: str) -> bytes:
    """What a Python prints; raises `WrongUse` when it cannot be run."""
    try:
        return subprocess.run(
            [python, *arguments], capture_output=True, check=True, timeout=_GRACE
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise WrongUse(
            f"HARNESS_PYTHON names {python!r}, which cannot be run: {error}",
            "name the path of a python3, 3.8 or newer",
        ) from None


def _describe_error(python: str, prefixes: Sequence[str]) -> Interpreter:
    folders = sandbox_world.own_folders(prefixes)
    seen = (*folders, *sandbox_world.SHARED)
    if not any(python.startswith(f"{folder}/") for folder in seen):
        python = os.path.realpath(python)
    return Interpreter(python, folders)
