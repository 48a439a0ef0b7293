"""What the programs that read a `model.tar.gz` make of one, each in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}

# What GNU tar says of members that it extracts as the others do.
_HARMLESS = re.compile(rb"LIBARCHIVE\.|contiguous files|implausibly old time stamp")

Tree = dict[str, tuple[object, ...]]


class Misread(Exception):
    """A program that failed, or said something; the message says what."""


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in ("tar", "bsdtar", "gzip") if shutil.which(name) is None]


def _by_tarfile(mode: str, filtered: str) -> Callable[[Path, Path], None]:
    def extract(archive: Path, to: Path) -> None:
        try:
            with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
                tar.errorlevel = 2
                tar.extractall(to, filter=filtered)
        except (tarfile.TarError, OSError, ValueError, KeyError) as error:
            raise Misread(f"tarfile {mode} {filtered}: {error!r}") from error

    return extract


def _by_program(*command: str) -> Callable[[Path, Path], None]:
    def extract(archive: Path, to: Path) -> None:
        ran = subprocess.run(
            [*command, str(archive), "-C", str(to)],
            capture_output=True,
            env=_ENVIRONMENT,
            check=False,
            timeout=60,
        )
        # A name in what is said may have several lines.
        said = re.split(rb"\n(?=[\w/]*tar: )", ran.stderr.strip())
        said = [text for text in said if text and not _HARMLESS.search(text)]
        if ran.returncode or said:
            raise Misread(f"{command[0]}: exit code {ran.returncode}, {said}")

    return extract


READERS: Mapping[str, Callable[[Path, Path], None]] = {
    "r:gz": _by_tarfile("r:gz", "fully_trusted"),
    "r|gz": _by_tarfile("r|gz", "fully_trusted"),
    "data": _by_tarfile("r:gz", "data"),
    "GNU tar": _by_program("tar", "-pxzf"),
    "bsdtar": _by_program("bsdtar", "-p", "--no-xattrs", "-xzf"),
}
FIRST, STEP = "r:gz", "extract_tarfile"
"""The reader that the others are held against, and the step's own."""
NAMES = (*READERS, STEP)
IN_PROCESS = ("r|gz", "data", STEP)


def trees(archive: Path, scratch: Path, by: Collection[str]) -> dict[str, Tree]:
    """What each reader of `by` extracts; raises `Misread`."""
    found = {}
    outside = scratch / "outside"
    for name, extract in READERS.items():
        if name not in by:
            continue
        folder = scratch / name.replace(" ", "-")
        # So deep that a way out shows beside it.
        target = folder / "a" / "b"
        target.mkdir(parents=True)
        extract(archive, target)
        found[name] = described(target, modes=name != "data")
        strangers = [*folder.iterdir(), *(folder / "a").iterdir()]
        if sorted(strangers) != [folder / "a", target] or outside.exists():
            raise Misread(f"{name} writes out of its folder: {strangers}")
    return found


def remove(folder: Path) -> None:
    """Remove a folder, whatever the modes of those in it."""
    with contextlib.suppress(PermissionError):  # Which nobody meets who is root.
        shutil.rmtree(folder)
        return
    for top, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(top, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)


def described(top: Path, *, modes: bool = True) -> Tree:
    """What is in a folder: kind, bytes or target, size, mode, whole seconds, other names."""
    tree: Tree = {}
    inodes: dict[int, list[str]] = {}
    for name, entry in _entries(top):
        status = entry.stat(follow_symlinks=False)
        mode = stat.S_IMODE(status.st_mode) if modes else 0
        if entry.is_symlink():
            tree[name] = ("link", str(Path(entry).readlink()))
        elif entry.is_dir():
            tree[name] = ("folder", mode)
        else:
            others = inodes.setdefault(status.st_ino, [])
            others.append(name)
            size = status.st_size
            data = Path(entry).read_bytes() if 0 < size < 1 << 22 else size
            # A hard link has attributes of its own in an archive, and none in a file system.
            own = (mode, int(status.st_mtime)) if status.st_nlink == 1 else (0, 0)
            tree[name] = ("file", own[0], data, others[0], own[1])
    return tree


def _entries(
    folder: Path | os.DirEntry[str], before: str = ""
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        yield before + entry.name, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry, f"{before}{entry.name}/")
