"""Works on the blocks of the tar alone, in a worker thread; every log line is a JSON object."""
import bz2
import io
import json
import lzma
import os
import queue
import re
import signal
import sys
import tarfile
import threading
import traceback
import zlib
from itertools import count

FOLDERS = {
    "model_artifacts_input": ("/opt/ml/code/models", "models"),
    "hyperparameters_s3_uri": ("/opt/ml/code/hyperparams", "hyperparams"),
}
BESIDE = os.path.dirname(os.path.abspath(__file__))
OWN = "hyperparameters.json"
CODEC = {"encoding": "utf-8", "errors": "surrogateescape"}


def emit(severity, text, **more):
    print(json.dumps({"severity": severity, "text": text, **more}), file=sys.stderr, flush=True)


class Refused(ValueError):
    """Something in the inputs that cannot be worked with."""

    def __init__(self, code, detail):
        super().__init__("[{}] {}".format(code, detail))


# --- Where things are ---


def locate(key):
    """The folder of an input, decided once."""
    for mount in ("/opt/ml/input/data", "/opt/ml/processing/input"):
        if os.path.isdir("{}/{}".format(mount, key)):
            emit("INFO", "[Input Channel] {}/{}".format(mount, key), input=key)
            return "{}/{}".format(mount, key)
    fixed, relative = FOLDERS[key]
    choices = [fixed, os.path.join(BESIDE, relative)]
    if key == "hyperparameters_s3_uri":
        choices.append(BESIDE)
        good = [one for one in choices if os.path.exists(os.path.join(one, OWN))]
    else:
        good = [one for one in choices if os.path.isdir(one)]
    emit("INFO", "[SOURCE Fallback] " + (good + choices)[0], input=key)
    return (good + choices)[0]


def as_path(text):
    from pathlib import Path

    return Path(text)


def find_model_file(input_paths):
    for folder in (input_paths.get("model_artifacts_input"), BESIDE):
        if folder is not None and os.path.exists(os.path.join(str(folder), "model.tar.gz")):
            return as_path(os.path.join(str(folder), "model.tar.gz"))
    return None


def find_hyperparams_file(input_paths):
    folder = input_paths.get("hyperparameters_s3_uri")
    if folder is None or not os.path.exists(os.path.join(str(folder), OWN)):
        return None
    return as_path(os.path.join(str(folder), OWN))


# --- The archive as a list of (header, bytes) ---


class Strict(tarfile.TarInfo):
    """Has no mercy on headers that are damaged."""

    @classmethod
    def fromtarfile(cls, tar):
        try:
            return super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:
            raise OSError("header: {}".format(error))


def inflate(raw):
    """All that is packed in the bytes, stream by stream."""
    kinds = (
        (rb"\x1f\x8b", lambda: zlib.decompressobj(31)),
        (rb"BZh[1-9]", bz2.BZ2Decompressor),
        (rb"\xfd7zXZ\0", lzma.LZMADecompressor),
    )
    for magic, make in kinds:
        if re.match(magic, raw):
            break
    else:
        return raw
    whole = []
    while re.match(magic, raw):
        machine = make()
        whole.append(machine.decompress(raw))
        if not machine.eof:
            raise EOFError("the packed data ends too early")
        raw = machine.unused_data.lstrip(b"\0")
    if raw:
        emit("WARN", "{} bytes after the end do not count".format(len(raw)))
    return b"".join(whole)


