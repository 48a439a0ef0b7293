#!/usr/bin/env python3
"""Adds hyperparameters.json to model.tar.gz. Everything happens in memory, save the last step."""
import atexit
import bz2
import gzip
import json
import logging
import lzma
import os
import shutil
import signal
import sys
import tarfile
import traceback
from io import BytesIO
from os.path import abspath, dirname, exists, isdir, isfile, join
from pathlib import Path
from posixpath import normpath
from uuid import uuid4

logger = logging.getLogger(__name__)

CONTAINER_PATHS = {
    "MODEL": [
        "/opt/ml/input/data/model_artifacts_input",
        "/opt/ml/processing/input/model_artifacts_input",
    ],
    "HYPERPARAMS": [
        "/opt/ml/input/data/hyperparameters_s3_uri",
        "/opt/ml/processing/input/hyperparameters_s3_uri",
    ],
    "OUTPUT": "/opt/ml/processing/output/model",
}
HERE = dirname(abspath(__file__))
SOURCE_PATHS = {
    "MODEL": ["/opt/ml/code/models", join(HERE, "models")],
    "HYPERPARAMS": ["/opt/ml/code/hyperparams", join(HERE, "hyperparams"), HERE],
}
TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}
MEGABYTE = 1024.0 * 1024.0
LEFTOVERS = []  # names of temporary files, noted before the files exist


class StepError(ValueError):
    """An error with a code, and what to do about it."""

    def __init__(self, code, message, fix):
        super().__init__("ERROR_CODE: %s - %s" % (code, message))
        self.fix = fix


class NotFound(FileNotFoundError):
    """A missing input, and what to do about it."""

    def __init__(self, message, fix="Provide the missing file in a place that was searched."):
        super().__init__(message)
        self.fix = fix


def bad_archive(path, why):
    return StepError(
        "INVALID_ARCHIVE", "%s: %s" % (path, why), "Download or build model.tar.gz again."
    )


def bad_member(name, why):
    return StepError(
        "UNSAFE_MEMBER", "member %s %s" % (ascii(name), why), "Remove this member from model.tar.gz."
    )


def bad_hyperparameters(path, why):
    return StepError(
        "INVALID_HYPERPARAMETERS", "%s %s" % (path, why), "Provide a JSON object, saved as UTF-8."
    )


def choose_model_path():
    for candidate in CONTAINER_PATHS["MODEL"]:
        if isdir(candidate):
            print("[Input Channel] model artifacts from %s" % candidate, file=sys.stderr)
            return candidate
    found = [candidate for candidate in SOURCE_PATHS["MODEL"] if isdir(candidate)]
    chosen = (found or SOURCE_PATHS["MODEL"])[0]
    print("[SOURCE Fallback] model artifacts from %s" % chosen, file=sys.stderr)
    return chosen


def choose_hyperparams_path():
    for candidate in CONTAINER_PATHS["HYPERPARAMS"]:
        if isdir(candidate):
            print("[Input Channel] hyperparameters from %s" % candidate, file=sys.stderr)
            return candidate
    places = SOURCE_PATHS["HYPERPARAMS"]
    found = [place for place in places if exists(join(place, "hyperparameters.json"))]
    chosen = (found or places)[0]
    print("[SOURCE Fallback] hyperparameters from %s" % chosen, file=sys.stderr)
    return chosen


def find_model_file(input_paths):
    assigned = join(str(input_paths.get("model_artifacts_input", os.devnull)), "model.tar.gz")
    if exists(assigned):
        logger.info("Found model file: %s", assigned)
        return Path(assigned)
    logger.warning("No model file at %s", assigned)
    last_resort = join(HERE, "model.tar.gz")
    if exists(last_resort):
        logger.info("Found model file beside the script: %s", last_resort)
        return Path(last_resort)
    return None


def find_hyperparams_file(input_paths):
    assigned = join(str(input_paths.get("hyperparameters_s3_uri", os.devnull)), "hyperparameters.json")
    if exists(assigned):
        logger.info("Found hyperparameters file: %s", assigned)
        return Path(assigned)
    logger.warning("No hyperparameters file at %s", assigned)
    return None


def searched(key, assigned, filename):
    """Every place where a file was looked for, as text."""
    text = join(assigned, filename)
    if key == "MODEL":
        text += ", " + join(HERE, filename)
    if assigned in CONTAINER_PATHS[key]:
        return text + " (the input channel exists, therefore no SOURCE folder was searched)"
    if assigned in SOURCE_PATHS[key]:
        text += ", " + ", ".join(CONTAINER_PATHS[key] + SOURCE_PATHS[key])
    return text


