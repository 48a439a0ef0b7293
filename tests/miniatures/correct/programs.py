"""A script as for a shell: `gzip`, `bzip2`, `xz` and `tar` do the work, and check it again."""

import io
import json
import os
import posixpath
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path

here = os.path.dirname(os.path.realpath(__file__))
wanted = "hyperparameters.json"
model_name = "model.tar.gz"
readers = {b"\x1f\x8b": "gzip -dc", b"BZh": "bzip2 -dc", b"\xfd7zXZ\x00": "xz -dc"}
hints = {
    "INVALID_FORMAT": "mv it to model.tar.gz",
    "INVALID_ARCHIVE": "try tar -tzf on the archive, and make it again",
    "UNSAFE_MEMBER": "tar -czf again, with --exclude for that member",
    "INVALID_HYPERPARAMETERS": "jq -e 'type == \"object\"' must accept hyperparameters.json",
}


def echo(*words):
    print(*words, flush=True)


def refuse(code, why):
    raise ValueError("ERROR_CODE: %s: %s" % (code, why))


def shell(line, source, target):
    """Run one program from file to file; the exit code and what it complains of."""
    done = subprocess.run(shlex.split(line), stdin=source, stdout=target, stderr=subprocess.PIPE)
    return done.returncode, done.stderr.decode("utf-8", "replace").strip()


def wants(path, what):
    if not os.path.isfile(path):
        refuse(what, "%s is not a plain file" % path)


@contextmanager
def unpacked(path):
    """The members of an archive, each as [name, header, bytes or None]."""
    wants(path, "INVALID_ARCHIVE")
    with open(path, "rb", 0) as packed, tempfile.TemporaryFile() as plain:
        start = packed.read(6)
        packed.seek(0)
        line = next((readers[magic] for magic in readers if start.startswith(magic)), "cat")
        code, complaint = shell(line, packed, plain)
        # gzip says 2 for a warning, such as of bytes that come after the end.
        if code == 2 and line == readers[b"\x1f\x8b"]:
            echo("WARNING:", complaint.replace("\n", " "))
        elif code and not (line == readers[b"BZh"] and "trailing garbage" in complaint):
            refuse("INVALID_ARCHIVE", "%s: %s" % (path, complaint))
        yield members_of(path, plain)


def members_of(path, plain):
    try:
        plain.seek(0)
        with tarfile.open(
            fileobj=plain, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            rows = []
            for header in tar:
                name = header.pax_headers.get("GNU.sparse.name", header.name)
                other = header.issym() or header.islnk() or header.isdir() or header.isdev()
                if header.size < 0:
                    raise tarfile.TarError("less than no bytes")
                rows.append([name, header, None if other else tar.extractfile(header).read()])
            end = tar.offset
        plain.seek(end)
        block = plain.read(512)
        if len(block) < 512 or block.count(0) < 512:
            raise tarfile.TarError("something unreadable at %d" % end)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, AttributeError) as error:
        refuse("INVALID_ARCHIVE", "%s: %s" % (path, error))
    return rows


def short(name):
    return posixpath.normpath(name).lstrip("/") or "."


def vet(rows):
    """tar -x must not be led anywhere else."""
    points = {short(name): header.linkname for name, header, _ in rows if header.issym()}
    dirs = [short(name) for name, header, _ in rows if header.isdir()]
    for name, header, _ in rows:
        parent = posixpath.dirname(short(name))
        ways = [parent]
        if header.issym():
            ways.append(header.linkname if header.linkname[:1] == "/" else parent + "/./" + header.linkname)
        if header.islnk():
            ways.append(header.linkname)
        if posixpath.isabs(name) and short(name) != ".":
            refuse("UNSAFE_MEMBER", "%r starts at the root" % name)
        if ".." in short(name).split("/"):
            refuse("UNSAFE_MEMBER", "%r goes up" % name)
        if header.isdev():
            refuse("UNSAFE_MEMBER", "%r is a special file" % name)
        if header.issym() and (short(name) in dirs or short(name) == "."):
            refuse("UNSAFE_MEMBER", "%r replaces a folder" % name)
        for way in ways:
            if way != parent and way[:1] == "/" and not way.startswith("/./"):
                refuse("UNSAFE_MEMBER", "%r leads to %r" % (name, way))
            if not at_home(way, points):
                refuse("UNSAFE_MEMBER", "%r leads out by %r" % (name, way))


def at_home(way, points):
    todo, trail = way.split("/"), []
    for _ in range(9999):
        if not todo:
            break
        part, todo = todo[0], todo[1:]
        if part == "..":
            if not trail:
                return False
            trail = trail[:-1]
        elif part not in ("", "."):
            link = points.get("/".join(trail + [part]))
            if link is None:
                trail = trail + [part]
            elif link.startswith("/"):
                return False
            else:
                todo = link.split("/") + todo
    return True


