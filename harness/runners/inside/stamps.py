"""Detects changes of files: a stamp of every path that a script may have changed.

Runs on Python 3.8 and newer with the standard library alone, in the scanned sandbox or container.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import stat
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from harness.runners.inside import mounts

# Not scanned: the kernel's folders.
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev/pts", "/dev/mqueue")
# More than any case adds: then nothing is said about its tree.
MAX_ADDED = 300_000

Stamp = Tuple[int, ...]


class TooMuch(Exception):
    """A script has left more than can be looked at; the message says what."""


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

    def stamps(self, limit: Optional[int] = None) -> Dict[str, Stamp]:
        """Every scanned path with its stamp; raises `TooMuch` at more than `limit`."""
        skipped = {*_KERNEL_FOLDERS, *self.hidden}
        found: Dict[str, Stamp] = {}
        if self.layer is None:
            _walk(found, "", "/", skipped, limit)
            return found
        # Read the mount points now: a script may have renamed the folders above.
        mounted = [
            one
            for one in sorted(mounts.mount_points() - {"/"})
            if not any(mounts.is_under(one, other) for other in skipped)
        ]
        _walk(found, self.layer.upper, "/", {*skipped, *mounted}, limit)
        for folder in mounted:
            # It may have been unmounted since.
            with contextlib.suppress(FileNotFoundError):
                found[folder] = stamp_of(os.lstat(folder))
            _walk(found, "", folder, skipped, limit)
        return found

    def is_as_in_image(self, path: str, stamp: Stamp) -> bool:
        """Whether a path is in the lower root too, with this stamp and the same content."""
        if self.layer is None:
            return False
        try:
            lower = stamp_of(os.lstat(self.layer.lower + path))
            # A file that was opened for writing is a copy, whose last part is the time of that.
            return lower[:-1] == stamp[:-1] and (
                not stat.S_ISREG(stamp[0])
                or filecmp.cmp(self.layer.lower + path, path, shallow=False)
            )
        except OSError:
            return False


def _walk(
    found: Dict[str, Stamp], base: str, top: str, skipped: Set[str], limit: Optional[int]
) -> None:
    """Add every path below `top` with its stamp; the files are those below `base + top`.

    Of what is skipped, the path itself is added: it may have been replaced. Raises `TooMuch`.
    """
    pending: List[str] = [top]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(base + folder), key=lambda one: one.name)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise TooMuch("folders so deep that their path is too long") from None
            continue
        for one in entries:
            path = os.path.join(folder, one.name)
            try:
                status = one.stat(follow_symlinks=False)
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    raise TooMuch("folders so deep that their path is too long") from None
                continue
            if base and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                # A whiteout: overlayfs marks a removed path this way.
                continue
            if path in skipped:
                if not stat.S_ISDIR(status.st_mode):
                    found[path] = stamp_of(status)
                continue
            found[path] = stamp_of(status)
            if limit is not None and len(found) > limit:
                raise TooMuch("more than %d files and folders" % MAX_ADDED)
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)


def stamp_of(status: os.stat_result) -> Stamp:
    """Mode, owner, group, size, and two times: of the content, and of any change of a file.

    Nobody can set back the second. The size of a folder depends on its file system, its second time
    on that of a layer below, and the times of a device on its use: 0.
    """
    is_folder = stat.S_ISDIR(status.st_mode)
    size = 0 if is_folder else status.st_size
    times = status.st_mtime_ns, 0 if is_folder else status.st_ctime_ns
    if stat.S_ISCHR(status.st_mode):
        times = 0, 0
    return (status.st_mode, status.st_uid, status.st_gid, size, *times)
