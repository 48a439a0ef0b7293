"""Takes the variables that a process was started with out of its memory.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import io
import posix
from typing import Any, Dict

# The position in /proc/PID/stat, counted after the name of the program.
_ENVIRONMENT_START = 47
# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: Dict[str, Any] = {"open": io.open}


def forget_environment() -> None:
    """Overwrite what this process was started with: /proc/self/environ shows it.

    Its own `os.environ` must be empty already.
    """
    posix.environ.clear()
    try:
        import ctypes

        with _REAL["open"]("/proc/self/stat", "rb") as stream:
            # Its second field, the name in brackets, may hold blanks.
            fields = stream.read().rpartition(b")")[2].split()
        start, end = int(fields[_ENVIRONMENT_START]), int(fields[_ENVIRONMENT_START + 1])
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)
    except (ImportError, OSError, IndexError):
        # No Linux: there is no such file either.
        return
