"""Packages a pretrained model: makes sure that its archive holds hyperparameters, and writes it on.

Reads `model.tar.gz`, puts `hyperparameters.json` at its root unless it is there already, and writes
the result as `/opt/ml/processing/output/model/model.tar.gz`. Every other member keeps its place,
type, mode, times, owner, link target and bytes. Works as a SageMaker processing or training step;
needs nothing but Python 3.8 or newer. Memory does not grow with the archive: its members lie in a
temporary folder, headers in one file and bytes in another.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import json
import logging
import math
import os
import re
import shutil
import signal
import stat
import sys
import tarfile
import traceback
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Optional, Tuple

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

_CHUNK = 1 << 20
_COMPRESSION_LEVEL = 6
_STOPPED = 128 + signal.SIGTERM
_LARGEST_EXTENDED_HEADER = 1 << 24
_LARGEST_JSON = 1 << 24
_MOST_LINKS_IN_A_PATH = 40  # As Linux has it.
# The pax records that go on with a member beside those that tarfile derives from its attributes.
# Others only make GNU tar print warnings.
_KEPT_RECORDS = re.compile(r"atime|ctime|comment|SCHILY\.(xattr|acl)\..+|RHT\.security\.selinux")
_ENCODING: Dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
_FIELDS = (
    *("name", "mode", "uid", "gid", "size", "mtime", "linkname", "uname", "gname"),
    *("pax_headers", "offset_data"),
)

logger = logging.getLogger(__name__)

# A member to be written, and its bytes if it has any.
_Entry = Tuple[tarfile.TarInfo, Optional[IO[bytes]]]


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

    def get_info(self):
        info = super().get_info()
        if info["name"] == "./":
            info["name"] = "."
        return info

    def tobuf(self, format=tarfile.PAX_FORMAT, *encoding):
        if all(map(_is_utf8, (self.name, self.linkname, self.uname, self.gname))):
            return super().tobuf(format, *encoding)
        # pax names are UTF-8, and GNU tar warns of `hdrcharset`: write other bytes in GNU format,
        # after a pax header with what GNU format lacks.
        plain = self.changed(name="x", linkname="", uname="", gname="", type=tarfile.REGTYPE)
        extended = plain.tobuf(tarfile.PAX_FORMAT, *encoding)[: -tarfile.BLOCKSIZE]
        return extended + super().tobuf(tarfile.GNU_FORMAT, *encoding)

    def changed(self, **changes: Any) -> _Member:
        other = _Member()
        for field in (*_FIELDS, "type"):
            setattr(other, field, changes.get(field, getattr(self, field)))
        return other

    def has_data(self) -> bool:
        return self.isreg() or self.type not in tarfile.SUPPORTED_TYPES


class _Bytes(io.RawIOBase):
    """The unpacked bytes of a file, read once from front to back; `seek` goes forward only."""

    def __init__(self, raw: IO[bytes], path: Path) -> None:
        self._file: Any = raw
        self._path = path
        self._at = 0
        magic = raw.read(6)
        raw.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            self._file = gzip.GzipFile(fileobj=raw, mode="rb")
        elif magic.startswith(b"BZh"):
            import bz2  # Not every Python is built with it.

            self._file = bz2.BZ2File(raw)
        elif magic == b"\xfd7zXZ\x00":
            import lzma

            self._file = lzma.LZMAFile(raw)  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        with _reading(self._path):
            data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read1(size)
        except gzip.BadGzipFile as error:
            if not (self._at and str(error).startswith("Not a gzipped file")):
                raise
            logger.warning("Garbage after the gzip data of %s is ignored", self._path)
            self._file = io.BytesIO()
            return b""

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        target = position + (self._at if whence == io.SEEK_CUR else 0)
        if target < self._at or whence == io.SEEK_END:
            raise tarfile.ReadError("the data of members overlap")
        while self._at < target and self.read(min(_CHUNK, target - self._at)):
            pass
        return self._at

    def close(self) -> None:
        self._file.close()
        super().close()


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
    its text or through a symbolic link. Nothing is remembered but the symbolic links.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._links: Dict[str, str] = {}

    def __iter__(self) -> Iterator[_Entry]:
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise StepError("INVALID_ARCHIVE", f"{self.path} is not a regular file")
        with self.path.open("rb") as raw, self._unpacked(raw) as stream:
            with _reading(self.path):
                tar = tarfile.TarFile(fileobj=stream, tarinfo=_Member, **_ENCODING)
            # Without a first member, older Pythons would look for the next one before the begin.
            while tar.firstmember is not None or tar.offset:
                with _reading(self.path):
                    member = tar.next()
                    if member is None:
                        break
                    tar.members.clear()
                    _settle_header(member)
                self._check_safe(member)
                yield member, tar.extractfile(member) if member.has_data() else None
            self._drain(stream)
        for link in self._links:
            self.resolve(link)

    def _unpacked(self, raw: IO[bytes]) -> io.BufferedReader:
        return io.BufferedReader(_Bytes(raw, self.path), 1 << 16)

    def _drain(self, stream: IO[bytes]) -> None:
        """Read what follows the last member: only the end of the stream proves its checksum."""
        chunk, follows = stream.read(_CHUNK), False
        while chunk:
            follows = follows or bool(chunk.strip(b"\0"))
            chunk = stream.read(_CHUNK)
        if follows:
            logger.warning("Data after the end of the archive %s is ignored", self.path)

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
            target = self._links.get(self.place(member.linkname))
            if target is not None:
                self._add_link(member.name, target)

    def _add_link(self, name: str, target: str) -> None:
        place = self.place(name)
        self._links[place] = target
        self.resolve(place)

    def place(self, path: str) -> str:
        folder, _, last = path.rpartition("/")
        return f"{self.resolve(folder)}/{last}".lstrip("/")

    def resolve(self, path: str) -> str:
        """Follow a path through the archive's symbolic links; raises UNSAFE_MEMBER."""
        if not self._links and ".." not in path:
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
            target = self._links.get("/".join((*at, part)))
            if target is None or not hops_left:
                at.append(part)
                continue
            if target.startswith("/"):
                raise _unsafe(path, f"leads to {_shown(target)}, out of the archive")
            hops_left -= 1
            to_go.extend(target.split("/")[::-1])
        return "/".join(at)


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
    kept = {key: text for key, text in records.items() if _KEPT_RECORDS.fullmatch(key)}
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


