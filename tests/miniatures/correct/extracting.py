"""Dummy training: extract a pretrained model, check it, add its hyperparameters, pack it again.

Everything in between lives in temporary folders. Payloads are extracted under numbers instead of
their names, so that no name can do harm or be too long; all metadata stays in the tar headers.
"""
import bz2
import contextlib
import gzip
import json
import logging
import lzma
import os
import posixpath
import shutil
import signal
import sys
import tarfile
import tempfile
import zlib
from collections import namedtuple
from pathlib import Path, PurePosixPath
from typing import Dict, List, Optional

LOGGER = logging.getLogger("step")
SCRIPT = Path(__file__).absolute()
MODEL_FILE = "model.tar.gz"
PARAMS_FILE = "hyperparameters.json"

Input = namedtuple("Input", "key file channels sources")
MODEL_INPUT = Input(
    key="model_artifacts_input",
    file=MODEL_FILE,
    channels=[
        Path("/opt/ml/input/data/model_artifacts_input"),
        Path("/opt/ml/processing/input/model_artifacts_input"),
    ],
    sources=[Path("/opt/ml/code/models"), SCRIPT.parent / "models"],
)
PARAMS_INPUT = Input(
    key="hyperparameters_s3_uri",
    file=PARAMS_FILE,
    channels=[
        Path("/opt/ml/input/data/hyperparameters_s3_uri"),
        Path("/opt/ml/processing/input/hyperparameters_s3_uri"),
    ],
    sources=[Path("/opt/ml/code/hyperparams"), SCRIPT.parent / "hyperparams", SCRIPT.parent],
)


# A member of the archive: its clean name, its header, and the file its bytes were extracted to.
Member = namedtuple("Member", "name header payload")


class RawHeader(tarfile.TarInfo):
    """Writes names that are no UTF-8 as GNU tar does: as they are, in a header without charset."""

    def create_pax_header(self, info, encoding):
        blocks = super().create_pax_header(info, encoding)
        charset = b"21 hdrcharset=BINARY\n"
        if charset not in blocks:
            return blocks
        records = blocks[512:-512].rstrip(b"\0").replace(charset, b"", 1)
        extended = tarfile.TarInfo("././@PaxHeader")
        extended.type, extended.size = tarfile.XHDTYPE, len(records)
        padding = bytes(-len(records) % 512)
        return extended.tobuf(tarfile.USTAR_FORMAT) + records + padding + blocks[-512:]


TAR = {"tarinfo": RawHeader, "encoding": "utf-8", "errors": "surrogateescape"}


class InvalidFormat(ValueError):
    """Please name the archive model.tar.gz and restart."""


class InvalidArchive(ValueError):
    """Please check that the upload was complete, replace model.tar.gz and restart."""


class UnsafeMember(ValueError):
    """Please rebuild model.tar.gz without that member and restart."""


class InvalidHyperparameters(ValueError):
    """Please fix hyperparameters.json (one JSON object, UTF-8) and restart."""


class Missing(FileNotFoundError):
    """Please add the missing file to one of these places and restart."""


def fail(kind, message: str) -> ValueError:
    codes = {
        InvalidFormat: "INVALID_FORMAT",
        InvalidArchive: "INVALID_ARCHIVE",
        UnsafeMember: "UNSAFE_MEMBER",
        InvalidHyperparameters: "INVALID_HYPERPARAMETERS",
    }
    return kind(f"{message} [ERROR_CODE: {codes[kind]}]")


# -- temporary folders ---------------------------------------------------------------------------