def decompress(data):
    """The plain tar; every checksum is verified on the way."""
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:3] == b"BZh":
        return bz2.decompress(data)
    if data[:6] == b"\xfd7zXZ\x00":
        return lzma.decompress(data)
    return data


def load(path):
    """Read an archive: a list of (header, bytes or None), in the order of the archive."""
    if not isfile(path):
        raise bad_archive(path, "is not a file")
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        plain = decompress(data)
        tar = tarfile.open(fileobj=BytesIO(plain), mode="r:", **TEXT)
        entries = []
        for header in tar:
            if header.size < 0:
                raise ValueError("negative size")
            header.name = header.pax_headers.get("GNU.sparse.name", header.name)
            content = None
            if not header.issym() and not header.islnk():
                stream = tar.extractfile(header)
                content = stream.read() if stream else None
            entries.append((header, content))
        # tarfile takes a header that it cannot read for the end of the archive.
        if plain[tar.offset : tar.offset + 512] != bytes(512):
            raise ValueError("unreadable header at byte %d" % tar.offset)
    except Exception as error:
        raise bad_archive(path, "cannot be read (%r)" % error) from error
    return entries


def tidy(entries):
    """Clean the headers, so that they can be written anew under their plain names."""
    result = []
    for header, content in entries:
        header.name = normpath(header.name)
        if header.isdir() and header.name.strip("/") in ("", "."):
            continue
        if header.islnk():
            header.linkname = normpath(header.linkname)
        if header.type == tarfile.GNUTYPE_SPARSE:
            header.type = tarfile.REGTYPE
        header.size = len(content or b"")
        for key in list(header.pax_headers):
            if key in ("path", "linkpath", "size", "hdrcharset") or key.startswith("GNU.sparse."):
                del header.pax_headers[key]
        result.append((header, content))
    return result


def check_members(entries):
    """Refuse whatever could reach beyond the folder that the archive is unpacked in."""
    links = {normpath(h.name): h.linkname for h, _ in entries if h.issym()}
    for header, _ in entries:
        name = normpath(header.name)
        if header.isdir() and name.strip("/") in ("", "."):
            continue
        if name.startswith("/"):
            raise bad_member(name, "is absolute")
        if name.split("/")[0] == "..":
            raise bad_member(name, "is not inside the archive")
        if name == ".":
            raise bad_member(name, "replaces the root")
        if header.ischr() or header.isblk():
            raise bad_member(name, "is a device")
        if header.isfifo():
            raise bad_member(name, "is a named pipe")
        if header.issym() and escapes(dirname(name), header.linkname, links):
            raise bad_member(name, "links to %s, outside" % ascii(header.linkname))
        if header.islnk() and escapes("", header.linkname, {}):
            raise bad_member(name, "is a hard link to %s, outside" % ascii(header.linkname))


def escapes(folder, target, links):
    """Follow a link as a file system would. Does it leave the archive?"""
    return follow(folder, target, links, [64]) is None


def follow(folder, target, links, fuel):
    """The path that a link leads to; None when it leaves the archive."""
    if target.startswith("/"):
        return None
    for part in target.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if not folder:
                return None
            folder = dirname(folder)
            continue
        step = join(folder, part)
        if step in links and fuel[0]:
            fuel[0] -= 1
            step = follow(folder, links[step], links, fuel)
            if step is None:
                return None
        folder = step
    return folder


def in_order(entries):
    """Sort by name, hard links last; keep the order where it has a meaning."""
    names = [header.name for header, _ in entries]
    through = tuple(header.name + "/" for header, _ in entries if header.issym())
    if len(set(names)) < len(names) or any(name.startswith(through) for name in names):
        return entries
    return sorted(entries, key=lambda e: (1, "") if e[0].islnk() else (0, e[0].name))


def split_off_hyperparameters(entries):
    """Divide into (other entries, embedded hyperparameters or None)."""
    rest = [entry for entry in entries if entry[0].name != "hyperparameters.json"]
    own = [entry for entry in entries if entry[0].name == "hyperparameters.json"]
    return rest, own[-1] if own else None


def regular(path, entry, entries, hops=20):
    """Hyperparameters as a regular file: a link is replaced with what it leads to."""
    header, content = entry
    while content is None and hops:
        hops -= 1
        start = "" if header.islnk() else dirname(header.name)
        target = normpath(join(start, header.linkname))
        header, content = dict((h.name, (h, c)) for h, c in entries).get(target, (header, None))
    if content is None:
        raise bad_archive(path, "its hyperparameters.json is not a file")
    entry[0].type, entry[0].linkname, entry[0].size = tarfile.REGTYPE, "", len(content)
    return entry[0], content


