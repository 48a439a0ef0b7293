"""The forms of data files by their suffix: JSON, tables, archives and images, read strictly."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import mimetypes
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

csv.field_size_limit(sys.maxsize)

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_ARCHIVE_ERRORS = (tarfile.TarError, zlib.error, OSError, EOFError, ValueError)
# What may delimit the fields of a table of text.
DELIMITERS = (",", ";", "\t", "|")


class Malformed(ValueError):
    """A file has not the form that its suffix says; the message says why."""


class MissingLibrary(Exception):
    """A file cannot be read, because a library is not installed; the message says which."""


def suffix(name: str) -> str:
    """The suffix that says the form of a file: `.tar.gz` for `model.tar.gz` and `.tgz`.

    Of a compressed file it is that of what is in it: `.csv` for `x.csv.gz`.
    """
    suffixes = [one.lower() for one in PurePosixPath(name).suffixes]
    if suffixes[-1:] == [".tgz"] or suffixes[-2:] == [".tar", ".gz"]:
        return ".tar.gz"
    if suffixes[-1:] == [".gz"] and len(suffixes) > 1 and suffixes[-2] in _CHECKS:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""


def is_compressed(name: str) -> bool:
    """Whether the name says that the file is compressed with gzip."""
    return name.lower().endswith((".gz", ".tgz"))


def check(name: str, data: bytes) -> None:
    """Raise `Malformed` unless the file has the form that its suffix says."""
    if not data:
        raise Malformed("it has zero bytes")
    plain = plain_bytes(name, data)
    find = _CHECKS.get(suffix(name))
    if find is not None:
        find(plain)


def plain_bytes(name: str, data: bytes) -> bytes:
    """The bytes of a file, decompressed if its name says so; raises `Malformed`."""
    if not is_compressed(name):
        return data
    try:
        return gzip.decompress(data)
    except _ARCHIVE_ERRORS as error:
        raise Malformed(f"it is no whole gzip file: {error}") from None


def text_of(data: bytes) -> str:
    """The text of bytes in UTF-8; raises `Malformed`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"it is not UTF-8: {error.reason} at byte {error.start}") from None


def parse_json(data: bytes) -> Any:
    """The value of strict JSON, without NaN and Infinity; raises `Malformed`."""
    return _parse(text_of(data))


def parse_lines(data: bytes) -> list[Any]:
    """The values of JSON lines; raises `Malformed`."""
    values = []
    for number, line in enumerate(text_of(data).split("\n"), 1):
        if line.strip():
            try:
                values.append(_parse(line))
            except Malformed as error:
                raise Malformed(f"line {number}: {error}") from None
    return values


def _parse(text: str) -> Any:
    if not text.strip():
        raise Malformed("it is empty")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        hint = ", but a Python literal" if _is_literal(text) else ""
        shown = text[error.pos : error.pos + 20]
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed(
            f"it is not JSON{hint}: {error.msg} at {where}" + (f": {shown!r}" if shown else "")
        ) from None
    except RecursionError:
        raise Malformed("it is nested too deeply") from None
    if isinstance(value, str) and _is_literal(value):
        raise Malformed(f"it is a text that holds a Python literal: {value[:40]!r}")
    return value


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"it holds {name}, which is not JSON")


def _is_literal(text: str) -> bool:
    """Whether a text is how Python shows a list, a dictionary or the like."""
    try:
        return isinstance(ast.literal_eval(text.strip()), dict | list | tuple | set)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def csv_rows(name: str, data: bytes) -> list[list[str]]:
    """The rows of a table of delimited text, the header with them; raises `Malformed`."""
    return delimited_rows(name, data)[1]


