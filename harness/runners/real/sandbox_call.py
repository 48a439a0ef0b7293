"""Calls a function of the harness with the rights of a sandbox.

For files of users that are executed to know what they hold.

The function runs in a forked process, in new namespaces, whose root file system has the programs of
this machine, what Python imports from, and the folders that are named, all read-only. Where no
namespaces can be made, the kernel refuses the process to change files, to start programs and to
reach a network. What comes back are bytes.
"""

from __future__ import annotations

import contextlib
import os
import posix
import resource
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import harness
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.inside import mounts, system_calls
from harness.runners.inside.identity import editable_source
from harness.runners.inside.root import SHARED
from harness.runners.inside.variables import forget_environment
from harness.runners.real import forked, sandbox_world
from harness.runners.real.sandbox import interpreter_of
from harness.runners.real.sandbox_world import CAPABILITIES, Interpreter, privileged

Work = Callable[[], bytes]
# What Python itself reads, where the process keeps the root of this machine.
_READABLE = ("/dev/null", "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo")
_ENVIRONMENT = {"PATH": os.defpath, "HOME": "/root", "LANG": "C.UTF-8"}
# What the process writes when nothing can leave it any more.
_READY = b"+"
_MOST_BYTES = 8_000_000


def call(work: Work, folders: Sequence[Path], seconds: float) -> bytes:
    """What `work` returns in a process of its own, which may read these folders.

    Raises `RunnerUnavailable` where such a process cannot be made, and `RunnerCannot` where it ends
    without an answer, as after `seconds`.
    """
    interpreter = interpreter_of(sys.executable)
    asked = [os.path.abspath(one) for one in folders]
    if "/" in asked:
        raise RunnerCannot("a sandbox cannot show all files", "move it into a folder")
    visible = Interpreter(
        interpreter.python,
        sandbox_world.unshared_folders((*interpreter.folders, *_imported_from(), *asked)),
    )
    # Load what it needs before the fork, as the file system may lack these files.
    sandbox_world.root_of(visible)
    mounts.libc()
    troubles = []
    for enclose in (_in_namespaces, _by_refusals):
        answer, trouble = forked.run(
            partial(_answer, work, partial(enclose, visible)), seconds, keeps_files=False
        )
        if answer:
            if trouble or answer == _READY:
                raise RunnerCannot(
                    f"it ends its process{trouble and f': {trouble}'}", "let it return"
                )
            return answer[len(_READY) :]
        troubles.append(trouble)
    raise RunnerUnavailable(
        f"no process can be made here that changes nothing: {'; '.join(troubles)}",
        "it needs root, or user namespaces, or a kernel with seccomp and Landlock",
    )


def _imported_from() -> list[str]:
    """The folders that Python imports from here, and those that it is led to from there."""
    found = [one for one in sys.path if one not in ("", "/") and os.path.isdir(one)]
    installed = [path for folder in found for path in Path(folder).glob("*.dist-info")]
    sources = [str(one) for one in map(editable_source, installed) if one is not None]
    own = os.path.dirname(harness.__file__)
    return [os.path.abspath(one) for one in (*found, *sources, own) if os.path.isdir(one)]


def _answer(work: Work, enclose: Callable[[], None], response: int) -> None:
    """Enclose this forked process, do the work, and write what it returns to `response`."""
    os.environ.clear()
    forget_environment()
    enclose()
    os.environ.update(_ENVIRONMENT)
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_BYTES, _MOST_BYTES))
    os.write(response, _READY)
    answer = work()
    while answer:
        answer = answer[os.write(response, answer) :]
    posix._exit(0)


def _in_namespaces(visible: Interpreter) -> None:
    """Enter new namespaces, with a root file system of their own."""
    folder = os.getcwd()
    sandbox_world.enter(privileged())
    sandbox_world.root_of(visible).build(())
    # Paths may be relative to it, whether its own files are there or not.
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    mounts.limit_capabilities(CAPABILITIES)
    mounts.drop_capabilities()
    system_calls.refuse(system_calls.of_container())


def _by_refusals(visible: Interpreter) -> None:
    """Have the kernel refuse what a sandbox does not have; raises `OSError` where it cannot."""
    # Without a terminal, whose input it could write.
    os.setsid()
    with contextlib.suppress(OSError):
        mounts.limit_capabilities(CAPABILITIES)
        mounts.drop_capabilities()
    readable = (*SHARED, *visible.folders, *sandbox_world.ETC_FILES, *_READABLE)
    if not system_calls.hide_files([one for one in readable if os.access(one, os.R_OK)]):
        raise OSError("the kernel cannot hide files: it lacks Landlock")
    if not system_calls.refuse(system_calls.of_reader(os.getpid())):
        raise OSError("the kernel cannot refuse system calls: it lacks seccomp")
