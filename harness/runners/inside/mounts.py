"""Mounts of the real worlds: folders that are read-only, or full; and what root may not do there.

Runs on Python 3.8 and newer with the standard library alone, inside a mount namespace of its own
(a container's or a sandbox's), as somebody who may mount there.
"""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from typing import Any, BinaryIO, Sequence, Set

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
# What a mount has must be said again when it becomes read-only: statvfs's flag → mount(2)'s.
_KEPT = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}

# File systems of the kernel's own, which have no place for a file.
_KERNEL = ("/proc", "/sys", "/dev/pts", "/dev/mqueue")

_PR_CAPBSET_DROP = 24
# What Docker leaves to root in a container: to change owners and users, pass over permissions,
# signal others, make nodes, use low ports and raw sockets, change the root.
CONTAINER_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
_CAPABILITIES = 64
_CHUNK = 65536


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library that returns 0; raises `OSError` when it does not."""
    import ctypes

    encoded = [os.fsencode(one) if isinstance(one, str) else one for one in arguments]
    if getattr(library(), name)(*encoded) != 0:
        number = ctypes.get_errno()
        paths = " ".join(one for one in arguments if isinstance(one, str))
        raise OSError(number, f"{name} {paths}: {os.strerror(number)}")


@lru_cache(maxsize=1)
def library() -> Any:
    """The C library; asked for before a fork, it is loaded once for all worlds."""
    # Not every image has it, and most cases need none of this.
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` at `target`, as mount(2) does; raises `OSError`."""
    call("mount", source, target, kind or None, _number(flags), options or None)


def _number(flags: int) -> Any:
    import ctypes

    return ctypes.c_ulong(flags)


def bind(source: str, target: str) -> None:
    """Show a folder or file, with what is mounted below it, at another place too."""
    mount(source, target, flags=MS_BIND | MS_REC)


def forbid_writing(paths: Sequence[str], but: Sequence[str] = ()) -> None:
    """Make mounts read-only, with whatever is mounted below, but what lies in the folders `but`.

    Anybody who writes there gets EROFS, root too.
    """
    tops = [os.path.realpath(path) for path in paths]
    for one in sorted(points()):
        if any(is_under(one, top) for top in tops) and not any(is_under(one, top) for top in but):
            kept = os.statvfs(one).f_flag
            flags = sum(new for old, new in _KEPT.items() if kept & old)
            mount("", one, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def points() -> Set[str]:
    """The files and folders at which something is mounted."""
    with open("/proc/self/mountinfo", "rb") as stream:
        return {_unescaped(line.split(b" ")[4]) for line in stream}


def _unescaped(name: bytes) -> str:
    if b"\\" in name:
        for code in (b"040", b"011", b"012", b"134"):
            name = name.replace(b"\\" + code, bytes([int(code, 8)]))
    return os.fsdecode(name)


def seal(read_only: Sequence[str], writable: Sequence[str]) -> None:
    """Make the folders `read_only` so, and what is mounted in them, but not the folders `writable`.

    A folder that does not exist is passed over: whether it can be made is for its parent to say.
    """
    for folder in filter(os.path.isdir, writable):
        bind(folder, folder)
    kept = [*(os.path.realpath(one) for one in writable), *_KERNEL]
    sealed = []
    for folder in filter(os.path.isdir, read_only):
        if not any(is_under(folder, one) for one in writable):
            if folder != "/":
                bind(folder, folder)
            sealed.append(folder)
    forbid_writing(sealed, kept)


def fill(folder: str) -> BinaryIO:
    """Leave no space in a folder that is a small file system of its own, while the answer is open.

    Files can still be made there.
    """
    before = os.stat(folder)
    path = os.path.join(folder, ".filling")
    filling = open(path, "wb", buffering=0)
    os.unlink(path)
    for size in (_CHUNK, 1):
        try:
            while True:
                filling.write(bytes(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    return filling


def limit_capabilities(kept: Sequence[int] = CONTAINER_CAPABILITIES) -> None:
    """Whatever is executed from now on has no more than these, even as root."""
    for one in range(_CAPABILITIES):
        if one not in kept:
            try:
                call("prctl", _PR_CAPBSET_DROP, one, 0, 0, 0)
            except OSError as error:
                # The numbers end before.
                if error.errno != errno.EINVAL:
                    raise


def is_under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it."""
    return path == folder or folder == "/" or path.startswith(folder.rstrip("/") + "/")
