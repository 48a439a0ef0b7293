"""What pyfakefs leaves to the real `os`, or does otherwise than Linux, done right.

A function that pyfakefs does not know goes to the real system with a fake path or descriptor: it
fails, or worse, hits a real file. A correct script must not fail for that, so the ones that step
scripts use are completed here. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from typing import Any

from pyfakefs import helpers
from pyfakefs.fake_file import FakeFile, StandardStreamWrapper
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from harness.runners.fake.files import Rules

_BLOCK = 4096
_STANDARD = (1, 2)
_TMPFILE: int = getattr(os, "O_TMPFILE", 0)  # macOS has none
# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"write": os.write}


class Completion:
    """The functions that replace or complete those of one fake `os` module."""

    def __init__(self, fake_os: FakeOsModule, fs: FakeFilesystem, rules: Rules) -> None:
        """Remember pyfakefs's own functions, which the completed ones call."""
        self._fs = fs
        self._rules = rules
        self._os: Any = fake_os
        self._real_open = fake_os.open
        self._real_fstat = fake_os.fstat
        self._real_write = fake_os.write
        self._real_access = fake_os.access
        self._real_chown = fake_os.chown
        self._real_truncate = fake_os.truncate

    def install(self, blocks: Callable[[str], None]) -> None:
        """Put the functions into the module; `blocks(path)` is called where Linux would block."""
        self._blocks = blocks
        for name in (
            *("open", "write", "lseek", "pread", "pwrite", "readv", "writev", "copy_file_range"),
            *("fchown", "lchown", "statvfs", "fstatvfs", "posix_fallocate", "posix_fadvise"),
            *("mkfifo", "sync", "access", "chown", "truncate", "geteuid", "getegid"),
            *("getresuid", "getresgid", "getgroups"),
        ):
            setattr(self._os, name, getattr(self, name))

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        """As pyfakefs, but leaves the mode of a file that is there, and obeys the umask.

        A file without a name would be given one, which stays if the process ends before it closes
        the file. As on a file system without `O_TMPFILE`, `tempfile` makes a file and unlinks it.
        """
        if _TMPFILE and flags & _TMPFILE == _TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
        if dir_fd is not None:
            with self._rules.opening():
                return self._real_open(path, flags, mode, dir_fd=dir_fd)
        there = self._fs.resolve(path) if self._fs.exists(path) else None
        if there is not None and stat.S_ISFIFO(there.st_mode) and not flags & os.O_NONBLOCK:
            self._blocks(str(path))
        before = None if there is None else there.st_mode
        with self._rules.opening():
            descriptor = self._real_open(path, flags, mode & ~self._fs.umask)
        if there is not None and before is not None:
            there.st_mode = before
        return descriptor

    def write(self, fd: int, data: bytes, /) -> int:
        """As pyfakefs, but standard output and error are the real ones."""
        if fd in _STANDARD and isinstance(self._handle(fd), StandardStreamWrapper):
            return int(_REAL["write"](fd, data))
        return int(self._real_write(fd, data))

    def lseek(self, fd: int, position: int, how: int, /) -> int:
        """As pyfakefs, but tells the new position."""
        handle = self._handle(fd)
        handle.seek(position, how)
        return int(handle.tell())

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        """Read at an offset; the position stays."""
        handle = self._handle(fd)
        position = handle.tell()
        handle.seek(offset)
        data: bytes = self._os.read(fd, length)
        handle.seek(position)
        return data

    def pwrite(self, fd: int, data: bytes, offset: int, /) -> int:
        """Write at an offset; the position stays."""
        handle = self._handle(fd)
        position = handle.tell()
        handle.seek(offset)
        written: int = self._os.write(fd, data)
        handle.seek(position)
        return written

    def readv(self, fd: int, buffers: Sequence[Any], /) -> int:
        """Read into several buffers."""
        total = 0
        for buffer in buffers:
            data = self._os.read(fd, len(buffer))
            buffer[: len(data)] = data
            total += len(data)
        return total

    def writev(self, fd: int, buffers: Sequence[bytes], /) -> int:
        """Write several buffers."""
        return sum(self._os.write(fd, bytes(buffer)) for buffer in buffers)

    def copy_file_range(
        self,
        src: int,
        dst: int,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
    ) -> int:
        """Copy bytes from one descriptor to another."""
        if offset_src is None:
            data = self._os.read(src, count)
        else:
            data = self.pread(src, count, offset_src)
        if offset_dst is None:
            return int(self._os.write(dst, data)) if data else 0
        return self.pwrite(dst, data, offset_dst) if data else 0

    def access(
        self,
        path: Any,
        mode: int,
        *,
        dir_fd: Any = None,
        effective_ids: bool = False,
        follow_symlinks: bool = True,
    ) -> bool:
        """Tell whether somebody may do what `mode` says."""
        if dir_fd is not None:
            return bool(self._real_access(path, mode, dir_fd=dir_fd))
        try:
            thing = self._fs.resolve(path, follow_symlinks, check_read_perm=False)
        except OSError:
            return False
        if mode & os.W_OK and self._rules.is_read_only(thing):
            return False
        if helpers.is_root():
            runs = stat.S_ISDIR(thing.st_mode) or thing.st_mode & 0o111
            return bool(runs or not mode & os.X_OK)
        return bool(thing.has_permission(mode << 6))

    def chown(
        self, path: Any, uid: int, gid: int, *, dir_fd: Any = None, follow_symlinks: bool = True
    ) -> None:
        """Change the owner of a file; -1 keeps one."""
        if dir_fd is not None:
            self._real_chown(path, uid, gid, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
            return
        thing = self._fs.resolve(path, follow_symlinks, allow_fd=True, check_read_perm=False)
        self._chown(thing, uid, gid)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """Change the owner of an open file; -1 keeps one."""
        self._chown(self._handle(fd).file_object, uid, gid)

    def lchown(self, path: Any, uid: int, gid: int) -> None:
        """Change the owner of a file or link; -1 keeps one."""
        self._chown(self._fs.resolve(path, follow_symlinks=False), uid, gid)

    def truncate(self, path: Any, length: int) -> None:
        """Make a file so long."""
        if not isinstance(path, int):
            thing = self._fs.resolve(path, check_read_perm=False)
            self._rules.may_write(thing, path)
            self._rules.may_change(thing, path)
        self._real_truncate(path, length)

    def statvfs(self, path: Any) -> os.statvfs_result:
        """Tell the space on the file system that holds `path`."""
        if isinstance(path, int):
            return self.fstatvfs(path)
        self._fs.resolve(path)
        usage = self._fs.get_disk_usage(path)
        free = usage[2] // _BLOCK
        return os.statvfs_result(
            (_BLOCK, _BLOCK, usage[0] // _BLOCK, free, free, 10**6, 10**6, 10**6, 0, 255)
        )

    def fstatvfs(self, fd: int, /) -> os.statvfs_result:
        """Tell the space on the file system that holds an open file."""
        return self.statvfs(self._handle(fd).file_object.path)

    def posix_fallocate(self, fd: int, offset: int, length: int, /) -> None:
        """Make a file at least so long."""
        if self._real_fstat(fd).st_size < offset + length:
            self._os.ftruncate(fd, offset + length)

    def posix_fadvise(self, fd: int, offset: int, length: int, advice: int, /) -> None:
        """Advice has no effect on a fake file."""
        self._handle(fd)

    def mkfifo(self, path: Any, mode: int = 0o666, *, dir_fd: Any = None) -> None:
        """Make a FIFO, which anybody may."""
        if dir_fd is not None or self._fs.exists(path, check_link=True):
            self._os.mknod(path, stat.S_IFIFO | mode, dir_fd=dir_fd)
            return
        folder, name = self._fs.splitpath(self._fs.absnormpath(path))
        kind = stat.S_IFIFO | (mode & ~self._fs.umask)
        self._fs.add_object(folder, FakeFile(name, kind, filesystem=self._fs))

    def geteuid(self) -> int:
        """The user that the script runs as."""
        return int(helpers.get_uid())

    def getegid(self) -> int:
        """The user's group."""
        return int(helpers.get_gid())

    def getresuid(self) -> tuple[int, int, int]:
        """The user, three times."""
        return (self.geteuid(),) * 3

    def getresgid(self) -> tuple[int, int, int]:
        """The user's group, three times."""
        return (self.getegid(),) * 3

    def getgroups(self) -> list[int]:
        """What other groups the user is in: root in its own, as in a container, others in none."""
        return [] if self.geteuid() else [0]

    def sync(self) -> None:
        """There is no disk to write to."""

    def _handle(self, fd: int) -> Any:
        return self._fs.get_open_file(fd)

    def _chown(self, thing: FakeFile, uid: int, gid: int) -> None:
        self._rules.may_change(thing)
        if uid not in (-1, thing.st_uid) or gid not in (-1, helpers.get_gid()):
            self._only_root(thing)
        self._rules.may_own(thing)
        if uid != -1:
            thing.st_uid = uid
        if gid != -1:
            thing.st_gid = gid

    def _only_root(self, thing: FakeFile) -> None:
        if not helpers.is_root():
            self._fs.raise_os_error(errno.EPERM, thing.path)
