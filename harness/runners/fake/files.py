"""The fake file system of a case: laid out from its tree, kept to Linux's rules, taken down.

pyfakefs alone lets anybody write anywhere, blocks on no FIFO and dates no folder. The rules here
are put around its few functions through which every change goes. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, cast

from pyfakefs import fake_open, fake_pathlib, helpers
from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem

from harness.cases.case import Case
from harness.worlds.tree import Entry, Kind, is_under

# The kernel's own folders are there in a read-only world, too.
_KERNEL = ("/dev/null",)


class Rules:
    """Who may change what: the folders that are read-only, and the owners of files."""

    def __init__(self, fs: FakeFilesystem) -> None:
        """Nothing is read-only before `apply`."""
        self._fs = fs
        self._read_only: tuple[str, ...] = ()
        self._writable: tuple[str, ...] = _KERNEL
        self._state = threading.local()

    def apply(self, case: Case) -> None:
        """Keep to what the case says of folders."""
        self._read_only = case.read_only
        self._writable = (*case.writable, *_KERNEL)

    def is_read_only(self, thing: FakeFile) -> bool:
        """Whether a file or folder lies where nothing can be changed."""
        if not self._read_only:
            return False
        path = str(thing.path)
        return any(is_under(path, one) for one in self._read_only) and not any(
            is_under(path, one) for one in self._writable
        )

    def may_change(self, thing: FakeFile, path: Any = None) -> None:
        """Raise EROFS where nothing can be changed."""
        if self.is_read_only(thing):
            self._fs.raise_os_error(errno.EROFS, thing.path if path is None else path)

    def may_own(self, thing: FakeFile, path: Any = None) -> None:
        """Raise EPERM for somebody who is neither root nor the owner."""
        if helpers.get_uid() not in (0, thing.st_uid):
            self._fs.raise_os_error(errno.EPERM, thing.path if path is None else path)

    def may_write(self, thing: FakeFile, path: Any) -> None:
        """Raise EACCES for somebody who may not write the file."""
        if not helpers.is_root() and not thing.has_permission(helpers.PERM_WRITE):
            self._fs.raise_os_error(errno.EACCES, path)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """In here a chmod is pyfakefs's own, which does one whenever something is opened."""
        self._state.opening = True
        try:
            yield
        finally:
            self._state.opening = False

    def enforce(self, blocks: Callable[[str], None]) -> None:
        """Put the rules around pyfakefs's functions; `blocks(path)` is called for an open FIFO."""
        self._around_errors()
        self._around_folders()
        self._around_removal()
        self._around_attributes()
        self._around_opening(blocks)

    def _around_errors(self) -> None:
        """Errors of functions that took a `Path` tell it as text."""
        original = FakeFilesystem.raise_os_error

        def raise_os_error(
            fs: FakeFilesystem, number: int, path: Any = None, *args: Any
        ) -> NoReturn:
            original(fs, number, os.fspath(path) if isinstance(path, os.PathLike) else path, *args)

        _put(FakeFilesystem, raise_os_error)

    def _around_folders(self) -> None:
        add, remove = FakeDirectory.add_entry, FakeDirectory.remove_entry

        def add_entry(folder: FakeDirectory, thing: FakeFile, *args: Any) -> None:
            if self._read_only:
                # The error is about what was to be made.
                self.may_change(folder, os.path.join(str(folder.path), str(thing.name)))
            add(folder, thing, *args)
            # Adding something to a folder, or removing it, touches the folder.
            folder.st_mtime = time.time()

        def remove_entry(folder: FakeDirectory, *args: Any, **names: Any) -> None:
            self.may_change(folder)
            remove(folder, *args, **names)
            folder.st_mtime = time.time()

        _put(FakeDirectory, add_entry, remove_entry)

    def _around_removal(self) -> None:
        """Linux asks whether a folder can be written before it looks for what is to be removed."""
        remove_, rmdir_ = FakeFilesystem.remove, FakeFilesystem.rmdir
        create_link_ = FakeFilesystem.create_link

        def remove(fs: FakeFilesystem, path: Any) -> None:
            self._may_change_folder_of(path)
            remove_(fs, path)

        def rmdir(fs: FakeFilesystem, path: Any, *args: Any, **names: Any) -> None:
            self._may_change_folder_of(path)
            rmdir_(fs, path, *args, **names)

        def create_link(fs: FakeFilesystem, old: Any, new: Any, *args: Any, **names: Any) -> Any:
            if not fs.exists(new, check_link=True):
                self._may_change_folder_of(new)
            return create_link_(fs, old, new, *args, **names)

        _put(FakeFilesystem, remove, rmdir, create_link)

    def _may_change_folder_of(self, path: Any) -> None:
        if self._read_only:
            folder, _ = self._fs.splitpath(self._fs.absnormpath(path))
            with suppress(FileNotFoundError, NotADirectoryError):
                self.may_change(self._fs.resolve(folder), path)

    def _around_attributes(self) -> None:
        chmod_, utime_ = FakeFilesystem.chmod, FakeFilesystem.utime

        def chmod(
            fs: FakeFilesystem, path: Any, mode: int, follow_symlinks: bool = True, **names: Any
        ) -> None:
            if not getattr(self._state, "opening", False):
                thing = fs.resolve(path, follow_symlinks, allow_fd=True, check_read_perm=False)
                self.may_change(thing, path)
                self.may_own(thing, path)
            chmod_(fs, path, mode, follow_symlinks, **names)

        def utime(
            fs: FakeFilesystem,
            path: Any,
            times: Any = None,
            *,
            ns: Any = None,
            follow_symlinks: bool = True,
        ) -> None:
            thing = fs.resolve(path, follow_symlinks, allow_fd=True, check_read_perm=False)
            self.may_change(thing, path)
            if times is not None or ns is not None:
                self.may_own(thing, path)
            elif thing.st_uid != helpers.get_uid():
                self.may_write(thing, path)
            utime_(fs, path, times, ns=ns, follow_symlinks=follow_symlinks)

        touch_: Callable[[Any, int, bool], None] = fake_pathlib.FakePath.touch

        def touch(path: Any, mode: int = 0o666, exist_ok: bool = True) -> None:
            touch_(path, mode & ~self._fs.umask, exist_ok)

        _put(FakeFilesystem, chmod, utime)
        _put(fake_pathlib.FakePath, touch)

    def _around_opening(self, blocks: Callable[[str], None]) -> None:
        original = fake_open.FakeFileOpen._init_file_object

        def _init_file_object(
            opening: Any, thing: FakeFile | None, path: Any, modes: Any, *rest: Any, **names: Any
        ) -> FakeFile:
            if thing is not None and stat.S_ISFIFO(thing.st_mode) and not opening.raw_io:
                blocks(str(path))
            # A file that is open already is opened once more by its number.
            fresh = names.get("check_file_permission", True)
            written = thing is not None and fresh and modes.can_write and _is_plain(thing)
            if written and modes.truncate:
                self.may_change(thing, path)  # type: ignore[arg-type]
            opened = original(opening, thing, path, modes, *rest, **names)
            if written:
                self.may_change(opened, path)
            return opened

        _put(fake_open.FakeFileOpen, _init_file_object)


