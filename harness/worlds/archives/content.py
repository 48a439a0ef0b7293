"""The content of files, unpacked, for comparing the outputs of two runs.

Dates, owners, modes and order of archive members do not count, nor does the compression level.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

from harness.worlds.archives.member import normalised

_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_END = b"PK\5\6"
_READ_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
)
_FILE = "file"
# How many archives in one another are looked into.
_MAX_DEPTH = 4
# How compressed data begins, and what unpacks it.
_COMPRESSED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (_GZIP_MAGIC, gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ\0", lzma.decompress),
    *((bytes([0x78, level]), zlib.decompress) for level in (0x01, 0x5E, 0x9C, 0xDA)),
)


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


def unpacked_parts(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes of a file, and what is compressed or packed in it, and in that, to some depth."""
    yield data
    if depth == _MAX_DEPTH:
        return
    for begin, decompress in _COMPRESSED:
        if data.startswith(begin):
            try:
                yield from unpacked_parts(decompress(data), depth + 1)
            except _READ_ERRORS:
                continue
    for members in _packed(data):
        try:
            for _, _, _, member_data in members(data):
                yield from unpacked_parts(member_data, depth + 1)
        except _READ_ERRORS:
            continue


def _packed(data: bytes) -> Iterator[Callable[[bytes], Iterator[tuple[str, str, str, bytes]]]]:
    """What may read the members of a file: a tar has a block, and a zip a record at its end."""
    if len(data) >= tarfile.BLOCKSIZE:
        yield _tar_members
    if _ZIP_END in data:
        yield _zip_members


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
