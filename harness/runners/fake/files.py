"""The rules of Linux in the fake file system of a case.

pyfakefs has no read-only folders, does not block on FIFOs and does not update the times of folders.
The rules here wrap the few functions through which every change goes. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from pyfakefs import fake_file, fake_open, fake_pathlib, fake_scandir, helpers
from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem

from harness.cases.case import Case
from harness.runners.fake.shared_files import keep_what_others_write
from harness.worlds.tree import is_under

# The kernel's files stay writable when everything else is read-only.
_KERNEL_FILES = ("/dev/null",)
_STANDARD_STREAM = fake_file.StandardStreamWrapper
# A dict: pyfakefs rebinds the names of functions in every module.
_REAL: dict[str, Any] = {"open": io.open, "dup": os.dup}
# The names of the standard streams, whose descriptors are real.
_STREAMS = {
    f"{folder}/{name}": number
    for number, stream in enumerate(("stdin", "stdout", "stderr"))
    for folder, name in (("/dev", stream), ("/dev/fd", number), ("/proc/self/fd", number))
}


class AccessRules:
    """Read-only folders, and the rights of files' owners."""

    def __init__(self, fs: FakeFilesystem) -> None:
        """No folder is read-only before `apply`."""
        self._fs = fs
        self._read_only: tuple[str, ...] = ()
        self._writable: tuple[str, ...] = _KERNEL_FILES
        self._state = threading.local()

    def apply(self, case: Case) -> None:
        """Use the read-only and writable folders of the case."""
        self._read_only = case.read_only
        self._writable = (*case.writable, *_KERNEL_FILES)

    def is_read_only(self, node: FakeFile) -> bool:
        """Whether a file or folder is on a read-only file system."""
        if not self._read_only:
            return False
        path = str(node.path)
        return any(is_under(path, one) for one in self._read_only) and not any(
            is_under(path, one) for one in self._writable
        )

    def check_writable(self, node: FakeFile, path: Any = None) -> None:
        """Raise EROFS on a read-only file system."""
        if self.is_read_only(node):
            self._fs.raise_os_error(errno.EROFS, node.path if path is None else path)

    def check_owner(self, node: FakeFile, path: Any = None) -> None:
        """Raise EPERM unless the user is root or the owner."""
        if helpers.get_uid() not in (0, node.st_uid):
            self._fs.raise_os_error(errno.EPERM, node.path if path is None else path)

    def check_write_permission(self, node: FakeFile, path: Any) -> None:
        """Raise EACCES unless the user may write the file."""
        if not helpers.is_root() and not node.has_permission(helpers.PERM_WRITE):
            self._fs.raise_os_error(errno.EACCES, path)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Allow any chmod in this context: pyfakefs calls it when it opens a file."""
        self._state.opening = True
        try:
            yield
        finally:
            self._state.opening = False

    def enforce(self, on_block: Callable[[str], None]) -> None:
        """Wrap pyfakefs's functions; `on_block(path)` is called when a FIFO is opened."""
        self._patch_errors()
        self._patch_folders()
        self._patch_listing()
        self._patch_removal()
        self._patch_attributes()
        self._patch_opening(on_block)
        self._patch_last_dot()
        _name_targets_as_files()
        self._patch_stat_results()
        self._fs.dev_null.st_mode = stat.S_IFCHR | 0o666
        keep_what_others_write()

    def _patch_errors(self) -> None:
        """Errors have `filename` as text, even if the function was given a `Path`.

        Those of descriptors have none.
        """
        original = FakeFilesystem.raise_os_error

        def raise_os_error(
            fs: FakeFilesystem, number: int, filename: Any = None, winerror: Any = None
        ) -> NoReturn:
            path = os.fspath(filename) if isinstance(filename, os.PathLike) else filename
            original(fs, number, None if number == errno.EBADF else path, winerror)

        _patch(FakeFilesystem, raise_os_error)

    def _patch_folders(self) -> None:
        add, remove = FakeDirectory.add_entry, FakeDirectory.remove_entry

        def add_entry(folder: FakeDirectory, node: FakeFile, *args: Any) -> None:
            if self._read_only:
                # The error names the path to be created.
                self.check_writable(folder, os.path.join(str(folder.path), str(node.name)))
            add(folder, node, *args)
            # Adding or removing an entry updates the time of the folder.
            folder.st_mtime = time.time()

        def remove_entry(folder: FakeDirectory, *args: Any, **names: Any) -> None:
            self.check_writable(folder)
            remove(folder, *args, **names)
            folder.st_mtime = time.time()

        _patch(FakeDirectory, add_entry, remove_entry)

    def _patch_listing(self) -> None:
        """A folder lists its newest entry first, as file systems in memory do."""
        # Otherwise pyfakefs shuffles, and draws from the random numbers of the script.
        self._fs.shuffle_listdir_results = False
        original = FakeFilesystem.listdir

        def listdir(fs: FakeFilesystem, folder: Any) -> list[Any]:
            return original(fs, folder)[::-1]

        entry: Any = fake_scandir.DirEntry
        entry.is_dir = _follows(entry.is_dir, stat.S_ISDIR)
        entry.is_file = _follows(entry.is_file, stat.S_ISREG)
        iter_: Any = fake_scandir.ScanDirIter
        start = iter_.__init__

        def start_scan(scan: Any, *args: Any, **names: Any) -> None:
            start(scan, *args, **names)
            scan.entry_iter = iter([*scan.entry_iter][::-1])

        iter_.__init__ = start_scan
        _patch(FakeFilesystem, listdir)

    def _patch_removal(self) -> None:
        """Linux checks that the parent is writable before it looks the entry up.

        A link to a symbolic link is one to the link itself: Python asks for no other.
        """
        remove_, rmdir_ = FakeFilesystem.remove, FakeFilesystem.rmdir
        create_link_ = FakeFilesystem.create_link

        def remove(fs: FakeFilesystem, path: Any) -> None:
            self._check_parent_writable(path)
            remove_(fs, path)

        def rmdir(fs: FakeFilesystem, path: Any, *args: Any, **names: Any) -> None:
            self._check_parent_writable(path)
            rmdir_(fs, path, *args, **names)

        def create_link(fs: FakeFilesystem, old: Any, new: Any, *args: Any, **names: Any) -> Any:
            fs.lresolve(old)
            if not fs.exists(new, check_link=True):
                self._check_parent_writable(new)
            return create_link_(fs, old, new, *args[1:], **{**names, "follow_symlinks": False})

        _patch(FakeFilesystem, remove, rmdir, create_link)

    def _check_parent_writable(self, path: Any) -> None:
        if self._read_only:
            folder, _ = self._fs.splitpath(self._fs.absnormpath(path))
            with suppress(FileNotFoundError, NotADirectoryError):
                self.check_writable(self._fs.resolve(folder), path)

    def _patch_attributes(self) -> None:
        chmod_, utime_ = FakeFilesystem.chmod, FakeFilesystem.utime

        def chmod(
            fs: FakeFilesystem, path: Any, mode: int, follow_symlinks: bool = True, **names: Any
        ) -> None:
            if not getattr(self._state, "opening", False):
                node = fs.resolve(path, follow_symlinks, allow_fd=True, check_read_perm=False)
                self.check_writable(node, path)
                self.check_owner(node, path)
            chmod_(fs, path, mode, follow_symlinks, **names)

        def utime(
            fs: FakeFilesystem,
            path: Any,
            times: Any = None,
            *,
            ns: Any = None,
            follow_symlinks: bool = True,
        ) -> None:
            node = fs.resolve(path, follow_symlinks, allow_fd=True, check_read_perm=False)
            self.check_writable(node, path)
            if times is not None or ns is not None:
                self.check_owner(node, path)
            elif node.st_uid != helpers.get_uid():
                self.check_write_permission(node, path)
            utime_(fs, path, times, ns=ns, follow_symlinks=follow_symlinks)

        touch_: Callable[[Any, int, bool], None] = fake_pathlib.FakePath.touch

        def touch(path: Any, mode: int = 0o666, exist_ok: bool = True) -> None:
            touch_(path, mode & ~self._fs.umask, exist_ok)

        _patch(FakeFilesystem, chmod, utime)
        _patch(fake_pathlib.FakePath, touch)

    def _patch_stat_results(self) -> None:
        """They are tuples too, and have a block size, which pyfakefs's are not and have not."""
        methods: Mapping[str, Callable[..., Any]] = {
            "__getitem__": lambda result, index: _as_tuple(result)[index],
            "__iter__": lambda result: iter(_as_tuple(result)),
            "__len__": lambda result: len(_as_tuple(result)),
        }
        for name, method in methods.items():
            setattr(helpers.FakeStatResult, name, method)
        setattr(helpers.FakeStatResult, "st_blksize", 4096)  # noqa: B010

    def _patch_last_dot(self) -> None:
        """A path that ends in a dot or a slash names a folder, and no link to one."""
        lresolve_ = FakeFilesystem.lresolve

        def lresolve(fs: FakeFilesystem, path: Any) -> FakeFile:
            text = os.fsdecode(path)
            return fs.resolve(text) if text.endswith(("/.", "/..", "/")) else lresolve_(fs, path)

        _patch(FakeFilesystem, lresolve)

    def _patch_opening(self, on_block: Callable[[str], None]) -> None:
        original = fake_open.FakeFileOpen._init_file_object

        def _init_file_object(
            opening: Any, node: FakeFile | None, path: Any, modes: Any, *rest: Any, **names: Any
        ) -> FakeFile:
            if node is not None and stat.S_ISFIFO(node.st_mode) and not opening.raw_io:
                on_block(str(path))
            # Reopening a descriptor checks no permission.
            fresh = names.get("check_file_permission", True)
            written = node is not None and fresh and modes.can_write and _is_plain(node)
            if written and modes.truncate:
                self.check_writable(node, path)  # type: ignore[arg-type]
            opened = original(opening, node, path, modes, *rest, **names)
            if written:
                self.check_writable(opened, path)
            return opened

        call_ = fake_open.FakeFileOpen.call

        def call(opening: Any, path: Any, *args: Any, **names: Any) -> Any:
            if isinstance(path, bytes):
                # pyfakefs fails at names that are not UTF-8.
                path = os.fsdecode(path)
            if path in _STREAMS:
                # A pipe opened by its name has a descriptor of its own.
                path = _REAL["dup"](_STREAMS[path])
                return _REAL["open"](path, *args, **names)
            if isinstance(path, int) and isinstance(_open_file(self._fs, path), _STANDARD_STREAM):
                # The descriptors 0, 1 and 2 are real.
                return _REAL["open"](path, *args, **names)
            return call_(opening, path, *args, **names)

        _patch(fake_open.FakeFileOpen, _init_file_object, call)


