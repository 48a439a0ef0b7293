"""Mounts in sandboxes and containers: read-only folders, full folders; and capabilities of root.

Runs on Python 3.8 and newer with the standard library alone, in the mount namespace of a sandbox or
container, as a user that may mount there.
"""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from typing import Any, BinaryIO, Dict, Sequence, Set

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
# Flags that a remount must repeat: that of statvfs(3) → that of mount(2).
_FLAGS_TO_KEEP = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}

# Virtual file systems of the kernel, and the memory that processes share: all stay as they are
# in a container with a read-only root.
_KERNEL_FILE_SYSTEMS = ("/proc", "/sys", "/dev/pts", "/dev/mqueue", "/dev/shm")

_PR_CAPBSET_DROP = 24
# Those that root has in a container by default: change owners and users, override permissions, send
# signals, create device nodes, use low ports and raw sockets, chroot.
CONTAINER_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
# _LINUX_CAPABILITY_VERSION_3 of capset(2).
_CAPABILITY_VERSION = 0x20080522
_CHUNK_SIZE = 65536


def call_libc(name: str, *arguments: Any) -> None:
    """Call a function of the C library; raises `OSError` unless it returns 0."""
    import ctypes

    encoded = [os.fsencode(one) if isinstance(one, str) else one for one in arguments]
    if getattr(libc(), name)(*encoded) != 0:
        number = ctypes.get_errno()
        paths = " ".join(one for one in arguments if isinstance(one, str))
        raise OSError(number, f"{name} {paths}: {os.strerror(number)}")


@lru_cache(maxsize=1)
def libc() -> Any:
    """The C library; called before a fork, it is loaded in every child."""
    # Imported late: not every image has ctypes, and most cases do not need it.
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` at `target`, as mount(2) does; raises `OSError`."""
    call_libc("mount", source, target, kind or None, _unsigned_long(flags), options or None)


def _unsigned_long(flags: int) -> Any:
    import ctypes

    return ctypes.c_ulong(flags)


def bind(source: str, target: str) -> None:
    """Bind-mount a folder or file, with all mounts below it, at `target`; raises `OSError`."""
    mount(source, target, flags=MS_BIND | MS_REC)


def remount_read_only(paths: Sequence[str], excluded: Sequence[str] = ()) -> None:
    """Remount everything that is mounted at or below `paths` read-only, but not below `excluded`.

    Writing there raises EROFS, for root too.
    """
    tops = [os.path.realpath(path) for path in paths]
    for one in sorted(mount_points()):
        included = any(is_under(one, top) for top in tops)
        if included and not any(is_under(one, top) for top in excluded):
            remount_one_read_only(one)


def remount_one_read_only(path: str) -> None:
    """Remount what is mounted at a path read-only, without the mounts below it."""
    kept = os.statvfs(path).f_flag
    flags = sum(new for old, new in _FLAGS_TO_KEEP.items() if kept & old)
    mount("", path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def mount_points() -> Set[str]:
    """The paths of all mount points of this mount namespace."""
    with open("/proc/self/mountinfo", "rb") as stream:
        return {_unescaped(line.split(b" ")[4]) for line in stream}


def root_type() -> str:
    """The type of the file system at the root of this mount namespace."""
    with open("/proc/self/mountinfo", "rb") as stream:
        # Of mounts at one place the last one is seen.
        *_, last = (line for line in stream if line.split(b" ")[4] == b"/")
    return os.fsdecode(last.partition(b" - ")[2].split(b" ")[0])


def _unescaped(name: bytes) -> str:
    if b"\\" in name:
        for code in (b"040", b"011", b"012", b"134"):
            name = name.replace(b"\\" + code, bytes([int(code, 8)]))
    return os.fsdecode(name)


def make_read_only(read_only: Sequence[str], writable: Sequence[str]) -> None:
    """Make the folders `read_only` and the mounts below them read-only, except `writable`.

    Folders that do not exist are skipped: their parents determine whether they can be created.
    """
    for folder in filter(os.path.isdir, writable):
        bind(folder, folder)
    excluded = [*(os.path.realpath(one) for one in writable), *_KERNEL_FILE_SYSTEMS]
    mounted = []
    for folder in filter(os.path.isdir, read_only):
        if not any(is_under(folder, one) for one in writable):
            if folder != "/":
                bind(folder, folder)
            mounted.append(folder)
    remount_read_only(mounted, excluded)


def fill(folder: str) -> BinaryIO:
    """Fill the file system mounted at `folder` for as long as the returned file is open.

    Files can still be created there, without content.
    """
    before = os.stat(folder)
    path = os.path.join(folder, ".filling")
    filling = open(path, "wb", buffering=0)
    os.unlink(path)
    for size in (_CHUNK_SIZE, 1):
        try:
            while True:
                filling.write(bytes(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    return filling


def limit_capabilities(kept: Sequence[int] = CONTAINER_CAPABILITIES) -> None:
    """Limit all programs executed from now on to these capabilities, even as root."""
    bounding = _capabilities()["CapBnd"]
    for one in range(bounding.bit_length()):
        if bounding >> one & 1 and one not in kept:
            call_libc("prctl", _PR_CAPBSET_DROP, one, 0, 0, 0)


def _capabilities() -> Dict[str, int]:
    """The sets of capabilities of this process, as of /proc/self/status."""
    with open("/proc/self/status") as stream:
        lines = [line.split() for line in stream if line.startswith("Cap")]
    return {name.rstrip(":"): int(value, 16) for name, value in lines}


def drop_capabilities() -> None:
    """Take from this process the capabilities that no program which it executes would have."""
    import ctypes

    masks = _capabilities()
    permitted = masks["CapPrm"] & masks["CapBnd"]
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    words = []
    for shift in (0, 32):
        low = [mask >> shift & 0xFFFFFFFF for mask in (permitted, permitted, masks["CapInh"])]
        words += low
    call_libc("capset", header, (ctypes.c_uint32 * 6)(*words))


def is_under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it."""
    return path == folder or folder == "/" or path.startswith(folder.rstrip("/") + "/")