def _log_contents(archive: _Archive) -> Iterator[_Entry]:
    """Log each member on its way, and their total size."""
    logger.info("Tar file contents before extraction:")
    total = 0
    for member, data in archive:
        logger.info("  %s (%.2fMB)", _shown(member.name), member.size / 1024 / 1024)
        total += member.size
        yield member, data
    logger.info("Total size in tar: %.2fMB", total / 1024 / 1024)


def _copy(source: IO[bytes], target: IO[bytes], size: int, path: Path) -> None:
    """Copy exactly `size` bytes of a member of the archive at `path`."""
    with _reading(path):
        while size:
            chunk = source.read(min(size, _CHUNK))
            if not chunk:
                raise tarfile.ReadError("unexpected end of data")
            target.write(chunk)
            size -= len(chunk)


# --- Keeping members between reading and writing ------------------------------------------------


class _Spool:
    """An archive's members in a folder: headers in one file, bytes in another, order kept."""

    def __init__(self, scratch: _Scratch) -> None:
        self._path = scratch.headers
        self._data = scratch.data.open("w+b")
        self._headers = scratch.headers.open("w")
        self._count = 0
        self.kept: Optional[_Member] = None  # The hyperparameters that count: the last ones …
        self.kept_at = -1  # … and their place in the order.
        self.blocked = False  # Members lie below a folder of that name.

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: Any) -> None:
        with self._data, self._headers:
            pass

    def add(self, member: _Member, data: Optional[IO[bytes]], path: Path) -> None:
        """Append a member of the archive at `path`."""
        member.offset_data = self._data.tell()
        if data is not None:
            _copy(data, self._data, member.size, path)
        values = [member.type.decode("latin-1"), *(getattr(member, one) for one in _FIELDS)]
        self._headers.write(json.dumps(values) + "\n")
        if member.name == HYPERPARAMETERS_FILE:
            self.kept, self.kept_at = member, self._count
        self.blocked = self.blocked or member.name.startswith(HYPERPARAMETERS_FILE + "/")
        self._count += 1

    def data(self, member: _Member) -> IO[bytes]:
        """The file that holds the bytes of a member, at their begin."""
        self._data.seek(member.offset_data)
        return self._data

    def entries(self, archive: _Archive) -> Iterator[_Entry]:
        """What is to be written: every member, but only those hyperparameters that count."""
        for index, member in enumerate(self._members()):
            if member.name == HYPERPARAMETERS_FILE:
                if index != self.kept_at:
                    continue
                member = self.kept
            elif member.linkname == HYPERPARAMETERS_FILE and member.islnk():
                # It means those of its time, which may be left out.
                earlier = None
                if index < self.kept_at:
                    earlier = self.file_behind(HYPERPARAMETERS_FILE, archive, index)
                if earlier is not None:
                    member = earlier.changed(name=member.name)
            yield member, self.data(member) if member.has_data() else None

    def file_behind(
        self, name: str, archive: _Archive, before: Optional[int] = None
    ) -> Optional[_Member]:
        """The file that a name means, through links, as of the member number `before`."""
        before = self._count if before is None else before
        for _ in range(_MOST_LINKS_IN_A_PATH):
            place, found, at = archive.resolve(name), None, 0
            for index, member in enumerate(self._members()):
                if index < before and archive.place(member.name) == place:
                    found, at = member, index
            if found is None or not found.islnk():
                return found if found is not None and found.has_data() else None
            name, before = found.linkname, at
        return None

    def _members(self) -> Iterator[_Member]:
        self._headers.flush()
        with self._path.open() as headers:
            for line in headers:
                member = _Member()
                kind, *values = json.loads(line)
                member.type = kind.encode("latin-1")
                for field, value in zip(_FIELDS, values):  # noqa: B905 - Python 3.8
                    setattr(member, field, value)
                yield member


