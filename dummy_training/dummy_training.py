"""Packages a pretrained model: makes sure that its archive holds hyperparameters, and writes it on.

Reads `model.tar.gz`, puts `hyperparameters.json` at its root unless it is there already, and writes
the result as `/opt/ml/processing/output/model/model.tar.gz`. Every other member keeps its type,
mode, times, owner, link target and bytes. Works as a SageMaker processing or training step; needs
nothing but Python 3.8 or newer, and is faster where `isal` can be imported.

The archive is read once from front to back, with every check there is. What that tells decides how
the output is written; `_obstacle` says what stands against the first two ways:

- *copy*: the hyperparameters are in it, and nothing needs a change: the verified file is copied.
- *splice*: they are not, and nothing else needs a change. The output is one gzip member: a deflate
  block with the tar entry of `hyperparameters.json`, then the compressed bytes of the input as they
  are, then the checksum of both. Nothing is compressed anew.
- *rewrite*: everything else, such as names to be normalised, several gzip members, bytes after the
  end, a plain, bzip2 or xz tar. The input is read again, and written anew member by member, while
  one thread unpacks, one makes the tar, and one packs it.

Neither memory nor temporary files grow with the archive. `extract_tarfile` and `create_tarfile` are
for other programs; the step itself has no need of a folder with the members.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import io
import itertools
import json
import logging
import math
import os
import re
import shutil
import signal
import stat
import struct
import sys
import tarfile
import traceback
import zlib
from array import array
from pathlib import Path
from typing import (
    IO,
    Any,
    Callable,
    Dict,
    Generator,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Tuple,
)

try:
    from isal import isal_zlib as _fast_zlib
except ImportError:
    _fast_zlib = zlib

MODEL_FILE = "model.tar.gz"
HYPERPARAMETERS_FILE = "hyperparameters.json"
MODEL_CHANNELS = (
    "/opt/ml/input/data/model_artifacts_input",
    "/opt/ml/processing/input/model_artifacts_input",
)
HYPERPARAMETERS_CHANNELS = (
    "/opt/ml/input/data/hyperparameters_s3_uri",
    "/opt/ml/processing/input/hyperparameters_s3_uri",
)
SOURCE_DIR = "/opt/ml/code"
OUTPUT_DIR = "/opt/ml/processing/output/model"
# All that a training job collects of a model; as a processing job, the step leaves it alone.
TRAINING_MODEL_DIR = "/opt/ml/model"  # noqa: STEP101
TRAINING_CONFIG = "/opt/ml/input/config/resourceconfig.json"
PROCESSING_CONFIG = "/opt/ml/config/processingjobconfig.json"

_CHUNK = 1 << 18
_SMALL_CHUNK = 1 << 13  # Where the rest is likely to be read again.
_KERNEL_COPY = 1 << 26  # Bytes that are copied at once, between which a signal can come.
_COMPRESSION_LEVEL = 1
_LARGEST_PAX = 1 << 24  # Bytes of a pax header.
_LONGEST_PATH = 4095  # In bytes, as Linux has it.
_LARGEST_NUMBER = (1 << 63) - 1
_LARGEST_JSON = 1 << 20  # Bytes of embedded hyperparameters that are looked at.
_MOST_LINKS_IN_A_PATH = 40  # As Linux has it.
_MOST_PIECES = 1 << 18  # Of a sparse file.
_MOST_SLOTS = 1 << 21  # For paths, three in four slots.
_MOST_REMEMBERED = 1 << 24  # Bytes for the links of an archive.
_LARGEST_XZ = 70 << 20  # Bytes of memory that xz takes at its highest level.
_BLOCK = tarfile.BLOCKSIZE
_LINK_KINDS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
_PLAIN_KINDS = (tarfile.REGTYPE, *_LINK_KINDS, tarfile.DIRTYPE)
_HASH = (1 << 64) - 1
# The pax records that are understood, …
_TEXTS = (b"path", b"linkpath", b"uname", b"gname", b"GNU.sparse.name", b"GNU.sparse.map")
_SPARSE_1_0 = {b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.realsize"}
_SPARSE_0 = {b"GNU.sparse.map", b"GNU.sparse.size"}
_GLOBAL = {b"mtime", b"uid", b"gid", b"uname", b"gname"}  # … in a header for all members, …
_FIELDS = {*_TEXTS, *_SPARSE_1_0, *_SPARSE_0, *_GLOBAL, b"size", b"GNU.sparse.numblocks"}
# … and those that go on as they are. Others only make GNU tar print warnings, and some versions of
# tarfile search long comments for minutes.
_KEPT = re.compile(
    rb"atime|ctime|(SCHILY\.(xattr|acl)|LIBARCHIVE)\..+|RHT\.security\.selinux", re.DOTALL
)
_RECORD_LENGTH = re.compile(rb"([0-9]{1,10}) ")
_TIME = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_OCTAL = re.compile(rb" *([0-7]+) *(?:\0.*)?| *\0*", re.DOTALL)
_ENCODING: Dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
_GZIP_MAGIC, _BZIP2_MAGIC, _XZ_MAGIC = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
# Deflate, no flags, no time (so that bytes are reproducible), unknown system.
_GZIP_HEADER = _GZIP_MAGIC + b"\x08" + bytes(6) + b"\xff"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16  # Flags in a gzip header.
_TRAILER = struct.Struct("<II")  # CRC-32 and length, modulo 2**32.
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_CRC32_POLYNOMIAL = 0xEDB88320

logger = logging.getLogger(__name__)

# A member, and its bytes if it has any, in chunks that must be taken before the next member.
_Entry = Tuple["_Member", Optional[Iterable[bytes]]]
_Entries = Generator[_Entry, None, None]
_Chunks = Generator[bytes, None, None]
_Fields = Dict[bytes, bytes]  # The pax records of a member.


class StepError(ValueError):
    """Something is wrong with an input; `code` says what, and is in the message too."""

    def __init__(self, code: str, message: str) -> None:
        """Make the message `ERROR_CODE: <code> - <message>`."""
        super().__init__(f"ERROR_CODE: {code} - {message}")
        self.code = code


class HyperparametersNotFoundError(FileNotFoundError):
    """There are no hyperparameters: neither in the model nor as an input."""


# --- Reading archives ---------------------------------------------------------------------------


class _Member(tarfile.TarInfo):
    """A member of an archive; its name is that of the place where it comes to lie."""

    __slots__ = ("literal", "pieces", "records", "time", "waits")

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.literal = name  # As it is written.
        self.time = "0"  # Seconds since 1970, whose text is more exact than a number.
        self.records = b""  # The pax records that go on with it, as they are.
        self.pieces: Optional[array[int]] = None  # Offsets and sizes in turns, of a sparse file.
        self.waits = False  # It is a hard link whose target comes later.

    def set_time(self, text: str) -> None:
        self.time, self.mtime = text, math.floor(float(text)) if "." in text else int(text)

    def changed(self, **changes: Any) -> _Member:
        other = copy.copy(self)
        for field, value in changes.items():
            setattr(other, field, value)
        return other

    def stored(self) -> int:
        """How many bytes of it are in the archive, without its map if it is sparse."""
        if not self.isreg():
            return 0
        return self.size if self.pieces is None else sum(self.pieces[1::2])

    def write(self, file: IO[bytes], data: Iterable[bytes]) -> None:
        """Write the bytes of a file, given the stored ones."""
        if self.pieces is None:
            file.writelines(data)
            return
        stored, rest = iter(data), b""
        for offset, size in _pairs(self.pieces):
            file.seek(offset)
            while size:
                rest = rest or next(stored)
                file.write(rest[:size])
                rest, size = rest[size:], size - min(size, len(rest))

    def whole(self, data: Iterable[bytes]) -> bytes:
        file = io.BytesIO()
        self.write(file, data)
        return file.getvalue().ljust(self.size, b"\0")


def _pairs(numbers: array[int]) -> Iterator[Tuple[int, int]]:
    values = iter(numbers)
    return zip(values, values)  # noqa: B905


class _Stream:
    """The chunks of an archive as a file that is read forward only."""

    def __init__(self, chunks: Iterator[bytes], path: Path) -> None:
        self._chunks = chunks
        self._path = path
        self._chunk = b""
        self._used = 0
        self.at = 0

    def piece(self, size: int) -> bytes:
        """The next bytes, at most `size`, as they come; none at the end."""
        if self._used == len(self._chunk):
            with _reading(self._path):
                self._chunk, self._used = next(self._chunks, b""), 0
        data = self._chunk[self._used : self._used + size]
        self._used += len(data)
        self.at += len(data)
        return data

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next bytes, exactly `size`, as they come."""
        while size > 0:
            data = self.piece(size)
            if not data:
                raise _not_intact(self._path, "unexpected end of data")
            size -= len(data)
            yield data

    def read(self, size: int) -> bytes:
        return b"".join(self.pieces(size))

    def skip(self, size: int) -> None:
        for _ in self.pieces(size):
            pass

    def padded(self, size: int) -> bytes:
        """The bytes of a header, after which the rest of the block is skipped."""
        data = self.read(size)
        self.skip(-size % _BLOCK)
        return data


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def _ahead(chunks: _Chunks) -> _Chunks:
    """Have a thread of its own make each chunk while the one before is used.

    When this is closed, the thread has ended, and `chunks` is closed.
    """
    from concurrent.futures import ThreadPoolExecutor  # Not needed by a splice.

    with contextlib.closing(chunks), ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, chunks, b"")
        while True:
            chunk = coming.result()
            if not chunk:
                return
            coming = pool.submit(next, chunks, b"")
            yield chunk


