"""A pool of processes deflates pieces of the new tar; a signal is asked for at checkpoints."""

import bz2
import contextlib
import dataclasses
import io
import json
import lzma
import os
import shutil
import signal
import stat
import struct
import sys
import tarfile
import tempfile
import traceback
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

NAME, ARCHIVE = "hyperparameters.json", "model.tar.gz"
HERE = Path(__file__).resolve().parent
PIECE = 1 << 17
WINDOW = 1 << 15
ERRORS = "surrogateescape"


def log(priority, text, *values):
    """A line as journald wants it: 6 is information, 4 a warning, 3 an error."""
    line = text % tuple(str(one).encode("unicode_escape").decode() for one in values)
    sys.stderr.write("<%d>%s\n" % (priority, line))


class Failure(ValueError):
    def __init__(self, code, detail):
        super().__init__("%s; ERROR_CODE: %s" % (detail, code))
        self.code = code


def advice(error):
    code = getattr(error, "code", None)
    if code == "INVALID_FORMAT":
        return "use a file whose name is model.tar.gz"
    if code == "INVALID_ARCHIVE":
        return "send the archive again, after a look with gzip -t"
    if code == "UNSAFE_MEMBER":
        return "pack without the member that is told"
    if code == "INVALID_HYPERPARAMETERS":
        return "let it be a JSON object in UTF-8"
    if isinstance(error, FileNotFoundError):
        return "add what is missing to one of those folders"
    return "mind what the system says above, and run again"


class Stop:
    """A signal is noted when it comes, and obeyed at the next checkpoint."""

    number = 0

    @classmethod
    def note(cls, number, frame):
        cls.number = number

    @classmethod
    def checkpoint(cls):
        if cls.number:
            raise SystemExit(128 + cls.number)


@dataclasses.dataclass
class Record:
    """A member, whose bytes stay in the tar that it comes from."""

    info: tarfile.TarInfo
    place: str
    tar: tarfile.TarFile

    def bytes(self):
        return self.tar.extractfile(self.info).read() if self.holds_bytes else b""

    @property
    def holds_bytes(self):
        return self.info.isreg() or self.info.type not in tarfile.SUPPORTED_TYPES


def decompressed(source, target):
    """Write the plain tar of `source`, all streams of it, into `target`."""
    start = source.read(6)
    source.seek(0)
    if start[:2] == b"\x1f\x8b":
        make, magic = lambda: zlib.decompressobj(zlib.MAX_WBITS | 32), b"\x1f\x8b"
    elif start[:3] == b"BZh":
        make, magic = bz2.BZ2Decompressor, b"BZh"
    elif start == b"\xfd7zXZ\0":
        make, magic = lzma.LZMADecompressor, b"\xfd7zXZ\0"
    else:
        shutil.copyfileobj(source, target)
        return
    data = source.read()
    while data[: len(magic)] == magic:
        Stop.checkpoint()
        engine = make()
        target.write(engine.decompress(data))
        if not engine.eof:
            raise EOFError("it stops in the middle")
        data = engine.unused_data.lstrip(b"\0")
    if data:
        log(4, "%s bytes after the packed data are of no use", len(data))