def limit_names(encoding: str) -> None:
    """A name that the encoding of file names lacks cannot be used, and nothing is there."""
    resolve_path_, absnormpath_ = FakeFilesystem.resolve_path, FakeFilesystem.absnormpath

    def checked(path: Any) -> Any:
        if isinstance(path, (str, os.PathLike)):
            os.fspath(path).encode(encoding, "surrogateescape")
        return path

    def resolve_path(fs: FakeFilesystem, path: Any, *rest: Any, **names: Any) -> Any:
        return resolve_path_(fs, checked(path), *rest, **names)

    def absnormpath(fs: FakeFilesystem, path: Any) -> Any:
        return absnormpath_(fs, checked(path))

    def asking(question: Callable[..., Any]) -> Callable[..., bool]:
        @functools.wraps(question)
        def ask(*args: Any, **names: Any) -> bool:
            try:
                return bool(question(*args, **names))
            except UnicodeEncodeError:
                return False

        return ask

    _put(FakeFilesystem, resolve_path, absnormpath)
    questions: tuple[Any, ...] = (FakeFilesystem.exists, FakeFilesystem._is_of_type)
    _put(FakeFilesystem, *map(asking, questions))


def _put(where: type, *functions: Callable[..., Any]) -> None:
    for function in functions:
        setattr(where, function.__name__, function)