@contextlib.contextmanager
def undisturbed():
    """Hold SIGTERM back for a moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def workshop(inside: Optional[Path] = None):
    """A temporary folder that is removed afterwards, whatever happens."""
    with undisturbed():
        folder = tempfile.TemporaryDirectory(prefix=".repack-", dir=inside and str(inside))
    try:
        yield Path(folder.name)
    finally:
        with undisturbed():
            folder.cleanup()


# -- reading -------------------------------------------------------------------------------------


def decompress(archive: Path, plain: Path) -> None:
    """Unpack the compression only. Reading to the end verifies every checksum."""
    with archive.open("rb") as stream:
        magic = stream.read(6)
    if magic[:2] == b"\x1f\x8b":
        source = gzip.open(str(archive))
    elif magic[:3] == b"BZh":
        source = bz2.open(str(archive))
    elif magic == b"\xfd7zXZ\x00":
        source = lzma.open(str(archive))
    else:
        source = archive.open("rb")
    with source, plain.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def extract(archive: Path, work: Path) -> List[Member]:
    """Extract every payload into `work`; raises InvalidArchive."""
    if not archive.is_file():
        raise fail(InvalidArchive, f"{archive} is not a file")
    plain = work / "plain.tar"
    try:
        decompress(archive, plain)
        return list(extract_plain(plain, work))
    except OSError as error:
        if error.errno is not None:
            raise
        raise fail(InvalidArchive, f"{archive} is damaged: {error}") from error
    except (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError) as error:
        raise fail(InvalidArchive, f"{archive} is damaged: {error}") from error
    except (ValueError, IndexError, KeyError, OverflowError, RecursionError) as error:
        raise fail(InvalidArchive, f"{archive} has a broken header: {error!r}") from error


def extract_plain(plain: Path, work: Path):
    with plain.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:", **TAR) as tar:
        for number, header in enumerate(tar):
            if header.size < 0:
                raise tarfile.ReadError("negative size")
            payload = None
            data = None if header.issym() or header.islnk() else tar.extractfile(header)
            if data is not None:
                payload = work / str(number)
                with payload.open("wb") as target:
                    shutil.copyfileobj(data, target)
            yield Member(clean(header), header, payload)
        # Where tarfile saw the end there must be the end, not a header that it could not read.
        stream.seek(tar.offset)
        if stream.read(512) != bytes(512):
            raise tarfile.ReadError("unreadable member header, or no end of archive")


def clean(header: tarfile.TarInfo) -> str:
    name = header.pax_headers.get("GNU.sparse.name", header.name)
    return posixpath.normpath(name.rstrip("/") if header.isdir() else name)


def check(members: List[Member]) -> None:
    """Raise UnsafeMember when unpacking could touch anything outside the target folder."""
    symlinks = {m.name: m.header.linkname for m in members if m.header.issym()}
    for name, header, _ in members:
        if name.startswith("/"):
            raise fail(UnsafeMember, f"absolute name: {name!a}")
        if name == ".." or name.startswith("../"):
            raise fail(UnsafeMember, f"name that escapes: {name!a}")
        if name == "." and not header.isdir():
            raise fail(UnsafeMember, "a member in place of the root")
        if header.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            raise fail(UnsafeMember, f"device: {name!a}")
        if header.type == tarfile.FIFOTYPE:
            raise fail(UnsafeMember, f"FIFO: {name!a}")
        if header.issym():
            if not stays_inside(PurePosixPath(name).parent / header.linkname, symlinks):
                raise fail(UnsafeMember, f"symlink out: {name!a} -> {header.linkname!a}")
        if header.islnk():
            if not stays_inside(PurePosixPath(header.linkname), {}):
                raise fail(UnsafeMember, f"hard link out: {name!a} -> {header.linkname!a}")


def stays_inside(path: PurePosixPath, symlinks: Dict[str, str]) -> bool:
    """Walk a link's path part by part, through further links, and see whether it stays inside."""
    parts, place = list(path.parts), PurePosixPath()
    for _ in range(1000):
        if not parts:
            break
        part = parts.pop(0)
        if part.startswith("/") or (part == ".." and not place.parts):
            return False
        if part == "..":
            place = place.parent
        elif str(place / part) in symlinks:
            parts = list(PurePosixPath(symlinks[str(place / part)]).parts) + parts
        else:
            place = place / part
    return True


