"""Detects changes of files: a stamp of every path that a script may have changed.

Runs on Python 3.8 and newer with the standard library alone, in the scanned sandbox or container.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import stat
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

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


class _Image(NamedTuple):
    """The image below an overlay at the root, as long as nothing in it has been changed.

    An overlay changes nothing in a folder of its image before it has made that folder anew, with
    all that it is in: then their second times are no longer earlier than `since`, in ns. `folders`
    are those of the image with their stamps.
    """

    since: int
    folders: Mapping[str, Stamp]

    @classmethod
    def at_root(cls, since: int) -> Optional["_Image"]:
        """The image of the container whose own changes begin at `since`; None without an overlay.

        Other file systems change a file in place, which its folder does not show.
        """
        if mounts.root_type() != "overlay":
            return None
        device = os.lstat("/").st_dev
        folders: Dict[str, Stamp] = {}
        pending = ["/"]
        while pending:
            with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
                for one in entries:
                    if not one.is_dir(follow_symlinks=False):
                        continue
                    status = one.stat(follow_symlinks=False)
                    if status.st_dev != device:
                        continue
                    pending.append(one.path)
                    if status.st_ctime_ns < since:
                        folders[one.path] = stamp_of(status)
        return cls(since, folders)

    def is_at(self, path: str, folder: str, status: os.stat_result) -> bool:
        """Whether what is at a path in a folder, with all that is in it, is still of the image."""
        place = path if stat.S_ISDIR(status.st_mode) else folder
        return status.st_ctime_ns < self.since and place in self.folders


class Scan:
    """Looks for what a script changes: in the upper folder of `layer`, and in the mounts on it.

    It does not look in the folders `hidden`. Without a layer it looks in the whole file system, but
    for what an overlay shows to be of the image: what it had before `begin`, a second time in ns.
    """

    def __init__(self, hidden: Sequence[str], layer: Optional[Layer], begin: int) -> None:
        """Remember how everything is now, before the script."""
        self._skipped = {*_KERNEL_FOLDERS, *hidden}
        self._layer = layer
        self._image = None if layer is not None else _Image.at_root(begin)
        self._before: Dict[str, Stamp] = dict(self._image.folders) if self._image else {}
        self._before.update(self._stamps(None))

    def stamps(self) -> Dict[str, Stamp]:
        """Every path with its stamp now, but for the most that is as in the image.

        Raises `TooMuch`.
        """
        return self._stamps(len(self._before) + MAX_ADDED)

    def is_as_before(self, path: str, stamp: Stamp) -> bool:
        """Whether a path had this stamp before, or is a copy of what the lower root has there."""
        return self._before.get(path) == stamp or self._is_as_in_lower_root(path, stamp)

    def _stamps(self, limit: Optional[int]) -> Dict[str, Stamp]:
        found: Dict[str, Stamp] = {}
        mounted = self._mounted() if self._layer or self._image else []
        base = "" if self._layer is None else self._layer.upper
        _walk(found, base, "/", {*self._skipped, *mounted}, limit, self._image)
        for folder in mounted:
            # It may have been unmounted since.
            with contextlib.suppress(FileNotFoundError):
                found[folder] = stamp_of(os.lstat(folder))
            _walk(found, "", folder, self._skipped, limit, self._image)
        return found

    def _mounted(self) -> List[str]:
        """The mount points, which a walk may not come to; a script may have renamed those above."""
        skipped = tuple(f"{one}/" for one in self._skipped)
        points = sorted(mounts.mount_points() - {"/"})
        return [one for one in points if not f"{one}/".startswith(skipped)]

    def _is_as_in_lower_root(self, path: str, stamp: Stamp) -> bool:
        if self._layer is None:
            return False
        try:
            lower = stamp_of(os.lstat(self._layer.lower + path))
            # A file that was opened for writing is a copy, whose last part is the time of that.
            return lower[:-1] == stamp[:-1] and (
                not stat.S_ISREG(stamp[0])
                or filecmp.cmp(self._layer.lower + path, path, shallow=False)
            )
        except OSError:
            return False


def _walk(
    found: Dict[str, Stamp],
    base: str,
    top: str,
    skipped: Set[str],
    limit: Optional[int],
    image: Optional[_Image],
) -> None:
    """Add every path below `top` with its stamp; the files are those below `base + top`.

    Of what is skipped, the path itself is added: it may have been replaced. What is as in the image
    is left out. Raises `TooMuch`.
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
            if image is not None and image.is_at(path, folder, status):
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
