"""Functions of `os` that pyfakefs lacks, or implements otherwise than Linux does.

A call of a function that pyfakefs lacks reaches the real system with a fake path or descriptor: it
fails, or even changes a real file. Those that step scripts use are implemented here, so that no
correct script fails. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from pyfakefs import helpers
from pyfakefs.fake_file import (
    FakeDirWrapper,
    FakeFile,
    FakeFileWrapper,
    StandardStreamWrapper,
)
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from harness.runners.fake.files import AccessRules
from harness.runners.fake.linux_errors import naming

_BLOCK_SIZE = 4096
_STANDARD_STREAMS = (1, 2)
_OF_HOLES = (getattr(os, "SEEK_DATA", -1), getattr(os, "SEEK_HOLE", -1))
_TMPFILE: int = getattr(os, "O_TMPFILE", 0)  # macOS has none
# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {"write": os.write, "fstat": os.fstat}
# Their descriptors are real.
_MAKE_DESCRIPTORS = (
    *("memfd_create", "eventfd", "openpty", "posix_openpt", "pidfd_open", "pipe2"),
    *("timerfd_create", "inotify_init"),
)


class OsFunctions:
    """Functions that replace those of one fake `os` module."""

    def __init__(self, fake_os: FakeOsModule, fs: FakeFilesystem, rules: AccessRules) -> None:
        """Keep pyfakefs's own functions, which some of these call."""
        self._fs = fs
        self._rules = rules
        self._os: Any = fake_os
        self._fake_open = naming(fs, fake_os.open, (0,))
        self._fake_read = fake_os.read
        self._fake_fstat = fake_os.fstat
        self._fake_write = fake_os.write
        self._fake_access = fake_os.access
        self._fake_chown = fake_os.chown
        self._fake_truncate = fake_os.truncate
        self._fake_listdir = fake_os.listdir
        self._fake_scandir = fake_os.scandir
        self._fake_walk = fake_os.walk

    def install(
        self, on_block: Callable[[str], None], on_refusal: Callable[[str], NoReturn]
    ) -> None:
        """Install the functions.

        `on_block(path)` is called where Linux would block, `on_refusal(what)` for a descriptor that
        is no fake file's.
        """
        self._on_block = on_block
        self._on_refusal = on_refusal
        for name in (
            *(
                "open",
                "read",
                "write",
                "lseek",
                "pread",
                "pwrite",
                "readv",
                "writev",
                "copy_file_range",
            ),
            *("fchown", "lchown", "statvfs", "fstatvfs", "posix_fallocate", "posix_fadvise"),
            *("mkfifo", "sync", "access", "chown", "truncate", "geteuid", "getegid"),
            *("getresuid", "getresgid", "getgroups", "listdir", "fwalk", "scandir", "walk"),
            *("dup", "dup2", "pipe", "fstat", "ftruncate", "getcwd"),
        ):
            setattr(self._os, name, getattr(self, name))
        for name in _MAKE_DESCRIPTORS:
            if hasattr(self._os, name):
                setattr(self._os, name, functools.partial(self._refuse_descriptor, name))

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        """As pyfakefs, but keeps the mode of an existing file, and applies the umask.

        `O_TMPFILE` raises EOPNOTSUPP, so that `tempfile` creates a named file and unlinks it:
        pyfakefs would leave the file behind if the process ended before closing it. Others may have
        no other way.
        """
        if _TMPFILE and flags & _TMPFILE == _TMPFILE:
            if sys._getframe(1).f_globals.get("__name__") != "tempfile":
                self._on_refusal("makes a file that has no name (os.O_TMPFILE)")
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
        if dir_fd is not None:
            with self._rules.opening():
                return int(self._fake_open(path, flags, mode, dir_fd=dir_fd))
        existing = self._fs.resolve(path) if self._fs.exists(path) else None
        if existing is not None and stat.S_ISFIFO(existing.st_mode):
            if flags & (os.O_NONBLOCK | os.O_RDWR):
                self._on_refusal(f"opens the FIFO {path} without waiting for its other end")
            self._on_block(str(path))
        before = None if existing is None else existing.st_mode
        with self._rules.opening():
            descriptor = int(self._fake_open(path, flags, mode & ~self._fs.umask))
        if existing is not None and before is not None:
            existing.st_mode = before
        return descriptor

    def read(self, fd: int, length: int, /) -> bytes:
        """As pyfakefs, but a folder is no file to read."""
        if isinstance(self._handle(fd), FakeDirWrapper):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        return bytes(self._fake_read(fd, length))

    def write(self, fd: int, data: bytes, /) -> int:
        """As pyfakefs, but standard output and error are the real ones."""
        if fd in _STANDARD_STREAMS and isinstance(self._handle(fd), StandardStreamWrapper):
            return int(_REAL["write"](fd, data))
        return int(self._fake_write(fd, data))

    def lseek(self, fd: int, position: int, how: int, /) -> int:
        """As pyfakefs, but returns the new position, and finds no holes."""
        handle = self._handle(fd)
        if how in _OF_HOLES:
            size = self._fake_fstat(fd).st_size
            if position >= size:
                raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
            position, how = (position if how == _OF_HOLES[0] else size), os.SEEK_SET
        handle.seek(position, how)
        return int(handle.tell())

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        """Read at an offset, without changing the position."""
        handle = self._handle(fd)
        position = handle.tell()
        handle.seek(offset)
        data: bytes = self._os.read(fd, length)
        handle.seek(position)
        return data

    def pwrite(self, fd: int, data: bytes, offset: int, /) -> int:
        """Write at an offset, without changing the position."""
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
        """Copy bytes from one descriptor to another, on one file system."""
        if self._fake_fstat(src).st_dev != self._fake_fstat(dst).st_dev:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
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
        """Whether the user has the access `mode`."""
        if dir_fd is not None:
            return bool(self._fake_access(path, mode, dir_fd=dir_fd))
        try:
            node = self._fs.resolve(path, follow_symlinks, check_read_perm=False)
        except OSError:
            return False
        if mode & os.W_OK and self._rules.is_read_only(node):
            return False
        if helpers.is_root():
            executable = stat.S_ISDIR(node.st_mode) or node.st_mode & 0o111
            return bool(executable or not mode & os.X_OK)
        return bool(node.has_permission(mode << 6))

    def chown(
        self, path: Any, uid: int, gid: int, *, dir_fd: Any = None, follow_symlinks: bool = True
    ) -> None:
        """Change the owner of a file; -1 keeps the user or group."""
        if dir_fd is not None:
            self._fake_chown(path, uid, gid, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
            return
        node = self._fs.resolve(path, follow_symlinks, allow_fd=True, check_read_perm=False)
        self._chown(node, uid, gid)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """Change the owner of an open file; -1 keeps the user or group."""
        self._chown(self._handle(fd).file_object, uid, gid)

    def lchown(self, path: Any, uid: int, gid: int) -> None:
        """Change the owner of a file or link; -1 keeps the user or group."""
        self._chown(self._fs.resolve(path, follow_symlinks=False), uid, gid)

    def truncate(self, path: Any, length: int) -> None:
        """Set the length of a file."""
        if not isinstance(path, int):
            node = self._fs.resolve(path, check_read_perm=False)
            self._rules.check_write_permission(node, path)
            self._rules.check_writable(node, path)
        self._fake_truncate(path, length)
        node = self._fs.resolve(path, allow_fd=True, check_read_perm=False)
        node.st_mtime = node.st_ctime = time.time()
        if node.byte_contents == b"" and length:
            # pyfakefs gives an empty file a size alone.
            node._byte_contents = bytes(length)

    def ftruncate(self, fd: int, length: int, /) -> None:
        """Set the length of an open file."""
        handle = self._handle(fd)
        if not isinstance(handle, FakeFileWrapper) or not handle.allow_update:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        node = handle.get_object()
        node.set_contents((node.byte_contents or b"")[:length].ljust(length, b"\0"))

    def getcwd(self) -> str:
        """The current folder, which may be gone."""
        if not self._fs.isdir(self._fs.cwd):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return str(self._fs.cwd)

    def statvfs(self, path: Any) -> os.statvfs_result:
        """The space on the file system of `path`."""
        if isinstance(path, int):
            return self.fstatvfs(path)
        self._fs.resolve(path)
        usage = self._fs.get_disk_usage(path)
        free = usage[2] // _BLOCK_SIZE
        return os.statvfs_result(
            (*[_BLOCK_SIZE] * 2, usage[0] // _BLOCK_SIZE, free, free, *[10**6] * 3, 0, 255)
        )

    def fstatvfs(self, fd: int, /) -> os.statvfs_result:
        """The space on the file system of an open file."""
        return self.statvfs(self._handle(fd).file_object.path)

    def posix_fallocate(self, fd: int, offset: int, length: int, /) -> None:
        """Extend a file to at least `offset + length` bytes."""
        if self._fake_fstat(fd).st_size < offset + length:
            self._os.ftruncate(fd, offset + length)

    def posix_fadvise(self, fd: int, offset: int, length: int, advice: int, /) -> None:
        """Advice has no effect on a fake file."""
        self._handle(fd)

    def mkfifo(self, path: Any, mode: int = 0o666, *, dir_fd: Any = None) -> None:
        """As pyfakefs, but users other than root may create a FIFO too."""
        if dir_fd is not None or self._fs.exists(path, check_link=True):
            self._os.mknod(path, stat.S_IFIFO | mode, dir_fd=dir_fd)
            return
        folder, name = self._fs.splitpath(self._fs.absnormpath(path))
        kind = stat.S_IFIFO | (mode & ~self._fs.umask)
        self._fs.add_object(folder, FakeFile(name, kind, filesystem=self._fs))

    def listdir(self, path: Any = None) -> list[Any]:
        """As pyfakefs, but a path in bytes gives names in bytes, and None is the current folder."""
        names = self._fake_listdir("." if path is None else path)
        return [os.fsencode(name) for name in names] if isinstance(path, bytes) else names

    def scandir(self, path: Any = ".") -> Any:
        """As pyfakefs, which cannot do it for a path in bytes."""
        self._refuse_bytes(path)
        return self._fake_scandir("." if path is None else path)

    def walk(self, top: Any, *args: Any, **names: Any) -> Iterator[Any]:
        """As pyfakefs, which cannot do it for a path in bytes."""
        self._refuse_bytes(top)
        return iter(self._fake_walk(top, *args, **names))

    def _refuse_bytes(self, path: Any) -> None:
        if isinstance(path, bytes):
            self._on_refusal("lists a folder by a path in bytes")

    def fwalk(
        self,
        top: Any = ".",
        topdown: bool = True,
        onerror: Any = None,
        *,
        follow_symlinks: bool = False,
        dir_fd: int | None = None,
    ) -> Iterator[tuple[Any, list[Any], list[Any], int]]:
        """As `os.walk`, with a descriptor of each folder."""
        if dir_fd is not None:
            self._on_refusal("walks a folder that it has a descriptor of (os.fwalk)")
        walk = self._os.walk(top, topdown, onerror, followlinks=follow_symlinks)
        for folder, folders, files in walk:
            descriptor = self._os.open(folder, os.O_RDONLY)
            try:
                yield folder, folders, files, descriptor
            finally:
                self._os.close(descriptor)

    def fstat(self, fd: int) -> Any:
        """As pyfakefs, but standard streams are the real ones."""
        handle = self._fs.open_files[fd] if 0 <= fd < len(self._fs.open_files) else None
        if handle and isinstance(handle[0], StandardStreamWrapper):
            return _REAL["fstat"](fd)
        return self._fake_fstat(fd)

    def _refuse_descriptor(self, name: str, *_args: Any, **_names: Any) -> NoReturn:
        self._on_refusal(f"makes a descriptor that is no file's (os.{name})")

    def dup(self, _fd: int, /) -> int:
        """Refuse: pyfakefs closes both when one is closed."""
        self._on_refusal("duplicates a file descriptor (os.dup)")

    def dup2(self, _fd: int, _fd2: int, inheritable: bool = True) -> int:
        """Refuse: the new descriptor may be that of a real stream."""
        self._on_refusal("duplicates a file descriptor (os.dup2)")

    def pipe(self) -> tuple[int, int]:
        """Refuse: a pipe is real."""
        self._on_refusal("makes a pipe (os.pipe)")

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
        """The supplementary groups: as in a container, root is in its own, other users in none."""
        return [] if self.geteuid() else [0]

    def sync(self) -> None:
        """Do nothing: there is no disk."""

    def _handle(self, fd: int) -> Any:
        return self._fs.get_open_file(fd)

    def _chown(self, node: FakeFile, uid: int, gid: int) -> None:
        self._rules.check_writable(node)
        if uid not in (-1, node.st_uid) or gid not in (-1, helpers.get_gid()):
            self._check_root(node)
        self._rules.check_owner(node)
        if stat.S_ISREG(node.st_mode):
            # Nobody runs a program as another who has been given it.
            node.st_mode &= ~(stat.S_ISUID | stat.S_ISGID)
        if uid != -1:
            node.st_uid = uid
        if gid != -1:
            node.st_gid = gid

    def _check_root(self, node: FakeFile) -> None:
        if not helpers.is_root():
            self._fs.raise_os_error(errno.EPERM, node.path)