def complaint(data):
    """Why the bytes are no hyperparameters; None when they are."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=float_trap, parse_int=str)
    except (ValueError, RecursionError) as error:
        return "is not valid UTF-8 JSON (%s)" % error
    return None if isinstance(value, dict) else "is not a JSON object"


def float_trap(constant):
    raise ValueError("%s is not JSON" % constant)


def pack(entries):
    """The bytes of a gzipped tar, in one gzip member."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, **TEXT) as tar:
        for header, content in entries:
            put(tar, header, BytesIO(content or b""))
    return gzip.compress(buffer.getvalue(), 9)


def put(tar, header, stream):
    """Add a member. A name that is no UTF-8 stays out of pax records: GNU tar warns about those."""
    try:
        texts = [header.name, header.linkname, header.uname, header.gname]
        "/".join(texts + list(header.pax_headers.values())).encode("utf-8")
        tar.addfile(header, stream)
    except UnicodeEncodeError:
        records = b"".join(pax_record(key, value) for key, value in header.pax_headers.items())
        if records:
            extended = tarfile.TarInfo("././@PaxHeader")
            extended.type, extended.size = tarfile.XHDTYPE, len(records)
            tar.addfile(extended, BytesIO(records))
        tar.format = tarfile.GNU_FORMAT
        tar.addfile(header, stream)
        tar.format = tarfile.PAX_FORMAT


def pax_record(key, value):
    rest = (" %s=%s\n" % (key, value)).encode(TEXT["encoding"], TEXT["errors"])
    bare = len(rest)
    return next(b"%d%s" % (n, rest) for n in range(bare, bare + 20) if n == bare + len(str(n)))


def save(path, data):
    """Write a file so that it is there completely or not at all."""
    folder = dirname(abspath(path))
    if not ensure_directory(folder):
        raise OSError("cannot create directory %s" % folder)
    temporary = join(folder, ".%s.part" % uuid4().hex)
    LEFTOVERS.append(temporary)
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    finally:
        clean_up()


def clean_up():
    for path in list(LEFTOVERS):
        if exists(path):
            os.remove(path)
        LEFTOVERS.remove(path)


def report(entries, packed):
    size = sum(header.size for header, _ in entries)
    logger.info("Tar creation summary:")
    logger.info("  Files added: %d", len(entries))
    logger.info("  Total uncompressed size: %.2fMB", size / MEGABYTE)
    logger.info("  Compressed tar size: %.2fMB", packed / MEGABYTE)
    logger.info("  Compression ratio: %.2f%%", 100.0 * packed / (size or 1))


def list_contents(entries):
    logger.info("Tar file contents before extraction:")
    for header, _ in entries:
        logger.info("  %s (%.2fMB)", ascii(header.name), header.size / MEGABYTE)
    logger.info("Total size in tar: %.2fMB", sum(h.size for h, _ in entries) / MEGABYTE)


def validate_model(input_path):
    logger.info("Validating %s", input_path)
    if not str(input_path).endswith(".tar.gz"):
        raise StepError("INVALID_FORMAT", "%s is no .tar.gz" % input_path, "Rename the file.")
    load(str(input_path))
    logger.info("Model validation successful")
    return True


def extract_tarfile(tar_path, extract_path):
    logger.info("Extracting %s", tar_path)
    if not exists(str(tar_path)):
        raise NotFound("Tar file not found: %s" % tar_path)
    entries = load(str(tar_path))
    list_contents(entries)
    check_members(entries)
    if not ensure_directory(extract_path):
        raise OSError("cannot create directory %s" % extract_path)
    buffer = BytesIO(pack(in_order(tidy(entries))))
    with tarfile.open(fileobj=buffer, **TEXT) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.fully_trusted_filter
        tar.extractall(str(extract_path))
    logger.info("Extraction complete")


