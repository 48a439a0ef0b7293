"""Put hyperparameters into a pretrained model: member by member, from tar stream to tar stream."""

import bz2
import copy
import gzip
import io
import json
import logging
import lzma
import os
import posixpath
import shutil
import signal
import stat
import sys
import tarfile
import zlib
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("dummy_training")

MODEL = "model.tar.gz"
HYPERPARAMETERS = "hyperparameters.json"
SCRIPT_DIR = Path(os.path.abspath(__file__)).parent
MODEL_CHANNELS = (
    Path("/opt/ml/input/data/model_artifacts_input"),
    Path("/opt/ml/processing/input/model_artifacts_input"),
)
MODEL_SOURCES = (Path("/opt/ml/code/models"), SCRIPT_DIR / "models")
HYPERPARAMETERS_CHANNELS = (
    Path("/opt/ml/input/data/hyperparameters_s3_uri"),
    Path("/opt/ml/processing/input/hyperparameters_s3_uri"),
)
HYPERPARAMETERS_SOURCES = (Path("/opt/ml/code/hyperparams"), SCRIPT_DIR / "hyperparams", SCRIPT_DIR)
OUTPUT = Path("/opt/ml/processing/output/model")
COLLECTED = Path("/opt/ml/model")
TRAINING = Path("/opt/ml/input/config/resourceconfig.json")
PROCESSING = Path("/opt/ml/config/processingjobconfig.json")

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}
STALE = ("path", "linkpath", "size", "hdrcharset")  # pax records that a rewritten header replaces
MB = 1 << 20
ADVICE = {
    "INVALID_FORMAT": "Rename the model to model.tar.gz and run the step again.",
    "INVALID_ARCHIVE": "Upload the model again, or pack it anew with: tar -czf model.tar.gz *",
    "UNSAFE_MEMBER": "Pack the model again without the member named above.",
    "INVALID_HYPERPARAMETERS": "Correct hyperparameters.json: it must be a JSON object in UTF-8.",
    "No model": "Put model.tar.gz into one of the places named above.",
    "No hyperparameters": "Put hyperparameters.json into one of the places named above.",
}

# Files to delete whatever happens; a name is noted here before its file is made.
scratch = set()
# The signal that ended the step: the exception alone would be lost in an object's destructor.
stopped = []


def refusal(code, reason):
    return ValueError("ERROR_CODE: {}: {}".format(code, reason))


def assign(what, channels, sources, holds):
    """Choose the folder of one input."""
    for folder in channels:
        if folder.is_dir():
            log.info("[Input Channel] %s is looked for in %s", what, folder)
            return str(folder)
    for folder in sources:
        if holds(folder):
            break
    else:
        folder = sources[0]
    log.info("[SOURCE Fallback] %s is looked for in %s", what, folder)
    return str(folder)


def find_model_file(input_paths):
    for path in (Path(input_paths.get("model_artifacts_input", os.devnull)) / MODEL, SCRIPT_DIR / MODEL):
        if path.exists():
            log.info("the model is %s", path)
            return path
        log.warning("there is no %s", path)
    return None


def find_hyperparams_file(input_paths):
    path = Path(input_paths.get("hyperparameters_s3_uri", os.devnull)) / HYPERPARAMETERS
    if path.exists():
        log.info("the hyperparameters are %s", path)
        return path
    log.warning("there is no %s", path)
    return None


def remark(folder, channels, sources):
    """What people should know about how a folder came to be searched."""
    if folder in channels:
        return "; {} is an input channel, so SOURCE folders were not consulted".format(folder)
    others = [str(place) for place in channels + sources if place != folder]
    return "; nor in {}".format(", ".join(others)) if folder in sources else ""