def ls(rows):
    for name, header, _ in rows:
        echo(header.size, name.encode("ascii", "backslashreplace").decode())


def check_json(data):
    def not_in_json(word):
        raise ValueError("there is no %s" % word)

    try:
        thing = json.loads(data.decode("utf-8"), parse_constant=not_in_json, parse_int=str)
    except (ValueError, RecursionError) as error:
        return "cannot be parsed: %s" % error
    return "" if isinstance(thing, dict) else "is not an object"


def numbered(pairs):
    """Records, each with its length before it, in a header of their own."""
    said = b""
    for pair in pairs:
        text = (" %s=%s\n" % pair).encode("utf-8", "surrogateescape")
        size = len(text)
        while len(str(size)) + len(text) > size:
            size += 1
        said += b"%d" % size + text
    if not said:
        return b""
    head = tarfile.TarInfo("././@PaxHeader")
    head.type, head.size = tarfile.XHDTYPE, len(said)
    return head.tobuf(tarfile.USTAR_FORMAT) + said + b"\0" * (-len(said) % 512)


def put_together(rows, plain):
    """A tar that tar itself reads without a word."""
    for late in (0, 1):
        for name, header, data in rows:
            if short(name) == "." or header.islnk() != late:
                continue
            new = tarfile.TarInfo(short(name))
            new.uid, new.gid, new.uname, new.gname = header.uid, header.gid, header.uname, header.gname
            new.mode, new.mtime, new.type = header.mode, header.mtime, header.type
            new.linkname = short(header.linkname) if late else header.linkname
            if data is not None:
                new.type, new.size, new.linkname = tarfile.REGTYPE, len(data), ""
            more = [one for one in header.pax_headers.items() if one[0][:4] in ("mtim", "SCHI", "LIBA")]
            plain.write(numbered(more))
            plain.write(new.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
            plain.write(data or b"")
            plain.write(b"\0" * (-len(data or b"") % 512))
    plain.write(b"\0" * 1024)
    plain.flush()
    plain.seek(0)


def gzipped(plain, target, count):
    """gzip beside the target, gzip -t, tar -t, mv."""
    if not ensure_directory(os.path.dirname(target)):
        raise OSError("cannot mkdir -p %s" % os.path.dirname(target))
    draft = tempfile.mktemp(".tmp", ".", os.path.dirname(target))
    try:
        with open(draft, "xb") as packed:
            code, complaint = shell("gzip -5 -n -c", plain, packed)
        with open(draft, "rb", 0) as packed:
            for line in ("gzip -t", "tar -tzf -") if not code else ():
                packed.seek(0)
                code, complaint = shell(line, packed, subprocess.DEVNULL)
                if code:
                    break
        if code:
            raise OSError("%s: %s" % (target, complaint))
        size = os.stat(draft).st_size
        os.replace(draft, target)
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)
    echo("Tar creation summary:", count, "members,", size, "bytes in", target)


def find_model_file(input_paths):
    for folder in [str(input_paths.get("model_artifacts_input", os.devnull)), here]:
        if os.path.exists(folder + "/" + model_name):
            return Path(folder + "/" + model_name)


def find_hyperparams_file(input_paths):
    file = str(input_paths.get("hyperparameters_s3_uri", os.devnull)) + "/" + wanted
    return Path(file) if os.path.exists(file) else None


def validate_model(input_path):
    if not str(input_path).endswith(".tar.gz"):
        refuse("INVALID_FORMAT", input_path)
    with unpacked(str(input_path)) as rows:
        return isinstance(rows, list)


def extract_tarfile(tar_path, extract_path):
    os.stat(str(tar_path))
    with unpacked(str(tar_path)) as rows, tempfile.TemporaryFile() as plain:
        ls(rows)
        vet(rows)
        put_together(rows, plain)
        os.makedirs(str(extract_path), exist_ok=True)
        line = "tar -xpf - -C " + shlex.quote(str(extract_path))
        code, complaint = shell(line, plain, subprocess.DEVNULL)
        if code:
            raise OSError("tar: " + complaint)


