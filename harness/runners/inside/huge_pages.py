"""Huge pages for the memory of a process that forks many others.

A fork copies an entry for each page that its parent holds, and the end of a process drops it again:
for a huge page that is one instead of 512. Where the kernel cannot make any, all stays as it is.

Calls no `os`, whose functions the fake runner replaces. Runs on Python 3.8 and newer with the
standard library alone.
"""

from __future__ import annotations

import contextlib
import posix
from typing import Iterator, Tuple

from harness.runners.inside import mounts

# MADV_COLLAPSE of madvise(2), which Linux has since 6.1.
_COLLAPSE = 25
_SIZE = 2 << 20
_CHUNK_SIZE = 1 << 16


def use() -> None:
    """Move the memory that this process holds now into huge pages, as far as the kernel does."""
    with contextlib.suppress(ImportError, OSError, AttributeError, ValueError):
        import ctypes

        for start, end in _memory():
            first, last = -(-start // _SIZE) * _SIZE, end // _SIZE * _SIZE
            # One by one: where there is too little memory for one, there may be for the next.
            for place in range(first, last, _SIZE):
                libc = mounts.libc()
                libc.madvise(ctypes.c_void_p(place), ctypes.c_size_t(_SIZE), _COLLAPSE)


def _memory() -> Iterator[Tuple[int, int]]:
    """Where the memory is that this process has written, and no file is behind."""
    descriptor = posix.open("/proc/self/maps", posix.O_RDONLY)
    try:
        lines = b"".join(iter(lambda: posix.read(descriptor, _CHUNK_SIZE), b"")).splitlines()
    finally:
        posix.close(descriptor)
    for line in lines:
        # The range, the rights, three numbers, and a name unless there is none.
        place, rights, *rest = line.split()
        if rights.startswith(b"rw-p") and rest[3:] in ([], [b"[heap]"]):
            start, _, end = place.partition(b"-")
            yield int(start, 16), int(end, 16)
