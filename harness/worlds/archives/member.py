"""The members of archives, independent of the tar dialect."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Literal

from harness.worlds.tree import FIXED_MTIME

MemberKind = Literal[
    "file", "sparse", "directory", "symlink", "hardlink", "fifo", "character-device", "block-device"
]

# The block size of sparse files, in bytes; blocks of zeros are not stored.
SPARSE_BLOCK = 512


@dataclass(frozen=True)
class Member:
    """One member of an archive.

    `data` are all bytes of a file (a `sparse` one is stored without its blocks of zeros), `mode`
    holds the permission bits, `mtime` is in seconds since 1970, `target` is that of a link.
    `attributes` are the pax records of extended attributes, such as `SCHILY.xattr.user.note`.
    """

    name: str
    kind: MemberKind = "file"
    data: bytes = b""
    mode: int = 0o644
    mtime: float = FIXED_MTIME
    uid: int = 1000
    gid: int = 1000
    uname: str = "model"
    gname: str = "users"
    target: str = ""
    attributes: tuple[tuple[str, bytes], ...] = ()


def file(
    name: str,
    data: bytes = b"",
    *,
    mode: int = 0o644,
    mtime: float = FIXED_MTIME,
    uid: int = 1000,
    gid: int = 1000,
    uname: str = "model",
    gname: str = "users",
) -> Member:
    """A regular file."""
    return Member(name, "file", data, mode, mtime, uid, gid, uname, gname)


def sparse(name: str, data: bytes) -> Member:
    """A regular file that is stored without its blocks of zeros."""
    return Member(name, "sparse", data)


def directory(
    name: str,
    *,
    mode: int = 0o755,
    mtime: float = FIXED_MTIME,
    uid: int = 1000,
    gid: int = 1000,
    uname: str = "model",
    gname: str = "users",
) -> Member:
    """A directory."""
    return Member(name, "directory", b"", mode, mtime, uid, gid, uname, gname)


def symlink(
    name: str,
    target: str,
    *,
    mtime: float = FIXED_MTIME,
    uid: int = 1000,
    gid: int = 1000,
    uname: str = "model",
    gname: str = "users",
) -> Member:
    """A symbolic link."""
    return Member(name, "symlink", b"", 0o777, mtime, uid, gid, uname, gname, target)


def hardlink(name: str, target: str) -> Member:
    """A hard link to the member that is named `target`."""
    return Member(name, "hardlink", target=target)


def special(name: str, kind: MemberKind) -> Member:
    """A FIFO or a device, which no valid model holds."""
    return Member(name, kind)


def normalised(name: str) -> str:
    """A member's name without `./` and without slashes at the ends; the root is "."."""
    return posixpath.normpath(name.strip("/") or ".")
