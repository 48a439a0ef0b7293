"""What shows that something has changed: a stamp of every path that a script may have touched.

Runs on Python 3.8 and newer with the standard library alone, inside the world that is looked at.
"""

from __future__ import annotations

import os
import stat
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from harness.runners.inside import mounts

# Not looked at: the kernel's folders, and the programs of the image.
_SYSTEM = ("/proc", "/sys", "/dev", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot")
_ALSO = ("/dev/shm",)

Stamp = Tuple[int, ...]


class Layer(NamedTuple):
    """A world that is laid over another one: the folder that takes its changes, and the other."""

    over: str
    beneath: str


class Look(NamedTuple):
    """Where to look: not in the folders `hidden`; in a layer alone, and in what is mounted on it.

    Without a layer everything is looked at, which takes its time in a large image.
    """

    hidden: Sequence[str] = ()
    layer: Optional[Layer] = None

    def stamps(self) -> Dict[str, Stamp]:
        """Every path that is looked at, parents first, with its stamp."""
        passed_over = {*_SYSTEM, *self.hidden}
        if self.layer is None:
            found = dict(_below("", "/", passed_over))
        else:
            # A mount is where it is now: the folders above may have been renamed.
            mounted = [
                one
                for one in sorted(mounts.points() - {"/"})
                if not any(mounts.is_under(one, other) for other in passed_over)
            ]
            found = dict(_below(self.layer.over, "/", {*passed_over, *mounted}))
            for folder in mounted:
                found[folder] = of(os.lstat(folder))
                found.update(_below("", folder, passed_over))
        for folder in _ALSO:
            found.update(_below("", folder, passed_over))
        return found

    def beneath(self, path: str) -> Optional[Stamp]:
        """The stamp of a path in the world that this one is laid over; None if it is not there."""
        if self.layer is None:
            return None
        try:
            return of(os.lstat(self.layer.beneath + path))
        except OSError:
            return None


def _below(base: str, top: str, passed_over: Set[str]) -> Iterator[Tuple[str, Stamp]]:
    """What lies below the folder `top` of a tree that lies at `base`."""
    waiting: List[str] = [top]
    while waiting:
        folder = waiting.pop()
        try:
            inside = sorted(os.scandir(base + folder), key=lambda one: one.name)
        except OSError:
            continue
        for one in inside:
            path = os.path.join(folder, one.name)
            if path in passed_over:
                continue
            try:
                status = one.stat(follow_symlinks=False)
            except OSError:
                continue
            if base and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                # So a layer tells that something is gone.
                continue
            yield path, of(status)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)


def of(status: os.stat_result) -> Stamp:
    """What shows a change of something; a folder's size is its file system's affair."""
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return status.st_mode, status.st_uid, status.st_gid, size, status.st_mtime_ns
