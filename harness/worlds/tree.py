"""Immutable trees of files, such as an `/opt/ml`.

A `Tree` maps absolute POSIX paths to entries. Every `with_…` method returns a new tree, so trees
can be shared, cached and compared. Runners exchange them with the harness as tars only.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from harness.worlds.jobs import Job, Request

Kind = Literal["file", "directory", "symlink", "fifo", "device"]

# 2024-01-02T03:04:05Z: in the past, so that changed files have another date.
FIXED_MTIME = 1_704_164_645.0

_TAR_TYPES: Mapping[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
}
_KINDS_BY_TAR_TYPE: Mapping[bytes, Kind] = {code: kind for kind, code in _TAR_TYPES.items()}
# The major and minor number of /dev/null: every device in a tree is this one.
_NULL_DEVICE = (1, 3)

# Folders of every Linux image that a script might write to.
_IMAGE_FOLDERS = {"/home": 0o755, "/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory, symlink, FIFO or (null) character device in a tree.

    `mode` holds the permission bits, `mtime` is in seconds since 1970, `target` is that of a
    symlink.
    """

    kind: Kind
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: float = FIXED_MTIME
    target: str = ""

    def same_content(self, other: Entry) -> bool:
        """Whether kind, bytes and link target are equal; dates, modes and owners do not count."""
        return (self.kind, self.data, self.target) == (other.kind, other.data, other.target)


DIRECTORY = Entry("directory", mode=0o755)


@dataclass(frozen=True)
class Tree:
    """An immutable tree of files: absolute path → `Entry`, parents always present.

    A tree made by `for_job` has a job: a channel added to it appears in the job's config files and
    environment variables too.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    job: Job | None = None
    request: Request = field(default_factory=Request)

    @classmethod
    def for_job(
        cls,
        job: Job,
        outputs: Sequence[str] | Mapping[str, str] = (),
        request: Request | None = None,
    ) -> Tree:
        """The tree of a job before its inputs are added.

        `outputs` are the output folders, or the names of the outputs with their folders; `request`
        holds the other parameters of the job.
        """
        names = tuple(outputs) if isinstance(outputs, Mapping) else ()
        outputs = tuple(outputs.values() if isinstance(outputs, Mapping) else outputs)
        request = replace(request or Request(), outputs=outputs, output_names=names)
        tree = cls(job=job, request=request)
        for folder, mode in _IMAGE_FOLDERS.items():
            tree = tree.with_directory(folder, mode=mode)
        # A training job with checkpoints makes their folder.
        made = [one for one in outputs if job.makes_outputs or one in job.collects]
        return tree.with_directory(*job.folders, *made)._with_job_files()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the job sets."""
        return self.job.variables(self.request) if self.job else {}

    def with_channel(
        self, name: str, files: Mapping[str, bytes] | None = None, at: str | None = None
    ) -> Tree:
        """A tree whose job also has the channel `name`, holding `files`: relative name → bytes.

        It is mounted `at` that folder, by default where the job mounts a channel of this name.
        """
        if self.job is None:
            raise ValueError("only a tree made by Tree.for_job knows where channels are mounted")
        request = self.request
        mounts = request.mounts if at is None else {**request.mounts, name: at}
        tree = self.with_files(at or self.job.mount(name), files or {})
        return tree.with_request(channels=(*request.channels, name), mounts=mounts)

    def with_request(self, **changes: Any) -> Tree:
        """A tree whose job has these parameters changed: fields of `Request`."""
        return replace(self, request=replace(self.request, **changes))._with_job_files()

    def with_code(self, files: Mapping[str, bytes], at: str = "/opt/ml/code") -> Tree:
        """A tree that also holds the user's code; `files`: relative name → bytes."""
        return self.with_files(at, files)

    def _with_job_files(self) -> Tree:
        assert self.job is not None
        tree = self
        for path, data in self.job.file_contents(self.request).items():
            tree = tree.with_file(path, data)
        return tree

    def with_entry(self, path: str, entry: Entry) -> Tree:
        """A tree that also holds `entry` at `path`; missing parents become directories."""
        clean = absolute(path)
        entries = dict(self.entries)
        for parent in parents(clean):
            entries.setdefault(parent, DIRECTORY)
        entries[clean] = entry
        return replace(self, entries=entries)

    def with_file(self, path: str, data: bytes, *, mode: int = 0o644) -> Tree:
        """A tree that also holds a regular file."""
        return self.with_entry(path, Entry("file", data=data, mode=mode))

    def with_files(self, folder: str, files: Mapping[str, bytes]) -> Tree:
        """A tree that also holds `folder`, and in it `files`: relative name → bytes."""
        tree = self.with_directory(folder)
        for name, data in files.items():
            tree = tree.with_file(posixpath.join(folder, name), data)
        return tree

    def with_directory(self, *paths: str, mode: int = 0o755) -> Tree:
        """A tree that also holds these directories; existing entries are kept."""
        tree = self
        for path in paths:
            if absolute(path) not in tree.entries:
                tree = tree.with_entry(path, Entry("directory", mode=mode))
        return tree

    def with_symlink(self, path: str, target: str) -> Tree:
        """A tree that also holds a symbolic link to `target`."""
        return self.with_entry(path, Entry("symlink", mode=0o777, target=target))

    def with_fifo(self, path: str) -> Tree:
        """A tree that also holds a FIFO: opening it for reading blocks for ever."""
        return self.with_entry(path, Entry("fifo"))

    def with_device(self, path: str) -> Tree:
        """A tree that also holds a character device (the null device under another name)."""
        return self.with_entry(path, Entry("device"))

    def without(self, path: str) -> Tree:
        """A tree that does not hold `path`, nor anything below it."""
        clean = absolute(path)
        return replace(
            self, entries={p: e for p, e in self.entries.items() if not is_under(p, clean)}
        )

    def under(self, *folders: str) -> Tree:
        """The part of the tree that is one of the folders or below it."""
        clean = [absolute(one) for one in folders]
        return Tree(
            {p: e for p, e in self.entries.items() if any(is_under(p, one) for one in clean)}
        )

    def get(self, path: str) -> Entry | None:
        """The entry at `path`, if there is one."""
        return self.entries.get(absolute(path))

    def added_or_changed(self, before: Tree) -> Iterator[tuple[str, Entry]]:
        """The entries that are not as they were, of a tree that was `before`."""
        old = before.entries
        for path, entry in self.entries.items():
            was = old.get(path)
            if was is not entry and was != entry:
                yield path, entry

    def removed(self, before: Tree) -> Iterator[tuple[str, Entry]]:
        """The entries that are gone, of a tree that was `before`."""
        yield from (
            (path, entry) for path, entry in before.entries.items() if path not in self.entries
        )

    def __contains__(self, path: object) -> bool:
        """Whether something is at `path`."""
        return isinstance(path, str) and absolute(path) in self.entries

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        """Paths and entries, parents before what they hold."""
        return iter(sorted(self.entries.items()))

    def reversed(self) -> Iterator[tuple[str, Entry]]:
        """Paths and entries, parents before what they hold, which comes in the opposite order.

        Where a path leads through a symbolic link, the order is the usual one: the folder that the
        link names must come first.
        """
        links = {path for path, entry in self.entries.items() if entry.kind == "symlink"}
        if any(parent in links for path in self.entries for parent in parents(path)):
            yield from self
            return
        children: dict[str, list[str]] = {}
        for path, _ in self:
            children.setdefault(posixpath.dirname(path), []).append(path)
        pending = children.get("/", [])
        while pending:
            path = pending.pop()
            yield path, self.entries[path]
            pending += children.get(path, [])

    def to_tar(self, *, reverse: bool = False) -> bytes:
        """The tree as an uncompressed tar (pax), names without the leading slash.

        With `reverse`, in the order of `reversed`.
        """
        members = self.reversed() if reverse else self
        blocks = b"".join(_member(path, entry) for path, entry in members)
        blocks += bytes(2 * tarfile.BLOCKSIZE)
        return blocks + bytes(-len(blocks) % tarfile.RECORDSIZE)

    @classmethod
    def from_tar(cls, data: bytes, below: str = "") -> Tree:
        """The tree of a tar; hard links become separate files.

        With `below`, only the contents of that folder of the tar, which becomes the root. Raises
        `tarfile.TarError` when `data` is not a complete tar.
        """
        entries: dict[str, Entry] = {}
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for info in tar:
                path = absolute("/" + info.name)
                if not is_under(path, f"/{below}") or path == f"/{below}":
                    continue
                path = path[len(below) + 1 :] if below else path
                kind = "file" if info.islnk() else _KINDS_BY_TAR_TYPE.get(info.type, "device")
                content = tar.extractfile(info) if kind == "file" else None
                entries[path] = Entry(
                    kind,
                    data=content.read() if content else b"",
                    mode=info.mode,
                    uid=info.uid,
                    gid=info.gid,
                    mtime=float(info.mtime),
                    target=info.linkname if kind == "symlink" else "",
                )
        return cls(entries)


