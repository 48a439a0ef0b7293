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
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

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

_CHUNK = 1 << 18
_SMALL_CHUNK = 1 << 13  # Where the rest is likely to be read again.
_KERNEL_COPY = 1 << 26  # Bytes that are copied at once, between which a signal can come.
_COMPRESSION_LEVEL = 1
_STOPPED = 128 + signal.SIGTERM
_LARGEST_EXTENDED_HEADER = 1 << 24
_LARGEST_JSON = 1 << 24
_MOST_LINKS_IN_A_PATH = 40  # As Linux has it.
# The pax records that go on with a member beside those that tarfile derives from its attributes.
# Others only make GNU tar print warnings.
_KEPT_RECORDS = r"comment|SCHILY\.(xattr|acl)\..+|RHT\.security\.selinux"
_KEPT = re.compile(rf"atime|ctime|{_KEPT_RECORDS}")
# The pax records, with their values, that every reader of the output takes as it should.
_SOUND = re.compile(
    rf"({_KEPT_RECORDS}|path|linkpath|uname|gname|GNU\.sparse\.name)=.*"
    r"|[amc]time=-?[0-9]+(\.[0-9]+)?|(uid|gid|size|GNU\.sparse\.realsize)=[0-9]+"
    r"|GNU\.sparse\.major=1|GNU\.sparse\.minor=0",
    re.DOTALL,
)
_SOUND_TYPES = (
    *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE),
    *(tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE),
)
_ENCODING: Dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
_GZIP_MAGIC = b"\x1f\x8b"
# Deflate, no flags, no time (so that bytes are reproducible), unknown system.
_GZIP_HEADER = _GZIP_MAGIC + b"\x08" + bytes(6) + b"\xff"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _FRESERVED = 2, 4, 8, 16, 0xE0  # Flags in a gzip header.
_TRAILER = struct.Struct("<II")  # CRC-32 and length, modulo 2**32.
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_CRC32_POLYNOMIAL = 0xEDB88320

logger = logging.getLogger(__name__)