@contextlib.contextmanager
def _naming(path: Path, doing: str) -> Iterator[None]:
    """Make errors of the system say at what file they came, and at doing what."""
    try:
        yield
    except OSError as error:
        if error.errno is None or " while " in str(error.strerror):
            raise
        raise OSError(error.errno, f"{error.strerror} while {doing}", str(path)) from error


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever unreadable bytes raise into INVALID_ARCHIVE; true I/O errors stay."""
    try:
        with _naming(path, "reading"):
            yield
    except (StepError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _not_intact(path, f"{type(error).__name__}: {error}") from error


def _not_intact(path: Path, reason: str) -> StepError:
    return StepError("INVALID_ARCHIVE", f"{path} is no intact tar archive: {reason}")


class _Kinds:
    """What kind of thing each path of an archive is, at less than 20 bytes for each."""

    def __init__(self) -> None:
        # A slot holds the path's hash, which cannot be foreseen, and 3 bits of its kind, above
        # which is the mode of a folder.
        self._hashes, self._kinds = array("Q", bytes(8 << 10)), array("H", bytes(2 << 10))
        self._used = 0

    def _slot(self, path_hash: int) -> int:
        hashes, kinds, last = self._hashes, self._kinds, len(self._kinds) - 1
        slot = path_hash & last
        while kinds[slot] and hashes[slot] != path_hash:
            slot = slot + 1 & last
        return slot

    def get(self, path: str) -> int:
        return self._kinds[self._slot(hash(path) & _HASH)] & 7

    def mode(self, path: str) -> int:
        return self._kinds[self._slot(hash(path) & _HASH)] >> 3

    def set(self, path: str, kind: int, mode: int = 0) -> None:
        path_hash = hash(path) & _HASH
        slot = self._slot(path_hash)
        self._used += not self._kinds[slot]
        self._hashes[slot], self._kinds[slot] = path_hash, mode << 3 | kind
        if 4 * self._used > 3 * len(self._kinds):
            if len(self._kinds) == _MOST_SLOTS:
                raise ValueError("more members than the step can keep apart")
            hashes, kinds = self._hashes, self._kinds
            self._hashes = array("Q", bytes(16 * len(kinds)))
            self._kinds = array("H", bytes(4 * len(kinds)))
            for path_hash, old in zip(hashes, kinds):  # noqa: B905
                if old:
                    slot = self._slot(path_hash)
                    self._hashes[slot], self._kinds[slot] = path_hash, old


# What a path can be. A file is linked when it has several names.
_FOLDER, _ALONE, _LINKED, _LINK, _WAITING = range(1, 6)
# A bit above the mode with which bsdtar makes a folder: it is to get another one in the end.
_GETS_ANOTHER = 1 << 12
_MADE = 0o755  # The mode of a folder that no member tells of.


class _Archive:
    """A tar archive that is read from front to back, with every check there is.

    Iterating yields each member and its bytes (None for what has none, only the stored ones of a
    sparse file). Names are those of the places where members come to lie: no leading `./`, no
    `..`, and no link on the way. What programs that extract it would make different things of, or
    fail at, is INVALID_ARCHIVE; what leads out of the archive, or through a folder that a link
    replaces, is UNSAFE_MEMBER. `obstacle` says why the tar cannot be taken over as it is; empty
    when it can.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self.path = path
        self.obstacle = ""
        self.end = 0  # Of the gzip member, if the file is one and nothing else.
        self.crc = self.size = 0  # Of all that was unpacked.
        self.hard: Dict[str, str] = {}  # The file that each hard link is another name of.
        self._again = again  # Warnings were given the first time.
        self._kinds = _Kinds()
        self._links: Dict[str, str] = {}
        self._room = _MOST_REMEMBERED
        self._folder = ("", "")  # Of the last member, which is most often that of the next one.
        self._global: _Fields = {}

    def __iter__(self) -> _Entries:
        return self._entries(self._unpack())

    def ahead(self) -> _Entries:
        """Iterate while a thread of its own unpacks."""
        return self._entries(_ahead(self._unpack()))

    # --- Unpacking ---

    def _unpack(self) -> _Chunks:
        """The unpacked bytes, in chunks that are never empty."""
        with _naming(self.path, "reading"):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise StepError("INVALID_ARCHIVE", f"{self.path} is not a regular file")
            raw = self.path.open("rb")
        with raw:
            head = raw.read(len(_XZ_MAGIC))
            raw.seek(0)
            for magic in (_GZIP_MAGIC, _BZIP2_MAGIC, _XZ_MAGIC):
                if head.startswith(magic):
                    yield from self._unpack_streams(raw, magic)
                    return
            yield from _chunks(raw)

    def _unpack_streams(self, raw: IO[bytes], magic: bytes) -> _Chunks:
        """Unpack each stream; what does not begin as one after the first is ignored.

        gzip skips zeros after a stream. xz takes whatever follows for another one, but for zeros
        in groups of four.
        """
        first, head = 0, raw.read(len(_XZ_MAGIC))
        while head.startswith(magic):
            if magic == _GZIP_MAGIC and head[3:4] >= b"\x20":
                raise ValueError("unknown flags in a gzip header")
            raw.seek(-len(head), io.SEEK_CUR)
            yield from self._unpack_stream(raw, _decompressor(magic))
            end = raw.tell()
            first, zeros = first or end, b"\0"
            while magic != _BZIP2_MAGIC and zeros and not zeros.strip(b"\0"):
                zeros = raw.read(_SMALL_CHUNK)
            rest = raw.seek(-len(zeros.lstrip(b"\0")), io.SEEK_CUR)
            head = raw.read(len(_XZ_MAGIC))
            if magic == _XZ_MAGIC and ((rest - end) % 4 or head not in (b"", magic)):
                raise ValueError("what follows the compressed data is damaged")
        if head and magic.startswith(head):
            raise EOFError("the compressed data ends too early")
        if head:
            self._warn("Garbage after the compressed data of %s is ignored")
        if magic == _GZIP_MAGIC and raw.tell() == first:
            self.end = first

    def _unpack_stream(self, raw: IO[bytes], stream: Any) -> _Chunks:
        """Unpack one stream, and leave the file at its end."""
        size = _SMALL_CHUNK
        while not stream.eof:
            packed = getattr(stream, "unconsumed_tail", b"")
            if not packed and getattr(stream, "needs_input", True):
                packed, size = raw.read(size), min(2 * size, _CHUNK)
                if not packed:
                    raise EOFError("the compressed data ends too early")
            try:
                chunk = stream.decompress(packed, _CHUNK)
            except _fast_zlib.error as error:  # In whose words depends on the library.
                raise ValueError("the compressed data is damaged") from error
            self.crc, self.size = _fast_zlib.crc32(chunk, self.crc), self.size + len(chunk)
            if chunk:
                yield chunk
        raw.seek(-len(stream.unused_data), io.SEEK_CUR)

    def _warn(self, text: str) -> None:
        if not self._again:
            logger.warning(text, self.path)

    def _obstruct(self, why: str) -> None:
        self.obstacle = self.obstacle or why

    # --- Members ---

    def _entries(self, chunks: _Chunks) -> _Entries:
        stream = _Stream(chunks, self.path)
        end = 0
        with contextlib.closing(chunks):
            while True:
                with _reading(self.path):
                    stream.skip(end - stream.at)
                    member = self._next(stream)
                    if member is None:
                        break
                    end = stream.at + _padded(member.stored())
                    at_root = self._settle(member)
                if not at_root:
                    yield member, stream.pieces(member.stored()) if member.isreg() else None
            with _reading(self.path):
                self._finish(stream)

    def _next(self, stream: _Stream) -> Optional[_Member]:
        """The next member as its headers have it; None at the end."""
        records: Optional[_Records] = None
        long: _Fields = {}
        headers = 0
        while True:
            block = stream.piece(_BLOCK)
            if block:
                block += stream.read(_BLOCK - len(block))
            if not block.strip(b"\0"):
                if not stream.at or records or long:
                    raise ValueError("a member is missing at the end")
                self._zeros = len(block)
                return None
            kind, size = block[156:157], _checked(block)
            headers += 1
            if kind in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE):
                is_global = kind == tarfile.XGLTYPE
                if size > _LARGEST_PAX or records is not None or (is_global and long):
                    raise ValueError(f"a pax header of {size} bytes, or several for one member")
                found = _Records(stream.padded(size))
                if is_global:
                    self._take_global(found)
                    continue
                records = found
                if records.odd:
                    self._obstruct("a pax header")
            elif kind in (b"L", b"K"):
                if size > _LONGEST_PATH + 1:
                    raise ValueError(f"a path of {size} bytes")
                key, text = b"path" if kind == b"L" else b"linkpath", _text(stream.padded(size))
                if long.setdefault(key, text) != text:
                    raise ValueError("several names for one member")
            elif kind == b"V":  # The label of an archive, which nothing extracts.
                self._obstruct("the label of the archive")
                stream.skip(_padded(size))
            else:
                break
        if headers > 8:  # One calls the next in tarfile.
            self._obstruct("headers in a row")
        fields = {**self._global, **(records.fields if records else {})}
        for key, text in long.items():
            if fields.setdefault(key, text) != text:
                raise ValueError("two names for one member")
        size = _decimal(fields[b"size"]) if b"size" in fields else size
        member = self._member(stream, block, size, fields)
        if records:
            member.records = records.kept
            if size and member.islnk():
                raise ValueError(f"bytes of the link {_shown(member.literal)}")
        return member

    def _take_global(self, records: _Records) -> None:
        """Remember what a header says of all members to come, where that is safe."""
        if not records.fields.keys() <= _GLOBAL or records.kept:
            raise ValueError("a header for all members with more than owners and times")
        self._obstruct("a header for all members")
        self._global.update(records.fields)

    def _member(self, stream: _Stream, block: bytes, size: int, fields: _Fields) -> _Member:
        member = _Member()
        kind, magic = block[156:157], block[257:265]
        name, prefix = _text(block[:100]), _text(block[345:500])
        if prefix and magic[:6] == b"ustar\0":
            name = prefix + b"/" + name
        elif prefix and magic[:5] == b"ustar" and magic != tarfile.GNU_MAGIC:
            raise ValueError("a prefix that only some programs take for one")
        is_plain = kind in _PLAIN_KINDS and magic in (b"ustar\x0000", tarfile.GNU_MAGIC)
        devices = block[329:337], block[337:345]  # Read by some programs in any member.
        if (prefix and magic == tarfile.GNU_MAGIC) or b" " * 8 in block[100:124]:
            is_plain = False
        if not (is_plain and all(map(_OCTAL.fullmatch, devices))):
            self._obstruct("an old or odd header")
        name = fields.get(b"path", name)
        linkname = fields.get(b"linkpath", _text(block[157:257]))
        member.type = tarfile.REGTYPE if kind in tarfile.REGULAR_TYPES else kind
        self._read_map(stream, block, size, member, fields)
        name = fields.get(b"GNU.sparse.name", name)
        if max(map(len, (name, linkname))) > _LONGEST_PATH or b"\0" in name + linkname:
            raise ValueError(f"a path that nothing can extract, of {len(name)} bytes")
        member.literal, member.linkname = name.decode(**_ENCODING), linkname.decode(**_ENCODING)
        _read_values(block, member, fields)
        if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            raise _unsafe(member.literal, "is a device or FIFO")
        if kind in (b"A", b"M", b"N"):
            raise ValueError(f"{_shown(member.literal)} is of a kind that few programs know")
        if kind == b"D":  # A folder with a list of what was in it.
            member.type = tarfile.DIRTYPE
            stream.skip(_padded(size))
        elif kind not in (tarfile.DIRTYPE, *_LINK_KINDS):
            member.type = tarfile.REGTYPE
        elif size:
            self._obstruct("the size of what has none")
        if member.isreg() and name.endswith(b"/"):
            if member.size:
                raise ValueError(f"the folder {_shown(member.literal)} has bytes")
            member.type = tarfile.DIRTYPE
            self._obstruct("a folder that is stored as a file")
        if not member.isreg():
            member.size, member.pieces = 0, None
        if member.type not in _LINK_KINDS:
            member.linkname = ""
        return member

    def _read_map(
        self, stream: _Stream, block: bytes, size: int, member: _Member, fields: _Fields
    ) -> None:
        """Take the map of a sparse file, in each of the forms there are, and its sizes."""
        keys = {key for key in fields if key.startswith(b"GNU.sparse.")} if fields else set()
        pieces: array[int] = array("Q")
        member.size = size
        if block[156:157] == tarfile.GNUTYPE_SPARSE:
            if keys or b"size" in fields or _text(block[:100]).endswith(b"/"):
                raise ValueError("two maps of a sparse file, or a sparse folder")
            pieces.extend(itertools.islice(_old_map(stream, block), 2 * _MOST_PIECES + 2))
            member.size = _number(block[483:495])
        elif not keys:
            return
        elif not member.isreg():
            raise ValueError("a map of what is no file")
        elif keys - {b"GNU.sparse.name"} == _SPARSE_1_0:
            if (fields[b"GNU.sparse.major"], fields[b"GNU.sparse.minor"]) != (b"1", b"0"):
                raise ValueError("a sparse file of an unknown version")
            start, numbers = stream.at, _lines(stream, size)
            pieces.extend(itertools.islice(numbers, 2 * min(next(numbers), _MOST_PIECES + 1)))
            size -= stream.at - start
            member.size = _decimal(fields[b"GNU.sparse.realsize"])
            if b"size" in fields:
                self._obstruct("a sparse file with a record of its size")
        elif keys - {b"GNU.sparse.name", b"GNU.sparse.numblocks"} == _SPARSE_0:
            texts = fields[b"GNU.sparse.map"].split(b",", 2 * _MOST_PIECES + 2)
            pieces.extend(map(_decimal, texts if texts != [b""] else ()))
            member.size = _decimal(fields[b"GNU.sparse.size"])
            count = fields.get(b"GNU.sparse.numblocks")
            if count is not None and 2 * _decimal(count) != len(pieces):
                raise ValueError("a map of another length")
            self._obstruct("a sparse file in an old form")
        else:
            raise ValueError("records of a sparse file that do not belong together")
        if _end_of_pieces(pieces, size) != member.size:
            # GNU tar does not make the hole at the end without a piece of no bytes behind it.
            pieces.extend((member.size, 0))
            self._obstruct("a sparse file whose end is a hole")
            if _end_of_pieces(pieces, size) != member.size:
                raise ValueError("a sparse file whose pieces do not fit into it")
        member.pieces = pieces

    # --- Places ---

    def _settle(self, member: _Member) -> bool:
        """Find the place of a member among the others; returns whether it is the root itself."""
        literal = _normalised(member.literal, member.literal)
        if literal == ".":
            if not member.isdir():
                raise ValueError("a file without a name")
            self._obstruct("a member for the root")
            return True
        folder, _, last = literal.rpartition("/")
        if folder != self._folder[0]:
            self._folder = (folder, self._follow(folder, make=True))
        plain = member.literal
        if member.isdir() and plain.endswith("/"):
            plain = plain[:-1]
        member.literal, member.name = literal, _below(self._folder[1], last)
        self._put(member)
        if member.name != plain:
            self._obstruct(f"the name {_shown(plain)}")
        if member.waits:
            self._obstruct("a link that comes before its target")
        return False

    def _put(self, member: _Member) -> None:
        """Note what is at a place now, unless programs would make different things of it."""
        name, shown = member.name, _shown(member.literal)
        before = self._kinds.get(name)
        if member.isdir():
            if before == _LINK:
                raise _unsafe(member.literal, "is a folder in the place of a link")
            if before not in (0, _FOLDER):
                raise ValueError(f"{shown} is a file and a folder")
            # bsdtar leaves the mode of a folder for later if it is not the one that the folder has
            # by then, and so one that comes between.
            made = self._kinds.mode(name) if before else (member.mode | 0o700) & _MADE
            if made == member.mode | _GETS_ANOTHER:
                raise ValueError(f"{shown} is a folder of several modes")
            self._kinds.set(name, _FOLDER, made | (made != member.mode) * _GETS_ANOTHER)
            return
        if before == _FOLDER:
            if member.isreg():
                raise ValueError(f"{shown} is a file and a folder")
            raise _unsafe(member.literal, "is a link in the place of a folder")
        if before and name != HYPERPARAMETERS_FILE:  # Of which only the last are written.
            if member.islnk() or before in (_LINKED, _WAITING):
                raise ValueError(f"{shown} and a hard link have the same name")
            if before == _LINK and member.isreg():
                raise ValueError(f"{shown} is a link and a file")
        earlier = self._links.get(name, member.linkname)
        if earlier != member.linkname and ".." in earlier.split("/"):
            # GNU tar makes such a link in the end, in the place of a file of the same number.
            raise ValueError(f"{shown} is a link with `..`, and is replaced")
        if before == _LINK and member.issym():
            # The data filter of tarfile finds the older link on the way of the new one.
            self._follow(_below(name.rpartition("/")[0], member.linkname))
        self._links.pop(name, None)
        self.hard.pop(name, None)
        self._kinds.set(name, self._put_hard_link(member) if member.islnk() else _ALONE)
        if member.issym():
            self._put_link(member)

    def _put_hard_link(self, member: _Member) -> int:
        plain = member.linkname
        folder, _, last = _normalised(plain, member.literal).rpartition("/")
        target = member.linkname = _below(self._follow(folder), last)
        if target != plain:
            self._obstruct(f"the link to {_shown(plain)}")
        is_own = HYPERPARAMETERS_FILE in (member.name, target)
        before = self._kinds.get(target)
        if before == _FOLDER or (target == member.name and not is_own):
            raise ValueError(f"{_shown(member.literal)} is a hard link to what is no other file")
        if before == _LINK:
            if target == HYPERPARAMETERS_FILE:
                raise ValueError(f"{_shown(member.literal)} is a hard link to a link")
            # Another link to the same: some programs fail at one to a link that leads nowhere.
            member.type, member.linkname = tarfile.SYMTYPE, self._links[target]
            self._obstruct(f"the hard link {_shown(member.name)} to a link")
            return _LINK
        self._remember(member.name, target)
        self.hard[member.name] = self.hard.get(target, target)
        if before in (0, _WAITING):
            member.waits = True
            return _WAITING
        if not is_own:
            self._kinds.set(target, _LINKED)
        return _LINKED

    def _put_link(self, member: _Member) -> None:
        if not member.linkname:
            raise ValueError(f"the link {_shown(member.literal)} leads nowhere")
        self._remember(member.name, member.linkname)
        self._links[member.name] = member.linkname
        self._kinds.set(member.name, _LINK)
        self._folder = ("", "")
        self._follow(member.name)

    def _remember(self, *texts: str) -> None:
        self._room -= 400 + sum(map(sys.getsizeof, texts))
        if self._room < 0:
            raise ValueError("more links than the step can keep apart")

    def _follow(self, path: str, *, make: bool = False) -> str:
        """Where a path leads through the archive's links; `make` the folders on the way."""
        place, hops, steps = "", _MOST_LINKS_IN_A_PATH, 2 * _LONGEST_PATH
        to_go = path.split("/")[::-1]
        while to_go:
            part = to_go.pop()
            steps -= 1
            if not steps:
                raise ValueError(f"{_shown(path[:80])} leads through more links than any path may")
            if part in ("", "."):
                continue
            if part == "..":
                if not place:
                    raise _unsafe(path, "leads out of the archive")
                place = place.rpartition("/")[0]
                continue
            below = _below(place, part)
            kind = self._kinds.get(below)
            if kind == _LINK and hops:
                target = self._links[below]
                if target.startswith("/"):
                    raise _unsafe(path, f"leads to {_shown(target)}, out of the archive")
                hops -= 1
                to_go.extend(target.split("/")[::-1])
                continue
            if make and kind != _FOLDER:
                if kind:
                    raise ValueError(f"{_shown(path)} is a folder and something else")
                self._kinds.set(below, _FOLDER, _MADE)
            place = below
        return place

    def file_behind(self) -> str:
        """The name of the file that hyperparameters which are a link mean in the end."""
        name = self._follow(HYPERPARAMETERS_FILE)
        return self.hard.get(name, name)

    def _finish(self, stream: _Stream) -> None:
        """Check links against all members, and read on: only the end proves the checksum."""
        for name in self._links:
            self._follow(name)
        for name in self.hard:
            chain: List[str] = []
            target = name
            while target in self.hard and len(chain) <= len(self.hard):
                chain.append(target)
                target = self.hard[target]
            self.hard.update(dict.fromkeys(chain, target))
            # Of a link that comes later, programs make as many different things as there are.
            is_file = self._kinds.get(target) in (_ALONE, _LINKED)
            if not (is_file and self._follow(target) == target) and name != HYPERPARAMETERS_FILE:
                raise ValueError(f"{_shown(name)} is a hard link to nothing")
        chunk, follows = stream.piece(_CHUNK), False
        while chunk:
            follows = follows or bool(chunk.strip(b"\0"))
            self._zeros += len(chunk)
            chunk = stream.piece(_CHUNK)
        if follows:
            self._warn("Data after the end of the archive %s is ignored")
        if follows or self._zeros < 2 * _BLOCK or self._zeros % _BLOCK:
            self._obstruct("the end of the tar")


