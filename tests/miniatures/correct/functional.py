"""Values in, values out: functions without state, folds over tuples, effects at the edges alone."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import signal
import stat
import sys
import tarfile
import traceback
from functools import partial, reduce
from itertools import accumulate, chain, takewhile
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

GIVEN = "hyperparameters.json"
PACKED = "model.tar.gz"
HOME = Path(__file__).absolute().parent
ROOTS = ("/opt/ml/input/data", "/opt/ml/processing/input")
RESULT = "/opt/ml/processing/output/model"
COLLECTION = "/opt/ml/model"
UNPACKERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
CODEC = ("utf-8", "surrogateescape")
REMEDIES = (
    ("INVALID_FORMAT", "call the archive model.tar.gz"),
    ("INVALID_ARCHIVE", "make the archive again; `tar -tzf` shows whether it is whole"),
    ("UNSAFE_MEMBER", "take that member out of the archive"),
    ("INVALID_HYPERPARAMETERS", "the file has to be one JSON object, as UTF-8"),
    ("", "see to the files and folders of the last error, then start again"),
)
INTERRUPTIONS = {signal.SIGTERM, signal.SIGINT}


class Entry(NamedTuple):
    """A member, by values alone."""

    path: str
    said: str
    kind: bytes
    mode: int
    owner: tuple
    when: float
    points: str
    content: bytes
    extra: tuple = ()


class Stopped(BaseException):
    """A signal asks for the end."""


def say(level, text):
    sys.stderr.write("[{}] {}\n".format(level, text.encode("ascii", "backslashreplace").decode()))


info, warn = partial(say, "INF"), partial(say, "WRN")


def wrong(code, text):
    return ValueError("{} (ERROR_CODE: {})".format(text, code))


# What is read.


def plain(packed):
    """The bytes of the tar, and whether something that is no gzip follows."""
    unpack = next((unpack for magic, unpack in UNPACKERS if packed.startswith(magic)), None)
    if unpack is None:
        return packed
    with unpack(io.BytesIO(packed)) as stream:
        pieces = tuple(pieces_of(stream, unpack is gzip.open))
    return b"".join(pieces)


def pieces_of(stream, is_gzip):
    """Pieces up to the end; bytes after gzip data that are none of it play no part."""
    size = 0
    while True:
        try:
            piece = stream.read1(1 << 16)
        except OSError as error:
            if is_gzip and size and "Not a gzipped file" in str(error):
                warn("bytes after the gzip data are left out")
                return
            raise
        if not piece:
            return
        size += len(piece)
        yield piece


def tidy(path):
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def entry(tar, member):
    said = member.pax_headers.get("GNU.sparse.name", member.name)
    if member.size < 0:
        raise ValueError("a size of {}".format(member.size))
    has_bytes = member.isreg() or member.type not in tarfile.SUPPORTED_TYPES
    return Entry(
        tidy(said),
        said,
        tarfile.REGTYPE if has_bytes else member.type,
        member.mode,
        (member.uid, member.gid, member.uname, member.gname),
        member.mtime,
        member.linkname,
        tar.extractfile(member).read() if has_bytes else b"",
        tuple(filter(is_extra, member.pax_headers.items())),
    )


def is_extra(record):
    return record[0].startswith(("SCHILY.xattr.", "LIBARCHIVE."))


def entries(path):
    """Everything that an archive holds; INVALID_ARCHIVE when that cannot be told."""
    if not stat.S_ISREG(os.stat(str(path)).st_mode):
        raise wrong("INVALID_ARCHIVE", "{} is no file with bytes".format(path))
    packed = Path(path).read_bytes()
    try:
        whole = plain(packed)
        with tarfile.open(None, "r:", io.BytesIO(whole), encoding=CODEC[0], errors=CODEC[1]) as tar:
            found = tuple(entry(tar, member) for member in tar)
            rest = whole[tar.offset : tar.offset + 512]
        if len(rest) != 512 or any(rest):
            raise ValueError("no end of the archive at byte {}".format(tar.offset))
        return found
    except Exception as error:
        raise wrong("INVALID_ARCHIVE", "{} cannot be read: {!r}".format(path, error)) from error


# What is judged.


def walk(links, here, path, fuel=64):
    """The place that a path leads to, as a tuple of parts; None when that is outside."""
    if path.startswith("/") or here is None:
        return None

    def step(place, part):
        if place is None or part in ("", "."):
            return place
        if part == "..":
            return place[:-1] if place else None
        target = links.get("/".join((*place, part)))
        return (*place, part) if target is None or not fuel else walk(links, place, target, fuel - 1)

    return reduce(step, path.split("/"), here)


def objection(links, folders, one):
    """Why a member cannot be let in; empty when it can."""
    parts = tuple(one.path.split("/"))
    reasons = (
        (one.said.startswith("/") and one.path != "", "an absolute name"),
        (not one.path and one.kind != tarfile.DIRTYPE, "the place of the whole archive"),
        (walk({}, (), one.path) is None, "a name that leads out"),
        (one.kind in (tarfile.CHRTYPE, tarfile.BLKTYPE), "a device"),
        (one.kind == tarfile.FIFOTYPE, "a FIFO"),
        (one.kind == tarfile.SYMTYPE and one.path in folders, "a folder's place"),
        (
            one.kind == tarfile.SYMTYPE and walk(links, parts[:-1], one.points) is None,
            "a link to {}, outside".format(one.points),
        ),
        (
            one.kind == tarfile.LNKTYPE and walk(links, (), one.points) is None,
            "a hard link to {}, outside".format(one.points),
        ),
    )
    return next((text for holds, text in reasons if holds), "")


def safe(found):
    """The same entries; UNSAFE_MEMBER when one of them is none to extract."""
    links = {one.path: one.points for one in found if one.kind == tarfile.SYMTYPE}
    folders = {one.path for one in found if one.kind == tarfile.DIRTYPE}
    for one in found:
        reason = objection(links, folders, one)
        if reason:
            raise wrong("UNSAFE_MEMBER", "{}: {}".format(ascii(one.said), reason))
    return found


def fault(data):
    """What is wrong with hyperparameters, in words; empty when nothing is."""

    def constant(text):
        raise ValueError("{} stands for no number".format(text))

    try:
        value = json.loads(data.decode(), parse_constant=constant, parse_int=str)
    except (ValueError, RecursionError) as error:
        return "no JSON: {}".format(error)
    return "" if isinstance(value, dict) else "JSON, and no object"


def behind(found, one, fuel=40):
    """The bytes of a member, of a link those of its target."""
    if one.kind == tarfile.REGTYPE:
        return one.content
    here = one.path.split("/")[:-1] if one.kind == tarfile.SYMTYPE else []
    place = walk({}, tuple(here), one.points)
    wanted = "/".join(place or ())
    others = [other for other in found if other.path == wanted and other is not one]
    if not others or not fuel:
        raise wrong("INVALID_ARCHIVE", "{} in it is no file".format(GIVEN))
    return behind(found, others[-1], fuel - 1)


# What is written.


def header(one):
    made = tarfile.TarInfo(one.path)
    made.type, made.mode, made.mtime, made.size = one.kind, one.mode, one.when, len(one.content)
    made.uid, made.gid, made.uname, made.gname = one.owner
    made.linkname = tidy(one.points) if one.kind == tarfile.LNKTYPE else one.points
    is_whole = float(one.when).is_integer()
    records = one.extra + (() if is_whole else (("mtime", repr(one.when)),))
    return extended(records) + made.tobuf(tarfile.GNU_FORMAT, *CODEC)


def extended(records):
    """The pax header of these records; nothing for none."""
    packed = b"".join(map(counted, (" {}={}\n".format(*one).encode(*CODEC) for one in records)))
    made = tarfile.TarInfo("././@PaxHeader")
    made.type, made.size = tarfile.XHDTYPE, len(packed)
    return made.tobuf(tarfile.USTAR_FORMAT) + packed + bytes(-len(packed) % 512) if packed else b""


def counted(rest):
    """A record with its length, which counts the digits of itself."""
    sizes = (len(rest) + digits for digits in range(1, 9))
    return next(b"%d%b" % (size, rest) for size in sizes if size == len(b"%d%b" % (size, rest)))


def archive(found):
    """A tar.gz with these members; hard links come last."""
    ordered = sorted(found, key=lambda one: one.kind == tarfile.LNKTYPE)
    blocks = ((header(one), one.content, bytes(-len(one.content) % 512)) for one in ordered)
    tar = b"".join(chain(chain.from_iterable(blocks), (bytes(1024),)))
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 4, buffer, mtime=0) as stream:
        stream.write(tar)
    return buffer.getvalue()


def undisturbed(act, *arguments):
    """Do what must not be cut in two."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    try:
        return act(*arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def put(data, path):
    draft = "{}/.{}-{}".format(path.parent, path.name, os.getpid())
    draft = next(name for name in accumulate(chain([draft], "~" * 99)) if not os.path.lexists(name))
    try:
        with open(draft, "xb") as stream:
            stream.write(data)
        os.replace(draft, str(path))
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def write(found, path):
    if not ensure_directory(path.parent):
        raise OSError("there is no folder for {}".format(path))
    data = archive(found)
    undisturbed(put, data, path)
    info("Tar creation summary: {} members, {} bytes".format(len(found), len(data)))
    return path


def lay_out(found, top):
    """Extract entries that have proved safe."""
    for one in sorted(found, key=lambda one: one.kind == tarfile.LNKTYPE):
        place = os.path.join(top, one.path)
        os.makedirs(place if one.kind == tarfile.DIRTYPE else os.path.dirname(place), exist_ok=True)
        if os.path.lexists(place) and one.kind != tarfile.DIRTYPE:
            os.unlink(place)
        if one.kind == tarfile.SYMTYPE:
            os.symlink(one.points, place)
        elif one.kind == tarfile.LNKTYPE:
            os.link(os.path.join(top, tidy(one.points)), place)
        elif one.kind == tarfile.REGTYPE:
            Path(place).write_bytes(one.content)
    rest = [one for one in found if one.path and one.kind in (tarfile.REGTYPE, tarfile.DIRTYPE)]
    for one in sorted(rest, key=attrgetter("path"), reverse=True):
        place = os.path.join(top, one.path)
        if os.geteuid() == 0:
            os.chown(place, *one.owner[:2])
        os.chmod(place, one.mode)
        os.utime(place, (one.when, one.when))


def hand_out(found, folder):
    """All members into a folder, or none."""
    hidden = os.path.join(folder, ".new-{}".format(os.getpid()))
    try:
        lay_out(found, hidden)
        names = sorted(os.listdir(hidden))
        done = list(takewhile(partial(moved, hidden, folder), names))
        if done != names:
            for name in done:
                moved(folder, hidden, name)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    if done != names:
        raise OSError("{} could not be put into {}".format(names[len(done)], folder))


def moved(source, target, name):
    try:
        os.rename(os.path.join(source, name), os.path.join(target, name))
    except OSError as error:
        warn(str(error))
        return False
    return True


# The step.


def find_model_file(input_paths):
    places = (Path(input_paths.get("model_artifacts_input", os.devnull)), HOME)
    return next((folder / PACKED for folder in places if (folder / PACKED).exists()), None)


def find_hyperparams_file(input_paths):
    place = Path(input_paths.get("hyperparameters_s3_uri", os.devnull), GIVEN)
    return place if place.exists() else None


def validate_model(input_path):
    if not str(input_path).endswith(".tar.gz"):
        raise wrong("INVALID_FORMAT", "{} is called otherwise".format(input_path))
    return bool(entries(input_path)) or True


def shown(found):
    for one in found:
        info("in it: {} ({} bytes)".format(one.path or one.said, len(one.content)))
    return found


def extract_tarfile(tar_path, extract_path):
    found = safe(shown(entries(tar_path)))
    os.makedirs(str(extract_path), exist_ok=True)
    lay_out(found, str(extract_path))


def create_tarfile(output_tar_path, source_dir):
    top = Path(source_dir)
    with tarfile.open(None, "w", io.BytesIO()) as meter:

        def of(path):
            member = meter.gettarinfo(str(path), str(path.relative_to(top)))
            owner = (member.uid, member.gid, member.uname, member.gname)
            data = path.read_bytes() if member.isreg() else b""
            rest = (member.mode, owner, int(member.mtime), member.linkname, data)
            return Entry(member.name, member.name, member.type, *rest)

        found = tuple(map(of, sorted(top.rglob("*"))))
    write(found, Path(output_tar_path))


def kept(found, given):
    """Hyperparameters that are in the model stay."""
    info("HYPERPARAMETERS ALREADY IN MODEL")
    if given is not None:
        warn("IGNORED: {}, since the model brings its own".format(given))
    own = [one for one in found if one.path == GIVEN][-1]
    data = behind(found, own)
    if fault(data):
        warn("{} of the model: {}".format(GIVEN, fault(data)))
    return own._replace(kind=tarfile.REGTYPE, points="", content=data)


def injected(model, given):
    info("HYPERPARAMETERS NOT IN MODEL")
    if given is None:
        raise FileNotFoundError("{} holds no {}".format(model, GIVEN))
    if not os.path.isfile(str(given)):
        raise wrong("INVALID_HYPERPARAMETERS", "{} is no file".format(given))
    data = Path(given).read_bytes()
    if fault(data):
        raise wrong("INVALID_HYPERPARAMETERS", "{}: {}".format(given, fault(data)))
    return Entry(GIVEN, GIVEN, tarfile.REGTYPE, 0o644, (0, 0, "", ""), 0, "", data)


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    if not os.path.exists(str(model_path)):
        raise FileNotFoundError("{} does not exist".format(model_path))
    validate_model(model_path)
    found = safe(shown(entries(model_path)))
    has_own = any(one.path == GIVEN for one in found)
    last = kept(found, hyperparams_path) if has_own else injected(model_path, hyperparams_path)
    others = tuple(one for one in found if one.path not in ("", GIVEN))
    return write((*others, last), Path(output_dir, PACKED))


def ensure_directory(directory):
    try:
        os.makedirs(str(directory), exist_ok=True)
    except OSError as error:
        warn("{}: {}".format(directory, error))
    return os.path.isdir(str(directory))


def copy_file(src, dst):
    os.stat(str(src))
    os.makedirs(os.path.dirname(str(dst)), exist_ok=True)
    shutil.copy2(str(src), str(dst))


def main(input_paths, output_paths, environ_vars, job_args=None):
    model = find_model_file(input_paths)
    if model is None:
        places = Path(input_paths.get("model_artifacts_input", os.devnull), PACKED), HOME / PACKED
        raise FileNotFoundError("no model: neither {} nor {} exists".format(*places))
    given = find_hyperparams_file(input_paths)
    output = output_paths["model_output"]
    try:
        return process_model_with_hyperparameters(model, given, output)
    except FileNotFoundError as error:
        place = Path(input_paths.get("hyperparameters_s3_uri", os.devnull), GIVEN)
        raise FileNotFoundError("{}, and {} does not exist".format(error, place)) from None


def chosen(name, sources, is_usable):
    """A channel that is there, or else a folder of the source."""
    channels = [os.path.join(root, name) for root in ROOTS]
    channel = next(filter(os.path.isdir, channels), None)
    folder = channel or next(filter(is_usable, sources), sources[0])
    mark = "[Input Channel]" if channel else "[SOURCE Fallback]"
    info("{}: {} {}".format(name, mark, folder))
    return folder


def job():
    code, home = "/opt/ml/code", str(HOME)
    models = (code + "/models", home + "/models")
    settings = (code + "/hyperparams", home + "/hyperparams", home)
    name = "hyperparameters_s3_uri"
    inputs = {
        "model_artifacts_input": chosen("model_artifacts_input", models, os.path.isdir),
        name: chosen(name, settings, lambda one: os.path.exists(os.path.join(one, GIVEN))),
    }
    written = main(inputs, {"model_output": RESULT}, dict(os.environ))
    is_training = os.path.exists("/opt/ml/input/config/resourceconfig.json")
    if is_training and not os.path.exists("/opt/ml/config/processingjobconfig.json"):
        undisturbed(hand_out, entries(written), COLLECTION)


def on_signal(number, frame):
    raise Stopped(128 + number)


def run():
    status = 1
    try:
        signal.signal(signal.SIGTERM, on_signal)
        job()
        status = 0
    except Stopped as stop:
        status = stop.args[0]
    except Exception as error:
        remedy = next(text for code, text in REMEDIES if code in str(error))
        sys.stderr.write("{}\nwhat helps: {}\n".format(traceback.format_exc(), remedy))
    finally:
        sys.exit(status)


if __name__ == "__main__":
    run()