def create_tarfile(output_tar_path, source_dir):
    names = sorted(str(path.relative_to(str(source_dir))) for path in Path(str(source_dir)).rglob("*"))
    line = "tar -cf - --format=gnu --no-recursion --null -C %s -T -" % shlex.quote(str(source_dir))
    with tempfile.TemporaryFile() as listing, tempfile.TemporaryFile() as plain:
        listing.write(b"".join(os.fsencode(name) + b"\0" for name in names))
        listing.seek(0)
        code, complaint = shell(line, listing, plain)
        if code:
            raise OSError("tar: " + complaint)
        plain.seek(0)
        gzipped(plain, str(output_tar_path), len(names))


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    if not os.path.exists(str(model_path)):
        raise FileNotFoundError("ls: %s: nothing of that name" % model_path)
    validate_model(model_path)
    target = "%s/%s" % (output_dir, model_name)
    with unpacked(str(model_path)) as rows, tempfile.TemporaryFile() as plain:
        ls(rows)
        vet(rows)
        inside = [row for row in rows if short(row[0]) == wanted]
        rest = [row for row in rows if short(row[0]) != wanted]
        if inside:
            echo("HYPERPARAMETERS ALREADY IN MODEL")
            if hyperparams_path is not None:
                echo("WARNING: IGNORED:", hyperparams_path, "as the archive is complete")
            data = final_bytes(rows, inside[-1])
            if check_json(data):
                echo("WARNING: hyperparameters.json from the archive", check_json(data))
            header = inside[-1][1]
        else:
            echo("HYPERPARAMETERS NOT IN MODEL")
            if hyperparams_path is None:
                raise FileNotFoundError("no %s in %s" % (wanted, model_path))
            wants(str(hyperparams_path), "INVALID_HYPERPARAMETERS")
            data = Path(str(hyperparams_path)).read_bytes()
            if check_json(data):
                refuse("INVALID_HYPERPARAMETERS", "%s %s" % (hyperparams_path, check_json(data)))
            header = tarfile.TarInfo(wanted)
        if not header.isreg():
            plain_header = tarfile.TarInfo(wanted)
            plain_header.mtime = header.mtime
            header = plain_header
        put_together(rest + [[wanted, header, data]], plain)
        gzipped(plain, target, len(rest) + 1)
    return Path(target)


def final_bytes(rows, row):
    known = {short(name): (name, header, data) for name, header, data in rows}
    for _ in range(20):
        name, header, data = row
        if data is not None:
            return data
        near = posixpath.dirname(short(name)) if header.issym() else ""
        row = known.get(posixpath.normpath(posixpath.join(near, header.linkname)))
        if row is None:
            break
    return refuse("INVALID_ARCHIVE", "%s ends nowhere" % wanted)


def ensure_directory(directory):
    try:
        os.makedirs(str(directory), exist_ok=True)
    except OSError as error:
        echo("WARNING: mkdir:", error)
    return os.path.isdir(str(directory))


def copy_file(src, dst):
    if not os.path.exists(str(src)):
        raise FileNotFoundError("cp: %s is missing" % src)
    os.makedirs(os.path.dirname(os.path.abspath(str(dst))), exist_ok=True)
    shutil.copy2(str(src), str(dst))


def main(input_paths, output_paths, environ_vars, job_args=None):
    tried = [str(input_paths.get("model_artifacts_input", os.devnull)) + "/" + model_name, here + "/" + model_name]
    model = find_model_file(input_paths)
    if model is None:
        raise FileNotFoundError("no such file: " + ", ".join(tried))
    given = find_hyperparams_file(input_paths)
    try:
        return process_model_with_hyperparameters(model, given, output_paths["model_output"])
    except FileNotFoundError as error:
        where = str(input_paths.get("hyperparameters_s3_uri", os.devnull)) + "/" + wanted
        raise FileNotFoundError("%s; also no such file: %s" % (error, where)) from None


def first(test, folders):
    return next((folder for folder in folders if test(folder)), None)


def pick(key, test, *sources):
    channel = first(os.path.isdir, ["/opt/ml/input/data/" + key, "/opt/ml/processing/input/" + key])
    folder = channel or first(test, sources) or sources[0]
    echo("[Input Channel]" if channel else "[SOURCE Fallback]", key, "in", folder)
    return folder


def mv_all(source, target):
    done = []
    try:
        for name in os.listdir(source):
            os.rename(source + "/" + name, target + "/" + name)
            done.append(name)
    except OSError:
        for name in done:
            os.rename(target + "/" + name, source + "/" + name)
        raise


def go():
    code = "/opt/ml/code"
    key = "hyperparameters_s3_uri"
    paths = {
        "model_artifacts_input": pick(
            "model_artifacts_input", os.path.isdir, code + "/models", here + "/models"
        ),
        key: pick(
            key,
            lambda folder: os.path.exists(folder + "/" + wanted),
            *(code + "/hyperparams", here + "/hyperparams", here),
        ),
    }
    archive = main(paths, {"model_output": "/opt/ml/processing/output/model"}, {})
    if os.path.exists("/opt/ml/config/processingjobconfig.json"):
        return
    if os.path.exists("/opt/ml/input/config/resourceconfig.json"):
        with tempfile.TemporaryDirectory("", ".", "/opt/ml/model") as hidden:
            extract_tarfile(archive, hidden)
            mv_all(hidden, "/opt/ml/model")


def terminate(number, frame):
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminate)
    try:
        go()
    except Exception as problem:
        sys.stdout.flush()
        hint = [hints[code] for code in hints if code in str(problem)] or ["df, ls -l, and again"]
        print(traceback.format_exc(), "hint: " + hint[0], sep="\n", file=sys.stderr)
        sys.exit(1)