def _is_plain(thing: FakeFile) -> bool:
    return stat.S_ISREG(thing.st_mode) or stat.S_ISDIR(thing.st_mode)


def lay_out(fs: FakeFilesystem, case: Case) -> None:
    """Make the case's tree and its mounts."""
    made: list[tuple[FakeFile, Entry]] = []
    for mount in case.mounts:
        fs.create_dir(mount.path)
    folders: dict[str, FakeDirectory] = {"": fs.root}
    for path, entry in case.tree:
        parent, _, name = path.rpartition("/")
        # What lies behind a link is not among the folders that were made.
        folder = folders.get(parent) or cast(FakeDirectory, fs.resolve(parent))
        thing = folder.entries.get(name)
        if thing is None or entry.kind != "directory":
            thing = _new(fs, name, entry)
            folder.add_entry(thing)
        if isinstance(thing, FakeDirectory):
            folders[path] = thing
            thing.st_mode = stat.S_IFDIR | entry.mode
        made.append((thing, entry))
    sizes = {mount.path: mount.size for mount in case.mounts}
    # What is read-only, and what is not, are mounts of their own: nothing is renamed across.
    for path in sorted({*sizes, *case.read_only, *case.writable} - {"/"}):
        if fs.isdir(path):
            _mount(fs, path, sizes.get(path))
    # Last, since adding a file touches its folder.
    for thing, entry in reversed(made):
        thing.st_uid, thing.st_gid = entry.uid, entry.gid
        thing.st_mtime = entry.mtime


def _mount(fs: FakeFilesystem, path: str, size: int | None) -> None:
    """Make a folder, with what is in it, a file system of its own; with size 0 it is full."""
    point = fs.add_mount_point(path, can_exist=True)
    device = point["idev"]
    folder = fs.resolve(path)
    things = (
        [thing for _, thing in _below(folder, path)] if isinstance(folder, FakeDirectory) else []
    )
    for thing in things:
        thing.st_dev = device
    used = sum(thing.size for thing in things if stat.S_ISREG(thing.st_mode))
    point["used_size"] = used
    point["total_size"] = used if size == 0 else size


_TYPES: Mapping[Kind, int] = {
    "file": stat.S_IFREG,
    "fifo": stat.S_IFIFO,
    "device": stat.S_IFCHR,
    "symlink": stat.S_IFLNK,
}


def _new(fs: FakeFilesystem, name: str, entry: Entry) -> FakeFile:
    if entry.kind == "directory":
        return FakeDirectory(name, filesystem=fs)
    contents: Any = entry.target if entry.kind == "symlink" else entry.data
    return FakeFile(name, _TYPES[entry.kind] | entry.mode, contents, filesystem=fs)


def take_down(fs: FakeFilesystem, case: Case) -> Mapping[str, Entry | None]:
    """Everything that is there now: path → entry, or None for what is as the case has it."""
    before = case.tree.entries
    now = ((path, _entry(thing)) for path, thing in _below(fs.root_dir, ""))
    return {path: None if entry == before.get(path) else entry for path, entry in now}


def flush(fs: Any) -> None:
    """Write out what files still hold back, as CPython does for each file that nobody closed."""
    for handles in fs.open_files:
        for handle in handles or ():
            # As there, a failure of this kind goes unseen.
            with suppress(OSError, ValueError, AttributeError):
                handle.flush()


def _below(folder: FakeDirectory, path: str) -> Iterator[tuple[str, FakeFile]]:
    for name, thing in folder.entries.items():
        below = f"{path}/{name}"
        yield below, thing
        if isinstance(thing, FakeDirectory):
            yield from _below(thing, below)


def _entry(thing: FakeFile) -> Entry:
    kind = _kind(thing.st_mode)
    return Entry(
        kind,
        data=(thing.byte_contents or b"") if kind == "file" else b"",
        mode=stat.S_IMODE(thing.st_mode),
        uid=thing.st_uid,
        gid=thing.st_gid,
        mtime=float(thing.st_mtime),
        target=str(thing.contents) if kind == "symlink" else "",
    )


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISFIFO(mode):
        return "fifo"
    return "file" if stat.S_ISREG(mode) else "device"