def delimited_rows(name: str, data: bytes) -> tuple[str, list[list[str]]]:
    """What delimits the fields of a table, and its rows; raises `Malformed`.

    Rows with unlike numbers of fields are refused. What delimits the fields of `.csv` is a comma,
    unless all rows are alike only with another sign.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise Malformed("it holds NUL characters")
    delimiters = ("\t",) if suffix(name) == ".tsv" else DELIMITERS
    tables: list[list[list[str]]] = []
    first_error: Malformed | None = None
    for number, delimiter in enumerate(delimiters):
        try:
            rows = _delimited(text, delimiter)
        except Malformed as error:
            first_error = error if number == 0 else first_error
            continue
        if len(rows[0]) > 1:
            return delimiter, rows
        tables.append(rows)
    # No sign delimits fields: one in each row, unless commas do so in some.
    if first_error is not None:
        raise first_error
    return delimiters[0], tables[0]


def _delimited(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise Malformed(
                    f"line {reader.line_num} has {len(row)} fields, and the first row "
                    f"{len(rows[0])}"
                )
            rows.append(row)
    except csv.Error as error:
        raise Malformed(f"line {reader.line_num}: {error}") from None
    if not rows:
        raise Malformed("it holds no row")
    return rows


def is_number(cell: str) -> bool:
    """Whether a cell of a table holds a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parquet(data: bytes) -> Any:
    """The pyarrow table of a Parquet file; raises `Malformed` and `MissingLibrary`."""
    if find_spec("pyarrow") is None:
        raise MissingLibrary(
            "pyarrow is not installed where the harness is: pip install 'pyarrow>=15'"
        )
    import pyarrow
    from pyarrow import parquet as files

    try:
        return files.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise Malformed(f"it is no Parquet file that can be read: {first}") from None


def tar_members(data: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The members of a tar, compressed or not, each with its bytes; raises `Malformed`."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as tar:
            for info in tar:
                stream = tar.extractfile(info) if info.isreg() or info.islnk() else None
                yield info, stream.read() if stream else b""
    except KeyError as error:
        raise Malformed(f"a link in it leads nowhere: {error.args[0]}") from None
    except _ARCHIVE_ERRORS as error:
        raise Malformed(f"it is no whole tar: {error}") from None


def _check_tar(data: bytes) -> None:
    # Python 3.10 and 3.11 have it from 3.10.12 and 3.11.4 on.
    safe: Callable[[tarfile.TarInfo, str], object] | None = getattr(tarfile, "data_filter", None)
    for info, _ in tar_members(data):
        if info.name.startswith("/"):
            raise Malformed(f"it cannot be extracted safely: {info.name!r} has an absolute path")
        try:
            if safe is not None:
                safe(info, "/extracted")
        except tarfile.TarError as error:
            raise Malformed(f"it cannot be extracted safely: {error}") from None


def _check_zip(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, *_ARCHIVE_ERRORS) as error:
        raise Malformed(f"it is no whole zip: {error}") from None
    if damaged is not None:
        raise Malformed(f"its member {damaged} is damaged")


def _check_parquet(data: bytes) -> None:
    try:
        parquet(data)
    except MissingLibrary:
        if not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
            raise Malformed("it is no whole Parquet file") from None


def is_image(name: str) -> bool:
    """Whether the suffix says that the file is an image, of whichever kind."""
    kind, _ = mimetypes.guess_type(name)
    return kind is not None and kind.startswith("image/")


def _image_check(starts: tuple[bytes, ...], end: bytes = b"") -> Callable[[bytes], None]:
    """A check of how an image begins, and of the sign of its end, which is in its second half.

    Whether its pixels can be read is not known without a library for that.
    """

    def check_image(data: bytes) -> None:
        if not data.startswith(starts):
            raise Malformed(f"it does not begin as such an image: {data[:8]!r}")
        if end not in data[len(data) // 2 :]:
            raise Malformed("it is cut short: the end of the image is not in it")

    return check_image


def has_form(name: str) -> bool:
    """Whether the suffix says a form that `check` knows."""
    return suffix(name) in _CHECKS or is_compressed(name)


_CHECKS: Mapping[str, Callable[[bytes], object]] = {
    ".json": parse_json,
    ".jsonl": parse_lines,
    ".csv": lambda data: csv_rows(".csv", data),
    ".tsv": lambda data: csv_rows(".tsv", data),
    ".parquet": _check_parquet,
    ".tar.gz": _check_tar,
    ".tar": _check_tar,
    ".zip": _check_zip,
    ".npz": _check_zip,
    ".png": _image_check((b"\x89PNG\r\n\x1a\n",), b"IEND\xaeB`\x82"),
    **dict.fromkeys((".jpg", ".jpeg"), _image_check((b"\xff\xd8\xff",), b"\xff\xd9")),
    ".gif": _image_check((b"GIF87a", b"GIF89a"), b";"),
    ".bmp": _image_check((b"BM",)),
    ".webp": _image_check((b"RIFF",)),
    **dict.fromkeys((".tif", ".tiff"), _image_check((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))),
}
