"""The content of files, unpacked, for comparing the outputs of two runs.

Dates, owners, modes and order of archive members do not count, nor does the compression level.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from harness.worlds.archives.member import normalised

_GZIP_MAGIC = b"\x1f\x8b"
_READ_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError)
_FILE = "file"


def content(data: bytes) -> object:
    """A value that is equal for files of the same content."""
    plain = unpacked(data)
    for members in (_tar_members, _zip_members):
        try:
            return sorted(members(plain))
        except _READ_ERRORS:
            continue
    return plain


def unpacked(data: bytes) -> bytes:
    """The decompressed content of a gzip file; other data unchanged."""
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except _READ_ERRORS:
        return data


def unpacked_parts(data: bytes) -> Iterator[bytes]:
    """The bytes of a file, its decompressed content, and each member of a zip archive.

    The members of a tar are part of its decompressed content.
    """
    yield data
    plain = unpacked(data)
    if plain is not data:
        yield plain
    try:
        for _, _, _, member_data in _zip_members(plain):
            yield member_data
    except _READ_ERRORS:
        return


def _tar_members(data: bytes) -> Iterator[tuple[str, str, str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for info in tar:
            stream = tar.extractfile(info) if info.isreg() else None
            kind = _FILE if info.isreg() else info.type.decode("latin-1")
            yield normalised(info.name), kind, info.linkname, stream.read() if stream else b""


def _zip_members(data: bytes) -> Iterator[tuple[str, str, str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            yield info.filename, _FILE, "", archive.read(info)