# A member, and its bytes if it has any, in chunks that must be taken before the next member.
_Entry = Tuple[tarfile.TarInfo, Optional[Iterable[bytes]]]


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
    """A member whose broken headers are errors, and which is written as it was read."""

    odd = False  # Readers may differ about its pax header.

    @classmethod
    def fromtarfile(cls, archive):
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:
            # TarFile.next() takes these for the end of the archive, except in the first header.
            raise tarfile.ReadError(f"unreadable member header ({error})") from error

    def _proc_member(self, archive):
        extends_the_next = self.type in (b"x", b"g", b"X", b"L", b"K")
        if self.size < 0 or (extends_the_next and self.size > _LARGEST_EXTENDED_HEADER):
            raise tarfile.ReadError(f"a header that claims {self.size} bytes")
        return super()._proc_member(archive)

    def _proc_pax(self, archive):
        member = super()._proc_pax(archive)
        known = archive.pax_headers
        if self.type == tarfile.XGLTYPE:
            records = known
        else:
            own = member.pax_headers.items()
            records = {key: text for key, text in own if known.get(key) != text}
        # Repeated, malformed and superfluous records are those that make a difference.
        member.odd = member.odd or self.size != sum(map(_record_size, records.items()))
        return member

    def get_info(self):
        info = super().get_info()
        if info["name"] == "./":
            info["name"] = "."
        return info

    def tobuf(self, format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"):
        if all(map(_is_utf8, (self.name, self.linkname, self.uname, self.gname))):
            return super().tobuf(format, encoding, errors)
        # pax names are UTF-8, and GNU tar warns of `hdrcharset`: write other bytes in GNU format,
        # after a pax header with what GNU format lacks.
        plain = self.changed(name="x", linkname="", uname="", gname="", type=tarfile.REGTYPE)
        extended = plain.tobuf(tarfile.PAX_FORMAT)[: -tarfile.BLOCKSIZE]
        return extended + super().tobuf(tarfile.GNU_FORMAT, encoding, errors)

    def changed(self, **changes: Any) -> _Member:
        other = copy.copy(self)
        for field, value in changes.items():
            setattr(other, field, value)
        return other

    def has_data(self) -> bool:
        return self.isreg() or self.type not in tarfile.SUPPORTED_TYPES


class _Stream:
    """The chunks of an archive as a file for tarfile; `seek` goes forward only."""

    def __init__(self, chunks: Iterator[bytes], path: Path) -> None:
        self._chunks = chunks
        self._path = path
        self._chunk = b""
        self._used = 0
        self._at = 0

    def tell(self) -> int:
        return self._at

    def piece(self, size: int) -> bytes:
        """The next bytes, at most `size`, as they come; none at the end."""
        if self._used == len(self._chunk):
            with _reading(self._path):
                self._chunk, self._used = next(self._chunks, b""), 0
        data = self._chunk[self._used : self._used + size]
        self._used += len(data)
        self._at += len(data)
        return data

    def read(self, size: int) -> bytes:
        data = more = self.piece(size)
        while more and len(data) < size:
            more = self.piece(size - len(data))
            data += more
        return data

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.ReadError("the data of members overlap")
        while self._at < position and self.piece(position - self._at):
            pass


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Have a thread of its own make each chunk while the one before is used."""
    from concurrent.futures import ThreadPoolExecutor  # Not needed by a splice.

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, chunks, b"")
        while True:
            chunk = coming.result()
            if not chunk:
                return
            coming = pool.submit(next, chunks, b"")
            yield chunk


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever unreadable bytes raise into INVALID_ARCHIVE; true I/O errors stay."""
    try:
        yield
    except (StepError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise StepError("INVALID_ARCHIVE", f"{path} is no intact tar archive: {reason}") from error


class _Archive:
    """A tar archive that is read from front to back, with every check there is.

    Iterating yields each member and its bytes (None for what has none), names normalised: no
    leading `./`, no `..`; a `..` is taken by its text, and refused where it leaves the archive by
    its text or through a symbolic link. Nothing is remembered but the symbolic links, and in
    `obstacle` why the tar cannot be taken over as it is; empty when it can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.links: Dict[str, str] = {}
        self.obstacle = ""
        self.flags = 0  # Of the gzip header.
        self.end = 0  # Of its first gzip member, in the file; 0 when it is packed otherwise.
        self.follows = False  # Something follows that member.
        self.crc = self.size = 0  # Of all that was unpacked.

    def __iter__(self) -> Iterator[_Entry]:
        return self._entries(self._unpack())

    def ahead(self) -> Iterator[_Entry]:
        """Iterate while a thread of its own unpacks."""
        return self._entries(_ahead(self._unpack()))

    def _unpack(self) -> Iterator[bytes]:
        """The unpacked bytes, in chunks that are never empty."""
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise StepError("INVALID_ARCHIVE", f"{self.path} is not a regular file")
        with self.path.open("rb") as raw:
            head, file = raw.read(6), raw
            raw.seek(0)
            if head.startswith(_GZIP_MAGIC):
                yield from self._gunzip(raw)
                return
            if head.startswith(b"BZh"):
                import bz2  # Not every Python is built with it.

                file = bz2.BZ2File(raw)
            elif head.startswith(b"\xfd7zXZ\0"):
                import lzma

                file = lzma.LZMAFile(raw)  # noqa: SIM115
            yield from _chunks(file)

    def _gunzip(self, raw: IO[bytes]) -> Iterator[bytes]:
        """Unpack each gzip member; zeros after one are skipped, and anything else is ignored."""
        head = raw.read(4)
        while head.startswith(_GZIP_MAGIC):
            self.flags = head[3] if len(head) > 3 else 0
            if self.flags & _FRESERVED:
                raise ValueError("unknown flags in a gzip header")
            raw.seek(-len(head), io.SEEK_CUR)
            inflate, size = _fast_zlib.decompressobj(_GZIP_WBITS), _SMALL_CHUNK
            while not inflate.eof:
                packed = inflate.unconsumed_tail or raw.read(size)
                if not packed:
                    raise EOFError("the compressed data ends too early")
                try:
                    chunk, size = inflate.decompress(packed, _CHUNK), min(2 * size, _CHUNK)
                except _fast_zlib.error as error:  # In whose words depends on the library.
                    raise ValueError("the compressed data is damaged") from error
                self.crc = _fast_zlib.crc32(chunk, self.crc)
                self.size += len(chunk)
                if chunk:
                    yield chunk
            end = raw.seek(-len(inflate.unused_data), io.SEEK_CUR)
            self.end = self.end or end
            rest = b"\0"
            while rest and not rest.strip(b"\0"):
                rest = raw.read(_SMALL_CHUNK)
                self.follows = self.follows or bool(rest)
            raw.seek(-len(rest.lstrip(b"\0")), io.SEEK_CUR)
            head = raw.read(4)
        if head:
            logger.warning("Garbage after the gzip data of %s is ignored", self.path)

    def _entries(self, chunks: Iterator[bytes]) -> Iterator[_Entry]:
        stream: Any = _Stream(chunks, self.path)
        with _reading(self.path):
            tar = tarfile.TarFile(fileobj=stream, tarinfo=_Member, **_ENCODING)
        # Without a first member, older Pythons would look for the next one before the begin.
        while tar.firstmember is not None or tar.offset:
            with _reading(self.path):
                member = tar.next()
                if member is None:
                    break
                tar.members.clear()
                sound, before = _is_sound(member), (member.name, member.linkname, member.size)
                _settle_header(member)
            self._check_safe(member)
            if not sound or before != (member.name, member.linkname, member.size):
                self.obstacle = self.obstacle or f"the header of {_shown(before[0])}"
            yield member, self._data(tar, stream, member) if member.has_data() else None
        self._drain(stream, tar.offset)
        for link in self.links:
            self.resolve(link)

    def _data(self, tar: tarfile.TarFile, stream: _Stream, member: _Member) -> Iterator[bytes]:
        source = tar.extractfile(member).read if member.issparse() else stream.piece
        left = member.size
        while left:
            with _reading(self.path):
                chunk = source(min(left, _CHUNK))
                if not chunk:
                    raise tarfile.ReadError("unexpected end of data")
            left -= len(chunk)
            yield chunk

    def _drain(self, stream: _Stream, end: int) -> None:
        """Read what follows the last member: only the end of the stream proves its checksum."""
        chunk, follows = stream.piece(_CHUNK), False
        while chunk:
            follows = follows or bool(chunk.strip(b"\0"))
            chunk = stream.piece(_CHUNK)
        length = stream.tell() - end
        if follows:
            logger.warning("Data after the end of the archive %s is ignored", self.path)
        if follows or length < 2 * tarfile.BLOCKSIZE or length % tarfile.BLOCKSIZE:
            self.obstacle = self.obstacle or "the end of the tar"

    def _check_safe(self, member: _Member) -> None:
        """Normalise the names of a member; raises UNSAFE_MEMBER."""
        name = member.name
        if member.isdev():
            raise _unsafe(name, "is a device or FIFO")
        member.name = _normalised(name, name)
        if member.name == "." and not member.isdir():
            raise StepError("INVALID_ARCHIVE", f"{self.path} has a file without a name")
        self.resolve(name)
        if member.issym():
            self._add_link(member.name, member.linkname)
        elif member.islnk():
            target, member.linkname = member.linkname, _normalised(member.linkname, name)
            self.resolve(target)
            target = self.links.get(self.place(member.linkname))
            if target is not None:
                self._add_link(member.name, target)

    def _add_link(self, name: str, target: str) -> None:
        place = self.place(name)
        self.links[place] = target
        self.resolve(place)

    def place(self, path: str) -> str:
        folder, _, last = path.rpartition("/")
        return f"{self.resolve(folder)}/{last}".lstrip("/")

    def resolve(self, path: str) -> str:
        """Follow a path through the archive's symbolic links; raises UNSAFE_MEMBER."""
        if not self.links and ".." not in path:
            return path
        at: List[str] = []
        hops_left = _MOST_LINKS_IN_A_PATH
        to_go = path.split("/")[::-1]
        while to_go:
            part = to_go.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not at:
                    raise _unsafe(path, "leads out of the archive")
                at.pop()
                continue
            target = self.links.get("/".join((*at, part)))
            if target is None or not hops_left:
                at.append(part)
                continue
            if target.startswith("/"):
                raise _unsafe(path, f"leads to {_shown(target)}, out of the archive")
            hops_left -= 1
            to_go.extend(target.split("/")[::-1])
        return "/".join(at)


def _is_sound(member: _Member) -> bool:
    """Whether every reader takes the header, as it is, for what tarfile says."""
    if member.odd or member.type not in _SOUND_TYPES or member.name in ("", "."):
        return False
    records = member.pax_headers
    if records.get("path", "").endswith("/") and not member.isdir():
        return False
    return all(
        _SOUND.fullmatch(f"{key}={text}") and _is_utf8(text) for key, text in records.items()
    )


def _settle_header(member: _Member) -> None:
    """Refuse values that no header may have, and make the header one to be written."""
    records = member.pax_headers
    member.name = records.get("GNU.sparse.name", member.name)
    if "\0" in member.name + member.linkname or member.size < 0 or not math.isfinite(member.mtime):
        raise tarfile.ReadError(f"impossible values in the header of {_shown(member.name)}")
    end = 0
    for offset, size in member.sparse or ():
        if (offset, size) == (0, 0):  # A place in the header that is not used.
            continue
        if size < 0 or offset < end or offset + size > member.size:
            raise tarfile.ReadError(f"impossible holes in {_shown(member.name)}")
        end = offset + size
    if member.type == tarfile.GNUTYPE_SPARSE:
        member.type = tarfile.REGTYPE
    if not member.has_data():
        member.size = 0
    # A record has priority over its attribute when it is written, so none may stay that says what
    # an attribute says; but for the time, whose text is more exact than a float.
    kept = {key: text for key, text in records.items() if _KEPT.fullmatch(key)}
    member.pax_headers = {key: text for key, text in kept.items() if _is_utf8(text)}
    with contextlib.suppress(KeyError, ValueError):
        if float(records["mtime"]) == member.mtime:
            member.pax_headers["mtime"] = records["mtime"]


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


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _record_size(record: Tuple[str, str]) -> int:
    """The length of a pax record, which begins with that length."""
    size = 3 + sum(len(text.encode(**_ENCODING)) for text in record)
    return size + len(str(size + len(str(size))))


def _log_contents(archive: _Archive) -> Iterator[_Entry]:
    """Log each member on its way, and their total size."""
    logger.info("Tar file contents before extraction:")
    total = 0
    for member, data in archive:
        logger.info("  %s (%.2fMB)", _shown(member.name), member.size / 1024 / 1024)
        total += member.size
        yield member, data
    logger.info("Total size in tar: %.2fMB", total / 1024 / 1024)


# --- Writing archives ---------------------------------------------------------------------------


class _Run:
    """How far the run is: once it commits, SIGTERM comes too late; once stopped, it must not."""

    commits = False
    stopped = False


def _atomically(output: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let `write` fill a file beside the output, then put it there; leave nothing else behind."""
    partial = output.with_name(f".{output.name}-{os.urandom(8).hex()}")
    try:
        try:
            with partial.open("xb") as out:
                write(out)
                out.flush()
                os.fsync(out.fileno())
            _commit(partial, output)
        finally:
            _remove(partial)
    finally:
        # Again, since the one SIGTERM may have come while the first was at work.
        _remove(partial)


def _commit(partial: Path, output: Path) -> None:
    """Put the output into its place, as the last thing that is done."""
    _Run.commits = True
    try:
        if _Run.stopped:  # Python drops exceptions that a signal raises within `__del__`.
            sys.exit(_STOPPED)
        partial.replace(output)
    except BaseException:
        _Run.commits = False
        raise


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


class _Totals:
    """What the members of an archive add up to."""

    files = 0
    size = 0

    def add(self, member: tarfile.TarInfo) -> None:
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


def _member_bytes(member: tarfile.TarInfo, data: Optional[Iterable[bytes]]) -> Iterator[bytes]:
    """A member as it lies in a tar; data that became longer meanwhile is cut."""
    yield member.tobuf()
    left = 0 if data is None else member.size
    for chunk in data or ():
        yield chunk[:left]
        left -= min(left, len(chunk))
        if not left:
            break
    if left:
        raise OSError(f"unexpected end of data of {_shown(member.name)}")
    yield bytes(-member.size % tarfile.BLOCKSIZE)


def _tar_bytes(entries: Iterable[_Entry], totals: _Totals) -> Iterator[bytes]:
    """A whole tar, in chunks that are worth a change of thread."""
    pieces: List[bytes] = []
    length = written = 0
    for member, data in entries:
        totals.add(member)
        for piece in _member_bytes(member, data):
            pieces.append(piece)
            length += len(piece)
            if length >= _CHUNK:
                yield b"".join(pieces)
                pieces, length, written = [], 0, written + length
    pieces.append(bytes(2 * tarfile.BLOCKSIZE))
    pieces.append(bytes(-(written + length + len(pieces[-1])) % tarfile.RECORDSIZE))
    yield b"".join(pieces)


def _write_archive(out: IO[bytes], entries: Iterable[_Entry]) -> None:
    """Write members as a new tar.gz of one gzip member; a thread of its own takes them."""
    totals, crc, size = _Totals(), 0, 0
    deflate = _fast_zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    out.write(_GZIP_HEADER)
    for chunk in _ahead(_tar_bytes(entries, totals)):
        crc, size = _fast_zlib.crc32(chunk, crc), size + len(chunk)
        out.write(deflate.compress(chunk))
    out.write(deflate.flush() + _TRAILER.pack(crc, size & 0xFFFFFFFF))
    totals.log(out.tell())


# --- Taking an archive over as it is ------------------------------------------------------------


def _splice(out: IO[bytes], archive: _Archive, chosen: _Chosen) -> None:
    """Write an archive's bytes on, after the provided hyperparameters if those were chosen."""
    with archive.path.open("rb") as raw:
        if chosen.data is None:
            _copy_range(raw, out, 0, archive.end)
            return
        _skip_gzip_header(raw, archive.flags)
        entry = b"".join(_member_bytes(chosen.member, [chosen.data]))
        deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        # A full flush ends the block at a byte, without ending the stream.
        out.write(_GZIP_HEADER + deflate.compress(entry) + deflate.flush(zlib.Z_FULL_FLUSH))
        _copy_range(raw, out, raw.tell(), archive.end - _TRAILER.size)
    crc = crc32_combine(zlib.crc32(entry), archive.crc, archive.size)
    out.write(_TRAILER.pack(crc, (len(entry) + archive.size) & 0xFFFFFFFF))


def _skip_gzip_header(raw: IO[bytes], flags: int) -> None:
    raw.seek(len(_GZIP_HEADER))
    if flags & _FEXTRA:
        raw.seek(int.from_bytes(raw.read(2), "little"), io.SEEK_CUR)
    for text in (_FNAME, _FCOMMENT):
        while flags & text and raw.read(1) != b"\0":
            pass
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
    raw.seek(start)
    while start < end:
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

    members = 0
    kept: Optional[_Member] = None  # The hyperparameters that count: the last ones …
    kept_at = -1  # … their place in the order …
    data: Optional[bytes] = None  # … and their bytes, unless they are a link or too large.
    several = False
    blocked = False  # Members lie below a folder of that name.
    doubles = False  # Others lie in folders: a link may lead from there to the root.

    def take(self, member: _Member, data: Optional[Iterable[bytes]]) -> None:
        """Note a member of the archive."""
        self.add(member)
        if member.name == HYPERPARAMETERS_FILE:
            self.several = self.kept is not None
            self.kept, self.kept_at, self.data = member, self.members, None
            if data is not None and member.size <= _LARGEST_JSON:
                self.data = b"".join(data)
        self.blocked = self.blocked or member.name.startswith(HYPERPARAMETERS_FILE + "/")
        self.doubles = self.doubles or member.name.endswith("/" + HYPERPARAMETERS_FILE)
        self.members += 1


class _Chosen(NamedTuple):
    """The hyperparameters for the output: a member, and where its bytes are."""

    member: _Member
    data: Optional[bytes]  # Those of an input, …
    at: int = -1  # … or else of the archive's member with this number.


def _choose(archive: _Archive, contents: _Contents, provided: Optional[Path]) -> _Chosen:
    """Take the archive's own hyperparameters, or else the provided ones."""
    if contents.kept is not None or contents.blocked:
        return _keep_embedded(archive, contents, provided)
    logger.info("HYPERPARAMETERS NOT IN MODEL")
    if provided is None:
        raise HyperparametersNotFoundError(
            f"Hyperparameters not found: {archive.path} holds no {HYPERPARAMETERS_FILE}, "
            "and none was provided"
        )
    return _inject(provided)


def _keep_embedded(archive: _Archive, contents: _Contents, provided: Optional[Path]) -> _Chosen:
    """Settle on the hyperparameters that are in the model; raises INVALID_HYPERPARAMETERS."""
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
    if found is None or not found.has_data() or (contents.doubles and archive.links):
        at, found = _file_behind(archive, HYPERPARAMETERS_FILE, contents.members)
        data = None
    if found is None:
        raise StepError(
            "INVALID_HYPERPARAMETERS",
            f"{HYPERPARAMETERS_FILE} in {archive.path} is a folder, or a link to no file in it",
        )
    if found.size > _LARGEST_JSON:
        problem: Optional[str] = "it is too large to be looked at"
    else:
        problem = _json_problem(b"".join(_data_of(archive, at)) if data is None else data)
    if problem:
        logger.warning("The original %s is kept as it is: %s", HYPERPARAMETERS_FILE, problem)
    return _Chosen(found.changed(name=HYPERPARAMETERS_FILE, type=tarfile.REGTYPE), None, at)


def _inject(provided: Path) -> _Chosen:
    """Take the provided hyperparameters; raises INVALID_HYPERPARAMETERS."""
    logger.info("Adding %s from %s", HYPERPARAMETERS_FILE, provided)
    status = provided.stat()
    problem = None if stat.S_ISREG(status.st_mode) else "it is not a regular file"
    data = b"" if problem else provided.read_bytes()
    problem = problem or _json_problem(data)
    if problem:
        raise StepError("INVALID_HYPERPARAMETERS", f"{provided} cannot be injected: {problem}")
    member = _Member(HYPERPARAMETERS_FILE)
    member.size, member.mtime = len(data), int(status.st_mtime)
    member.mode = stat.S_IMODE(status.st_mode)
    member.uname = member.gname = "root"
    return _Chosen(member, data)


def _json_problem(data: bytes) -> Optional[str]:
    """Why the bytes are no JSON object in UTF-8; None when they are."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        # Numbers stay texts: they may have more digits than Python converts.
        value = json.loads(
            data.decode("utf-8"), parse_constant=refuse, parse_int=str, parse_float=str
        )
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    return None if isinstance(value, dict) else "it is not a JSON object"


def _file_behind(archive: _Archive, name: str, before: int) -> Tuple[int, Optional[_Member]]:
    """The file that a name means, through links, as of the member number `before`; its number."""
    for _ in range(_MOST_LINKS_IN_A_PATH):
        place, found, at = archive.resolve(name), None, -1
        for index, (member, _data) in enumerate(_Archive(archive.path)):
            if index == before:
                break
            if archive.place(member.name) == place:
                found, at = member, index
        if found is None or not found.islnk():
            return at, found if found is not None and found.has_data() else None
        name, before = found.linkname, at
    return -1, None


def _data_of(archive: _Archive, number: int) -> Iterator[bytes]:
    """The bytes of one member, for which the archive is read again up to there."""
    for index, (_, data) in enumerate(_Archive(archive.path)):
        if index == number:
            yield from data or ()
            return


def _obstacle(archive: _Archive, contents: _Contents) -> str:
    """What keeps the compressed bytes of an archive from being taken over; empty when nothing."""
    if not archive.end or archive.follows:
        return "the packing, which is not one gzip member and nothing else"
    if contents.kept is not None and archive.flags & _FHCRC:
        return "the checksum in the gzip header, which few readers know"
    if contents.several or (contents.kept is not None and not contents.kept.isreg()):
        return f"{HYPERPARAMETERS_FILE}, of which there are several, or which is a link"
    if contents.doubles and archive.links:
        return f"a link through which {HYPERPARAMETERS_FILE} may be written"
    return archive.obstacle


def _rewritten(
    archive: _Archive, entries: Iterable[_Entry], contents: _Contents, chosen: _Chosen
) -> Iterator[_Entry]:
    """What is to be written: every member, but only those hyperparameters that count."""
    earlier = ""  # The first link to hyperparameters that are left out: it gets their bytes.
    for index, (member, data) in enumerate(entries):
        if member.name == HYPERPARAMETERS_FILE:
            earlier = ""
            if index != contents.kept_at:
                continue
            if chosen.at != index:
                data = _data_of(archive, chosen.at)
            member = chosen.member
        elif (
            member.linkname == HYPERPARAMETERS_FILE and member.islnk() and index < contents.kept_at
        ):
            if earlier:
                member = member.changed(linkname=earlier)
            else:
                at, found = _file_behind(archive, HYPERPARAMETERS_FILE, index)
                if found is not None:
                    earlier = member.name
                    member, data = found.changed(name=earlier), _data_of(archive, at)
        yield member, data
    if chosen.data is not None:
        # Last, so that nothing else can be written over it.
        yield chosen.member, [chosen.data]


# --- The step's functions -----------------------------------------------------------------------


def find_model_file(input_paths: Dict[str, str]) -> Optional[Path]:
    """Find the model in its assigned folder, or else beside this script.

    `input_paths["model_artifacts_input"]` is the folder. Returns the path of `model.tar.gz`,
    whatever kind of file it is, or None.
    """
    for path in _model_places(input_paths):
        if path.exists():
            logger.info("Found model file: %s", path)
            return path
        logger.warning("Model file not found: %s", path)
    return None


def _model_places(input_paths: Dict[str, str]) -> List[Path]:
    folders = (Path(input_paths["model_artifacts_input"]), Path(__file__).absolute().parent)
    return [folder / MODEL_FILE for folder in folders]


def find_hyperparams_file(input_paths: Dict[str, str]) -> Optional[Path]:
    """Find the hyperparameters in their assigned folder.

    `input_paths["hyperparameters_s3_uri"]` is the folder. Returns the path of
    `hyperparameters.json`, whatever kind of file it is, or None.
    """
    path = Path(input_paths["hyperparameters_s3_uri"]) / HYPERPARAMETERS_FILE
    if path.exists():
        logger.info("Found hyperparameters file: %s", path)
        return path
    logger.warning("Hyperparameters file not found: %s", path)
    return None


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
    """Extract an archive, once all of its members have proved sound and safe.

    `tar_path` is the archive and `extract_path` the folder to extract to, which is made if missing.
    Modes and times are set as in the archive, owners too when run as root. A `..` within a name is
    taken by its text. Raises FileNotFoundError, OSError, or ValueError as `validate_model` does.
    """
    logger.info("Extracting %s to %s", tar_path, extract_path)
    try:
        archive = _Archive(Path(tar_path))
        for _ in _log_contents(archive):
            pass
        root = Path(extract_path)
        root.mkdir(parents=True, exist_ok=True)
        root = root.resolve()
        folders = []
        for member, data in _Archive(Path(tar_path)):
            _extract_member(root, member, data)
            if member.isdir():
                folders.append(member)
        for folder in reversed(folders):
            _set_attributes(root / folder.name, folder)
    except Exception:
        logger.exception("Error extracting %s", tar_path)
        raise
    logger.info("Extraction complete: %s", extract_path)


def _extract_member(root: Path, member: _Member, data: Optional[Iterable[bytes]]) -> None:
    path = root / member.name
    if path != root:
        _check_inside(root, path.parent, member)
        path.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        if not path.is_dir():
            path.mkdir(0o700)
        return
    if path.exists() or path.is_symlink():
        path.unlink()
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        target = root / member.linkname
        _check_inside(root, target.parent, member)
        os.link(target, path)
    elif data is not None:
        with path.open("xb") as target:
            target.writelines(data)
        _set_attributes(path, member)


def _check_inside(root: Path, folder: Path, member: _Member) -> None:
    """Links that were in the folder before the extraction may lead elsewhere."""
    place = folder.resolve()
    if root != place and root not in place.parents:
        raise _unsafe(member.name, f"leads to {place}, out of the folder to extract to")


def _set_attributes(path: Path, member: _Member) -> None:
    with contextlib.suppress(OSError, OverflowError):  # Such an owner may not exist here.
        if os.geteuid() == 0:
            os.chown(path, member.uid, member.gid)
    path.chmod(member.mode & 0o7777)
    with contextlib.suppress(OverflowError):
        os.utime(path, (member.mtime, member.mtime))


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


def _tree_entries(source: Path, output: Path, out: IO[bytes]) -> Iterator[_Entry]:
    tar = tarfile.TarFile(mode="w", fileobj=io.BytesIO(), tarinfo=_Member, **_ENCODING)
    for path in _walk(source):
        if path in (output, Path(out.name)):
            continue
        member = tar.gettarinfo(str(path), arcname=str(path.relative_to(source)))
        if member is None or member.isdev():
            raise _unsafe(str(path), "is a device, FIFO or socket")
        logger.info("Adding: %s (%.2fMB)", _shown(member.name), member.size / 1024 / 1024)
        if member.isreg():
            with path.open("rb") as data:
                yield member, _chunks(data)
        else:
            yield member, None


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
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
    logger.info("Processing model %s", model_path)
    logger.info("Provided hyperparameters: %s", hyperparams_path)
    logger.info("Output directory: %s", output_dir)
    model, output = Path(model_path), Path(output_dir) / MODEL_FILE
    provided = None if hyperparams_path is None else Path(hyperparams_path)
    if not model.exists():
        raise FileNotFoundError(f"Model file not found: {model}")
    if model.resolve() == output.parent.resolve() / output.name:
        raise ValueError(f"The output would overwrite the input {model}")
    _check_name(model)
    archive, contents = _Archive(model), _Contents()
    for member, data in _log_contents(archive):
        contents.take(member, data)
    logger.info("Model is valid: %s", model)
    chosen = _choose(archive, contents, provided)
    if not ensure_directory(output.parent):
        raise OSError(f"The output directory {output.parent} cannot be created")
    _atomically(output, lambda out: _write_output(out, archive, contents, chosen))
    logger.info("Processed model: %s", output)
    return output


def _write_output(out: IO[bytes], archive: _Archive, contents: _Contents, chosen: _Chosen) -> None:
    """Copy, splice or rewrite; see the docstring of the module."""
    obstacle = _obstacle(archive, contents)
    if obstacle:
        logger.info("The archive is written anew because of %s", obstacle)
        entries = _Archive(archive.path).ahead()
        _write_archive(out, _rewritten(archive, entries, contents, chosen))
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
    job_args: Any,
) -> Path:
    """Find the inputs, process the model, and return the path of the new `model.tar.gz`.

    `input_paths` has the folders `model_artifacts_input` and `hyperparameters_s3_uri`,
    `output_paths` the folder `model_output`; `environ_vars` and `job_args` are not used. Missing
    hyperparameters are an error only when the model has none either. Raises FileNotFoundError that
    names every place searched, and what `process_model_with_hyperparameters` raises.
    """
    logger.info("Input paths: %s", input_paths)
    try:
        model = find_model_file(input_paths)
        if model is None:
            places = ", ".join(map(str, dict.fromkeys(_model_places(input_paths))))
            why = _why_no_source(input_paths["model_artifacts_input"], MODEL_CHANNELS)
            raise FileNotFoundError(
                f"Model file ({MODEL_FILE}) not found in any of these locations: {places}{why}"
            )
        provided = find_hyperparams_file(input_paths)
        output_dir = Path(output_paths["model_output"])
        try:
            return process_model_with_hyperparameters(model, provided, output_dir)
        except HyperparametersNotFoundError as error:
            folder = input_paths["hyperparameters_s3_uri"]
            raise FileNotFoundError(
                f"Hyperparameters not found in any of these locations: {HYPERPARAMETERS_FILE} in "
                f"the archive {model}, {Path(folder) / HYPERPARAMETERS_FILE}"
                f"{_why_no_source(folder, HYPERPARAMETERS_CHANNELS)}"
            ) from error
    except Exception as error:
        what = "Required file not found" if isinstance(error, FileNotFoundError) else "Error"
        logger.error("%s in dummy training: %s", what, error)
        raise


def _why_no_source(folder: str, channels: Tuple[str, ...]) -> str:
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


def _stop(_number: int, _frame: Any) -> None:
    """End the step on SIGTERM, once: nothing may come in the way of the clean-up."""
    if not _Run.commits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _Run.stopped = True
        sys.exit(_STOPPED)


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
        input_paths = assign_input_paths(Path(__file__).absolute().parent)
        main(input_paths, {"model_output": OUTPUT_DIR}, {}, None)
    except Exception as error:
        logger.error(traceback.format_exc())
        logger.error("What to do: %s", _advice(error))
        return 1
    except (SystemExit, KeyboardInterrupt) as end:
        logger.error("Stopped, nothing was written. What to do: run the step again")
        return _STOPPED if isinstance(end, SystemExit) else 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(run())