@contextlib.contextmanager
def opened(path):
    """The records of an archive, while its plain tar lies in a temporary file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Failure("INVALID_ARCHIVE", "%s is none" % path)
    with tempfile.TemporaryFile() as plain, open(path, "rb") as source:
        try:
            decompressed(source, plain)
            size = plain.tell()
            plain.seek(0)
            tar = tarfile.TarFile(fileobj=plain, encoding="utf-8", errors=ERRORS)
            records = [Record(info, place_of(info), tar) for info in tar.getmembers()]
            plain.seek(tar.offset)
            if plain.read(512) != b"\0" * 512 or any(one.info.size < 0 for one in records):
                raise ValueError("after byte %d of %d nothing can be read" % (tar.offset, size))
            for one in records:
                if one.holds_bytes and one.info.offset_data > size:
                    raise ValueError("the end is missing")
        except Exception as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise Failure("INVALID_ARCHIVE", "%s: %r" % (path, error)) from error
        yield records


def place_of(info):
    name = info.pax_headers.get("GNU.sparse.name", info.name)
    return os.path.normpath(name) if name.strip("/.") else os.path.normpath("./" + name)


def approve(records):
    """Go through all links and names; whatever leaves the top is refused."""
    links = {one.place: one.info.linkname for one in records if one.info.issym()}
    folders = {one.place for one in records if one.info.isdir()}

    def lead(trail, hops, *at):
        at = list(at)
        for part in PurePosixPath(trail).parts:
            if part == "/" or (part == ".." and not at):
                raise LookupError(trail)
            if part == "..":
                at.pop()
                continue
            onward = links.get("/".join((*at, part)))
            at = lead(onward, hops + 1, *at) if onward and hops < 32 else [*at, part]
        return at

    for one in records:
        info, upper = one.info, one.place.split("/")[:-1]
        try:
            if one.place.startswith(("/", "../")) or one.place == "..":
                raise LookupError("its name")
            if info.isdev() or (one.place == "." and not info.isdir()):
                raise LookupError("its type")
            if info.issym() and one.place in folders:
                raise LookupError("a folder's name")
            lead("/".join(upper), 0)
            if info.issym():
                lead(info.linkname, 0, *upper)
            elif info.islnk():
                lead(info.linkname, 0)
        except LookupError as error:
            text = "%s is dangerous for %s" % (ascii(info.name), error)
            raise Failure("UNSAFE_MEMBER", text) from error
    return records


def listed(records):
    for one in records:
        log(6, "member %s, %s bytes", one.place, one.info.size)
    return records


def trouble(data):
    def unknown(word):
        raise ValueError(word)

    try:
        value = json.loads(str(data, "utf-8"), parse_constant=unknown, parse_int=len)
        return None if isinstance(value, dict) else "%s, no object" % type(value).__name__
    except RecursionError:
        return "too deep"
    except ValueError as error:
        return str(error)


# --- Writing ---


def record(key, value):
    """A pax record: its length, with the digits of that, then key and value."""
    rest = (" %s=%s\n" % (key, value)).encode("utf-8", ERRORS)
    length = len(rest)
    while length != len(rest) + len(b"%d" % length):
        length = len(rest) + len(b"%d" % length)
    return b"%d" % length + rest


def add(tar, info, place, data):
    fresh = tarfile.TarInfo(place)
    for field in ("mode", "mtime", "uid", "gid", "uname", "gname", "type", "linkname"):
        setattr(fresh, field, getattr(info, field))
    if fresh.islnk():
        fresh.linkname = os.path.normpath(fresh.linkname)
    if data is not None:
        fresh.type, fresh.size = tarfile.REGTYPE, len(data)
    records = [
        record(key, value)
        for key, value in info.pax_headers.items()
        if key == "mtime" or key.startswith(("SCHILY.xattr.", "LIBARCHIVE."))
    ]
    if records:
        before = tarfile.TarInfo("././@PaxHeader")
        before.type, before.size = tarfile.XHDTYPE, sum(map(len, records))
        tar.write(before.tobuf(tarfile.USTAR_FORMAT))
        tar.write(b"".join(records) + bytes(-before.size % 512))
    tar.write(fresh.tobuf(tarfile.GNU_FORMAT, "utf-8", ERRORS))
    tar.write((data or b"").ljust(-(-len(data or b"") // 512) * 512, b"\0"))
    Stop.checkpoint()


def deflated(descriptor, start, is_last):
    """A piece of the tar, packed with what comes before it as its dictionary."""
    before = os.pread(descriptor, min(start, WINDOW), max(0, start - WINDOW))
    data = os.pread(descriptor, PIECE, start)
    if before:
        engine = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, before)
    else:
        engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)


def leave_signals():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def pack(plain, out):
    """One gzip member out of the pieces that other processes make."""
    size, crc = plain.tell(), 0
    plain.flush()
    starts = range(0, size, PIECE)
    out.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    arguments = [plain.fileno()] * len(starts), starts, [one + PIECE >= size for one in starts]
    with ProcessPoolExecutor(2, get_context("fork"), leave_signals) as pool:
        for start, piece in zip(starts, pool.map(deflated, *arguments)):  # noqa: B905
            crc = zlib.crc32(os.pread(plain.fileno(), PIECE, start), crc)
            out.write(piece)
            Stop.checkpoint()
    out.write(struct.pack("<LL", crc, size & 0xFFFFFFFF))


def save(target, fill):
    """Write an archive beside its place, and then put it there."""
    if not ensure_directory(target.parent):
        raise NotADirectoryError("no folder at %s" % target.parent)
    handle, draft = tempfile.mkstemp(".part", "." + target.name, str(target.parent))
    try:
        with os.fdopen(handle, "wb") as out, tempfile.TemporaryFile() as plain:
            count = fill(plain)
            plain.write(bytes(1024))
            pack(plain, out)
            os.fchmod(out.fileno(), 0o644)
        Stop.checkpoint()
        os.rename(draft, target)
        draft = None
    finally:
        if draft:
            os.remove(draft)
    log(6, "Tar creation summary: %s members are in %s", count, target)


# --- The functions of the step ---


def find_model_file(input_paths):
    for folder in (input_paths.get("model_artifacts_input", os.devnull), HERE):
        path = Path(folder) / ARCHIVE
        if path.exists():
            return path
    return None


def find_hyperparams_file(input_paths):
    path = Path(input_paths.get("hyperparameters_s3_uri", os.devnull)) / NAME
    return path if path.exists() else None


def validate_model(input_path):
    if Path(input_path).suffixes[-2:] != [".tar", ".gz"]:
        raise Failure("INVALID_FORMAT", "%s" % input_path)
    with opened(input_path):
        return True


def extract_tarfile(tar_path, extract_path):
    with opened(tar_path) as records:
        approve(listed(records))
        os.makedirs(extract_path, exist_ok=True)
        plain = io.BytesIO()
        for one in sorted(records, key=lambda one: one.info.islnk()):
            if one.place != ".":
                add(plain, one.info, one.place, one.bytes() if one.holds_bytes else None)
    with tarfile.open(fileobj=io.BytesIO(plain.getvalue() + bytes(1024)), errors=ERRORS) as tar:
        tar.extraction_filter = lambda member, path: member
        tar.extractall(str(extract_path))


def create_tarfile(output_tar_path, source_dir):
    def fill(plain):
        paths = sorted(Path(source_dir).rglob("*"))
        with tarfile.open(fileobj=io.BytesIO(), mode="w") as meter:
            for path in paths:
                info = meter.gettarinfo(path, str(path.relative_to(source_dir)))
                add(plain, info, info.name, path.read_bytes() if info.isreg() else None)
        return len(paths)

    save(Path(output_tar_path), fill)


def behind(records, own):
    """The record of the file that the model's own hyperparameters are in the end."""
    places = {one.place: one for one in records}
    for _ in records:
        if own.holds_bytes:
            return own
        folder = os.path.dirname(own.place) if own.info.issym() else ""
        own = places.get(os.path.normpath(os.path.join(folder, own.info.linkname)))
        if own is None:
            break
    raise Failure("INVALID_ARCHIVE", "%s in it is no file" % NAME)