def create_tarfile(output_tar_path, source_dir):
    logger.info("Creating %s from %s", output_tar_path, source_dir)
    if not isdir(str(source_dir)):
        raise NotFound("Directory to pack not found: %s" % source_dir)
    buffer, entries = BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, **TEXT) as tar:
        for folder, folders, files in os.walk(str(source_dir)):
            folders.sort()
            for name in sorted(folders + files):
                path = join(folder, name)
                logger.info("Adding %s", path)
                header = tar.gettarinfo(path, arcname=os.path.relpath(path, str(source_dir)))
                entries.append((header, None))
                with open(path if header.isreg() else os.devnull, "rb") as stream:
                    put(tar, header, stream)
    packed = gzip.compress(buffer.getvalue(), 9)
    save(str(output_tar_path), packed)
    report(entries, len(packed))


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    logger.info("Processing %s with %s into %s", model_path, hyperparams_path, output_dir)
    if not exists(str(model_path)):
        raise NotFound("Model file not found: %s" % model_path)
    validate_model(model_path)
    entries = load(str(model_path))
    list_contents(entries)
    check_members(entries)
    rest, own = split_off_hyperparameters(tidy(entries))
    if own:
        logger.info("HYPERPARAMETERS ALREADY IN MODEL")
        own = regular(model_path, own, rest)
        if hyperparams_path:
            logger.warning("Input %s will be IGNORED", hyperparams_path)
            logger.warning("Reason: the model already contains hyperparameters")
        if complaint(own[1]):
            logger.warning("The embedded hyperparameters.json %s", complaint(own[1]))
    else:
        logger.info("HYPERPARAMETERS NOT IN MODEL")
        if not hyperparams_path:
            raise NotFound(
                "hyperparameters.json is neither in %s nor provided as an input" % model_path
            )
        own = read_hyperparameters(str(hyperparams_path))
        logger.info("Injecting %s", hyperparams_path)
    result = in_order([own] + rest)
    packed = pack(result)
    save(join(str(output_dir), "model.tar.gz"), packed)
    report(result, len(packed))
    logger.info("Processing complete: %s", join(str(output_dir), "model.tar.gz"))
    return Path(str(output_dir)) / "model.tar.gz"


def read_hyperparameters(path):
    """The entry to inject."""
    if not exists(path):
        raise NotFound("Hyperparameters file not found: %s" % path)
    if not isfile(path):
        raise bad_hyperparameters(path, "is not a file")
    with open(path, "rb") as stream:
        data = stream.read()
    if complaint(data):
        raise bad_hyperparameters(path, complaint(data))
    header = tarfile.TarInfo("hyperparameters.json")
    header.size, header.mtime = len(data), int(os.stat(path).st_mtime)
    return header, data


def ensure_directory(directory):
    try:
        os.makedirs(str(directory), exist_ok=True)
        logger.info("Directory is there: %s", directory)
        return True
    except Exception:
        logger.error("Cannot create directory %s\n%s", directory, traceback.format_exc())
        return False


def copy_file(src, dst):
    logger.info("Copying %s to %s", src, dst)
    if not exists(str(src)):
        raise NotFound("Source file not found: %s" % src)
    if not ensure_directory(dirname(str(dst)) or "."):
        raise OSError("cannot create directory of %s" % dst)
    shutil.copy2(str(src), str(dst))
    logger.info("Copied")


def main(input_paths, output_paths, environ_vars, job_args=None):
    model_dir = str(input_paths.get("model_artifacts_input", os.devnull))
    hyperparams_dir = str(input_paths.get("hyperparameters_s3_uri", os.devnull))
    logger.info("Inputs: %s, %s", model_dir, hyperparams_dir)
    model_path = find_model_file(input_paths)
    if model_path is None:
        places = searched("MODEL", model_dir, "model.tar.gz")
        raise NotFound("Model file (model.tar.gz) not found in any of these locations: " + places)
    hyperparams_path = find_hyperparams_file(input_paths)
    try:
        return process_model_with_hyperparameters(
            model_path, hyperparams_path, Path(str(output_paths["model_output"]))
        )
    except NotFound as error:
        places = searched("HYPERPARAMS", hyperparams_dir, "hyperparameters.json")
        raise NotFound("%s; searched: %s" % (error, places))


def is_training_job():
    config = "/opt/ml/input/config/resourceconfig.json"
    return exists(config) and not exists("/opt/ml/config/processingjobconfig.json")


def hand_over(archive, collected="/opt/ml/model"):
    """Leave the members where a training job is collected: all of them, or none."""
    own = join(collected, "." + uuid4().hex)
    moved = []
    try:
        extract_tarfile(archive, own)
        for name in os.listdir(own):
            os.replace(join(own, name), join(collected, name))
            moved.append(name)
    except BaseException:
        for name in moved:
            os.replace(join(collected, name), join(own, name))
        raise
    finally:
        shutil.rmtree(own, ignore_errors=True)


def terminate(signum, frame):
    clean_up()
    os._exit(128 + signum)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s: %(message)s")
    atexit.register(clean_up)
    signal.signal(signal.SIGTERM, terminate)
    try:
        result = main(
            {
                "model_artifacts_input": choose_model_path(),
                "hyperparameters_s3_uri": choose_hyperparams_path(),
            },
            {"model_output": CONTAINER_PATHS["OUTPUT"]},
            dict(os.environ),
        )
        if is_training_job():
            hand_over(result)
    except Exception as problem:
        traceback.print_exc(file=sys.stderr)
        todo = getattr(problem, "fix", "Check the message above, free disk space, and try again.")
        print("What to do: %s" % todo, file=sys.stderr)
        sys.exit(1)
