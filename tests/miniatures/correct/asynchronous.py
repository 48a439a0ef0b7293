"""Slices of the unpacked tar are passed on as they are; tasks of asyncio, log lines in JSON."""

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
import tarfile
import traceback
import zlib
from bz2 import BZ2Decompressor
from io import BytesIO
from lzma import LZMADecompressor
from pathlib import Path, PurePosixPath

ME = Path(__file__).absolute().parent
OPT = Path("/opt/ml")
CHANNELS = [OPT / "input" / "data", OPT / "processing" / "input"]
NAME = "hyperparameters.json"
EDGES = dict(encoding="utf-8", errors="surrogateescape")
drafts = set()


def say(level, text, **more):
    sys.stderr.write(json.dumps(dict(severity=level, text=text, **more)) + "\n")


class Refused(ValueError):
    hint = "Fix the input that is named above."

    def __init__(self, text):
        super().__init__("ERROR_CODE: {}: {}".format(type(self).__name__, text))


class INVALID_FORMAT(Refused):
    hint = "The model has to be called model.tar.gz."


class INVALID_ARCHIVE(Refused):
    hint = "Build model.tar.gz once more, and look at it with tar -tzf."


class UNSAFE_MEMBER(Refused):
    hint = "Leave that member out of model.tar.gz."


class INVALID_HYPERPARAMETERS(Refused):
    hint = "Write hyperparameters.json as one JSON object in UTF-8."


def assign(key, what, sources, is_usable):
    places = [(folder / key, "[Input Channel]") for folder in CHANNELS if (folder / key).is_dir()]
    places += [(folder, "[SOURCE Fallback]") for folder in sources if is_usable(folder)]
    folder, mark = (places or [(sources[0], "[SOURCE Fallback]")])[0]
    say("info", "{} {} <- {}".format(mark, what, folder))
    return str(folder)


def find_model_file(input_paths):
    tried = [Path(input_paths.get("model_artifacts_input", os.devnull)) / "model.tar.gz", ME / "model.tar.gz"]
    return next((path for path in tried if path.exists()), None)


def find_hyperparams_file(input_paths):
    path = Path(input_paths.get("hyperparameters_s3_uri", os.devnull)) / NAME
    return path if path.exists() else None


