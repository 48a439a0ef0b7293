"""Detects changes of files: a stamp of every path that a script may have changed.

Runs on Python 3.8 and newer with the standard library alone, in the scanned sandbox or container.
"""

from __future__ import annotations

import os
import stat
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from harness.runners.inside import mounts

# Not scanned: the kernel's folders, and the programs of the image.
_SYSTEM_FOLDERS = (
    *("/proc", "/sys", "/dev", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot"),
)
_EXTRA_FOLDERS = ("/dev/shm",)

Stamp = Tuple[int, ...]


class Layer(NamedTuple):
    """An overlay root file system: the folder that receives its changes, and the lower root."""

    upper: str
    lower: str


class Scan(NamedTuple):
    """What to scan: the upper folder of `layer`, and the mounts on it; not the folders `hidden`.

    Without a layer the whole file system is scanned, which is slow in a large image.
    """

    hidden: Sequence[str] = ()
    layer: Optional[Layer] = None

    def stamps(self) -> Dict[str, Stamp]:
        """Every scanned path with its stamp, parents first."""
        skipped = {*_SYSTEM_FOLDERS, *self.hidden}
        if self.layer is None:
            found = dict(_walk("", "/", skipped))
        else:
            # Read the mount points now: a script may have renamed the folders above.
            mounted = [
                one
                for one in sorted(mounts.mount_points() - {"/"})
                if not any(mounts.is_under(one, other) for other in skipped)
            ]
            found = dict(_walk(self.layer.upper, "/", {*skipped, *mounted}))
            for folder in mounted:
                found[folder] = stamp_of(os.lstat(folder))
                found.update(_walk("", folder, skipped))
        for folder in _EXTRA_FOLDERS:
            found.update(_walk("", folder, skipped))
        return found

    def lower_stamp(self, path: str) -> Optional[Stamp]:
        """The stamp of a path in the lower root; None if there is no layer or no such path."""
        if self.layer is None:
            return None
        try:
            return stamp_of(os.lstat(self.layer.lower + path))
        except OSError:
            return None


def _walk(base: str, top: str, skipped: Set[str]) -> Iterator[Tuple[str, Stamp]]:
    """Every path below the folder `top` with its stamp; the files are those below `base + top`."""
    pending: List[str] = [top]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(base + folder), key=lambda one: one.name)
        except OSError:
            continue
        for one in entries:
            path = os.path.join(folder, one.name)
            if path in skipped:
                continue
            try:
                status = one.stat(follow_symlinks=False)
            except OSError:
                continue
            if base and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                # A whiteout: overlayfs marks a removed path this way.
                continue
            yield path, stamp_of(status)
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)


def stamp_of(status: os.stat_result) -> Stamp:
    """Mode, owner, group, size and time; the size of a folder depends on its file system: 0."""
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return status.st_mode, status.st_uid, status.st_gid, size, status.st_mtime_ns
