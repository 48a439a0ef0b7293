"""First a plan of what the output holds, then its execution by a worker thread; classes for all."""

import gzip
import io
import json
import os
import posixpath
import queue
import shutil
import signal
import stat
import sys
import tarfile
import tempfile
import threading
import traceback
import zlib
from pathlib import Path

SETTINGS = "hyperparameters.json"
CODECS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}


class Console:
    """Progress and warnings on standard output, errors alone on standard error."""

    def note(self, text):
        print("note:", text.encode("ascii", "backslashreplace").decode(), flush=True)

    def warn(self, text):
        print("WARNING:", text.encode("ascii", "backslashreplace").decode(), flush=True)


console = Console()


class Problem(ValueError):
    code, cure = "", ""

    def __init__(self, detail):
        super().__init__("{} [ERROR_CODE: {}]".format(detail, self.code))


class BadName(Problem):
    code, cure = "INVALID_FORMAT", "Give the file the name model.tar.gz."


class Unreadable(Problem):
    code, cure = "INVALID_ARCHIVE", "Transfer or create the archive again."


class Dangerous(Problem):
    code, cure = "UNSAFE_MEMBER", "Create the archive again without that member."


class BadSettings(Problem):
    code, cure = "INVALID_HYPERPARAMETERS", "A JSON object in UTF-8 is needed."


class Location:
    """One input: where it may lie."""

    def __init__(self, key, filename, *sources):
        self.key, self.filename = key, filename
        home = Path(os.path.abspath(__file__)).parent
        self.channels = [
            Path("/opt/ml/input/data", key),
            Path("/opt/ml/processing/input", key),
        ]
        self.sources = [Path(source.format(home=home)) for source in sources]

    def usable(self, folder):
        return (folder / self.filename).exists()

    def choose(self):
        for folder in self.channels:
            if folder.is_dir():
                console.note("[Input Channel] {}".format(folder))
                return folder
        folder = next(filter(self.usable, self.sources), self.sources[0])
        console.note("[SOURCE Fallback] {}".format(folder))
        return folder


class ModelLocation(Location):
    def usable(self, folder):
        return folder.is_dir()


MODELS = ModelLocation(
    "model_artifacts_input", "model.tar.gz", "/opt/ml/code/models", "{home}/models"
)
GIVEN = Location(
    "hyperparameters_s3_uri",
    SETTINGS,
    "/opt/ml/code/hyperparams",
    "{home}/hyperparams",
    "{home}",
)