def _decompressor(magic: bytes) -> Any:
    if magic == _GZIP_MAGIC:
        return _fast_zlib.decompressobj(_GZIP_WBITS)
    if magic == _BZIP2_MAGIC:
        import bz2  # Not every Python is built with it.

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor(memlimit=_LARGEST_XZ)


class _Records:
    """The pax records of a header: those with a meaning, and those that go on as they are."""

    def __init__(self, data: bytes) -> None:
        self.fields: _Fields = {}
        self.odd = False  # Readers may differ about them, or need not have them.
        kept, at = bytearray(), 0
        pieces: List[bytes] = []
        while at < len(data):
            match = _RECORD_LENGTH.match(data, at)
            if match is None:
                if data.count(b"\0", at) != len(data) - at:
                    raise ValueError("an unreadable pax header")
                self.odd = True
                break
            end = at + int(match[1])
            equals = data.find(b"=", match.end(), end)
            if not match.end() < equals < end <= len(data) or data[end - 1] != 0x0A:
                raise ValueError("an unreadable pax header")
            key, value = data[match.end() : equals], data[equals + 1 : end - 1]
            if b"\0" in key:  # Where it ends for GNU tar.
                raise ValueError("an unreadable pax header")
            self.odd = self.odd or match[1].startswith(b"0")
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                if key.endswith(b"numbytes") != len(pieces) % 2 or len(pieces) > 2 * _MOST_PIECES:
                    raise ValueError("an unreadable map of a sparse file")
                pieces.append(value)
            elif key in _FIELDS:
                self.odd = self.odd or key in self.fields or not _is_sound(key, value)
                self.fields[key] = value
            elif _KEPT.fullmatch(key):
                kept += _record(key, value)
            else:
                self.odd = True
            at = end
        if pieces:
            if b"GNU.sparse.map" in self.fields:
                raise ValueError("two maps of a sparse file")
            self.fields[b"GNU.sparse.map"] = b",".join(pieces)
        self.kept = bytes(kept)