def unpack(data):
    """All the compressed streams of a file, each to its end."""
    kinds = [
        (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
        (b"BZh", BZ2Decompressor),
        (b"\xfd7zXZ\0", LZMADecompressor),
    ]
    found = [kind for kind in kinds if data.startswith(kind[0])]
    if not found:
        return data
    (magic, make), whole = found[0], []
    while data.startswith(magic):
        stream = make()
        whole.append(stream.decompress(data))
        if not stream.eof:
            raise EOFError("a compressed stream without an end")
        data = stream.unused_data
    if data.strip(b"\0"):
        say("warning", "bytes after the end of the archive play no part")
    return b"".join(whole)


class Slice:
    """A member: its header, and its bytes in the tar with all headers before it."""

    def __init__(self, info, raw, data):
        self.info, self.raw, self.data = info, raw, data
        self.written = info.pax_headers.get("GNU.sparse.name", info.name)
        parts = [part for part in self.written.split("/") if part not in ("", ".")]
        self.name = "/".join(parts)
        self.target = "/".join(p for p in info.linkname.split("/") if p not in ("", "."))

    def bytes(self):
        link_is_plain = not self.info.islnk() or self.target == self.info.linkname
        if self.written == self.name and link_is_plain:
            return self.raw
        info = tarfile.TarInfo(self.name)
        for field in ("mode", "uid", "gid", "uname", "gname", "mtime", "type"):
            setattr(info, field, getattr(self.info, field))
        info.linkname = self.target if self.info.islnk() else self.info.linkname
        if self.data is not None:
            info.type, info.size = tarfile.REGTYPE, len(self.data)
        form = tarfile.GNU_FORMAT if info.mtime == int(info.mtime) else tarfile.PAX_FORMAT
        data = self.data or b""
        return info.tobuf(form, **EDGES) + data + bytes(-len(data) % 512)


def slices(path):
    """Every member of an archive."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise INVALID_ARCHIVE("{} is no regular file".format(path))
    raw = path.read_bytes()
    try:
        plain, found, start = unpack(raw), [], 0
        with tarfile.open(fileobj=BytesIO(plain), mode="r:", **EDGES) as tar:
            for info in tar:
                if info.size < 0:
                    raise ValueError("a size below zero")
                whole = None
                if not (info.issym() or info.islnk()):
                    stream = tar.extractfile(info)
                    whole = stream.read() if stream else None
                found.append(Slice(info, plain[start : tar.offset], whole))
                start = tar.offset
        if plain[start : start + 512].strip(b"\0") or start > len(plain):
            raise ValueError("no header at byte {}".format(start))
        return found
    except Exception as error:
        raise INVALID_ARCHIVE("{}: {!r}".format(path, error)) from error


def guard(members):
    """Refuse what reaches out of the folder that the members are extracted to."""
    links, folders = {}, set()
    for one in members:
        if one.info.issym():
            links[one.name] = one.info.linkname
        elif one.info.isdir():
            folders.add(one.name)

    def walk(here, path, hops=30):
        if path.startswith("/"):
            raise UNSAFE_MEMBER("{} is absolute".format(ascii(path)))
        for part in PurePosixPath(path).parts:
            if part == "..":
                if not here:
                    raise UNSAFE_MEMBER("{} climbs out".format(ascii(path)))
                here = here[:-1]
                continue
            here = here + [part]
            target = links.get("/".join(here))
            if target is not None and hops > 0:
                here = walk(here[:-1], target, hops - 1)
        return here

    for one in members:
        if not one.name:
            continue
        if ".." in one.name.split("/") or not one.info.isdir():
            walk([], one.written if one.written.startswith("/") else one.name)
        if one.written.startswith("/") or one.info.isdev():
            raise UNSAFE_MEMBER("{}: absolute, a device or a FIFO".format(ascii(one.written)))
        if one.info.issym() and one.name in folders:
            raise UNSAFE_MEMBER("{} takes the place of a folder".format(ascii(one.name)))
        if one.info.issym():
            walk(one.name.split("/")[:-1], one.info.linkname)
        if one.info.islnk():
            walk([], one.info.linkname)


def tell(members):
    for one in members:
        say("info", "member", name=one.name or ".", size=one.info.size)


def settings_problem(data):
    def never(text):
        raise ValueError(text)

    try:
        text = data.decode("utf-8")
        value = json.loads(text, parse_constant=never, parse_int=len)
    except (ValueError, RecursionError) as error:
        return repr(error)
    return None if type(value) is dict else "no JSON object"


def resolve(members, own):
    """The bytes of hyperparameters, which may be a link."""
    by_name = {one.name: one for one in members}
    for _ in range(30):
        if own.data is not None:
            return own.data
        base = own.name if own.info.issym() else ""
        own = by_name.get(os.path.normpath(os.path.join(os.path.dirname(base), own.info.linkname)))
        if own is None:
            break
    raise INVALID_ARCHIVE("its hyperparameters.json leads to no file")


def settings_slice(data, mode=0o644, info=None):
    fresh = tarfile.TarInfo(NAME)
    fresh.size, fresh.mode = len(data), mode
    for field in ("uid", "gid", "uname", "gname", "mtime") if info else ():
        setattr(fresh, field, getattr(info, field))
    raw = fresh.tobuf(tarfile.PAX_FORMAT, **EDGES) + data + bytes(-len(data) % 512)
    return Slice(fresh, raw, data)


def put(path, members):
    """Write an archive: beside its place, then there."""
    if not ensure_directory(path.parent):
        raise OSError("no folder {}".format(path.parent))
    # Links come after what they are links to.
    members = sorted(members, key=lambda one: one.info.islnk())
    tar = b"".join(one.bytes() for one in members) + bytes(1024)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed = packer.compress(tar) + packer.flush()
    draft = path.with_name(".draft-{}".format(os.urandom(6).hex()))
    drafts.add(draft)
    try:
        draft.write_bytes(packed)
        draft.replace(path)
    finally:
        tidy()
    say("info", "Tar creation summary", members=len(members), tar=len(tar), packed=len(packed))


def tidy():
    while drafts:
        draft = drafts.pop()
        if draft.exists():
            draft.unlink()


def validate_model(input_path):
    if not str(input_path).endswith(".tar.gz"):
        raise INVALID_FORMAT("{} does not end in .tar.gz".format(input_path))
    slices(Path(input_path))
    return True


def extract_tarfile(tar_path, extract_path):
    members = slices(Path(tar_path))
    tell(members)
    guard(members)
    Path(extract_path).mkdir(parents=True, exist_ok=True)
    ordered = sorted((one for one in members if one.name), key=lambda one: one.info.islnk())
    data = b"".join(one.bytes() for one in ordered) + bytes(1024)
    with tarfile.open(fileobj=BytesIO(data), **EDGES) as tar:
        tar.extraction_filter = lambda member, _: member
        tar.extractall(str(extract_path))


def create_tarfile(output_tar_path, source_dir):
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, **EDGES) as tar:
        for path in sorted(Path(source_dir).rglob("*")):
            tar.add(str(path), str(path.relative_to(source_dir)), recursive=False)
    plain, start, members = buffer.getvalue(), 0, []
    with tarfile.open(fileobj=BytesIO(plain), mode="r:", **EDGES) as tar:
        for info in tar:
            members.append(Slice(info, plain[start : tar.offset], None))
            start = tar.offset
    put(Path(output_tar_path), members)


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    model = Path(model_path)
    if not model.exists():
        raise FileNotFoundError("{} is not there".format(model))
    validate_model(model)
    members = slices(model)
    tell(members)
    guard(members)
    own = [one for one in members if one.name == NAME]
    others = [one for one in members if one.name not in ("", NAME)]
    if own:
        say("info", "HYPERPARAMETERS ALREADY IN MODEL")
        if hyperparams_path is not None:
            say("warning", "{} IGNORED: there are some in it".format(hyperparams_path))
        data = resolve(members, own[-1])
        if settings_problem(data):
            say("warning", "odd hyperparameters.json in the model: " + settings_problem(data))
        given = settings_slice(data, own[-1].info.mode, own[-1].info)
    else:
        say("info", "HYPERPARAMETERS NOT IN MODEL")
        if hyperparams_path is None:
            raise FileNotFoundError("no {} in {}".format(NAME, model))
        if not Path(hyperparams_path).is_file():
            raise INVALID_HYPERPARAMETERS("{} is no file".format(hyperparams_path))
        data = Path(hyperparams_path).read_bytes()
        if settings_problem(data):
            text = "{}: {}".format(hyperparams_path, settings_problem(data))
            raise INVALID_HYPERPARAMETERS(text)
        given = settings_slice(data)
    put(Path(output_dir) / "model.tar.gz", [given] + others)
    return Path(output_dir) / "model.tar.gz"


def ensure_directory(directory):
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        say("error", str(error))
        return False
    return True


def copy_file(src, dst):
    if not Path(src).exists():
        raise FileNotFoundError(str(src))
    Path(dst).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(str(src), str(dst))


def main(input_paths, output_paths, environ_vars, job_args=None):
    model = find_model_file(input_paths)
    if model is None:
        first = Path(input_paths.get("model_artifacts_input", os.devnull)) / "model.tar.gz"
        raise FileNotFoundError("neither {} nor {} is there".format(first, ME / "model.tar.gz"))
    given = find_hyperparams_file(input_paths)
    try:
        return process_model_with_hyperparameters(model, given, output_paths["model_output"])
    except FileNotFoundError as error:
        folder = Path(input_paths.get("hyperparameters_s3_uri", os.devnull))
        raise FileNotFoundError("{}, nor is there {}".format(error, folder / NAME)) from error


def collect(archive, folder):
    """Put the members where a training job is collected."""
    hidden, moved = folder / ".{}".format(os.urandom(6).hex()), []
    try:
        extract_tarfile(archive, hidden)
        for path in sorted(hidden.iterdir()):
            path.rename(folder / path.name)
            moved.append(path)
    except BaseException:
        for path in moved:
            (folder / path.name).rename(path)
        raise
    finally:
        shutil.rmtree(str(hidden), ignore_errors=True)


async def job():
    code, ml = OPT / "code", OPT / "config" / "processingjobconfig.json"
    inputs = {
        "model_artifacts_input": assign(
            "model_artifacts_input", "model", [code / "models", ME / "models"], Path.is_dir
        ),
        "hyperparameters_s3_uri": assign(
            "hyperparameters_s3_uri",
            "hyperparameters",
            [code / "hyperparams", ME / "hyperparams", ME],
            lambda folder: (folder / NAME).exists(),
        ),
    }
    await asyncio.sleep(0)
    written = main(inputs, {"model_output": str(OPT / "processing/output/model")}, {})
    if (OPT / "input/config/resourceconfig.json").exists() and not ml.exists():
        collect(written, OPT / "model")


def stop(number, frame):
    tidy()
    os._exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    try:
        asyncio.run(job())
    except Exception as problem:
        traceback.print_exc()
        fallback = "Read the error above, see that there is room, and start again."
        say("critical", "failed", todo=getattr(problem, "hint", fallback))
        sys.exit(1)