class Header(tarfile.TarInfo):
    """A header that is read well or not at all: the base class takes a bad one for the end."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("unreadable member header: {}".format(error))

    @classmethod
    def _create_pax_generic_header(cls, pax_headers, type, encoding):
        """As the base class, but bytes that are no UTF-8 stand alone: GNU tar wants no charset."""
        records = b""
        for key, value in pax_headers.items():
            rest = " {}={}\n".format(key, value).encode(**TEXT)
            length = len(rest) + 1
            while length != len(rest) + len(str(length)):
                length += 1
            records += str(length).encode() + rest
        info = {"name": "././@PaxHeader", "type": type, "size": len(records)}
        info["magic"] = tarfile.POSIX_MAGIC
        block = cls._create_header(info, tarfile.USTAR_FORMAT, "ascii", "replace")
        return block + cls._create_payload(records)


TAR = dict(TEXT, tarinfo=Header)


@contextmanager
def reading(path):
    """The archive at `path`; whatever is wrong with it is an INVALID_ARCHIVE."""
    if not stat.S_ISREG(os.stat(str(path)).st_mode):
        raise refusal("INVALID_ARCHIVE", "{} is not a regular file".format(path))
    with open(str(path), "rb") as raw:
        start = raw.read(6)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    try:
        with opener(str(path), "rb") as stream:
            with tarfile.open(fileobj=stream, mode="r:", **TAR) as tar:
                yield tar
            while stream.read(MB):
                pass  # only the very end holds the checksum
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise refusal("INVALID_ARCHIVE", "{} cannot be read: {}".format(path, error))
    except OSError as error:
        if error.errno is not None:
            raise
        raise refusal("INVALID_ARCHIVE", "{} cannot be read: {}".format(path, error))


def survey(path):
    """All members, the embedded hyperparameters' header (None without any) and their bytes."""
    members, embedded, content = [], None, b""
    with reading(path) as tar:
        try:
            for member in tar:
                if member.size < 0:
                    raise tarfile.ReadError("a member of negative size")
                members.append(member)
                if clean(member) == HYPERPARAMETERS:
                    embedded = member
            if embedded is not None:
                content = tar.extractfile(embedded).read()
        except (ValueError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            raise tarfile.ReadError("unreadable member: {!r}".format(error))
    return members, embedded, content


def clean(member):
    """A member's path without `./` and the like; the root is `.`."""
    name = posixpath.normpath(member.pax_headers.get("GNU.sparse.name", member.name))
    return "." if member.isdir() and not name.strip("/") else name


def refuse_unsafe(members):
    links = {clean(member): member.linkname for member in members if member.issym()}
    for member in members:
        name, reason = clean(member), ""
        if name.startswith("/"):
            reason = "has an absolute name"
        elif name == ".." or name.startswith("../"):
            reason = "lies outside the archive"
        elif name == "." and not member.isdir():
            reason = "would take the place of the whole folder"
        elif member.isfifo():
            reason = "is a FIFO"
        elif member.ischr() or member.isblk():
            reason = "is a device"
        elif member.issym() and leads_out(posixpath.dirname(name), member.linkname, links):
            reason = "is a symbolic link out of the archive, to " + member.linkname
        elif member.islnk() and leads_out("", member.linkname, {}):
            reason = "is a hard link out of the archive, to " + member.linkname
        if reason:
            raise refusal("UNSAFE_MEMBER", "{!r} {}".format(member.name, reason))


def leads_out(folder, target, links):
    """Whether `target`, seen from `folder`, lies outside, be it by way of other links."""
    here, hops = [], 0
    ahead = posixpath.join(folder, target).split("/")
    if target.startswith("/"):
        return True
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            if not here:
                return True
            here.pop()
        elif part not in ("", "."):
            here.append(part)
            link = links.get("/".join(here))
            if link is not None and hops < 40:
                hops += 1
                here.pop()
                ahead[:0] = link.split("/")
    return False


def log_contents(members):
    lines = ["  {} ({:.2f}MB)".format(ascii(m.name)[1:-1], m.size / MB) for m in members]
    log.info("Tar file contents before extraction:\n%s", "\n".join(lines))
    log.info("Total size in tar: %.2fMB", sum(member.size for member in members) / MB)


class Packer:
    """Writes one gzip member; gzip's own writer still complains at exit when the disk was full."""

    def __init__(self, raw):
        self.raw, self.size = raw, 0
        self.compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def write(self, data):
        self.size += len(data)
        self.raw.write(self.compressor.compress(data))

    def tell(self):
        return self.size

    def finish(self):
        self.raw.write(self.compressor.flush())


@contextmanager
def writing(destination):
    """A new archive that takes the place of `destination` once it is whole."""
    if not ensure_directory(destination.parent):
        raise OSError("the folder {} cannot be made".format(destination.parent))
    draft = destination.parent / ".{}.{}".format(destination.name, os.urandom(8).hex())
    scratch.add(draft)
    try:
        descriptor = os.open(str(draft), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            packer = Packer(raw)
            form = tarfile.PAX_FORMAT
            with tarfile.open(fileobj=packer, mode="w", format=form, **TAR) as tar:
                yield tar
            packer.finish()
            raw.flush()
            os.fchmod(raw.fileno(), 0o666 & ~current_umask())
            os.fsync(raw.fileno())
            size = raw.tell()
        if stopped:
            raise SystemExit(143)
        os.replace(str(draft), str(destination))
        sync_folder(destination.parent)
    finally:
        sweep()
    total = sum(member.size for member in tar.members)
    log.info("Tar creation summary:\n  Files added: %d", len(tar.members))
    log.info("  Total uncompressed size: %.2fMB", total / MB)
    log.info("  Compressed tar size: %.2fMB", size / MB)
    log.info("  Compression ratio: %.2f%%", 100 * size / max(total, 1))


def current_umask():
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder):
    descriptor = os.open(str(folder), os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def sweep():
    for path in list(scratch):
        if path.exists():
            path.unlink()
        scratch.discard(path)


def copy_members(old, new):
    """Copy every member but the hyperparameters; hard links after what they are links to."""
    written, late = {HYPERPARAMETERS}, []
    for member in old:
        name = clean(member)
        if name == HYPERPARAMETERS:
            continue
        header = renamed(member, name)
        data = None if member.issym() or member.islnk() else old.extractfile(member)
        header.size = member.size if data else 0
        if header.islnk() and header.linkname not in written:
            late.append(header)
            continue
        new.addfile(header, data)
        written.add(name)
    for header in late:
        new.addfile(header)


def renamed(member, name):
    """The same header under a new name, with nothing left that would contradict it."""
    header = copy.copy(member)
    header.name = name
    if header.islnk():
        header.linkname = posixpath.normpath(header.linkname)
    if header.type == tarfile.GNUTYPE_SPARSE:
        header.type = tarfile.REGTYPE
    header.pax_headers = {
        key: value
        for key, value in member.pax_headers.items()
        if key not in STALE and not key.startswith("GNU.sparse.")
    }
    return header


def not_json(name):
    raise ValueError("{} is no JSON value".format(name))


def defect(content):
    """What is wrong with hyperparameters; empty when nothing is."""
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=not_json, parse_int=str)
    except (ValueError, RecursionError) as error:
        return "they are not JSON in UTF-8: {}".format(error)
    return "" if isinstance(value, dict) else "they are JSON, but not an object"


def provided(path):
    """The header and the bytes to inject."""
    status = os.stat(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise refusal("INVALID_HYPERPARAMETERS", "{} is not a regular file".format(path))
    content = Path(path).read_bytes()
    if defect(content):
        raise refusal("INVALID_HYPERPARAMETERS", "{}: {}".format(path, defect(content)))
    header = tarfile.TarInfo(HYPERPARAMETERS)
    header.size, header.mode, header.mtime = len(content), 0o644, int(status.st_mtime)
    return header, content


def check_name(path):
    if not str(path).endswith(".tar.gz"):
        raise refusal("INVALID_FORMAT", "{} is not named .tar.gz".format(path))


def validate_model(input_path):
    log.info("checking %s", input_path)
    check_name(input_path)
    survey(input_path)
    log.info("%s is a whole archive", input_path)
    return True


def extract_tarfile(tar_path, extract_path):
    log.info("extracting %s to %s", tar_path, extract_path)
    if not Path(tar_path).exists():
        raise FileNotFoundError("there is no archive {}".format(tar_path))
    members = survey(tar_path)[0]
    log_contents(members)
    refuse_unsafe(members)
    if not ensure_directory(extract_path):
        raise OSError("the folder {} cannot be made".format(extract_path))
    trust = {"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}
    with reading(tar_path) as tar:
        for member in tar.getmembers():
            member.name = clean(member)
        tar.extractall(str(extract_path), **trust)
    log.info("extracted %d members", len(members))


def create_tarfile(output_tar_path, source_dir):
    log.info("packing %s into %s", source_dir, output_tar_path)
    if not Path(source_dir).is_dir():
        raise NotADirectoryError("{} is not a folder".format(source_dir))
    paths = sorted(Path(source_dir).rglob("*"))
    with writing(Path(output_tar_path)) as tar:
        for path in paths:
            log.info("adding %s", path)
            tar.add(str(path), arcname=str(path.relative_to(source_dir)), recursive=False)


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    return process(Path(model_path), hyperparams_path, Path(output_dir), "")


def process(model, hyperparameters, output, searched):
    log.info("model: %s, hyperparameters: %s, output: %s", model, hyperparameters, output)
    if not model.exists():
        raise FileNotFoundError("No model: there is no {}".format(model))
    check_name(model)
    members, header, content = survey(model)
    log_contents(members)
    refuse_unsafe(members)
    if header is not None:
        log.info("HYPERPARAMETERS ALREADY IN MODEL: they are kept as they are")
        if hyperparameters is not None:
            log.warning("%s is IGNORED: the model already contains its own", hyperparameters)
        if defect(content):
            log.warning("the model's own hyperparameters.json is odd: %s", defect(content))
        header = renamed(header, HYPERPARAMETERS)
        header.type, header.linkname, header.size = tarfile.REGTYPE, "", len(content)
    elif hyperparameters is not None:
        log.info("HYPERPARAMETERS NOT IN MODEL: %s is injected", hyperparameters)
        header, content = provided(hyperparameters)
    else:
        log.error("HYPERPARAMETERS NOT IN MODEL, and none are provided")
        places = "{}, nor are they provided{}".format(model, searched)
        raise FileNotFoundError("No hyperparameters: {} is not in {}".format(HYPERPARAMETERS, places))
    with writing(output / MODEL) as new:
        new.addfile(header, io.BytesIO(content))
        with reading(model) as old:
            copy_members(old, new)
    log.info("done: %s", output / MODEL)
    return output / MODEL


def ensure_directory(directory):
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except Exception:
        log.exception("the folder %s cannot be made", directory)
        return False
    log.info("the folder %s is there", directory)
    return True


def copy_file(src, dst):
    log.info("copying %s to %s", src, dst)
    if not Path(src).exists():
        raise FileNotFoundError("there is no file {} to copy".format(src))
    if not ensure_directory(Path(dst).parent):
        raise OSError("the folder {} cannot be made".format(Path(dst).parent))
    shutil.copy2(str(src), str(dst))
    log.info("copied %s", dst)


def main(input_paths, output_paths, environ_vars, job_args=None):
    models = Path(input_paths.get("model_artifacts_input", os.devnull))
    settings = Path(input_paths.get("hyperparameters_s3_uri", os.devnull))
    log.info("inputs: %s and %s", models, settings)
    model = find_model_file(input_paths)
    if model is None:
        places = "{} nor in {}".format(models / MODEL, SCRIPT_DIR / MODEL)
        more = remark(models, MODEL_CHANNELS, MODEL_SOURCES)
        raise FileNotFoundError("No model: not found in {}{}".format(places, more))
    more = remark(settings, HYPERPARAMETERS_CHANNELS, HYPERPARAMETERS_SOURCES)
    searched = " in {}{}".format(settings / HYPERPARAMETERS, more)
    hyperparameters = find_hyperparams_file(input_paths)
    return process(model, hyperparameters, Path(output_paths["model_output"]), searched)


def collect(archive):
    """A training job uploads nothing but /opt/ml/model: put the members there, all or none."""
    hidden = COLLECTED / ".{}".format(os.urandom(6).hex())
    put = []
    try:
        with tarfile.open(str(archive), **TEXT) as tar:
            tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            tar.extractall(str(hidden))
        for name in sorted(os.listdir(str(hidden))):
            os.rename(str(hidden / name), str(COLLECTED / name))
            put.append(name)
    except BaseException:
        for name in put:
            os.rename(str(COLLECTED / name), str(hidden / name))
        raise
    finally:
        shutil.rmtree(str(hidden), ignore_errors=True)


def on_sigterm(number, frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stopped.append(number)
    raise SystemExit(143)


def advice(error):
    for key, text in ADVICE.items():
        if key in str(error):
            return text
    return "Check the disk space, the permissions and the traceback, then run the step again."


def run():
    form = "%(asctime)s - %(levelname)s - %(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=form)
    signal.signal(signal.SIGTERM, on_sigterm)
    model_inputs = ("the model", MODEL_CHANNELS, MODEL_SOURCES)
    settings_inputs = ("hyperparameters.json", HYPERPARAMETERS_CHANNELS, HYPERPARAMETERS_SOURCES)
    try:
        inputs = {
            "model_artifacts_input": assign(*model_inputs, lambda folder: folder.is_dir()),
            "hyperparameters_s3_uri": assign(
                *settings_inputs, lambda folder: (folder / HYPERPARAMETERS).exists()
            ),
        }
        written = main(inputs, {"model_output": str(OUTPUT)}, {}, None)
        if TRAINING.exists() and not PROCESSING.exists():
            collect(written)
    except Exception as error:
        log.error("the step failed", exc_info=True)
        log.error("%s", advice(error))
        return 1
    finally:
        sweep()
    return 0


if __name__ == "__main__":
    sys.exit(run())
