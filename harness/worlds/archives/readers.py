"""The programs that read a `model.tar.gz` in the world, and whether each sees all of it.

Python's tarfile in `r:gz` (the SageMaker SDK, the training toolkit) and `r|gz` (the SDK's version
3), readers that stop after the first gzip member (Java's commons-compress), and GNU tar with gzip.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

from harness.worlds.archives.member import normalised

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
_known: dict[bytes, tuple[tuple[str, str], ...]] = {}


def misreadings(data: bytes, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Which readers do not read exactly these members from `data`, and what they do instead.

    `names` are the normalised names, sorted. The answer is remembered: archives repeat from case
    to case, and two of the readers are programs.
    """
    digest = hashlib.sha256(data + b"\0" + repr(names).encode("utf-8", "surrogateescape")).digest()
    if digest not in _known:
        _known[digest] = tuple(_misreadings(data, names))
    return _known[digest]


def _misreadings(data: bytes, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for reader, read in _PYTHON.items():
        try:
            seen = tuple(sorted(normalised(name) for name in read(data)))
        except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
            yield reader, f"{type(error).__name__}: {error}"
            continue
        if seen != names:
            yield reader, f"{len(seen)} of {len(names)} members"
    gnu_tar = _gnu_tar()
    if gnu_tar:
        _, said = _run(data, "gzip", "-t")
        if said:
            yield "gzip -t", said
        # One line a member: other characters than letters are escaped.
        printed, said = _run(data, gnu_tar, "-tzf", "-")
        listed = printed.count(b"\n")
        if said or listed != len(names):
            yield "tar -tzf", said or f"{listed} of {len(names)} members"


def _run(data: bytes, *command: str) -> tuple[bytes, str]:
    """What a program prints when it reads `data`, and what it complains of."""
    ran = subprocess.run(
        command, input=data, capture_output=True, env=_ENVIRONMENT, check=False, timeout=60
    )
    said = ran.stderr.decode("utf-8", "replace").strip()
    return ran.stdout, said or (f"exit code {ran.returncode}" if ran.returncode else "")


def _names(data: bytes, mode: str) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as tar:  # type: ignore[call-overload]
        return [info.name for info in tar]


def _first_member(data: bytes) -> list[str]:
    return _names(zlib.decompressobj(wbits=31).decompress(data), "r:")


_PYTHON: dict[str, Callable[[bytes], list[str]]] = {
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