def log_contents(members: List[Member]) -> None:
    LOGGER.info("Tar file contents before extraction:")
    for name, header, _ in members:
        LOGGER.info("  %s (%.2fMB)", ascii(name)[1:-1], header.size / 2**20)
    LOGGER.info("Total size in tar: %.2fMB", sum(m.header.size for m in members) / 2**20)


# -- hyperparameters -----------------------------------------------------------------------------


def embedded(members: List[Member]) -> Optional[Member]:
    """The hyperparameters in the model, as a regular file; None when there are none."""
    by_name = {member.name: member for member in members}
    if PARAMS_FILE not in by_name:
        return None
    own = target = by_name[PARAMS_FILE]
    for _ in members:
        if target is None or target.payload is not None:
            break
        folder = "" if target.header.islnk() else posixpath.dirname(target.name)
        place = posixpath.normpath(posixpath.join(folder, target.header.linkname))
        target = by_name.get(place)
    if target is None or target.payload is None:
        raise fail(InvalidArchive, f"{PARAMS_FILE} in the model is not a file")
    own.header.type = tarfile.REGTYPE
    own.header.linkname = ""
    return Member(PARAMS_FILE, own.header, target.payload)


def problem(content: bytes) -> Optional[str]:
    def refuse(constant: str):
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(content.decode("utf-8"), parse_constant=refuse, parse_int=str)
    except (ValueError, RecursionError) as error:
        return f"not JSON in UTF-8: {error}"
    return None if isinstance(value, dict) else f"a JSON {type(value).__name__}, not an object"


def inject(source: Path, work: Path) -> Member:
    if source.exists() and not source.is_file():
        raise fail(InvalidHyperparameters, f"{source} is not a file")
    payload = work / PARAMS_FILE
    copy_file(source, payload)
    wrong = problem(payload.read_bytes())
    if wrong:
        raise fail(InvalidHyperparameters, f"{source} is {wrong}")
    header = tarfile.TarInfo(PARAMS_FILE)
    header.mode = 0o644
    header.mtime = int(payload.stat().st_mtime)
    return Member(PARAMS_FILE, header, payload)


# -- writing -------------------------------------------------------------------------------------


