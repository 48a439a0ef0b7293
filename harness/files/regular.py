"""Users' files, read within limits: no FIFO that nobody writes to, and no device without an end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# In bytes: more than any contract, script or report has.
MAX_SIZE = 256 << 20


def read_bytes(path: Path, max_size: int = MAX_SIZE) -> bytes:
    """The content of a regular file of at most `max_size` bytes; raises `OSError` for others."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data = stream.read(max_size + 1)
        if len(data) > max_size:
            raise OSError(errno.EFBIG, f"it is larger than {max_size} bytes", str(path))
        return data
