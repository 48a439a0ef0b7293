"""The sandbox runner: the script runs in a process with its own Linux namespaces.

For steps that use subprocesses or C extensions, where there is no Docker engine. The tree is at
`/opt/ml` in a file system in memory; the interpreter and the programs of this machine are mounted
read-only. The interpreter is the one that runs the harness, or the one that HARNESS_PYTHON names.

Users other than root run in a user namespace that maps them to root. It has no other user: all
files have the same owner, and the user of a case has that owner's rights.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable, WrongUse
from harness.runners.inside import identity, mounts, root
from harness.runners.real import exchange, forked, interrupts, sandbox_world, warm
from harness.runners.real.sandbox_world import Interpreter, privileged
from harness.runners.real.warm import WarmProcess
from harness.runners.real.warm_sandbox import SandboxProcess
from harness.worlds.tree import Tree

# The time that a sandbox may take in addition to the script.
_GRACE_SECONDS = 60.0
_PREFIXES = ("prefix", "base_prefix", "exec_prefix", "base_exec_prefix")
# Settings that forbid user namespaces: file → the forbidding value, and the command to change it.
_KERNEL_SETTINGS = {
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
    """Runs cases in sandboxes, with the interpreter `python`.

    With `modules`, cases are forked from processes that have imported them; without, each starts
    an interpreter of its own. It tells what they look at if it `observes`.
    """

    python: str = sys.executable
    name: str = "sandbox"
    modules: tuple[str, ...] | None = None
    observes: bool = False

    def prepare(self) -> None:
        """Run an empty script in a sandbox; raises `RunnerUnavailable` if this fails."""
        if not sys.platform.startswith("linux"):
            raise RunnerUnavailable(
                f"the sandbox runner needs Linux; this is {sys.platform}", "use --runner container"
            )
        script = "/opt/ml/code/nothing.py"
        case = Case(id="", tree=Tree().with_file(script, b""), script=script, cwd="/")
        try:
            self.run(case)
        except RunnerCannot as error:
            reason = error.what.partition(": ")[2]
            raise RunnerUnavailable(f"no sandbox can be made here: {reason}", _advice()) from None

    def run(self, case: Case) -> Outcome:
        """Run one case in its own sandbox; raises `RunnerCannot`."""
        interpreter = interpreter_of(self.python)
        if path := sandbox_world.conflicting_path(case, interpreter.folders):
            raise RunnerCannot(
                f"case {case.id!r} has {path}, where the interpreter {interpreter.python} "
                "is installed",
                "name another interpreter with HARNESS_PYTHON, or use --runner container",
            )
        outcome = interrupts.run(case, partial(self._send, case, interpreter))
        return replace(outcome, unproven=outcome.unproven or _unproven(case))

    def identity(self) -> object:
        """The interpreter, and when programs were last installed in the shared folders."""
        description = json.loads(_python_output(self.python, "-I", str(identity.__file__)))
        is_warm = self.modules is not None
        return self.name, self.python, description, privileged(), _install_times(), is_warm

    def for_this_process(self) -> SandboxRunner:
        """The same in every process."""
        return self

    def start_warm(self, environment: Mapping[str, str]) -> WarmProcess:
        """A new warm process in a sandbox, without any modules; raises `WarmFailed`."""
        return SandboxProcess(interpreter_of(self.python), privileged(), environment)

    def with_modules(self, modules: tuple[str, ...]) -> SandboxRunner:
        """The same runner with these modules imported ahead."""
        return replace(self, modules=modules)

    def observing(self) -> SandboxRunner:
        """The same runner, which tells what its cases look at."""
        return replace(self, observes=True)

    def close(self) -> None:
        """End the warm processes; every case removes its own sandbox."""
        warm.close(self._pool)

    @property
    def _pool(self) -> SandboxRunner:
        """Whose warm processes are those of this runner, whether it observes or not."""
        return replace(self, observes=False)

    def _send(
        self, case: Case, interpreter: Interpreter, interrupt: dict[str, Any] | None
    ) -> exchange.Response:
        task = exchange.Task.of(case, interrupt, is_recorded=self.observes)
        response = None
        if self.modules is not None:
            response = warm.pool(self._pool, self.start_warm, self.modules).respond(case, task)
        return response or _in_sandbox(case, interpreter, task)


def _in_sandbox(case: Case, interpreter: Interpreter, task: exchange.Task) -> exchange.Response:
    # Load what the sandbox needs before the fork: its file system lacks these files.
    sandbox_world.root_of(interpreter)
    mounts.libc()
    exchange.helpers()
    data, trouble = forked.run(
        lambda response: sandbox_world.run_case(task, interpreter, response, privileged()),
        case.timeout + _GRACE_SECONDS,
    )
    if trouble:
        raise RunnerCannot(
            f"the sandbox of case {case.id!r} failed: {trouble}",
            "run it again; if it fails every time, use --runner container",
        )
    return exchange.Response.from_tar(data, case)


def _unproven(case: Case) -> str:
    """What a sandbox cannot make of a case, "" for nothing.

    The user namespace of an ordinary user has this one user: every file is the script's own.
    """
    if privileged() or not case.user:
        return ""
    return (
        "the sandbox of an ordinary user has no other user than that one; run it as root, or use "
        "--runner container"
    )


def _install_times() -> list[tuple[str, int]]:
    """The shared folders of programs and libraries, with their modification times in ns."""
    parts = ("", "bin", "sbin", "lib", "local/bin", "local/lib")
    found = (Path(shared, part) for shared in root.SHARED for part in parts)
    return [(str(path), path.stat().st_mtime_ns) for path in found if path.is_dir()]


def _advice() -> str:
    for path, (off, command) in _KERNEL_SETTINGS.items():
        with contextlib.suppress(OSError):
            if Path(path).read_text().strip() == off and not privileged():
                return f"as root: {command}; or use --runner container"
    return (
        "the harness needs root, or user namespaces; in a container, docker run --privileged; "
        "else use --runner container"
    )


@lru_cache(maxsize=4)
def interpreter_of(python: str) -> Interpreter:
    """The interpreter `python` and its folders; raises `WrongUse` if it cannot be run."""
    if python == sys.executable:
        return _interpreter_with(python, [getattr(sys, name) for name in _PREFIXES])
    # Its .pth files may lead elsewhere, as to a package that is being worked on.
    code = (
        "import json, os, sys; "
        f"print(json.dumps([getattr(sys, n) for n in {_PREFIXES!r}] + "
        "[one for one in sys.path if os.path.isdir(one)]))"
    )
    try:
        prefixes = json.loads(_python_output(python, "-I", "-c", code))
    except ValueError:
        raise WrongUse(
            f"HARNESS_PYTHON names {python!r}, which is no Python: it does not answer as one",
            "name the path of a python3, 3.8 or newer",
        ) from None
    return _interpreter_with(python, prefixes)


def _python_output(python: str, *arguments: str) -> bytes:
    """What a Python prints; raises `WrongUse` if it cannot be run."""
    try:
        return subprocess.run(
            [python, *arguments], capture_output=True, check=True, timeout=_GRACE_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise WrongUse(
            f"HARNESS_PYTHON names {python!r}, which cannot be run: {error}",
            "name the path of a python3, 3.8 or newer",
        ) from None


def _interpreter_with(python: str, prefixes: Sequence[str]) -> Interpreter:
    folders = sandbox_world.unshared_folders(prefixes)
    visible = (*folders, *root.SHARED)
    if not any(python.startswith(f"{folder}/") for folder in visible):
        python = os.path.realpath(python)
    return Interpreter(python, folders)