def _is_sound(key: bytes, value: bytes) -> bool:
    """Whether every reader takes a pax record for the same."""
    if key in _TEXTS:
        return _is_utf8(value) and not (key == b"linkpath" and not value)
    return bool(_TIME.fullmatch(value) if key == b"mtime" else value.isdigit())


def _record(key: bytes, value: bytes) -> bytes:
    """A pax record, which begins with its own length."""
    size = len(key) + len(value) + 3
    size += len(str(size + len(str(size))))
    return b"%d %b=%b\n" % (size, key, value)


def _checked(block: bytes) -> int:
    """The size in a header, once the header's checksum has proved right."""
    said, total = _number(block[148:156]), sum(block) - sum(block[148:156]) + 8 * 0x20
    if said != total:
        others = block[:148] + block[156:]
        if said != total - 256 * sum(map(0x7F.__lt__, others)):  # The sum of signed bytes.
            raise ValueError("the checksum of a header is wrong")
    return _number(block[124:136])


def _read_values(block: bytes, member: _Member, fields: _Fields) -> None:
    """Take mode, owners and time from a header, or from the records before it."""
    member.mode = _number(block[100:108]) & 0o7777
    for field, at in (("uid", 108), ("gid", 116)):
        value = _number(block[at : at + 8])  # Readers fail at it, even if a record has one.
        is_held = 0 <= value < 1 << 32
        if field.encode() in fields:
            value = _decimal(fields[field.encode()])
        if not is_held or not 0 <= value < (1 << 32) - 1:  # The last one means none.
            raise ValueError(f"{field} {value} of {_shown(member.literal)}")
        setattr(member, field, value)
    for field, at in (("uname", 265), ("gname", 297)):
        header = _text(block[at : at + 32]) if block[257:262] == b"ustar" else b""
        text = fields.get(field.encode(), header)
        if len(text) > _LONGEST_PATH or (len(text) > 32 and not _is_utf8(text)):
            raise ValueError(f"{field} of {_shown(member.literal)}, which no header holds")
        setattr(member, field, text.decode(**_ENCODING))
    digits = fields.get(b"mtime", b"%d" % _number(block[136:148]))
    if len(digits) > 100:
        raise ValueError("a time of too many digits")
    time = digits.decode("ascii") if _TIME.fullmatch(digits) else repr(float(digits))
    if not -_LARGEST_NUMBER <= float(time) < _LARGEST_NUMBER:
        raise ValueError(f"time {time} of {_shown(member.literal)}")
    member.set_time(str(int(float(time))) if "e" in time else time)