def read(path):
    if not os.path.isfile(path):
        raise Refused("INVALID_ARCHIVE", "{} is something else than a file".format(path))
    with open(path, "rb") as stream:
        stream.peek(6)
        packed = stream.read()
    try:
        plain = inflate(packed)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:", tarinfo=Strict, **CODEC) as tar:
            members = []
            for info in tar:
                if info.size < 0:
                    raise OSError("a size below zero")
                info.name = info.pax_headers.get("GNU.sparse.name", info.name)
                source = None if info.issym() or info.islnk() else tar.extractfile(info)
                members.append((info, None if source is None else source.read()))
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise Refused("INVALID_ARCHIVE", "{}: {}".format(path, error))
    except (LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise Refused("INVALID_ARCHIVE", "{}: {!r}".format(path, error))
    return members


def tidy(path):
    return os.path.normpath(path) if path.strip("/") else "."


def guard(members):
    """Walk each link in a toy file system; nothing may walk out of it."""
    places = {tidy(info.name): info.linkname for info, _ in members if info.issym()}
    folders = {os.path.dirname(tidy(info.name)) for info, _ in members}
    folders |= {tidy(info.name) for info, _ in members if info.isdir()}

    def walk(at, target, budget=40):
        if target.startswith("/") or not budget:
            return None
        for part in target.split("/"):
            if part == "..":
                if not at:
                    return None
                at = os.path.dirname(at)
            elif part not in ("", "."):
                at = os.path.join(at, part)
                if at in places:
                    at = walk(os.path.dirname(at), places[at], budget - 1)
                    if at is None:
                        return None
        return at

    for info, _ in members:
        name = tidy(info.name)
        bad = name.startswith("/") or name.split("/")[0] == ".." or info.isdev()
        bad = bad or (name == "." and not info.isdir())
        bad = bad or (info.issym() and (name in folders))
        bad = bad or (info.issym() and walk(os.path.dirname(name), info.linkname) is None)
        bad = bad or (info.islnk() and walk("", info.linkname) is None)
        if bad:
            raise Refused("UNSAFE_MEMBER", ascii(info.name))


def enumerate_members(members):
    for info, data in members:
        emit("INFO", "contents", member=info.name, bytes=len(data or b""))


def clean(info, size):
    info.name = tidy(info.name)
    if info.islnk():
        info.linkname = tidy(info.linkname)
    if info.type == tarfile.GNUTYPE_SPARSE:
        info.type = tarfile.REGTYPE
    info.size = size
    info.pax_headers = {
        key: value
        for key, value in info.pax_headers.items()
        if not re.match(r"(path|linkpath|size|hdrcharset|comment|GNU\.sparse\..*)$", key)
    }
    return info


def attributes(info):
    """The blocks of pax records whose values may be any bytes."""
    payload = b""
    for key, value in info.pax_headers.items():
        line = "{}={}\n".format(key, value).encode(**CODEC)
        total = next(n for n in count(len(line)) if n == len(str(n)) + 1 + len(line))
        payload += b"%d %s" % (total, line)
    if not payload:
        return b""
    block = tarfile.TarInfo("././@PaxHeader")
    block.type, block.size = tarfile.XHDTYPE, len(payload)
    return block.tobuf(tarfile.USTAR_FORMAT) + payload + bytes(-len(payload) % 512)


def encode(info):
    """A header; GNU's own form where a name is not UTF-8."""
    try:
        info.name.encode()
        info.linkname.encode()
        "".join(info.pax_headers.values()).encode()
    except UnicodeEncodeError:
        return attributes(info) + info.tobuf(tarfile.GNU_FORMAT, **CODEC)
    return info.tobuf(tarfile.PAX_FORMAT, **CODEC)


def serialise(members):
    """The blocks of a tar; hard links come last, since their targets must be there."""
    for late in (False, True):
        for info, data in members:
            if info.islnk() == late:
                yield encode(info)
                yield (data or b"") + bytes(-len(data or b"") % 512)
    yield bytes(1024)


def pack(members):
    """A gzip file, made by a thread that is given one piece after the other."""
    pieces, packed, failed = queue.Queue(64), io.BytesIO(), []

    def work():
        machine = zlib.compressobj(6, zlib.DEFLATED, 31)
        for piece in iter(pieces.get, None):
            try:
                packed.write(machine.compress(piece))
            except BaseException as error:
                failed.append(error)
        packed.write(machine.flush())

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    for piece in serialise(members):
        pieces.put(piece)
    pieces.put(None)
    worker.join()
    if failed:
        raise failed[0]
    emit("INFO", "Tar creation summary", members=len(members), bytes=packed.tell())
    return packed.getvalue()


# --- Hyperparameters ---


def why_not(data):
    def no(token):
        raise ValueError("the token {} is Python's own".format(token))

    try:
        value = json.loads(str(data, "utf-8"), parse_constant=no, parse_int=str)
    except (ValueError, RecursionError) as error:
        return str(error)
    return None if type(value) is dict else "the top level is no mapping"


def follow(members, name, hops=9):
    """The bytes that a name stands for in the end."""
    for info, data in reversed(members):
        if tidy(info.name) == name:
            if data is not None or not hops:
                return data
            start = os.path.dirname(name) if info.issym() else ""
            return follow(members, tidy(os.path.join(start, info.linkname)), hops - 1)
    return None


def provided(path):
    if not os.path.isfile(path):
        raise Refused("INVALID_HYPERPARAMETERS", "{} is something else than a file".format(path))
    with open(path, "rb") as stream:
        data = stream.read()
    if why_not(data):
        raise Refused("INVALID_HYPERPARAMETERS", "{}: {}".format(path, why_not(data)))
    info = tarfile.TarInfo(OWN)
    info.size, info.mtime = len(data), int(os.stat(path).st_mtime)
    return info, data


# --- The functions that others call ---


def validate_model(input_path):
    if not str(input_path).endswith(".tar.gz"):
        raise Refused("INVALID_FORMAT", "{} has another suffix".format(input_path))
    if not os.path.exists(str(input_path)):
        raise FileNotFoundError(str(input_path))
    read(str(input_path))
    return True


def extract_tarfile(tar_path, extract_path):
    if not os.path.exists(str(tar_path)):
        raise FileNotFoundError(str(tar_path))
    members = read(str(tar_path))
    enumerate_members(members)
    guard(members)
    os.makedirs(str(extract_path), exist_ok=True)
    kept = [(clean(info, len(data or b"")), data) for info, data in members]
    kept = [one for one in kept if one[0].name != "."]
    with tarfile.open(fileobj=io.BytesIO(b"".join(serialise(kept))), **CODEC) as tar:
        tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        tar.extractall(str(extract_path))


def create_tarfile(output_tar_path, source_dir):
    if not os.path.isdir(str(source_dir)):
        raise FileNotFoundError(str(source_dir))
    members, frame = [], tarfile.TarFile(fileobj=io.BytesIO(), mode="w", **CODEC)
    for top, folders, files in os.walk(str(source_dir)):
        for name in sorted(folders + files):
            full = os.path.join(top, name)
            info = frame.gettarinfo(full, os.path.relpath(full, str(source_dir)))
            data = None
            if info.isreg():
                with open(full, "rb") as stream:
                    data = stream.read()
                info.size = len(data)
            members.append((info, data))
    enumerate_members(members)
    ensure_directory(os.path.dirname(str(output_tar_path)))
    put(str(output_tar_path), pack(members))


def ensure_directory(directory):
    try:
        os.makedirs(str(directory), exist_ok=True)
    except OSError as error:
        emit("ERROR", str(error), trace=traceback.format_exc())
        return False
    return True


def copy_file(src, dst):
    if not os.path.exists(str(src)):
        raise FileNotFoundError(str(src))
    import shutil

    os.makedirs(os.path.dirname(str(dst)), exist_ok=True)
    shutil.copy2(str(src), str(dst))


def put(path, data):
    """Beside its place first; the last step cannot be interrupted."""
    draft = "{}/.{}".format(os.path.dirname(path), os.urandom(9).hex())
    DRAFTS.append(draft)
    try:
        with open(draft, "xb") as stream:
            stream.write(data)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            os.rename(draft, path)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    finally:
        sweep()


DRAFTS = []


def sweep():
    while DRAFTS:
        if os.path.lexists(DRAFTS[-1]):
            os.remove(DRAFTS[-1])
        DRAFTS.pop()


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    model = str(model_path)
    if not os.path.exists(model):
        raise FileNotFoundError("no file {}".format(model))
    if not model.endswith(".tar.gz"):
        raise Refused("INVALID_FORMAT", model)
    members = read(model)
    enumerate_members(members)
    guard(members)
    mine = [info for info, _ in members if tidy(info.name) == OWN]
    rest = [one for one in members if tidy(one[0].name) not in (OWN, ".")]
    if mine:
        emit("INFO", "HYPERPARAMETERS ALREADY IN MODEL")
        data = follow(members, OWN)
        if data is None:
            raise Refused("INVALID_HYPERPARAMETERS", "{} in {} has no bytes".format(OWN, model))
        if hyperparams_path is not None:
            emit("WARNING", "IGNORED: {}, the archive has its own".format(hyperparams_path))
        if why_not(data):
            emit("WARNING", "odd {} within the archive: {}".format(OWN, why_not(data)))
        info = mine[-1]
        info.type, info.linkname = tarfile.REGTYPE, ""
        chosen = (clean(info, len(data)), data)
    else:
        emit("INFO", "HYPERPARAMETERS NOT IN MODEL")
        if hyperparams_path is None:
            raise FileNotFoundError("{} in neither {} nor an input".format(OWN, model))
        chosen = provided(str(hyperparams_path))
    result = [chosen, *((clean(info, len(data or b"")), data) for info, data in rest)]
    if not ensure_directory(output_dir):
        raise OSError("no folder {}".format(output_dir))
    put("{}/model.tar.gz".format(output_dir), pack(result))
    return as_path("{}/model.tar.gz".format(output_dir))


def main(input_paths, output_paths, environ_vars, job_args=None):
    model, given = find_model_file(input_paths), find_hyperparams_file(input_paths)
    if model is None:
        tried = [str(input_paths.get("model_artifacts_input")), BESIDE]
        raise FileNotFoundError("none of " + ", ".join(one + "/model.tar.gz" for one in tried))
    try:
        return process_model_with_hyperparameters(model, given, output_paths["model_output"])
    except FileNotFoundError as error:
        tried = "{}/{}".format(input_paths.get("hyperparameters_s3_uri"), OWN)
        raise FileNotFoundError("{} ({})".format(error, tried)) from error


# --- As a job ---


def hand_in(archive):
    """What a training job uploads: the members, moved in as one."""
    hidden = "/opt/ml/model/.{}".format(os.urandom(9).hex())
    done = []
    try:
        extract_tarfile(archive, hidden)
        for name in os.listdir(hidden):
            os.rename(os.path.join(hidden, name), os.path.join("/opt/ml/model", name))
            done.append(name)
    except OSError:
        for name in done:
            os.rename(os.path.join("/opt/ml/model", name), os.path.join(hidden, name))
        raise
    finally:
        import shutil

        shutil.rmtree(hidden, ignore_errors=True)


def on_signal(number, frame):
    sweep()
    leave(128 + number)


def leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def job():
    code = 1
    try:
        written = main({key: locate(key) for key in FOLDERS}, {"model_output": OUTPUT}, {})
        if os.path.exists("/opt/ml/input/config/resourceconfig.json") and not os.path.exists(
            "/opt/ml/config/processingjobconfig.json"
        ):
            hand_in(written)
        code = 0
    except Exception as error:
        traceback.print_exc()
        emit("FATAL", "Mend what is named above.", kind=type(error).__name__)
    finally:
        leave(code)


OUTPUT = "/opt/ml/processing/output/model"
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, on_signal)
    job()