def settled(records, model, given):
    """The hyperparameters for the output: a header and bytes."""
    own = [one for one in records if one.place == NAME]
    if own:
        log(6, "HYPERPARAMETERS ALREADY IN MODEL")
        if given is not None:
            log(4, "IGNORED, for there are others in the model: %s", given)
        data = behind(records, own[-1]).bytes()
        if trouble(data):
            log(4, "hyperparameters.json, as the model has it: %s", trouble(data))
        return own[-1].info, data
    log(6, "HYPERPARAMETERS NOT IN MODEL")
    if given is None:
        raise FileNotFoundError("%s is not in %s" % (NAME, model))
    if not os.path.isfile(given):
        raise Failure("INVALID_HYPERPARAMETERS", "%s cannot be read as a file" % given)
    data = Path(given).read_bytes()
    if trouble(data):
        raise Failure("INVALID_HYPERPARAMETERS", "%s: %s" % (given, trouble(data)))
    return tarfile.TarInfo(NAME), data


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    if not os.path.exists(model_path):
        raise FileNotFoundError("there is nothing at %s" % model_path)
    validate_model(model_path)
    target = Path(output_dir) / ARCHIVE
    with opened(model_path) as records:
        approve(listed(records))
        info, data = settled(records, model_path, hyperparams_path)
        others = [one for one in records if one.place not in (".", NAME)]

        def fill(plain):
            add(plain, info, NAME, data)
            for one in sorted(others, key=lambda one: one.info.islnk()):
                add(plain, one.info, one.place, one.bytes() if one.holds_bytes else None)
            return 1 + len(others)

        save(target, fill)
    return target


