"""A world inside another one: namespaces of its own, and the devices and settings in it.

Runs on Python 3.8 and newer with the standard library alone, as somebody who may mount: in a
sandbox, and in containers.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import stat
from typing import Callable, Iterable, List, Sequence

from harness.runners.inside import mounts
from harness.runners.inside.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USERS = 0x10000000
NEW_PROCESSES = 0x20000000
NEW_NETWORK = 0x40000000
ALL_NAMESPACES = NEW_MOUNTS | NEW_HOSTNAME | NEW_IPC | NEW_PROCESSES | NEW_NETWORK
_PR_SET_PDEATHSIG = 1
# How something is mounted in which no program lies.
QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC

# Their numbers are Linux's, everywhere.
_DEVICES = {
    **{"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)},
    "tty": (5, 0),
}
_DEVICE_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/ptmx": "pts/ptmx",
}
# Folders in /dev that are file systems of their own: name, type, flags, options.
_DEVICE_FOLDERS = (
    ("shm", "tmpfs", QUIET, "mode=1777,size=64m"),
    ("pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"),
    ("mqueue", "mqueue", QUIET, ""),
)
# Settings of the kernel, which belong to all.
_SETTINGS = tuple(
    "/proc/" + name
    for name in (
        *("acpi", "bus", "dynamic_debug", "fs", "irq", "mtrr", "scsi", "sys"),
        "sysrq-trigger",
    )
)


def enter(unshare: Callable[[], None]) -> None:
    """Become the first process of a world of its own; what called waits, and ends as it ends.

    Called in a forked process. `unshare` makes the namespaces, one of processes among them. When
    whoever forked ends, everything in that world ends with it.
    """
    # Collecting garbage would touch, and so copy, all that the parent has.
    gc.disable()
    parent = os.getppid()
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    unshare()
    _end_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        os._exit(code)
    _end_with_parent()


def _end_with_parent() -> None:
    mounts.call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def make_devices(root: str, other: str) -> None:
    """Make the folder /dev of the world whose root is `root`.

    Where nodes cannot be made, those of the world whose root is `other` are shown.
    """
    mounts.mount("tmpfs", root + "/dev", "tmpfs", MS_NOSUID, "mode=755")
    for name, numbers in _DEVICES.items():
        path = root + "/dev/" + name
        try:
            os.mknod(path, stat.S_IFCHR, os.makedev(*numbers))
            os.chmod(path, 0o666)
        except PermissionError:
            # Read-only, they can be used and not changed.
            open(path, "wb").close()
            mounts.bind(other + "/dev/" + name, path)
            mounts.forbid_writing([path])
    for path, target in _DEVICE_LINKS.items():
        os.symlink(target, root + path)
    for name, kind, flags, options in _DEVICE_FOLDERS:
        os.mkdir(root + "/dev/" + name)
        # Not every kernel has all, and not everybody may have them.
        with contextlib.suppress(OSError):
            mounts.mount(kind, root + "/dev/" + name, kind, flags, options)


def mount_folders(folders: Iterable[Sequence[str]]) -> None:
    """Make folders that are file systems of their own, in memory: path and options of each."""
    # One may lie in another.
    for path, options in sorted(folders, key=lambda one: one[0]):
        os.makedirs(path, exist_ok=True)
        mounts.mount("tmpfs", path, "tmpfs", QUIET, options)


def settings() -> List[str]:
    """The files and folders of the kernel's settings, which nobody may change."""
    return [path for path in _SETTINGS if os.path.exists(path)]
