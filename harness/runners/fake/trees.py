"""The tree of a case in the fake file system: it is made before a run, and collected after."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem

from harness.cases.case import Case
from harness.worlds.tree import Entry, Kind

_TYPES: Mapping[Kind, int] = {
    "file": stat.S_IFREG,
    "fifo": stat.S_IFIFO,
    "device": stat.S_IFCHR,
    "symlink": stat.S_IFLNK,
}
# Where any user may write, in the memory of the machine.
_SHARED_MEMORY = "/dev/shm"


def create_tree(fs: FakeFilesystem, case: Case) -> None:
    """Create the case's tree and its mounts."""
    created: list[tuple[FakeFile, Entry]] = []
    fs.create_dir(_SHARED_MEMORY, 0o1777)
    for mount in case.mounts:
        # One mount may be in another, as the code is in an input at /opt/ml/processing/input.
        if not fs.exists(mount.path):
            fs.create_dir(mount.path)
    folders: dict[str, FakeDirectory] = {"": fs.root}
    for path, entry in case.tree.reversed() if case.reversed_listing else case.tree:
        parent, _, name = path.rpartition("/")
        # A folder behind a symbolic link is not in `folders`.
        folder = folders.get(parent) or cast(FakeDirectory, fs.resolve(parent))
        node = folder.entries.get(_decoded(name))
        if node is None or entry.kind != "directory":
            node = _new_node(fs, _decoded(name), entry)
            folder.add_entry(node)
        if isinstance(node, FakeDirectory):
            folders[path] = node
            node.st_mode = stat.S_IFDIR | entry.mode
        created.append((node, entry))
    sizes = {mount.path: mount.size for mount in case.mounts}
    # Read-only and writable folders are mounts of their own: renames across them fail.
    for path in sorted({*sizes, *case.read_only, *case.writable, _SHARED_MEMORY} - {"/"}):
        if fs.isdir(path):
            _mount(fs, path, sizes.get(path))
    # Last, since adding a file updates the time of its folder.
    for node, entry in reversed(created):
        node.st_uid, node.st_gid = entry.uid, entry.gid
        node.st_mtime = entry.mtime


def _mount(fs: FakeFilesystem, path: str, size: int | None) -> None:
    """Make a folder its own file system of `size` bytes (None: no limit; 0: full)."""
    point = fs.add_mount_point(path, can_exist=True)
    device = point["idev"]
    folder = fs.resolve(path)
    nodes: list[FakeFile] = []
    if isinstance(folder, FakeDirectory):
        nodes = [node for _, node in _descendants(folder, path)]
    for node in nodes:
        node.st_dev = device
    used = sum(node.size for node in nodes if stat.S_ISREG(node.st_mode))
    point["used_size"] = used
    point["total_size"] = used if size == 0 else size


def _new_node(fs: FakeFilesystem, name: str, entry: Entry) -> FakeFile:
    if entry.kind == "directory":
        return FakeDirectory(name, filesystem=fs)
    contents: Any = _decoded(entry.target) if entry.kind == "symlink" else entry.data
    return FakeFile(name, _TYPES[entry.kind] | entry.mode, contents, filesystem=fs)


def collect_tree(fs: FakeFilesystem) -> Mapping[str, Entry]:
    """The whole tree: path → entry."""
    found = {_encoded(path): _entry(node) for path, node in nodes_of(fs)}
    # As in a container, these are the kernel's.
    return {path: one for path, one in found.items() if path not in ("/dev", _SHARED_MEMORY)}


def nodes_of(fs: FakeFilesystem) -> Iterator[tuple[str, FakeFile]]:
    """Every path, and what is there."""
    return _descendants(fs.root_dir, "")


def flush(fs: Any) -> bool:
    """Flush all open files, as CPython does at exit; whether any had something in its buffer."""
    is_flushed = False
    for handles in fs.open_files:
        for handle in handles or ():
            node = getattr(handle, "file_object", None)
            before = getattr(node, "byte_contents", None)
            # As in CPython, such failures are ignored.
            with suppress(OSError, ValueError, AttributeError):
                handle.flush()
            is_flushed = is_flushed or getattr(node, "byte_contents", None) != before
    return is_flushed


def _descendants(folder: FakeDirectory, path: str) -> Iterator[tuple[str, FakeFile]]:
    for name, node in folder.entries.items():
        child = f"{path}/{name}"
        yield child, node
        if isinstance(node, FakeDirectory):
            yield from _descendants(node, child)


def _entry(node: FakeFile) -> Entry:
    kind = _kind(node.st_mode)
    return Entry(
        kind,
        data=(node.byte_contents or b"") if kind == "file" else b"",
        mode=stat.S_IMODE(node.st_mode),
        uid=node.st_uid,
        gid=node.st_gid,
        mtime=float(node.st_mtime),
        target=_encoded(str(node.contents)) if kind == "symlink" else "",
    )


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISFIFO(mode):
        return "fifo"
    return "file" if stat.S_ISREG(mode) else "device"


def _decoded(name: str) -> str:
    """A name as a script sees it whose Python decodes names by the encoding of the case."""
    if name.isascii() or (encoding := sys.getfilesystemencoding()) == "utf-8":
        return name
    return name.encode("utf-8", "surrogateescape").decode(encoding, "surrogateescape")


def _encoded(name: str) -> str:
    """The name of what a script sees under this one."""
    if name.isascii() or (encoding := sys.getfilesystemencoding()) == "utf-8":
        return name
    return name.encode(encoding, "surrogateescape").decode("utf-8", "surrogateescape")
