"""Archives by chance: sound ones, odd ones and broken ones, of every header there is."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable

from tests.fuzz import headers
from tests.fuzz.headers import END, GNU, USTAR, V7

NAMES = (
    *(b"a", b"b", b"c", b"a/b", b"a/c", b"b/c", b"a/b/c", b"d", b"d/e", b"l", b"l/x", b"b/l"),
    *(b"./a", b"././d/e", b"a//c", b"a/./b", b"a/../d", b"d/", b"l/", b"hyperparameters.json"),
    *(b"./hyperparameters.json", b"d/hyperparameters.json", b"hyperparameters.json/x"),
    *(b"d" * 49 + b"/" + b"e" * 50 + b"/w", b"n" * 100, b"p" * 50 + b"/" + b"q" * 49),
    *("é.bin".encode(), b"\xff\xfe", b"\xff" * 120, b"u/" * 60 + b"v", b"x y", b"z\n", b"-r"),
    *(b"..", b"../evil", b"/abs", b"a/../../evil", b".", b"./", b""),
)
TARGETS = (
    *(b"a", b"b", b"d", b"d/e", b"..", b".", b"a/b", b"../a", b"../b", b"../../evil", b"l"),
    *(b"/etc/passwd", b"nowhere", b"hyperparameters.json", b"l/..", b"l/../..", b"t" * 120),
    *("é".encode(), b"\xff", b"c", b"b/l", b"./a", b"d/../a"),
)
RECORDS = (
    *((b"comment", b"x"), (b"mtime", b"1600000000.25"), (b"mtime", b"1e3"), (b"uid", b"7")),
    *((b"uname", "josé".encode()), (b"gname", b"g" * 40), (b"gname", b"\xff"), (b"who", b"x")),
    *((b"SCHILY.xattr.user.a", b"\0\xff\n"), (b"LIBARCHIVE.xattr.user.b", b"YQ")),
    *((b"size", b"1"), (b"size", b"x"), (b"uid", b"99999999999"), (b"atime", b"1.5")),
    *((b"hdrcharset", b"BINARY"), (b"GNU.sparse.realsize", b"9"), (b"GNU.sparse.map", b"0,1")),
    *((b"linkpath", b"a"), (b"mtime", b"-2"), (b"SCHILY.xattr.user.\xff", b"v")),
)
MODES = (0o755, 0o755, 0o755, 0o700, 0o644, 0o777, 0o1777)
ODD_NUMBERS = (b"\x80" + bytes(6) + b"\x05", b"\xff" * 8, b"       \0", b"12345678", b"0000_12\0")


class Generator:
    """Makes an archive at a time; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        """Begin at `seed`."""
        self._random = random.Random(seed)

    def _chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def archive(self) -> bytes:
        """The bytes of a file named `model.tar.gz`."""
        # Most archives have few kinds of odd things, so that some are accepted.
        self._odd = self._random.choice((0, 0, 0, 4, 20, 60))
        members = [self._member() for _ in range(self._random.choice((0, 1, 2, 3, 4, 6, 9)))]
        plain = b"".join(members) + self._end()
        if self._odd and self._chance(10) and plain:
            at = self._random.randrange(len(plain))
            plain = plain[:at] + bytes([self._random.randrange(256)]) + plain[at + 1 :]
        return self._packed(plain)

    def _end(self) -> bytes:
        if not self._odd or not self._chance(6):
            return END
        return self._random.choice((b"", bytes(512), bytes(100), END + b"rest", END + bytes(300)))

    def _name(self) -> bytes:
        last = len(NAMES) if self._odd and self._chance(12) else len(NAMES) - 7
        return NAMES[self._random.randrange(last)]

    def _member(self) -> bytes:
        make: Callable[[bytes], bytes] = self._random.choice(
            (self._file, self._file, self._file, self._folder, self._symlink, self._hard_link)
        )
        if self._chance(8):
            make = self._sparse
        if self._odd and self._chance(self._odd):
            make = self._special
        name = self._name()
        member = b"" if len(name) <= 100 else self._long_name(name)
        return self._before() + member + make(name)

    def _before(self) -> bytes:
        if self._chance(6) or (self._odd and self._chance(self._odd)):
            last = len(RECORDS) if self._odd else 9
            count = self._random.choice((1, 1, 1, 2, 3))
            records = [RECORDS[self._random.randrange(last)] for _ in range(count)]
            return headers.pax(*records, kind=b"g" if self._odd and self._chance(4) else b"x")
        return b""

    def _long_name(self, name: bytes) -> bytes:
        if self._chance(2):
            return headers.long(name)
        return headers.pax((b"path", name))

    def _file(self, name: bytes) -> bytes:
        data = self._random.choice((b"", b"x", b"{}", b"y" * 600, b"z" * 512))
        kind = self._random.choice((b"0", b"0", b"0", b"\0", b"7"))
        magic = self._random.choice((USTAR, USTAR, GNU, V7))
        values = {}
        if self._odd and self._chance(self._odd):
            values["uid"] = self._random.choice(ODD_NUMBERS)
        if self._odd and self._chance(self._odd):
            values["rest"] = self._random.choice((b"prefix", bytes(11) + b"15302000000\0"))
        return headers.file(name, data, kind, magic=magic, **values)

    def _folder(self, name: bytes) -> bytes:
        if self._chance(8):
            kind = self._random.choice((b"0", b"\0", b"7"))
            return headers.header(name + b"/", 0, kind, mode=headers.octal(0o755, 8))
        return headers.folder(name, self._random.choice(MODES))

    def _symlink(self, name: bytes) -> bytes:
        return self._link(name, b"2")

    def _hard_link(self, name: bytes) -> bytes:
        return self._link(name, b"1")

    def _link(self, name: bytes, kind: bytes) -> bytes:
        target = self._random.choice(TARGETS if kind == b"2" else NAMES[:20] + TARGETS)
        before = headers.long(target, b"K") if len(target) > 100 else b""
        return before + headers.link(name, target, kind)

    def _sparse(self, name: bytes) -> bytes:
        pieces = self._random.choice((((0, b"a" * 512),), ((1024, b"b" * 300),), ()))
        size = self._random.choice((1024, 4096, 1324, 2_000_000))
        if self._chance(2):
            return headers.old_sparse(name, pieces, size)
        return headers.sparse(name, pieces, size)

    def _special(self, name: bytes) -> bytes:
        kind = self._random.choice((b"3", b"4", b"6", b"D", b"V", b"M", b"N", b"A", b"Z", b"x"))
        return headers.file(name, b"x" * self._random.choice((0, 9)), kind, magic=GNU)

    def _packed(self, plain: bytes) -> bytes:
        way = self._random.choice(("gzip",) * 6 + ("fields", "members", "plain", "bzip2", "xz"))
        if way == "plain":
            return plain
        if way == "bzip2":
            return self._streams(plain, lambda data: bz2.compress(data, 1))
        if way == "xz":
            return self._streams(plain, lambda data: lzma.compress(data, preset=0))
        if way == "members":
            return self._streams(plain, lambda data: gzip.compress(data, 1, mtime=0))
        packed = gzip.compress(plain, self._random.randrange(10), mtime=0)
        if way == "fields":
            flags = self._random.randrange(32)
            fields = b"\2\0ab" * (flags >> 2 & 1) + b"n\0" * (flags >> 3 & 1)
            head = packed[:3] + bytes([flags]) + packed[4:10] + fields + b"c\0" * (flags >> 4 & 1)
            check = (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") if flags & 2 else b""
            packed = head + check + packed[10:]
        return self._damaged(packed)

    def _streams(self, plain: bytes, pack: Callable[[bytes], bytes]) -> bytes:
        cut = self._random.randrange(len(plain) + 1)
        return self._damaged(pack(plain[:cut]) + pack(plain[cut:]))

    def _damaged(self, packed: bytes) -> bytes:
        if not self._odd or not self._chance(8):
            return packed
        at = self._random.randrange(len(packed))
        return self._random.choice(
            (
                packed[:at],
                packed[:at] + bytes([packed[at] ^ 0x20]) + packed[at + 1 :],
                packed + b"garbage",
                packed + bytes(4),
                packed + packed[:3],
            )
        )
