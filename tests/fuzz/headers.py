"""Tar headers and pax records made by hand, with values that no library would write."""

from __future__ import annotations

import struct

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR, GNU, V7 = b"ustar\x0000", b"ustar  \0", bytes(8)


def octal(number: int, size: int) -> bytes:
    """A number as a field of a header has it."""
    return b"%0*o\0" % (size - 1, number)


def header(
    name: bytes,
    size: int = 0,
    kind: bytes = b"0",
    target: bytes = b"",
    *,
    magic: bytes = USTAR,
    mode: bytes = octal(0o644, 8),
    uid: bytes = octal(0, 8),
    mtime: bytes = octal(1_600_000_000, 12),
    uname: bytes = b"",
    gname: bytes = b"",
    rest: bytes = b"",
) -> bytes:
    """One header with its checksum; `rest` are the bytes from the prefix on."""
    block = struct.pack(
        "100s8s8s8s12s12s8sc100s8s32s32s16x167s",
        *(name, mode, uid, octal(0, 8), octal(size, 12), mtime, b" " * 8, kind),
        *(target, magic, uname, gname, rest),
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(data: bytes) -> bytes:
    """Bytes, filled up to the end of a block."""
    return data + bytes(-len(data) % BLOCK)


def file(name: bytes, data: bytes = b"x", kind: bytes = b"0", **values: bytes) -> bytes:
    """A member that has bytes."""
    return header(name, len(data), kind, **values) + padded(data)


def link(name: bytes, target: bytes, kind: bytes = b"2") -> bytes:
    """A symbolic link, or with kind 1 a hard link."""
    return header(name, 0, kind, target)


def folder(name: bytes, mode: int = 0o755) -> bytes:
    """A folder."""
    return header(name + b"/", 0, b"5", mode=octal(mode, 8))


def long(text: bytes, kind: bytes = b"L") -> bytes:
    """A long name (L) or target (K) in GNU's way."""
    return file(b"././@LongLink", text + b"\0", kind, magic=GNU)


def record(key: bytes, value: bytes) -> bytes:
    """One pax record."""
    size = len(key) + len(value) + 3
    size += len(str(size + len(str(size))))
    return b"%d %b=%b\n" % (size, key, value)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """A pax header for the next member, or with kind g for all that follow."""
    return file(b"pax", b"".join(record(*one) for one in records), kind)


def sparse(name: bytes, pieces: tuple[tuple[int, bytes], ...], size: int) -> bytes:
    """A sparse file in pax format 1.0."""
    numbers = (len(pieces), *(number for at, data in pieces for number in (at, len(data))))
    stored = padded(b"".join(b"%d\n" % number for number in numbers))
    stored += b"".join(data for _, data in pieces)
    return pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"%d" % size),
    ) + file(b"GNUSparseFile.0/x", stored)


def old_sparse(name: bytes, pieces: tuple[tuple[int, bytes], ...], size: int) -> bytes:
    """A sparse file of at most four pieces in the old GNU format."""
    spread = b"".join(octal(at, 12) + octal(len(data), 12) for at, data in pieces)
    rest = bytes(41) + spread.ljust(96, b"\0") + b"\0" + octal(size, 12)
    return file(name, b"".join(data for _, data in pieces), b"S", magic=GNU, rest=rest)
