"""The tree of a case as files: extracted at the root from a tar, and archived again afterwards.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tarfile
from typing import Any, Dict, List, Mapping, Optional, Tuple

from harness.runners.inside import mounts, stamps
from harness.runners.inside.stamps import Stamp, TooMuch

# Of what a script leaves, in bytes: more than any case does.
MAX_SIZE = 1 << 30


class _TreeTar(tarfile.TarFile):
    """A tar that is extracted as far as the rights of this process allow."""

    devices: List[str]

    def chown(self, tarinfo: tarfile.TarInfo, targetpath: Any, numeric_owner: bool) -> None:
        """Set the owner of a file, unless the user namespace lacks that user."""
        with contextlib.suppress(OSError):
            os.lchown(targetpath, tarinfo.uid, tarinfo.gid)

    def makedev(self, tarinfo: tarfile.TarInfo, targetpath: Any) -> None:
        """Create a device node, or note that the null device is to be mounted there."""
        try:
            super().makedev(tarinfo, targetpath)
        except PermissionError:
            open(targetpath, "wb").close()
            self.devices.append(str(targetpath))


def extract(tree: bytes) -> Dict[str, tarfile.TarInfo]:
    """Extract the tar at the root; path → member."""
    with _TreeTar.open(fileobj=io.BytesIO(tree), mode="r:") as tar:
        assert isinstance(tar, _TreeTar)
        tar.devices = []
        # Newer Pythons refuse devices and special modes otherwise; older ones ignore this.
        tar.extraction_filter = lambda member, _path: member
        for member in tar:
            _remove_conflicting("/" + member.name, member)
        tar.extractall("/", numeric_owner=True)
        for path in tar.devices:
            mounts.bind("/dev/null", path)
        if tar.devices:
            mounts.remount_read_only(tar.devices)
        for member in tar:
            if member.issym():
                times = (member.mtime, member.mtime)
                os.utime("/" + member.name, times, follow_symlinks=False)
        return {"/" + member.name: member for member in tar}


def _remove_conflicting(path: str, member: tarfile.TarInfo) -> None:
    """Remove what exists at the path of a member, unless it can be overwritten.

    A symbolic link to a folder counts as a folder.
    """
    if not os.path.lexists(path) or (member.isdir() and os.path.isdir(path)):
        return
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    elif not (member.isreg() and stat.S_ISREG(mode)):
        os.unlink(path)


def stand_ins(
    sent: Mapping[str, tarfile.TarInfo],
) -> Dict[str, Tuple[Stamp, tarfile.TarInfo]]:
    """Path → stamp and member, where the extracted file has not the owner or mode of its member."""
    found = {}
    for path, member in sent.items():
        status = os.lstat(path)
        same = (status.st_uid, status.st_gid) == (member.uid, member.gid)
        if not member.issym():
            same = same and stat.S_IMODE(status.st_mode) == member.mode
        if not same:
            found[path] = stamps.stamp_of(status), member
    return found


def archive_member(
    path: str, stands_for: Optional[tarfile.TarInfo]
) -> Tuple[tarfile.TarInfo, bytes]:
    """The tar member for a path, and the bytes of a file."""
    status = os.lstat(path)
    if stands_for is not None and stands_for.isdir():
        status = os.stat(path)
    info, data = tarfile.TarInfo("tree" + path), b""
    info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    info.mtime = status.st_mtime
    if stands_for is not None:
        info.mode, info.uid, info.gid = stands_for.mode, stands_for.uid, stands_for.gid
        info.mtime = stands_for.mtime
    if stat.S_ISREG(status.st_mode):
        if status.st_size > MAX_SIZE:
            raise TooMuch("%s of %d bytes" % (path, status.st_size))
        with open(path, "rb") as stream:
            data = stream.read()
        info.size = len(data)
    elif stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.type = tarfile.CHRTYPE
    else:
        info.type = tarfile.FIFOTYPE
    return info, data


def is_unchanged(info: tarfile.TarInfo, data: bytes, sent: tarfile.TarInfo, tree: bytes) -> bool:
    """Whether content, owner, mode, time and kind equal those of the member `sent` of `tree`."""
    attributes = [
        (one.type, one.mode, one.uid, one.gid, one.mtime, one.linkname, one.size)
        for one in (info, sent)
    ]
    return (
        attributes[0] == attributes[1]
        and data == tree[sent.offset_data : sent.offset_data + sent.size]
    )