def ensure_directory(directory):
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log(3, "%s", error)
        return False
    return True


def copy_file(src, dst):
    if not os.path.exists(src):
        raise FileNotFoundError(2, "nothing to copy", str(src))
    Path(dst).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(src, dst)


def main(input_paths, output_paths, environ_vars, job_args=None):
    model = find_model_file(input_paths)
    given = find_hyperparams_file(input_paths)
    searched = Path(input_paths.get("hyperparameters_s3_uri", os.devnull)) / NAME
    if model is None:
        first = Path(input_paths.get("model_artifacts_input", os.devnull)) / ARCHIVE
        raise FileNotFoundError("a model is at neither of %s, %s" % (first, HERE / ARCHIVE))
    try:
        return process_model_with_hyperparameters(model, given, output_paths["model_output"])
    except FileNotFoundError as error:
        raise FileNotFoundError("%s, nor is it %s" % (error, searched)) from error


def publish(archive, folder):
    """Members for the collection of a training job: put there at once, or taken back."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as hidden:
        extract_tarfile(archive, hidden)
        names = os.listdir(hidden)
        try:
            for name in names:
                os.rename(os.path.join(hidden, name), os.path.join(folder, name))
        except OSError:
            for name in names:
                if not os.path.lexists(os.path.join(hidden, name)):
                    os.rename(os.path.join(folder, name), os.path.join(hidden, name))
            raise


def choose(channel, sources, fits):
    for root in ("/opt/ml/input/data", "/opt/ml/processing/input"):
        folder = Path(root, channel)
        if folder.is_dir():
            log(6, "[Input Channel] %s", folder)
            return str(folder)
    folder = next((one for one in sources if fits(one)), sources[0])
    log(6, "[SOURCE Fallback] %s", folder)
    return str(folder)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, Stop.note)
    code = Path("/opt/ml/code")
    try:
        paths = {
            "model_artifacts_input": choose(
                "model_artifacts_input", [code / "models", HERE / "models"], Path.is_dir
            ),
            "hyperparameters_s3_uri": choose(
                "hyperparameters_s3_uri",
                [code / "hyperparams", HERE / "hyperparams", HERE],
                lambda folder: (folder / NAME).exists(),
            ),
        }
        made = main(paths, {"model_output": "/opt/ml/processing/output/model"}, os.environ)
        is_processing = Path("/opt/ml/config/processingjobconfig.json").exists()
        if Path("/opt/ml/input/config/resourceconfig.json").exists() and not is_processing:
            publish(made, "/opt/ml/model")
    except Exception as error:
        log(3, "failed")
        traceback.print_exc()
        log(3, "Now: %s", advice(error))
        sys.exit(1)