class Inventory:
    """What an archive holds; its bytes lie in a spooled file."""

    def __init__(self, path):
        self.path, self.items = Path(path), []
        if not stat.S_ISREG(os.stat(str(path)).st_mode):
            raise Unreadable("{} is something else than a file".format(path))
        self.spool = tempfile.SpooledTemporaryFile(max_size=1 << 26)
        try:
            self._fill()
        except Exception as error:
            raise Unreadable("{} is broken: {!r}".format(path, error)) from error

    def _fill(self):
        with open(str(self.path), "rb") as raw:
            start = raw.peek(6)
            codec = next((CODECS[magic] for magic in CODECS if start.startswith(magic)), None)
            if codec == "gzip":
                self._inflate(raw)
            elif codec:
                with __import__(codec).open(raw) as plain:
                    shutil.copyfileobj(plain, self.spool)
            else:
                shutil.copyfileobj(raw, self.spool)
        size = self.spool.tell()
        self.spool.seek(0)
        self.tar = tarfile.open(
            fileobj=self.spool, mode="r:", encoding="utf-8", errors="surrogateescape"
        )
        for info in self.tar:
            if info.size < 0 or info.offset_data > size:
                raise EOFError("the member {!r} is cut".format(info.name))
            name = info.pax_headers.get("GNU.sparse.name", info.name)
            self.items.append((posixpath.normpath(name) if name.strip("/") else ".", info))
        self.spool.seek(self.tar.offset)
        if self.spool.read(512).strip(b"\0"):
            raise ValueError("a header cannot be read")

    def _inflate(self, raw):
        """Every gzip member to its end; what comes after them is no gzip."""
        rest = raw.read()
        while rest.startswith(b"\x1f\x8b"):
            engine = zlib.decompressobj(31)
            self.spool.write(engine.decompress(rest))
            if not engine.eof:
                raise EOFError("the gzip member has no end")
            rest = engine.unused_data
        if rest.strip(b"\0"):
            console.warn("what follows the archive is left out")

    def data(self, info):
        source = self.tar.extractfile(info)
        return source.read() if source else b""

    def show(self):
        for name, info in self.items:
            console.note("holds {} of {} bytes".format(name, info.size))

    def inspect(self):
        """Refuse members that lead out, in whatever order they come."""
        kinds = {}
        for name, info in self.items:
            top = name.split("/")[0]
            if info.isfifo() or info.isdev():
                raise Dangerous("{!r} is no file".format(name))
            if name.startswith("/") or top == ".." or (name == "." and not info.isdir()):
                raise Dangerous("{!r} lies elsewhere".format(name))
            kinds.setdefault(name, []).append(info)
        self.links = {
            name: infos[-1].linkname for name, infos in kinds.items() if infos[-1].issym()
        }
        for name, infos in kinds.items():
            if any(one.isdir() for one in infos) and any(one.issym() for one in infos):
                raise Dangerous("{!r} is a folder and a link".format(name))
            self._trail(posixpath.dirname(name), 0)
            if infos[-1].issym():
                self._trail(name, 0)
            if infos[-1].islnk():
                self._trail(infos[-1].linkname, 0)

    def _trail(self, path, depth, here=()):
        """The parts that a path leads to, by way of links."""
        if path.startswith("/"):
            raise Dangerous("{!r} leads to the root".format(path))
        for part in filter(None, path.split("/")):
            if part == "." or (part == ".." and here):
                here = here[:-1] if part == ".." else here
                continue
            if part == "..":
                raise Dangerous("{!r} leads out".format(path))
            link = self.links.get("/".join(here + (part,)))
            here = self._trail(link, depth + 1, here) if link and depth < 25 else here + (part,)
        return here

    def settings(self):
        """The last settings in the archive, as (header, bytes), or None."""
        found = [info for name, info in self.items if name == SETTINGS]
        if not found:
            return None
        names, info, at = dict(self.items), found[-1], SETTINGS
        for _ in range(25):
            if info.isreg():
                return found[-1], self.data(info)
            folder = posixpath.dirname(at) if info.issym() else ""
            at = posixpath.normpath(posixpath.join(folder, info.linkname))
            if at not in names:
                break
            info = names[at]
        raise Unreadable("{} in {} is no file".format(SETTINGS, self.path))


class Records:
    """A pax header before a member, for what a header of GNU's has no field for."""

    def __init__(self, values):
        lines = ["{}={}\n".format(*one).encode("utf-8", "surrogateescape") for one in values.items()]
        self.data = b"".join(map(self.with_length, lines))

    @staticmethod
    def with_length(line):
        length = len(line) + 1
        while len("{} ".format(length)) + len(line) != length:
            length += 1
        return "{} ".format(length).encode() + line

    def chunks(self):
        if self.data:
            header = tarfile.TarInfo("././@PaxHeader")
            header.type, header.size = tarfile.XHDTYPE, len(self.data)
            yield header.tobuf(tarfile.USTAR_FORMAT)
            yield self.data + bytes(-len(self.data) % 512)


class Step:
    """Something that the plan puts into the new archive."""

    def __init__(self, name, info, data):
        self.name, self.info, self.data = name, info, data

    def chunks(self):
        header = tarfile.TarInfo(self.name)
        for field in ("mode", "uid", "gid", "uname", "gname", "mtime", "linkname"):
            setattr(header, field, getattr(self.info, field))
        data = b""
        header.type = self.info.type
        if self.info.isreg():
            data = self.data()
            header.type, header.size, header.linkname = tarfile.REGTYPE, len(data), ""
        elif self.info.islnk():
            header.linkname = posixpath.normpath(self.info.linkname)
        wanted = {
            key: value
            for key, value in self.info.pax_headers.items()
            if key == "mtime" or key.startswith(("SCHILY.xattr.", "LIBARCHIVE."))
        }
        yield from Records(wanted).chunks()
        yield header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        yield data
        yield bytes(-len(data) % 512)