def _number(field: bytes) -> int:
    """A number in a header: octal digits, or bytes after a mark."""
    if field[0] in (0x80, 0xFF):
        number = int.from_bytes(field[1:], "big") - (field[0] == 0xFF) * (1 << 8 * len(field) - 8)
        if not -_LARGEST_NUMBER <= number <= _LARGEST_NUMBER:
            raise ValueError("a number that no program holds")
        return number
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ValueError(f"{ascii(field)[1:]} is no number")
    return int(match[1] or b"0", 8)


def _decimal(text: bytes) -> int:
    """A number in a pax record."""
    if not text.isdigit() or len(text) > 19 or int(text) > _LARGEST_NUMBER:
        raise ValueError(f"{ascii(text[:40])[1:]} is no number")
    return int(text)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _lines(stream: _Stream, size: int) -> Iterator[int]:
    """The numbers in lines at the begin of a sparse file of `size` bytes."""
    text = b""
    while True:
        line, end, rest = text.partition(b"\n")
        if end:
            text = rest
            yield _decimal(line)
        elif size <= 0 or len(text) > 20:
            raise ValueError("an unreadable map of a sparse file")
        else:
            text += stream.padded(_BLOCK)
            size -= _BLOCK


def _old_map(stream: _Stream, block: bytes) -> Iterator[int]:
    """The numbers in a header of the old form, and in those that follow it."""
    pairs, more = block[386:482], block[482]
    while True:
        for at in range(0, len(pairs), 24):
            pair = _number(pairs[at : at + 12]), _number(pairs[at + 12 : at + 24])
            if pair != (0, 0):  # A place in the header that is not used.
                yield from pair
        if not more:
            return
        block = stream.padded(_BLOCK)
        pairs, more = block[:504], block[504]