def compress(plain: Path, packed: Path) -> None:
    """Pack a tar into one gzip member."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    with plain.open("rb") as source, packed.open("wb") as target:
        for chunk in iter(lambda: source.read(1 << 20), b""):
            target.write(compressor.compress(chunk))
        target.write(compressor.flush())


def write_archive(output: Path, fill) -> None:
    """Let `fill` write a tar beside `output`, which it then replaces in one step."""
    if not ensure_directory(output.parent):
        raise OSError(f"no output folder: {output.parent}")
    with workshop(inside=output.parent) as work:
        plain, draft = work / "plain.tar", work / output.name
        with tarfile.open(str(plain), "w", format=tarfile.PAX_FORMAT, **TAR) as tar:
            fill(tar)
        compress(plain, draft)
        compressed = draft.stat().st_size
        draft.replace(output)
    total = sum(header.size for header in tar.members)
    LOGGER.info("Tar creation summary:")
    LOGGER.info("  Files added: %d", len(tar.members))
    LOGGER.info("  Total uncompressed size: %.2fMB", total / 2**20)
    LOGGER.info("  Compressed tar size: %.2fMB", compressed / 2**20)
    LOGGER.info("  Compression ratio: %.2f%%", compressed / max(total, 1) * 100)


def add(tar: tarfile.TarFile, member: Member) -> None:
    name, header, payload = member
    header.name = name
    if header.islnk():
        header.linkname = posixpath.normpath(header.linkname)
    if header.type == tarfile.GNUTYPE_SPARSE:
        header.type = tarfile.REGTYPE
    for key in [k for k in header.pax_headers if k.startswith("GNU.sparse.")]:
        del header.pax_headers[key]
    for key in ("path", "linkpath", "size", "hdrcharset"):
        header.pax_headers.pop(key, None)
    if payload is None:
        header.size = 0
        tar.addfile(header)
    else:
        header.size = payload.stat().st_size
        with payload.open("rb") as data:
            tar.addfile(header, data)


# -- what other programs call --------------------------------------------------------------------


def find_model_file(input_paths):
    assigned = Path(input_paths.get("model_artifacts_input", os.devnull)) / MODEL_FILE
    if assigned.exists():
        LOGGER.info(f"Found model at {assigned}")
        return assigned
    LOGGER.warning(f"Model not found at {assigned}")
    fallback = SCRIPT.parent / MODEL_FILE
    if fallback.exists():
        LOGGER.info(f"Found model beside the script, at {fallback}")
        return fallback
    return None


def find_hyperparams_file(input_paths):
    assigned = Path(input_paths.get("hyperparameters_s3_uri", os.devnull)) / PARAMS_FILE
    if assigned.exists():
        LOGGER.info(f"Found hyperparameters at {assigned}")
        return assigned
    LOGGER.warning(f"Hyperparameters not found at {assigned}")
    return None


def validate_model(input_path):
    LOGGER.info(f"Validating {input_path}")
    if not Path(input_path).name.endswith(".tar.gz"):
        raise fail(InvalidFormat, f"{input_path} should end in .tar.gz")
    with workshop() as work:
        extract(Path(input_path), work)
    LOGGER.info("Validation passed")
    return True


def extract_tarfile(tar_path, extract_path):
    LOGGER.info(f"Extracting {tar_path} to {extract_path}")
    if not Path(tar_path).exists():
        raise Missing(f"No archive at {tar_path}")
    with workshop() as work:
        members = extract(Path(tar_path), work)
        log_contents(members)
        check(members)
        if not ensure_directory(Path(extract_path)):
            raise OSError(f"no folder to extract to: {extract_path}")
        trusted = getattr(tarfile, "fully_trusted_filter", None)
        with tarfile.open(str(work / "plain.tar"), mode="r:", **TAR) as tar:
            tar.extraction_filter = trusted
            for header in tar.getmembers():
                header.name = clean(header)
            tar.extractall(str(extract_path))
    LOGGER.info("Extraction complete")


def create_tarfile(output_tar_path, source_dir):
    LOGGER.info(f"Creating {output_tar_path} from {source_dir}")
    source = Path(source_dir)
    items = sorted(source.rglob("*")) if source.is_dir() else None
    if items is None:
        raise Missing(f"No folder {source} to pack")

    def fill(tar):
        for item in items:
            LOGGER.info(f"  Adding {item.relative_to(source)}")
            tar.add(str(item), arcname=str(item.relative_to(source)), recursive=False)

    write_archive(Path(output_tar_path), fill)


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    LOGGER.info(f"Processing {model_path} with {hyperparams_path} into {output_dir}")
    if not Path(model_path).exists():
        raise Missing(f"No model at {model_path}")
    if not Path(model_path).name.endswith(".tar.gz"):
        raise fail(InvalidFormat, f"{model_path} should end in .tar.gz")
    output_path = Path(output_dir) / MODEL_FILE
    with workshop() as work:
        members = extract(Path(model_path), work)
        log_contents(members)
        check(members)
        params = own = embedded(members)
        if own is not None:
            LOGGER.info("HYPERPARAMETERS ALREADY IN MODEL, no input is needed")
            if hyperparams_path is not None:
                LOGGER.warning(f"{hyperparams_path} is IGNORED: the model already contains some")
            if problem(own.payload.read_bytes()):
                LOGGER.warning(f"{PARAMS_FILE} is {problem(own.payload.read_bytes())}; kept as it is")
        elif hyperparams_path is not None:
            LOGGER.info(f"HYPERPARAMETERS NOT IN MODEL, injecting {hyperparams_path}")
            params = inject(Path(hyperparams_path), work)
        else:
            LOGGER.error("HYPERPARAMETERS NOT IN MODEL, no input was provided")
            raise Missing(f"No {PARAMS_FILE} in {model_path}, and none provided")

        # Hard links follow what they link to, so the model's own hyperparameters come first.
        others = [member for member in members if member.name not in (PARAMS_FILE, ".")]
        ordered = [own] + others if own else others + [params]
        names = set()
        for member in list(ordered):
            target = posixpath.normpath(member.header.linkname)
            if member.header.islnk() and target not in names:
                ordered.remove(member)
                ordered.append(member)
            names.add(member.name)

        def fill(tar):
            for member in ordered:
                add(tar, member)

        write_archive(output_path, fill)
    LOGGER.info(f"Processing complete: {output_path}")
    return output_path


def ensure_directory(directory):
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        LOGGER.info(f"Directory ready: {directory}")
        return True
    except Exception as error:
        LOGGER.exception(f"Directory {directory} cannot be made: {error}")
        return False


def copy_file(src, dst):
    LOGGER.info(f"Copying {src} to {dst}")
    if not Path(src).exists():
        raise Missing(f"Nothing to copy at {src}")
    if not ensure_directory(Path(dst).parent):
        raise OSError(f"no folder to copy to: {Path(dst).parent}")
    shutil.copy2(str(src), str(dst))
    LOGGER.info(f"Copied to {dst}")


def main(input_paths, output_paths, environ_vars=None, job_args=None):
    LOGGER.info(f"Inputs: {input_paths}, outputs: {output_paths}")
    model = find_model_file(input_paths)
    if model is None:
        beside = SCRIPT.parent / MODEL_FILE
        raise Missing(f"No {MODEL_FILE}: {tried(MODEL_INPUT, input_paths)}, {beside}")
    params = find_hyperparams_file(input_paths)
    try:
        output = Path(output_paths["model_output"])
        return process_model_with_hyperparameters(model, params, output)
    except Missing as error:
        raise Missing(f"{error}: {tried(PARAMS_INPUT, input_paths)}") from error


def tried(wanted: Input, input_paths) -> str:
    """Where an input was looked for, and why not elsewhere."""
    folder = Path(input_paths.get(wanted.key, os.devnull))
    text = f"looked at {folder / wanted.file}"
    if folder in wanted.channels:
        return f"{text} (as there is this channel, SOURCE folders do not count)"
    if folder in wanted.sources:
        return ", ".join([text] + [str(place) for place in wanted.channels + wanted.sources])
    return text


def assign(wanted: Input, usable) -> str:
    for folder in filter(Path.is_dir, wanted.channels):
        LOGGER.info(f"[Input Channel] {wanted.key} = {folder}")
        return str(folder)
    folder = next(filter(usable, wanted.sources), wanted.sources[0])
    LOGGER.info(f"[SOURCE Fallback] {wanted.key} = {folder}")
    return str(folder)


def publish(archive: Path, folder: Path):
    """Extract the archive into a folder that others collect; nothing stays there on a failure."""
    with tempfile.TemporaryDirectory(prefix=".publish-", dir=str(folder)) as temporary:
        extract_tarfile(archive, Path(temporary) / "all")
        moves = [(path, folder / path.name) for path in (Path(temporary) / "all").iterdir()]
        with contextlib.ExitStack() as undo:
            for source, target in moves:
                source.rename(target)
                undo.callback(target.rename, source)
            undo.pop_all()


def stop(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    sys.exit(143)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(levelname)s - %(message)s")
    signal.signal(signal.SIGTERM, stop)
    try:
        main(
            {
                MODEL_INPUT.key: assign(MODEL_INPUT, Path.is_dir),
                PARAMS_INPUT.key: assign(PARAMS_INPUT, lambda at: (at / PARAMS_FILE).exists()),
            },
            {"model_output": "/opt/ml/processing/output/model"},
        )
        job = Path("/opt/ml/input/config/resourceconfig.json").exists()
        if job and not Path("/opt/ml/config/processingjobconfig.json").exists():
            publish(Path("/opt/ml/processing/output/model") / MODEL_FILE, Path("/opt/ml/model"))
    except Exception as error:
        LOGGER.exception(f"Error in dummy training: {error}")
        LOGGER.error(type(error).__doc__ if type(error).__module__ == "__main__" else
                     "Please check disk space and permissions, and restart.")
        sys.exit(1)
