"""What a file holds, whatever it is packed in: for comparing files that two runs have written.

Dates, owners and modes of members, their order, and how well they are compressed do not count.
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
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError)
_FILE = "file"


def content(data: bytes) -> object:
    """Something that is equal for two files when they hold the same."""
    plain = unpacked(data)
    for members in (_of_tar, _of_zip):
        try:
            return sorted(members(plain))
        except _BROKEN:
            continue
    return plain


def unpacked(data: bytes) -> bytes:
    """What a gzip file holds; anything else as it is."""
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except _BROKEN:
        return data


def texts(data: bytes) -> Iterator[bytes]:
    """The bytes of a file as they are, unpacked, and of each file in it where it is an archive.

    A tar holds the bytes of its members as they are.
    """
    yield data
    plain = unpacked(data)
    if plain is not data:
        yield plain
    try:
        for _, _, _, inside in _of_zip(plain):
            yield inside
    except _BROKEN:
        return


def _of_tar(data: bytes) -> Iterator[tuple[str, str, str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for info in tar:
            stream = tar.extractfile(info) if info.isreg() else None
            kind = _FILE if info.isreg() else info.type.decode("latin-1")
            yield normalised(info.name), kind, info.linkname, stream.read() if stream else b""


def _of_zip(data: bytes) -> Iterator[tuple[str, str, str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for info in packed.infolist():
            yield info.filename, _FILE, "", packed.read(info)