def _end_of_pieces(pieces: array[int], stored: int) -> int:
    """Where the pieces of a sparse file end, once they have proved to be in order and stored."""
    end = total = 0
    for offset, length in _pairs(pieces):
        if offset < end:
            raise ValueError("overlapping pieces of a sparse file")
        end = offset + length
        total += length
    if len(pieces) % 2 or len(pieces) > 2 * _MOST_PIECES or total != stored:
        raise ValueError("a sparse file whose pieces are not what is stored")
    return end


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _normalised(path: str, name: str) -> str:
    """The path without `.`, `..` and empty parts; raises UNSAFE_MEMBER about the member `name`."""
    parts: List[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise _unsafe(name, "leads out of the archive")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if parts and path.startswith("/"):
        raise _unsafe(name, "has an absolute path")
    return "/".join(parts) or "."


def _unsafe(name: str, why: str) -> StepError:
    return StepError("UNSAFE_MEMBER", f"the archive member {_shown(name)} {why}")


def _shown(name: str) -> str:
    """A member's name as it may stand in a log line."""
    return name if name.isprintable() else ascii(name)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _log_contents(archive: _Archive) -> Iterator[_Entry]:
    """Log each member on its way, and their total size."""
    logger.info("Tar file contents before extraction:")
    total = 0
    for member, data in archive:
        logger.info("  %s (%.2fMB)", _shown(member.literal), member.size / 1024 / 1024)
        total += member.size
        yield member, data
    logger.info("Total size in tar: %.2fMB", total / 1024 / 1024)


# --- Writing archives ---------------------------------------------------------------------------


class _Run:
    """How far the run is: once it commits, a signal comes too late; once stopped, it must not."""

    commits = False
    stopped = 0


def _atomically(
    output: Path, write: Callable[[IO[bytes]], None], then: Optional[_Publication] = None
) -> None:
    """Let `write` fill a file beside the output, then put it there; leave nothing else behind.

    `then` is what is put into its place after it, or else neither.
    """
    partial = output.with_name(f".{output.name}-{os.urandom(8).hex()}")
    try:
        try:
            with _naming(output, "writing"):
                with partial.open("xb") as out:
                    write(out)
                    out.flush()
                    os.fsync(out.fileno())
                if then is not None:
                    then.prepare(partial)
                _Run.commits = True
                if _Run.stopped:  # Python drops exceptions that a signal raises within `__del__`.
                    sys.exit(_Run.stopped)
                partial.replace(output)
                if then is not None:
                    then.publish()
        except BaseException:
            _Run.commits = False
            raise
        finally:
            _clean(partial, then)
    finally:
        # Again, since the one signal may have come while the first was at work.
        _clean(partial, then)


def _clean(partial: Path, then: Optional[_Publication]) -> None:
    with contextlib.suppress(OSError):
        partial.unlink()
    if then is not None:
        then.clean()


class _Totals:
    """What the members of an archive add up to."""

    files = 0
    size = 0

    def add(self, member: _Member) -> None:
        """Count a member."""
        self.files += not member.isdir()
        self.size += member.size

    def log(self, packed: int) -> None:
        """Tell of an archive that was written, `packed` bytes of it."""
        logger.info("Tar creation summary:")
        logger.info("  Files added: %d", self.files)
        logger.info("  Total uncompressed size: %.2fMB", self.size / 1024 / 1024)
        logger.info("  Compressed tar size: %.2fMB", packed / 1024 / 1024)
        logger.info("  Compression ratio: %.2f%%", 100 * packed / self.size if self.size else 100)


def _header(member: _Member) -> bytes:
    """The headers of a member, which every reader takes for the same, and its map."""
    sparse_map, records = b"", [member.records]
    if member.pieces is not None:
        numbers = (len(member.pieces) // 2, *member.pieces)
        sparse_map = b"".join(b"%d\n" % number for number in numbers)
        sparse_map += bytes(-len(sparse_map) % _BLOCK)
        size = b"%d" % member.size
        for key, value in (("major", b"1"), ("minor", b"0"), ("realsize", size)):
            records.append(_record(b"GNU.sparse." + key.encode(), value))
    for key, text in (("uname", member.uname), ("gname", member.gname)):
        value = text.encode(**_ENCODING)
        if len(value) > 32:
            records.append(_record(key.encode(), value))
    if "." in member.time:
        records.append(_record(b"mtime", member.time.encode()))
    pax = b"".join(records)
    if pax:
        header = tarfile.TarInfo("././@PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, len(pax)
        pax = header.tobuf(tarfile.USTAR_FORMAT) + pax + bytes(-len(pax) % _BLOCK)
    entry = member.changed(size=member.stored() + len(sparse_map))
    headers = entry.tobuf(tarfile.GNU_FORMAT, **_ENCODING)
    if member.pieces is not None:
        # GNU tar takes a map for one with the magic of POSIX alone, whose bytes add up to 32 more.
        last, checksum = headers[-_BLOCK:], int(headers[-_BLOCK:][148:154], 8) + 32
        last = last[:148] + b"%06o" % checksum + last[154:257] + tarfile.POSIX_MAGIC + last[265:]
        headers = headers[:-_BLOCK] + last
    return pax + headers + sparse_map


def _member_bytes(member: _Member, data: Optional[Iterable[bytes]]) -> Iterator[bytes]:
    """A member as it lies in a tar; data that became longer meanwhile is cut."""
    yield _header(member)
    stored = left = member.stored()
    for chunk in data or ():
        yield chunk[:left]
        left -= min(left, len(chunk))
        if not left:
            break
    if left:
        raise OSError(f"unexpected end of data of {_shown(member.name)}")
    yield bytes(-stored % _BLOCK)


def _tar_bytes(entries: _Entries, totals: _Totals) -> _Chunks:
    """A whole tar, in chunks that are worth a change of thread."""
    pieces: List[bytes] = []
    length = written = 0
    with contextlib.closing(entries):
        for member, data in entries:
            totals.add(member)
            for piece in _member_bytes(member, data):
                pieces.append(piece)
                length += len(piece)
                if length >= _CHUNK:
                    yield b"".join(pieces)
                    pieces, length, written = [], 0, written + length
    pieces.append(bytes(2 * _BLOCK))
    pieces.append(bytes(-(written + length + len(pieces[-1])) % tarfile.RECORDSIZE))
    yield b"".join(pieces)


def _write_archive(out: IO[bytes], entries: _Entries) -> None:
    """Write members as a new tar.gz of one gzip member; a thread of its own takes them."""
    totals, crc, size = _Totals(), 0, 0
    deflate = _fast_zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    out.write(_GZIP_HEADER)
    chunks = _ahead(_tar_bytes(entries, totals))
    with contextlib.closing(chunks):
        for chunk in chunks:
            crc, size = _fast_zlib.crc32(chunk, crc), size + len(chunk)
            out.write(deflate.compress(chunk))
    out.write(deflate.flush() + _TRAILER.pack(crc, size & 0xFFFFFFFF))
    totals.log(out.tell())


# --- Taking an archive over as it is ------------------------------------------------------------


def _splice(out: IO[bytes], archive: _Archive, chosen: _Chosen) -> None:
    """Write an archive's bytes on, after the provided hyperparameters if those were chosen.

    The gzip header is a new one: not every reader knows the fields that one may have.
    """
    out.write(_GZIP_HEADER)
    crc, size = archive.crc, archive.size
    if chosen.data is not None:
        entry = b"".join(_member_bytes(chosen.member, [chosen.data]))
        deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        # A full flush ends the block at a byte, without ending the stream.
        out.write(deflate.compress(entry) + deflate.flush(zlib.Z_FULL_FLUSH))
        crc, size = crc32_combine(zlib.crc32(entry), crc, size), size + len(entry)
    with _naming(archive.path, "reading"):
        raw = archive.path.open("rb")
    with raw:
        with _naming(archive.path, "reading"):
            _skip_gzip_header(raw)
            start = raw.tell()
        _copy_range(raw, out, start, archive.end - _TRAILER.size)
    out.write(_TRAILER.pack(crc, size & 0xFFFFFFFF))


def _skip_gzip_header(raw: IO[bytes]) -> None:
    flags = raw.read(len(_GZIP_HEADER))[3]
    if flags & _FEXTRA:
        raw.seek(int.from_bytes(raw.read(2), "little"), io.SEEK_CUR)
    for text in (_FNAME, _FCOMMENT):
        byte = b"" if not flags & text else raw.read(1)
        while byte not in (b"", b"\0"):
            byte = raw.read(1)
    if flags & _FHCRC:
        raw.seek(2, io.SEEK_CUR)


def _copy_range(raw: IO[bytes], out: IO[bytes], start: int, end: int) -> None:
    """Copy bytes of one file on to the other, in the kernel where that can do it."""
    out.flush()
    # A file of a fake file system has no number that the kernel knows.
    real = isinstance(raw, io.BufferedReader) and isinstance(out, io.BufferedWriter)
    if real and hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):  # Not between these file systems; or as below.
            copied = 1
            while copied and start < end:
                size = min(end - start, _KERNEL_COPY)
                copied = os.copy_file_range(raw.fileno(), out.fileno(), size, start)
                start += copied
    while start < end:
        with _naming(Path(raw.name), "reading"):
            raw.seek(start)
            chunk = raw.read(min(end - start, _CHUNK))
        if not chunk:
            raise OSError(f"{raw.name} became shorter while it was read")
        out.write(chunk)
        start += len(chunk)


def crc32_combine(first: int, second: int, length: int) -> int:
    """The CRC-32 of two byte strings in a row, from that of each and the second one's length."""
    # To append a byte of zeros is to multiply by x**8, modulo the polynomial; bit 31 stands for 1.
    factor, power = 1 << 31, 1 << 23
    while length:
        if length & 1:
            factor = _multiply(factor, power)
        power = _multiply(power, power)
        length >>= 1
    return _multiply(factor, first) ^ second


def _multiply(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo that of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_CRC32_POLYNOMIAL if other & 1 else 0)
    return product


# --- Hyperparameters ----------------------------------------------------------------------------


class _Contents(_Totals):
    """What counts of an archive's members for the hyperparameters, gathered while they pass."""

    embedded = False  # A member has that name, or lies below a folder of that name.
    kept: Optional[_Member] = None  # This one counts, the last at that place, …
    kept_at = -1  # … which has this place in the order …
    data: Optional[bytes] = None  # … and these bytes, unless it is a link or too large.
    several = False

    def take(self, index: int, member: _Member, data: Optional[Iterable[bytes]]) -> None:
        """Note a member of the archive."""
        self.add(member)
        if member.name == HYPERPARAMETERS_FILE:
            self.several = self.kept is not None
            self.kept, self.kept_at, self.data = member, index, None
            if data is not None and member.size <= _LARGEST_JSON:
                self.data = member.whole(data)
        self.embedded = (
            self.embedded
            or member.literal == HYPERPARAMETERS_FILE
            or member.name.startswith(HYPERPARAMETERS_FILE + "/")
        )


class _Chosen(NamedTuple):
    """The hyperparameters for the output: a member, and where its bytes are."""

    member: _Member
    data: Optional[bytes]  # Those of an input, …
    at: int = -1  # … or else of the archive's member with this number.


def _choose(archive: _Archive, contents: _Contents, provided: Optional[Path]) -> _Chosen:
    """Take the archive's own hyperparameters, or else the provided ones.

    Raises HyperparametersNotFoundError or INVALID_HYPERPARAMETERS.
    """
    if not contents.embedded:
        logger.info("HYPERPARAMETERS NOT IN MODEL")
        if provided is None:
            raise HyperparametersNotFoundError(
                f"Hyperparameters not found: {archive.path} holds no {HYPERPARAMETERS_FILE}, "
                "and none was provided"
            )
        return _inject(provided)
    logger.info("HYPERPARAMETERS ALREADY IN MODEL")
    if provided is None:
        logger.info("The original %s is kept; no input is needed", HYPERPARAMETERS_FILE)
    else:
        logger.warning(
            "The provided hyperparameters %s are IGNORED: the model already contains %s, "
            "and the original is kept",
            provided,
            HYPERPARAMETERS_FILE,
        )
    at, found, data = contents.kept_at, contents.kept, contents.data
    if found is None or not found.isreg():
        at, found = _file_behind(archive, contents)
    if found is None:
        raise StepError(
            "INVALID_HYPERPARAMETERS",
            f"{HYPERPARAMETERS_FILE} in {archive.path} is a folder, or a link to no file in it",
        )
    if found.size > _LARGEST_JSON:
        problem: Optional[str] = "it is too large to be looked at"
    else:
        if data is None:
            data = found.whole(_data_of(archive, at))
        problem = _json_problem(data)
    if problem:
        logger.warning("The original %s is kept as it is: %s", HYPERPARAMETERS_FILE, problem)
    return _Chosen(found.changed(name=HYPERPARAMETERS_FILE), None, at)


def _inject(provided: Path) -> _Chosen:
    """Take the provided hyperparameters; raises INVALID_HYPERPARAMETERS."""
    logger.info("Adding %s from %s", HYPERPARAMETERS_FILE, provided)
    with _naming(provided, "reading"):
        status = provided.stat()
        problem = None if stat.S_ISREG(status.st_mode) else "it is not a regular file"
        data = b"" if problem else provided.read_bytes()
    problem = problem or _json_problem(data)
    if problem:
        raise StepError("INVALID_HYPERPARAMETERS", f"{provided} cannot be injected: {problem}")
    member = _Member(HYPERPARAMETERS_FILE)
    member.mode, member.size = stat.S_IMODE(status.st_mode), len(data)
    member.uname = member.gname = "root"
    member.set_time(str(int(status.st_mtime)))
    return _Chosen(member, data)


def _json_problem(data: bytes) -> Optional[str]:
    """Why the bytes are no JSON object in UTF-8; None when they are."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        # Numbers are not converted: they may have more digits than Python takes.
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=refuse,
            parse_int=lambda _: None,
            parse_float=lambda _: None,
        )
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    return None if isinstance(value, dict) else "it is not a JSON object"


def _file_behind(archive: _Archive, contents: _Contents) -> Tuple[int, Optional[_Member]]:
    """The file that hyperparameters which are a link mean in the end, and its number."""
    name, found, at = archive.file_behind(), None, -1
    is_hard = contents.kept is not None and contents.kept.islnk()
    with contextlib.closing(iter(_Archive(archive.path, again=True))) as entries:
        for index, (member, _) in enumerate(entries):
            if is_hard and found is not None and index > contents.kept_at:
                break  # The link is another name of what was there before.
            if member.name == name:
                found, at = (member, index) if member.isreg() else (None, -1)
    return at, found


def _data_of(archive: _Archive, number: int) -> Iterator[bytes]:
    """The stored bytes of one member, for which the archive is read again up to there."""
    with contextlib.closing(iter(_Archive(archive.path, again=True))) as entries:
        for index, (_, data) in enumerate(entries):
            if index == number:
                yield from data or ()
                return


def _obstacle(archive: _Archive, contents: _Contents) -> str:
    """What keeps the compressed bytes of an archive from being taken over; empty when nothing."""
    if not archive.end:
        return "the packing, which is not one gzip member and nothing else"
    if contents.several or (contents.kept is not None and not contents.kept.isreg()):
        return f"{HYPERPARAMETERS_FILE}, of which there are several, or which is a link"
    return archive.obstacle


def _rewritten(
    entries: _Entries, archive: _Archive, contents: _Contents, chosen: _Chosen
) -> _Entries:
    """What is to be written: every member, but only those hyperparameters that count."""
    superseded: Optional[Tuple[_Member, bytes]] = None  # Hyperparameters that are left out, …
    earlier = ""  # … and the first hard link to them, which gets their bytes.
    waiting = []  # Hard links whose targets come later.
    to_own = (tarfile.LNKTYPE, HYPERPARAMETERS_FILE)
    with contextlib.closing(entries):
        for index, (member, data) in enumerate(entries):
            if member.name == HYPERPARAMETERS_FILE:
                superseded, earlier = None, ""
                if index == contents.kept_at and chosen.data is None:
                    if chosen.at != index:
                        data = _data_of(archive, chosen.at)
                    yield chosen.member, data
                elif data is not None and member.size <= _LARGEST_JSON:
                    superseded = member, b"".join(data)
            elif member.waits:
                waiting.append(member.changed(linkname=archive.hard[member.name]))
            elif index > contents.kept_at or (member.type, member.linkname) != to_own:
                yield member, data
            elif earlier:
                yield member.changed(linkname=earlier), None
            elif superseded is not None:
                earlier = member.name
                yield superseded[0].changed(name=earlier), [superseded[1]]
            else:
                reason = f"a hard link to {HYPERPARAMETERS_FILE} that cannot be written"
                raise StepError("INVALID_ARCHIVE", f"{archive.path} has {reason}")
    if chosen.data is not None:
        # Last, so that nothing else can be written over it.
        yield chosen.member, [chosen.data]
    for member in waiting:
        yield member, None


# --- The step's functions -----------------------------------------------------------------------


def find_model_file(input_paths: Dict[str, str]) -> Optional[Path]:
    """Find the model in its assigned folder, or else beside this script.

    `input_paths["model_artifacts_input"]` is the folder, if it is there. Returns the path of
    `model.tar.gz`, whatever kind of file it is, or None.
    """
    return _find("model", _model_places(input_paths))


def _find(what: str, places: Iterable[Path]) -> Optional[Path]:
    for path in places:
        if path.exists():
            logger.info("Found %s file: %s", what, path)
            return path
        logger.warning("%s file not found: %s", what.capitalize(), path)
    return None


def _model_places(input_paths: Dict[str, str]) -> List[Path]:
    folders = (input_paths.get("model_artifacts_input"), Path(__file__).absolute().parent)
    return [Path(folder) / MODEL_FILE for folder in folders if folder is not None]


def find_hyperparams_file(input_paths: Dict[str, str]) -> Optional[Path]:
    """Find the hyperparameters in their assigned folder.

    `input_paths["hyperparameters_s3_uri"]` is the folder, if it is there. Returns the path of
    `hyperparameters.json`, whatever kind of file it is, or None.
    """
    folder = input_paths.get("hyperparameters_s3_uri")
    return _find("hyperparameters", [] if folder is None else [Path(folder) / HYPERPARAMETERS_FILE])


def validate_model(input_path: Path) -> bool:
    """Check that a file is a sound and safe model archive, reading all of it.

    `input_path` is a tar archive, plain or packed with gzip, bzip2 or xz, named `*.tar.gz`. Returns
    True. Raises FileNotFoundError, or ValueError with `ERROR_CODE:` and INVALID_FORMAT (another
    name), INVALID_ARCHIVE (not a tar archive, or not intact) or UNSAFE_MEMBER (a member that
    reaches out of the archive).
    """
    _check_name(Path(input_path))
    for _ in _Archive(Path(input_path)):
        pass
    logger.info("Model is valid: %s", input_path)
    return True


def _check_name(path: Path) -> None:
    logger.info("Validating model: %s", path)
    if not str(path).endswith(".tar.gz"):
        raise StepError("INVALID_FORMAT", f"{path} is not named *.tar.gz")


def extract_tarfile(tar_path: Path, extract_path: Path) -> None:
    """Extract an archive, once all of its members have proved sound and safe: all or none of them.

    `tar_path` is the archive and `extract_path` the folder to extract to, which is made if missing.
    Modes and times are set as in the archive, owners too when run as root. A `..` within a name is
    taken by its text. Raises FileNotFoundError, OSError, or ValueError as `validate_model` does.
    """
    logger.info("Extracting %s to %s", tar_path, extract_path)
    publication = _Publication(Path(extract_path))
    try:
        for _ in _log_contents(_Archive(Path(tar_path))):
            pass
        publication.prepare(Path(tar_path))
        publication.publish()
    except Exception:
        logger.exception("Error extracting %s", tar_path)
        raise
    finally:
        publication.clean()


class _Publication:
    """The members of an archive on their way into a folder: all of them, or none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scratch = folder / f".members-{os.urandom(8).hex()}"
        self._new, self._old = self._scratch / "new", self._scratch / "old"
        self._folders: Dict[str, _Member] = {}
        self._done: List[Tuple[Path, Path]] = []  # What was moved, from where to where.

    def prepare(self, archive: Path) -> None:
        """Extract the members beside their places."""
        waiting, members = [], _Archive(archive, again=True)
        with _naming(self._folder, "writing"):
            self._new.mkdir(parents=True)
            self._old.mkdir()
            with contextlib.closing(iter(members)) as entries:
                for member, data in entries:
                    if member.waits:
                        waiting.append(member.changed(linkname=members.hard[member.name]))
                    else:
                        self._extract(member, data)
            for member in waiting:
                self._extract(member, None)

    def _extract(self, member: _Member, data: Optional[Iterable[bytes]]) -> None:
        path = self._new / member.name  # With no link on the way.
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.isdir():
            path.mkdir(0o700, exist_ok=True)
            self._folders[member.name] = member
            return
        path.unlink(missing_ok=True)
        if member.issym():
            path.symlink_to(member.linkname)
        elif member.islnk():
            os.link(str(self._new / member.linkname), str(path))
        elif data is not None:
            with path.open("xb") as file:
                member.write(file, data)
                file.truncate(member.size)
            _set_attributes(path, member)

    def publish(self) -> None:
        """Put the members into their places, and give folders their modes and times at last."""
        try:
            with _naming(self._folder, "writing"):
                self._merge(self._new, self._folder)
                for name, member in reversed(list(self._folders.items())):
                    _set_attributes(self._folder / name, member)
        except BaseException:
            for source, target in reversed(self._done):
                with contextlib.suppress(OSError):
                    target.rename(source)
            raise
        logger.info("The members are in %s", self._folder)

    def _merge(self, source: Path, target: Path) -> None:
        for path in sorted(source.iterdir()):
            place = target / path.name
            if _is_folder(path) and place.is_symlink():
                raise _unsafe(path.name, f"is a folder in the place of the link {place}")
            if _is_folder(path) and place.is_dir():
                self._merge(path, place)
                continue
            if not _is_folder(path) and not _is_folder(place) and os.path.lexists(str(place)):
                self._move(place, self._old / str(len(self._done)))
            self._move(path, place)

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)
        self._done.append((source, target))

    def clean(self) -> None:
        """Remove what is not in its place."""
        shutil.rmtree(self._scratch, ignore_errors=True)


def _set_attributes(path: Path, member: _Member) -> None:
    with contextlib.suppress(OSError, OverflowError):  # Such an owner may not exist here.
        if os.geteuid() == 0:
            os.chown(path, member.uid, member.gid)
    path.chmod(member.mode)
    with contextlib.suppress(OSError, OverflowError):
        os.utime(path, (float(member.time), float(member.time)))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def create_tarfile(output_tar_path: Path, source_dir: Path) -> None:
    """Pack a folder into a tar.gz: files, folders (empty ones too) and links, with their modes.

    `output_tar_path` is the archive, which appears only when it is complete; `source_dir` is the
    folder, whose content gets names relative to it, in alphabetical order. Raises OSError, or
    ValueError with UNSAFE_MEMBER for a device, FIFO or socket.
    """
    logger.info("Creating tar file %s from %s", output_tar_path, source_dir)
    output, source = Path(output_tar_path), Path(source_dir)

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _atomically(output, lambda out: _write_archive(out, _tree_entries(source, output, out)))
    except Exception:
        logger.exception("Error creating %s", output_tar_path)
        raise


def _tree_entries(source: Path, output: Path, out: IO[bytes]) -> _Entries:
    with tarfile.open(fileobj=io.BytesIO(), mode="w", tarinfo=_Member) as tar:
        for path in _walk(source):
            if path in (output, Path(out.name)):
                continue
            member: Any = tar.gettarinfo(str(path), str(path.relative_to(source)))
            if member is None or member.type not in _PLAIN_KINDS:
                raise _unsafe(str(path), "is a device, FIFO or socket")
            member.set_time(f"{member.mtime:.6f}".rstrip("0").rstrip("."))
            logger.info("Adding: %s (%.2fMB)", _shown(member.name), member.size / 1024 / 1024)
            if member.isreg():
                with _naming(path, "reading"), path.open("rb") as data:
                    yield member, _chunks(data)
            else:
                yield member, None


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if _is_folder(path):
            yield from _walk(path)


def process_model_with_hyperparameters(
    model_path: Path, hyperparams_path: Optional[Path], output_dir: Path
) -> Path:
    """Write a model on, with hyperparameters in it: its own ones, or else the provided ones.

    `model_path` is the model's archive; `hyperparams_path` the provided hyperparameters or None;
    `output_dir` the folder for the new `model.tar.gz`, which is made if missing. Returns the path
    of that file. Raises FileNotFoundError (no model, or no hyperparameters in either place),
    OSError, or ValueError as `validate_model` does and with INVALID_HYPERPARAMETERS.
    """
    return _process(Path(model_path), hyperparams_path, Path(output_dir), None)


def _process(
    model: Path, hyperparams_path: Optional[Path], output_dir: Path, model_dir: Optional[Path]
) -> Path:
    """Write a model on, and put its members into `model_dir` if that is given."""
    logger.info("Processing model %s", model)
    logger.info("Provided hyperparameters: %s", hyperparams_path)
    logger.info("Output directory: %s", output_dir)
    output = output_dir / MODEL_FILE
    provided = None if hyperparams_path is None else Path(hyperparams_path)
    if not model.exists():
        raise FileNotFoundError(f"Model file not found: {model}")
    if model.resolve() == output.parent.resolve() / output.name:
        raise ValueError(f"The output would overwrite the input {model}")
    _check_name(model)
    archive, contents = _Archive(model), _Contents()
    for index, (member, data) in enumerate(_log_contents(archive)):
        contents.take(index, member, data)
    logger.info("Model is valid: %s", model)
    chosen = _choose(archive, contents, provided)
    if not ensure_directory(output.parent):
        raise OSError(f"The output directory {output.parent} cannot be created")
    publication = None if model_dir is None else _Publication(model_dir)
    _atomically(output, lambda out: _write_output(out, archive, contents, chosen), publication)
    logger.info("Processed model: %s", output)
    return output


def _write_output(out: IO[bytes], archive: _Archive, contents: _Contents, chosen: _Chosen) -> None:
    """Copy, splice or rewrite; see the docstring of the module."""
    obstacle = _obstacle(archive, contents)
    if obstacle:
        logger.info("The archive is written anew because of %s", obstacle)
        entries = _Archive(archive.path, again=True).ahead()
        _write_archive(out, _rewritten(entries, archive, contents, chosen))
    else:
        logger.info("The archive is %s", "copied" if chosen.data is None else "spliced")
        _splice(out, archive, chosen)
        if chosen.data is not None:
            contents.add(chosen.member)
        contents.log(out.tell())


def ensure_directory(directory: Path) -> bool:
    """Create a directory and its parents, unless it exists.

    Returns whether it is there now; the reason for a failure is logged.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except Exception:
        logger.exception("Directory cannot be created: %s", directory)
        return False
    logger.info("Directory is ready: %s", directory)
    return True


def copy_file(src: Path, dst: Path) -> None:
    """Copy a file with its mode and times, making the folder that it goes to.

    `src` is the file and `dst` the path of the copy. Raises FileNotFoundError when there is no
    `src`, OSError when it cannot be copied.
    """
    logger.info("Copying %s to %s", src, dst)
    if not Path(src).exists():
        raise FileNotFoundError(f"Source file not found: {src}")
    try:
        Path(dst).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(src, dst)
    except Exception:
        logger.exception("Error copying %s to %s", src, dst)
        raise
    logger.info("Copied %s to %s", src, dst)


def main(
    input_paths: Dict[str, str],
    output_paths: Dict[str, str],
    environ_vars: Dict[str, str],
    job_args: Any = None,
) -> Path:
    """Find the inputs, process the model, and return the path of the new `model.tar.gz`.

    `input_paths` has the folders `model_artifacts_input` and `hyperparameters_s3_uri`; one that is
    not in it is an input that is not there. `output_paths` has the folder `model_output`, and
    `model_dir` if the members are to be put into a folder too; `environ_vars` and `job_args` are
    not used. Missing hyperparameters are an error only when the model has none either. Raises
    FileNotFoundError that names every place searched, and what
    `process_model_with_hyperparameters` raises.
    """
    logger.info("Input paths: %s", input_paths)
    try:
        model = find_model_file(input_paths)
        if model is None:
            places = ", ".join(map(str, dict.fromkeys(_model_places(input_paths))))
            why = _why_no_source(input_paths.get("model_artifacts_input"), MODEL_CHANNELS)
            raise FileNotFoundError(
                f"Model file ({MODEL_FILE}) not found in any of these locations: {places}{why}"
            )
        provided = find_hyperparams_file(input_paths)
        output_dir = Path(output_paths["model_output"])
        model_dir = Path(output_paths["model_dir"]) if "model_dir" in output_paths else None
        try:
            return _process(model, provided, output_dir, model_dir)
        except HyperparametersNotFoundError as error:
            folder = input_paths.get("hyperparameters_s3_uri")
            place = "" if folder is None else f", {Path(folder) / HYPERPARAMETERS_FILE}"
            raise FileNotFoundError(
                f"Hyperparameters not found in any of these locations: {HYPERPARAMETERS_FILE} in "
                f"the archive {model}{place}{_why_no_source(folder, HYPERPARAMETERS_CHANNELS)}"
            ) from error
    except Exception as error:
        what = "Required file not found" if isinstance(error, FileNotFoundError) else "Error"
        logger.error("%s in dummy training: %s", what, error)
        raise


def _why_no_source(folder: Optional[str], channels: Tuple[str, ...]) -> str:
    if str(folder) not in channels:
        return ""
    return f". The input channel {folder} exists, so the SOURCE folders were not consulted"


# --- Running as a script ------------------------------------------------------------------------


def assign_input_paths(script_dir: Path) -> Dict[str, str]:
    """Decide where the inputs are looked for: a channel that exists, else SOURCE folders.

    `script_dir` is the folder of this script. Returns the `input_paths` for `main`.
    """
    source, script_dir = Path(SOURCE_DIR), Path(script_dir)
    models = [source / "models", script_dir / "models"]
    hyperparams = [source / "hyperparams", script_dir / "hyperparams", script_dir]
    return {
        "model_artifacts_input": _assign(
            "model artifacts", MODEL_CHANNELS, models, [one for one in models if one.is_dir()]
        ),
        "hyperparameters_s3_uri": _assign(
            "hyperparameters",
            HYPERPARAMETERS_CHANNELS,
            hyperparams,
            [one for one in hyperparams if (one / HYPERPARAMETERS_FILE).exists()],
        ),
    }


def _assign(what: str, channels: Tuple[str, ...], source: List[Path], usable: List[Path]) -> str:
    for channel in channels:
        if Path(channel).is_dir():
            logger.info("[Input Channel] Using %s from: %s", what, channel)
            return channel
    path = str((usable or source)[0])
    logger.info("[SOURCE Fallback] Using %s from: %s", what, path)
    return path


def _advice(error: BaseException) -> str:
    """What to do about an error."""
    if isinstance(error, StepError):
        return _ADVICE[error.code]
    if isinstance(error, FileNotFoundError):
        return "put the missing file in one of the locations named above, and run the step again"
    if isinstance(error, MemoryError):
        return "use an instance type with more memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            "make room, or use a larger volume: the output folder needs the size of the packed "
            "model, beside what is there already"
        )
    if isinstance(error, PermissionError):
        return "check that the user of the step may read the inputs and write to the output folder"
    return "check the inputs and the output folder against the error above, and run the step again"


_ADVICE = {
    "INVALID_FORMAT": "provide the model as a file named model.tar.gz",
    "INVALID_ARCHIVE": "check the model with `tar -tzf`, then upload it again or pack it anew",
    "UNSAFE_MEMBER": "remove the member named above from the archive, and pack the model anew",
    "INVALID_HYPERPARAMETERS": "provide hyperparameters.json as a JSON object in UTF-8, such as "
    '{"epochs": 3}, and as a regular file',
}


def _stop(number: int, _frame: Any) -> None:
    """End the step on a signal, once: nothing may come in the way of the clean-up."""
    if not _Run.commits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _Run.stopped = 128 + number
        sys.exit(_Run.stopped)


def _output_paths() -> Dict[str, str]:
    """Where the output goes: a training job collects another folder than a processing job."""
    paths = {"model_output": OUTPUT_DIR}
    if Path(TRAINING_CONFIG).exists() and not Path(PROCESSING_CONFIG).exists():
        paths["model_dir"] = TRAINING_MODEL_DIR
    return paths


def run() -> int:
    """Run the step with the paths of a SageMaker job, and return its exit code."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s - %(levelname)s - %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    try:
        signal.signal(signal.SIGTERM, _stop)
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # As in the background of a shell.
            signal.signal(signal.SIGINT, _stop)
        input_paths = assign_input_paths(Path(__file__).absolute().parent)
        main(input_paths, _output_paths(), {}, None)
    except Exception as error:
        logger.error(traceback.format_exc())
        logger.error("What to do: %s", _advice(error))
        return 1
    except SystemExit:
        logger.error("Stopped, nothing was written. What to do: run the step again")
        return _Run.stopped
    return 0


if __name__ == "__main__":
    sys.exit(run())