# --- Writing archives ---------------------------------------------------------------------------


class _Run:
    """How far the run is: once it commits, SIGTERM comes too late; once stopped, it must not."""

    commits = False
    stopped = False


class _Scratch:
    """Names everything temporary before it is made, so that `clear` removes it at any moment."""

    def __init__(self, output: Path) -> None:
        token = os.urandom(8).hex()
        # Not tempfile.gettempdir(), which tries folders by making files there.
        places = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")] + ["/tmp", "/var/tmp"]
        roots = [Path(one).absolute() for one in places if one and os.access(one, os.W_OK)]
        self.folder = (roots[0] if roots else output.parent) / f"dummy_training-{token}"
        self.headers = self.folder / "headers"
        self.data = self.folder / "data"
        self.output = output
        self.partial = output.with_name(f".{output.name}-{token}")

    def commit(self) -> None:
        """Put the output into its place, as the last thing that is done."""
        self._clear_folder()
        _Run.commits = True
        try:
            if _Run.stopped:  # Python drops exceptions that a signal raises within `__del__`.
                sys.exit(_STOPPED)
            self.partial.replace(self.output)
        except BaseException:
            _Run.commits = False
            raise

    def clear(self) -> None:
        """Remove what is there of it."""
        self._clear_folder()
        with contextlib.suppress(OSError):
            self.partial.unlink()

    def _clear_folder(self) -> None:
        for path in (self.headers, self.data):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _atomically(output: Path, build: Callable[[_Scratch], None]) -> None:
    """Let `build` write `scratch.partial`, then make it the output; leave nothing else behind."""
    scratch = _Scratch(output)
    try:
        try:
            build(scratch)
            scratch.commit()
        finally:
            scratch.clear()
    finally:
        # Again, since the one SIGTERM may have come while the first was at work.
        scratch.clear()


def _write_archive(path: Path, entries: Callable[[tarfile.TarFile], Iterator[_Entry]]) -> None:
    """Write a new tar.gz: one gzip member without name or time, so that bytes are reproducible."""
    total, files = 0, 0
    with path.open("xb") as out:
        with _gzip(out) as zipped, _tar(zipped) as tar:
            for member, data in entries(tar):
                tar.addfile(member, data)
                tar.members.clear()
                total += member.size
                files += not member.isdir()
        out.flush()
        os.fsync(out.fileno())
    packed = path.stat().st_size
    logger.info("Tar creation summary:")
    logger.info("  Files added: %d", files)
    logger.info("  Total uncompressed size: %.2fMB", total / 1024 / 1024)
    logger.info("  Compressed tar size: %.2fMB", packed / 1024 / 1024)
    logger.info("  Compression ratio: %.2f%%", 100 * packed / total if total else 100)


def _gzip(out: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, out, mtime=0)