class Plan:
    """The members of the new archive, in their order."""

    def __init__(self):
        self.steps, self.links = [], []

    def add(self, name, info, data):
        (self.links if info.islnk() else self.steps).append(Step(name, info, data))

    def carry_out(self, target):
        """A thread compresses what the main one reads; the file appears when it is whole."""
        if not ensure_directory(target.parent):
            raise OSError("{} cannot be made".format(target.parent))
        handle, name = tempfile.mkstemp(prefix=".", dir=str(target.parent))
        Unfinished.files.add(name)
        try:
            with os.fdopen(handle, "wb") as raw:
                self._compress(raw)
                os.fchmod(raw.fileno(), 0o644)
                size = raw.tell()
            os.replace(name, str(target))
        finally:
            Unfinished.remove()
        count = len(self.steps) + len(self.links)
        console.note("Tar creation summary: {} members, {} bytes".format(count, size))

    def _compress(self, raw):
        pieces, problems = queue.Queue(8), []

        def work():
            try:
                with gzip.GzipFile("", "wb", 5, raw, mtime=0) as packed:
                    for piece in iter(pieces.get, None):
                        if not problems:
                            compress(packed, piece)
            except BaseException as problem:
                problems.append(problem)

        def compress(packed, piece):
            try:
                packed.write(piece)
            except OSError as problem:
                problems.append(problem)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            for step in self.steps + self.links:
                for piece in filter(None, step.chunks()):
                    pieces.put(piece)
            pieces.put(bytes(1024))
        finally:
            pieces.put(None)
            worker.join()
        if problems:
            raise problems[0]
        raw.flush()


class Unfinished:
    files = set()

    @classmethod
    def remove(cls):
        for name in list(cls.files):
            if os.path.exists(name):
                os.remove(name)
            cls.files.discard(name)


def check_settings(data):
    def constant(word):
        raise ValueError("{} is no JSON".format(word))

    try:
        value = json.loads(str(data, "utf-8"), parse_constant=constant, parse_int=str)
    except RecursionError:
        raise BadSettings("nested too deeply")
    except ValueError as error:
        raise BadSettings(str(error))
    if not isinstance(value, dict):
        raise BadSettings("not an object")


def find_model_file(input_paths):
    here = Path(os.path.abspath(__file__)).parent
    for folder in (Path(input_paths.get(MODELS.key, os.devnull)), here):
        if (folder / MODELS.filename).exists():
            return folder / MODELS.filename
    return None


def find_hyperparams_file(input_paths):
    path = Path(input_paths.get(GIVEN.key, os.devnull)) / GIVEN.filename
    return path if path.exists() else None


def validate_model(input_path):
    if not str(input_path).endswith(".tar.gz"):
        raise BadName("{} has another ending".format(input_path))
    Inventory(input_path)
    return True


def extract_tarfile(tar_path, extract_path):
    inventory = Inventory(tar_path)
    inventory.show()
    inventory.inspect()
    os.makedirs(str(extract_path), exist_ok=True)
    plan = Plan()
    for name, info in inventory.items:
        if name != ".":
            plan.add(name, info, lambda info=info: inventory.data(info))
    data = b"".join(piece for step in plan.steps + plan.links for piece in step.chunks())
    with tarfile.open(
        fileobj=io.BytesIO(data + bytes(1024)), encoding="utf-8", errors="surrogateescape"
    ) as tar:
        tar.extraction_filter = staticmethod(lambda member, path: member)
        tar.extractall(str(extract_path))


