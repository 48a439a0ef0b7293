"""The programs that commonly read a `model.tar.gz`, and whether each reads every member.

Python's tarfile in `r:gz` (the SageMaker SDK, the training toolkit) and `r|gz` (the SDK's version
3), readers that stop after the first gzip member (Java's commons-compress), and GNU tar with gzip.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

from harness.worlds.archives.member import normalised

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
# GNU tar does not know these records of bsdtar's, and says so of each archive that has them.
_OF_BSDTAR = re.compile(r".*: Ignoring unknown extended header keyword 'LIBARCHIVE\..*'\n?")
_misreadings_by_digest: dict[bytes, tuple[tuple[str, str], ...]] = {}


def misreadings(data: bytes, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The readers that do not read exactly these members from `data`, and what they do instead.

    `names` are normalised and sorted. Results are cached, since cases share archives and two of
    the readers are programs.
    """
    digest = hashlib.sha256(data + b"\0" + repr(names).encode("utf-8", "surrogateescape")).digest()
    if digest not in _misreadings_by_digest:
        _misreadings_by_digest[digest] = tuple(_find_misreadings(data, names))
    return _misreadings_by_digest[digest]


def _find_misreadings(data: bytes, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for reader, read in _PYTHON_READERS.items():
        try:
            names_read = tuple(sorted(normalised(name) for name in read(data)))
        except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
            yield reader, f"{type(error).__name__}: {error}"
            continue
        if names_read != names:
            yield reader, f"{len(names_read)} of {len(names)} members"
    gnu_tar = _gnu_tar()
    if gnu_tar:
        _, complaint = _run(data, "gzip", "-t")
        if complaint:
            yield "gzip -t", complaint
        # One line for each member: tar escapes line breaks in names.
        printed, complaint = _run(data, gnu_tar, "-tzf", "-")
        listed = printed.count(b"\n")
        if complaint or listed != len(names):
            yield "tar -tzf", complaint or f"{listed} of {len(names)} members"


def _run(data: bytes, *command: str) -> tuple[bytes, str]:
    """Run a program on `data`; returns its output and its complaint, "" on success."""
    completed = subprocess.run(
        command, input=data, capture_output=True, env=_ENVIRONMENT, check=False, timeout=60
    )
    complaint = _OF_BSDTAR.sub("", completed.stderr.decode("utf-8", "replace")).strip()
    return completed.stdout, complaint or (
        f"exit code {completed.returncode}" if completed.returncode else ""
    )


def _names(data: bytes, mode: str) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as tar:  # type: ignore[call-overload]
        return [info.name for info in tar]


def _first_member(data: bytes) -> list[str]:
    return _names(zlib.decompressobj(wbits=31).decompress(data), "r:")


_PYTHON_READERS: dict[str, Callable[[bytes], list[str]]] = {
    "tarfile r:gz": lambda data: _names(data, "r:gz"),
    "tarfile r|gz": lambda data: _names(data, "r|gz"),
    "first gzip member": _first_member,
}


@lru_cache(maxsize=1)
def _gnu_tar() -> str:
    """GNU tar, under either of its names; empty where there is none."""
    for name in ("tar", "gtar"):
        path = shutil.which(name)
        if path is None:
            continue
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if "GNU tar" in version.stdout:
            return path
    return ""
