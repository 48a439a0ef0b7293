"""Builds archives from members, in every dialect of tar, with control over the gzip format.

The same members always give the same bytes. Most callers need `model_archive` only.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from harness.worlds.archives.member import SPARSE_BLOCK, Member, MemberKind

Dialect = Literal["v7", "ustar", "gnu", "pax", "pax-path"]

_TYPES: dict[MemberKind, bytes] = {
    "file": tarfile.REGTYPE,
    "sparse": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "character-device": tarfile.CHRTYPE,
    "block-device": tarfile.BLKTYPE,
}
_FORMATS: dict[Dialect, Literal[0, 1, 2]] = {
    "v7": tarfile.USTAR_FORMAT,
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
    "pax-path": tarfile.PAX_FORMAT,
}
# An archive ends with two blocks of zeros, padded to a record of twenty blocks.
_RECORD = tarfile.RECORDSIZE
# The header of an old GNU sparse file has room for so many pieces.
_GNU_SPARSE_PIECES = 4


@lru_cache(maxsize=256)
def model_archive(members: tuple[Member, ...], dialect: Dialect = "pax") -> bytes:
    """A `model.tar.gz` that holds these members."""
    return gzipped(tar(members, dialect))


@lru_cache(maxsize=64)
def tar(members: tuple[Member, ...], dialect: Dialect = "pax") -> bytes:
    """An uncompressed tar; raises `ValueError` for what the dialect cannot represent."""
    blocks = b"".join(_entry(member, dialect) for member in members) + bytes(2 * tarfile.BLOCKSIZE)
    return blocks + bytes(-len(blocks) % _RECORD)


def gzipped(
    data: bytes,
    level: int = 6,
    *,
    file_name: str = "",
    mtime: int = 0,
    cuts: tuple[int, ...] = (),
) -> bytes:
    """Compress `data`; `cuts` are the offsets at which a new gzip member begins."""
    edges = (0, *cuts, len(data))
    buffer = io.BytesIO()
    for start, end in pairwise(edges):
        with gzip.GzipFile(file_name, "wb", level, buffer, mtime) as stream:
            stream.write(data[start:end])
    return buffer.getvalue()


def with_gzip_fields(
    data: bytes, *, extra: bytes = b"", comment: bytes = b"", checksum: bool = False
) -> bytes:
    """Compress `data` with optional fields in the gzip header (RFC 1952), as bgzip writes them."""
    packed = gzipped(data)
    flags = 2 * checksum + 4 * bool(extra) + 16 * bool(comment)
    header = packed[:3] + bytes([flags]) + packed[4:10]
    header += (struct.pack("<H", len(extra)) + extra) if extra else b""
    header += (comment + b"\0") if comment else b""
    check = struct.pack("<H", zlib.crc32(header) & 0xFFFF) if checksum else b""
    return header + check + packed[10:]


def stored_gzip(data: bytes) -> bytes:
    """A gzip file of stored (uncompressed) blocks."""
    header = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
    blocks: list[bytes] = []
    for start in range(0, max(len(data), 1), 0xFFFF):
        part = data[start : start + 0xFFFF]
        final = start + 0xFFFF >= len(data)
        blocks.append(struct.pack("<BHH", final, len(part), len(part) ^ 0xFFFF) + part)
    return header + b"".join(blocks) + struct.pack("<II", zlib.crc32(data), len(data))


def _entry(member: Member, dialect: Dialect) -> bytes:
    if member.kind == "sparse":
        return _gnu_sparse(member) if dialect == "gnu" else _pax_sparse(member)
    info = _info(member)
    padding = bytes(-len(member.data) % tarfile.BLOCKSIZE)
    if dialect == "v7":
        header = _as_v7(info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape"))
    elif dialect == "pax-path":
        header = _with_path_record(info)
    elif member.attributes:
        header = _with_attributes(info, member.attributes)
    else:
        header = info.tobuf(_FORMATS[dialect], "utf-8", "surrogateescape")
    return header + member.data + padding


def _info(member: Member) -> tarfile.TarInfo:
    info = tarfile.TarInfo(member.name)
    info.type = _TYPES[member.kind]
    info.size = len(member.data)
    info.mode, info.uid, info.gid = member.mode, member.uid, member.gid
    info.uname, info.gname = member.uname, member.gname
    # Whole seconds fit the plain header; a fraction makes a pax record of its own.
    info.mtime = int(member.mtime) if member.mtime.is_integer() else member.mtime
    info.linkname = member.target
    if member.kind.endswith("device"):
        info.devmajor, info.devminor = 1, 3
    return info


def _as_v7(header: bytes) -> bytes:
    """Turn a ustar header into one of Unix v7: no magic, no owner names, file type NUL."""
    kind = b"\0" if header[156:157] == tarfile.REGTYPE else header[156:157]
    return _with_checksum(header[:156] + kind + header[157:257] + bytes(255))


def _with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


def _with_path_record(info: tarfile.TarInfo) -> bytes:
    """A header whose real name is in a pax record only."""
    info.pax_headers = {"path": info.name, "comment": "the name is in here"}
    plain = info.name
    info.name = "pax-path"
    records = tarfile.TarInfo.create_pax_header(info, info.get_info(), "utf-8")
    info.name = plain
    return records


def _with_attributes(info: tarfile.TarInfo, attributes: tuple[tuple[str, bytes], ...]) -> bytes:
    """A header after one of pax records, whose values are any bytes, as the programs write them."""
    records = b"".join(_record(key.encode(), value) for key, value in attributes)
    before = tarfile.TarInfo("././@PaxHeader")
    before.type, before.size = tarfile.XHDTYPE, len(records)
    records += bytes(-len(records) % tarfile.BLOCKSIZE)
    return before.tobuf(tarfile.USTAR_FORMAT) + records + info.tobuf(tarfile.USTAR_FORMAT)


def _record(key: bytes, value: bytes) -> bytes:
    """A pax record, which begins with its own length in decimal digits."""
    rest = b" %b=%b\n" % (key, value)
    size = len(rest) + 1
    while len(str(size)) + len(rest) != size:
        size += 1
    return b"%d%b" % (size, rest)


def _gnu_sparse(member: Member) -> bytes:
    pieces = list(_pieces(member.data))
    if len(pieces) > _GNU_SPARSE_PIECES:
        raise ValueError(f"{member.name} has more than {_GNU_SPARSE_PIECES} pieces")
    info = _info(member)
    content = b"".join(member.data[start : start + size] for start, size in pieces)
    info.size, info.type = len(content), tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    for index, (start, size) in enumerate(pieces):
        header[386 + 24 * index : 410 + 24 * index] = b"%011o\0%011o\0" % (start, size)
    header[483:495] = b"%011o\0" % len(member.data)
    return _with_checksum(bytes(header)) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _pax_sparse(member: Member) -> bytes:
    """A sparse file in pax format 1.0: a map of the pieces, then their bytes."""
    pieces = list(_pieces(member.data))
    numbers = [len(pieces), *(number for piece in pieces for number in piece)]
    piece_map = "".join(f"{number}\n" for number in numbers).encode()
    piece_map += bytes(-len(piece_map) % tarfile.BLOCKSIZE)
    content = piece_map + b"".join(member.data[start : start + size] for start, size in pieces)
    info = _info(member)
    info.size = len(content)
    info.name = f"./GNUSparseFile.0/{member.name}"
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": member.name,
        "GNU.sparse.realsize": str(len(member.data)),
    }
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _pieces(data: bytes) -> Iterator[tuple[int, int]]:
    """The offset and size of each piece of `data` that is not zeros; the last may be empty."""
    start = None
    for offset in range(0, len(data), SPARSE_BLOCK):
        empty = not data[offset : offset + SPARSE_BLOCK].strip(b"\0")
        if not empty and start is None:
            start = offset
        elif empty and start is not None:
            yield start, offset - start
            start = None
    if start is not None:
        yield start, len(data) - start
    else:
        yield len(data), 0