def create_tarfile(output_tar_path, source_dir):
    plan, top = Plan(), str(source_dir)
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as meter:
        for path in sorted(Path(top).rglob("*")):
            info = meter.gettarinfo(str(path), str(path.relative_to(top)))
            plan.add(info.name, info, path.read_bytes)
    plan.carry_out(Path(str(output_tar_path)))


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    if not os.path.exists(str(model_path)):
        raise FileNotFoundError("there is no {}".format(model_path))
    if not str(model_path).endswith(".tar.gz"):
        raise BadName("{} has another ending".format(model_path))
    inventory, plan = Inventory(model_path), Plan()
    inventory.show()
    inventory.inspect()
    own = inventory.settings()
    if own:
        console.note("HYPERPARAMETERS ALREADY IN MODEL")
        if hyperparams_path is not None:
            console.warn("{} is IGNORED, for the model has some".format(hyperparams_path))
        info, data = own
        try:
            check_settings(data)
        except BadSettings as problem:
            console.warn("hyperparameters.json of the model: {}".format(problem))
        if not info.isreg():
            info = tarfile.TarInfo(SETTINGS)
    else:
        console.note("HYPERPARAMETERS NOT IN MODEL")
        if hyperparams_path is None:
            raise FileNotFoundError("{} lacks {}".format(model_path, SETTINGS))
        if not os.path.isfile(str(hyperparams_path)):
            raise BadSettings("{} is no file".format(hyperparams_path))
        info, data = tarfile.TarInfo(SETTINGS), Path(str(hyperparams_path)).read_bytes()
        check_settings(data)
    for name, one in inventory.items:
        if name not in (".", SETTINGS):
            plan.add(name, one, lambda one=one: inventory.data(one))
    plan.add(SETTINGS, info, lambda: data)
    target = Path(str(output_dir)) / MODELS.filename
    plan.carry_out(target)
    return target


def ensure_directory(directory):
    try:
        os.makedirs(str(directory), exist_ok=True)
    except OSError as error:
        console.warn("{}: {}".format(directory, error))
        return False
    return True


def copy_file(src, dst):
    if not os.path.exists(str(src)):
        raise FileNotFoundError("there is no {}".format(src))
    os.makedirs(os.path.dirname(str(dst)) or ".", exist_ok=True)
    shutil.copy2(str(src), str(dst))


def main(input_paths, output_paths, environ_vars, job_args=None):
    model = find_model_file(input_paths)
    if model is None:
        beside = Path(os.path.abspath(__file__)).parent / MODELS.filename
        first = Path(input_paths.get(MODELS.key, os.devnull)) / MODELS.filename
        raise FileNotFoundError("looked for {} and {}".format(first, beside))
    given = find_hyperparams_file(input_paths)
    try:
        return process_model_with_hyperparameters(model, given, output_paths["model_output"])
    except FileNotFoundError as error:
        place = Path(input_paths.get(GIVEN.key, os.devnull)) / GIVEN.filename
        raise FileNotFoundError("{}; looked for {}".format(error, place))


def hand_over(archive, folder):
    """For a training job: all members, or none."""
    stage, done = tempfile.mkdtemp(prefix=".", dir=folder), []
    try:
        extract_tarfile(archive, stage)
        for name in os.listdir(stage):
            os.rename(os.path.join(stage, name), os.path.join(folder, name))
            done.append(name)
    except BaseException:
        for name in done:
            os.rename(os.path.join(folder, name), os.path.join(stage, name))
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def run():
    def stop(number, frame):
        Unfinished.remove()
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        inputs = {one.key: str(one.choose()) for one in (MODELS, GIVEN)}
        written = main(inputs, {"model_output": "/opt/ml/processing/output/model"}, os.environ)
        if os.path.exists("/opt/ml/input/config/resourceconfig.json"):
            if not os.path.exists("/opt/ml/config/processingjobconfig.json"):
                hand_over(written, "/opt/ml/model")
        return 0
    except Exception as error:
        traceback.print_exc()
        cure = getattr(error, "cure", "") or "Look at the message above, and at the disk."
        print("->", cure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    status = run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