def _follows(original: Callable[..., bool], is_kind: Callable[[int], bool]) -> Any:
    """What an entry is, which may be a link that leads nowhere."""

    def function(entry: Any, *, follow_symlinks: bool = True) -> bool:
        if not (follow_symlinks and entry.is_symlink()):
            return original(entry, follow_symlinks)
        try:
            return is_kind(entry.filesystem.stat(entry.path).st_mode)
        except FileNotFoundError:
            return False

    return function


def _name_targets_as_files() -> None:
    """The target of a symbolic link is encoded as a name, and not as the text in a file."""
    node_class: Any = FakeFile
    encode_, contents_ = node_class._encode_contents, node_class.contents.fget
    readlink_ = FakeFilesystem.readlink

    def encode(node: FakeFile, contents: Any) -> bytes | None:
        is_target = stat.S_ISLNK(node.st_mode) and contents is not None
        kept: bytes | None = os.fsencode(contents) if is_target else encode_(node, contents)
        return kept

    def contents(node: FakeFile) -> Any:
        is_link = stat.S_ISLNK(node.st_mode)
        return os.fsdecode(node.byte_contents or b"") if is_link else contents_(node)

    def readlink(fs: FakeFilesystem, path: Any) -> Any:
        target = readlink_(fs, path)
        return os.fsencode(target) if isinstance(path, bytes) else target

    node_class._encode_contents, node_class.contents = encode, property(contents)
    _patch(FakeFilesystem, readlink)