@lru_cache(maxsize=1024)
def _member(path: str, entry: Entry) -> bytes:
    """The bytes of an entry in a tar; cached, since cases share most of their entries."""
    info = tarfile.TarInfo(path.lstrip("/"))
    info.type = _TAR_TYPES[entry.kind]
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    # Whole seconds fit the plain header; a fraction needs a pax record.
    info.mtime = int(entry.mtime) if entry.mtime.is_integer() else entry.mtime
    info.linkname = entry.target
    info.size = len(entry.data)
    if entry.kind == "device":
        info.devmajor, info.devminor = _NULL_DEVICE
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + entry.data + bytes(-len(entry.data) % tarfile.BLOCKSIZE)


def is_under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it."""
    return path == folder or folder == "/" or path.startswith(folder.rstrip("/") + "/")


def changes(before: Tree, after: Tree) -> list[str]:
    """What was added (`+`), removed (`-`) or changed (`~`), one line each; dates do not count."""
    found = [f"- {path}" for path, _ in before if path not in after]
    for path, entry in after:
        old = before.get(path)
        size = f" ({len(entry.data)} bytes)" if entry.kind == "file" else ""
        if old is None:
            found.append(f"+ {path} {entry.kind}{size}")
        elif not old.same_content(entry) or old.mode != entry.mode:
            found.append(f"~ {path} {entry.kind}{size}")
    return found


def absolute(path: str) -> str:
    """The path in its plain form; raises `ValueError` for one that is not absolute."""
    if not path.startswith("/"):
        raise ValueError(f"a tree holds absolute paths only, not {path!r}")
    return "/" + posixpath.normpath(path).lstrip("/")


def parents(path: str) -> Iterator[str]:
    """The folders above a path, from the top."""
    parts = path.strip("/").split("/")[:-1]
    for count in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:count])
