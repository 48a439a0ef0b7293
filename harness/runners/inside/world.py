"""An isolated environment for one case: its namespaces, its devices and mounts.

Runs on Python 3.8 and newer with the standard library alone, as a user that may mount, on the host
(for a sandbox) and in containers.
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
# Flags for mounts without programs.
MS_RESTRICTED = MS_NOSUID | MS_NODEV | MS_NOEXEC

# Device name → major and minor number, which Linux fixes.
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
# Mounts in /dev: name, file system type, flags, options.
_DEVICE_FOLDERS = (
    ("shm", "tmpfs", MS_RESTRICTED, "mode=1777,size=64m"),
    ("pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"),
    ("mqueue", "mqueue", MS_RESTRICTED, ""),
)
# Settings of the kernel, which all its processes share.
_KERNEL_SETTINGS = tuple(
    "/proc/" + name
    for name in (
        *("acpi", "bus", "dynamic_debug", "fs", "irq", "mtrr", "scsi", "sys"),
        "sysrq-trigger",
    )
)


def enter_namespaces(unshare: Callable[[], None]) -> None:
    """Return in the first process of new namespaces.

    Called in a forked process, which waits for that first process and exits with its code.
    `unshare` creates the namespaces, a process namespace among them. When the parent of the forked
    process ends, all processes in the namespaces are killed.
    """
    parent = os.getppid()
    _prepare_first()
    unshare()
    _die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        os._exit(code)
    _die_with_parent()


def fork_first() -> int:
    """Fork the first process of a new process namespace; as `os.fork`, 0 in that process.

    It calls `enter_as_first`. There is no process in between, as with `enter_namespaces`,
    whose fork takes its time where the parent has much memory. Raises `OSError`.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    child = None
    try:
        mounts.call_libc("unshare", NEW_PROCESSES)
        child = os.fork()
    finally:
        if child != 0:
            # Otherwise no process could be forked any more after the first one has ended.
            mounts.call_libc("setns", own, NEW_PROCESSES)
        os.close(own)
    return child


def enter_as_first(namespaces: int) -> None:
    """Enter new namespaces; those of processes are there already. It ends with its parent."""
    _prepare_first()
    mounts.call_libc("unshare", namespaces & ~NEW_PROCESSES)
    _die_with_parent()


def _prepare_first() -> None:
    # A garbage collection would copy the memory pages shared with the parent.
    gc.disable()
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _die_with_parent() -> None:
    mounts.call_libc("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def make_devices(root: str, other: str) -> None:
    """Create `/dev` below the root folder `root`.

    Where device nodes cannot be created, those below the root folder `other` are bind-mounted.
    """
    mounts.mount("tmpfs", root + "/dev", "tmpfs", MS_NOSUID, "mode=755")
    for name, numbers in _DEVICES.items():
        path = root + "/dev/" + name
        try:
            os.mknod(path, stat.S_IFCHR, os.makedev(*numbers))
            os.chmod(path, 0o666)
        except PermissionError:
            # A read-only device can be used, but its mode cannot be changed.
            open(path, "wb").close()
            mounts.bind(other + "/dev/" + name, path)
            mounts.remount_one_read_only(path)
    for path, target in _DEVICE_LINKS.items():
        os.symlink(target, root + path)
    for name, kind, flags, options in _DEVICE_FOLDERS:
        os.mkdir(root + "/dev/" + name)
        # Not every kernel has all of them, and not every user may mount them.
        with contextlib.suppress(OSError):
            mounts.mount(kind, root + "/dev/" + name, kind, flags, options)


def mount_tmpfs_folders(folders: Iterable[Sequence[str]]) -> None:
    """Mount a tmpfs at each folder, given as (path, options)."""
    # Parents first: one may contain another.
    for path, options in sorted(folders, key=lambda one: one[0]):
        os.makedirs(path, exist_ok=True)
        mounts.mount("tmpfs", path, "tmpfs", MS_RESTRICTED, options)


def kernel_settings() -> List[str]:
    """The existing paths of kernel settings, which no script may change."""
    return [path for path in _KERNEL_SETTINGS if os.path.exists(path)]