def _as_tuple(result: Any) -> tuple[int, ...]:
    names = ("mode", "ino", "dev", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime")
    return tuple(int(getattr(result, f"st_{name}")) for name in names)


def _open_file(fs: FakeFilesystem, number: int) -> Any:
    files = fs.open_files[number] if 0 <= number < len(fs.open_files) else None
    return files[0] if files else None


def enforce_name_encoding(encoding: str) -> None:
    """Paths that cannot be encoded raise `UnicodeEncodeError`, and do not exist."""
    resolve_path_, absnormpath_ = FakeFilesystem.resolve_path, FakeFilesystem.absnormpath

    def checked(path: Any) -> Any:
        if type(path) is str and path.isascii():
            return path
        if isinstance(path, (str, os.PathLike)):
            os.fspath(path).encode(encoding, "surrogateescape")
        return path

    def resolve_path(fs: FakeFilesystem, path: Any, *rest: Any, **names: Any) -> Any:
        return resolve_path_(fs, checked(path), *rest, **names)

    def absnormpath(fs: FakeFilesystem, path: Any) -> Any:
        return absnormpath_(fs, checked(path))

    def false_if_not_encodable(function: Callable[..., Any]) -> Callable[..., bool]:
        @functools.wraps(function)
        def wrapper(*args: Any, **names: Any) -> bool:
            try:
                return bool(function(*args, **names))
            except UnicodeEncodeError:
                return False

        return wrapper

    _patch(FakeFilesystem, resolve_path, absnormpath)
    predicates: tuple[Any, ...] = (FakeFilesystem.exists, FakeFilesystem._is_of_type)
    _patch(FakeFilesystem, *map(false_if_not_encodable, predicates))


def _peek(file: helpers.BinaryBufferIO, size: int = 0) -> bytes:
    """The bytes that come next, which stay there: Python's files that are read have it."""
    at = file.tell()
    return file.getvalue()[at : at + max(size, io.DEFAULT_BUFFER_SIZE)]


helpers.BinaryBufferIO.peek = _peek  # type: ignore[attr-defined]


def _patch(cls: type, *functions: Callable[..., Any]) -> None:
    for function in functions:
        setattr(cls, function.__name__, function)


def _is_plain(node: FakeFile) -> bool:
    return stat.S_ISREG(node.st_mode) or stat.S_ISDIR(node.st_mode)
