"""The root file system of a case in a container: an overlay in memory over that of the container.

Runs on Python 3.8 and newer with the standard library alone, in a new mount namespace of the
container, as a user that may mount there.
"""

from __future__ import annotations

import os
import stat
from typing import Dict, Iterable, List, NamedTuple, Optional

from harness.runners.inside import agent, mounts, world
from harness.runners.inside.mounts import MS_MOVE, MS_PRIVATE, MS_REC
from harness.runners.inside.stamps import Layer

# An existing folder, in which nothing is lost.
SCRATCH = "/dev/.world"
_UPPER, _WORK, _ROOT = (SCRATCH + name for name in ("/upper", "/work", "/root"))
NAMESPACES = world.NEW_MOUNTS | world.NEW_IPC | world.NEW_PROCESSES
# Every world has its own mounts there.
_WORLD_MOUNTS = ("/proc", "/sys", "/dev")


class _File(NamedTuple):
    """A file that the engine has mounted into the container."""

    data: bytes
    mode: int


def build(job: agent.Job, mounted: Optional[Iterable[str]] = None) -> Layer:
    """Mount an overlay in memory, make it the root, and drop capabilities.

    `mounted` are the `mount_points` of the container, if this namespace has others.
    """
    os.umask(0o022)
    mounts.mount("", "/", flags=MS_REC | MS_PRIVATE)
    engine_mounts = _engine_mounts(mount_points() if mounted is None else mounted)
    mounts.mount("tmpfs", SCRATCH, "tmpfs", options="mode=755")
    for folder in (_UPPER, _WORK, _ROOT):
        os.mkdir(folder)
    layers = "lowerdir=/,upperdir=" + _UPPER + ",workdir=" + _WORK
    mounts.mount("overlay", _ROOT, "overlay", options=layers)
    mounts.mount("proc", _ROOT + "/proc", "proc", world.MS_RESTRICTED)
    mounts.bind("/sys", _ROOT + "/sys")
    world.make_devices(_ROOT, "")
    # These descriptors are the only access to both folders after the change of the root.
    upper, lower = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (_UPPER, "/"))
    os.chdir(_ROOT)
    mounts.mount(".", "/", flags=MS_MOVE)
    os.chroot(".")
    os.chdir("/")
    for path, file in engine_mounts.items():
        if file is not None:
            with open(path, "wb") as stream:
                stream.write(file.data)
            os.chmod(path, file.mode)
        # As in the container, it is a mount: it can be neither renamed nor removed.
        mounts.bind(path, path)
    for path in world.kernel_settings():
        mounts.bind(path, path)
        mounts.remount_one_read_only(path)
    world.mount_tmpfs_folders(job["mounts"])
    mounts.limit_capabilities()
    return Layer("/proc/self/fd/%d" % upper, "/proc/self/fd/%d" % lower)


def mount_points() -> List[str]:
    """What the engine has mounted into the container, in this mount namespace."""
    return [
        path
        for path in sorted(mounts.mount_points() - {"/"})
        if not any(mounts.is_under(path, one) for one in _WORLD_MOUNTS)
    ]


def _engine_mounts(paths: Iterable[str]) -> Dict[str, Optional[_File]]:
    """The files that the engine has mounted into the container, like /etc/hosts; None for a volume.

    A volume starts with the content of the image at its path, which the overlay shows anyway.
    """
    found: Dict[str, Optional[_File]] = {}
    for path in paths:
        found[path] = None
        if os.path.isfile(path):
            with open(path, "rb") as stream:
                found[path] = _File(stream.read(), stat.S_IMODE(os.stat(path).st_mode))
    return found
