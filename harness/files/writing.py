"""Files that a user names to be written: whole or not at all, and nothing else is touched."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness.errors import WrongUse

# Of a file's name in bytes, on Linux.
_MAX_NAME = 255


class WrittenFile:
    """A file that will be written; as a redirection of a shell has it, the target of a link is."""

    def __init__(self, file: str, option: str) -> None:
        """Check that it can be written; raises `WrongUse`, which names the `option`."""
        path = Path(file)
        self._option = option
        if len(os.fsencode(path.name)) > _MAX_NAME:
            raise WrongUse(f"{option}: its name is too long", "name another file")
        self._target = Path(os.path.realpath(path))
        self._replaces = not self._target.exists() or self._target.is_file()
        place = self._target.parent if self._replaces else self._target
        if not self._target.parent.is_dir() or self._target.is_dir():
            raise WrongUse(f"{option}: is not a file in an existing folder", "name a file")
        if not os.access(place, os.W_OK):
            raise WrongUse(f"{option}: {place} cannot be written", "name another file")

    def write(self, text: str | Iterable[str]) -> None:
        """Write a temporary file and rename it; raises `WrongUse`.

        A device or a FIFO stays what it is, and is written to. The text may come in parts.
        """
        parts = (one.encode() for one in ((text,) if isinstance(text, str) else text))
        try:
            if self._replaces:
                _replace(self._target, parts)
            else:
                _write(self._target, parts)
        except OSError as error:
            raise WrongUse(f"{self._option}: {error.strerror}", "name another file") from None


def _replace(target: Path, parts: Iterable[bytes]) -> None:
    """Write a file whole or not at all, and touch no other."""
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    descriptor, name = tempfile.mkstemp(prefix=".harness-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(parts)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask if mode is None else mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise


def _write(target: Path, parts: Iterable[bytes]) -> None:
    """Write to a device or a FIFO; fails where nobody reads a FIFO."""
    descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.writelines(parts)