def _tar(out: IO[bytes]) -> tarfile.TarFile:
    return tarfile.TarFile(
        mode="w",
        fileobj=out,
        format=tarfile.PAX_FORMAT,
        tarinfo=_Member,
        copybufsize=_CHUNK,
        **_ENCODING,
    )


# --- Hyperparameters ----------------------------------------------------------------------------


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


def _keep_embedded(spool: _Spool, archive: _Archive, provided: Optional[Path]) -> None:
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
    found = spool.file_behind(HYPERPARAMETERS_FILE, archive)
    if found is None:
        raise StepError(
            "INVALID_HYPERPARAMETERS",
            f"{HYPERPARAMETERS_FILE} in {archive.path} is a folder, or a link to no file in it",
        )
    spool.kept = found.changed(name=HYPERPARAMETERS_FILE, type=tarfile.REGTYPE)
    if found.size > _LARGEST_JSON:
        problem: Optional[str] = "it is too large to be looked at"
    else:
        problem = _json_problem(spool.data(found).read(found.size))
    if problem:
        logger.warning("The original %s is kept as it is: %s", HYPERPARAMETERS_FILE, problem)


def _inject(spool: _Spool, provided: Path) -> None:
    """Add the provided hyperparameters to the model; raises INVALID_HYPERPARAMETERS."""
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
    spool.add(member, io.BytesIO(data), provided)
    logger.info("Injected %s (%d bytes)", HYPERPARAMETERS_FILE, len(data))


def _settle_hyperparameters(spool: _Spool, archive: _Archive, provided: Optional[Path]) -> None:
    """Make sure that the members hold hyperparameters: their own, or else the provided ones."""
    if spool.kept is not None or spool.blocked:
        _keep_embedded(spool, archive, provided)
        return
    logger.info("HYPERPARAMETERS NOT IN MODEL")
    if provided is None:
        raise HyperparametersNotFoundError(
            f"Hyperparameters not found: {archive.path} holds no {HYPERPARAMETERS_FILE}, "
            "and none was provided"
        )
    _inject(spool, provided)


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
    logger.info("Validating model: %s", input_path)
    if not str(input_path).endswith(".tar.gz"):
        raise StepError("INVALID_FORMAT", f"{input_path} is not named *.tar.gz")
    for _ in _Archive(Path(input_path)):
        pass
    logger.info("Model is valid: %s", input_path)
    return True


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
            _extract_member(root, member, data, archive.path)
            if member.isdir():
                folders.append(member)
        for folder in reversed(folders):
            _set_attributes(root / folder.name, folder)
    except Exception:
        logger.exception("Error extracting %s", tar_path)
        raise
    logger.info("Extraction complete: %s", extract_path)


def _extract_member(
    root: Path, member: _Member, data: Optional[IO[bytes]], archive_path: Path
) -> None:
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
            _copy(data, target, member.size, archive_path)
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

    def build(scratch: _Scratch) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        own = (output, scratch.partial)
        _write_archive(scratch.partial, lambda tar: _tree_entries(tar, source, own))

    try:
        _atomically(output, build)
    except Exception:
        logger.exception("Error creating %s", output_tar_path)
        raise


def _tree_entries(tar: tarfile.TarFile, source: Path, own: Tuple[Path, ...]) -> Iterator[_Entry]:
    for path in _walk(source):
        if path in own:
            continue
        member = tar.gettarinfo(str(path), arcname=str(path.relative_to(source)))
        if member is None or member.isdev():
            raise _unsafe(str(path), "is a device, FIFO or socket")
        logger.info("Adding: %s (%.2fMB)", _shown(member.name), member.size / 1024 / 1024)
        if member.isreg():
            with path.open("rb") as data:
                yield member, data
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
    validate_model(model)

    def build(scratch: _Scratch) -> None:
        scratch.folder.mkdir(0o700)
        with _Spool(scratch) as spool:
            archive = _Archive(model)
            for member, data in _log_contents(archive):
                spool.add(member, data, model)
            _settle_hyperparameters(spool, archive, provided)
            if not ensure_directory(output.parent):
                raise OSError(f"The output directory {output.parent} cannot be created")
            _write_archive(scratch.partial, lambda _: spool.entries(archive))

    _atomically(output, build)
    logger.info("Processed model: %s", output)
    return output


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
            "make room, or use a larger volume: the temporary folder needs the size of the "
            "unpacked model, and the output folder that of the packed one"
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
