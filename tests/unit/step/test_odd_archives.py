"""Archives that programs take differently, that cost more than they are worth, or reach out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import headers
from tests.fuzz.headers import END, GNU, file, folder, link, long, pax, record
from tests.unit.step.packing import HYPERPARAMETERS, SCRIPT, contents, members, process, put, tree

OWN = b'{"own": 1}'
A, Z = file(b"a", b"first"), file(b"z.txt", b"last")
LONG = b"d" * 60 + b"/" + b"e" * 38 + b"/weights.bin"


def _folders(*modes: int) -> bytes:
    return b"".join(folder(b"d", mode) for mode in modes)


INVALID = {
    "second bzip2 stream": bz2.compress(A) + bz2.compress(Z + END)[:-4] + b"\0\0\0\0",
    "second bzip2 stream cut": bz2.compress(A) + bz2.compress(Z + END)[:3],
    "second xz stream": lzma.compress(A) + lzma.compress(Z + END)[:-30] + bytes(30),
    "padding of xz": lzma.compress(A + END) + bytes(3),
    "rubbish after the padding of xz": lzma.compress(A + END) + bytes(4) + b"rubbish",
    "xz that takes much memory": lzma.compress(
        A + END, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]
    ),
    "second gzip member": gzip.compress(A) + gzip.compress(Z + END)[:-8] + bytes(8),
    "second gzip member cut": gzip.compress(A) + b"\x1f",
    "sparse size alone": pax((b"GNU.sparse.realsize", b"9")) + A + Z,
    "two maps": pax((b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.major", b"1")) + A,
    "overlapping pieces": headers.sparse(b"s", ((600, b"x" * 512), (0, b"y" * 512)), 2000),
    "more stored than mapped": headers.old_sparse(b"s", ((0, b"x"),), 0),
    "user of 67 bits": file(b"a", uid=b"\x80\x07" + b"\xff" * 6),
    "user that is negative": file(b"a", uid=b"\xff" * 8),
    "user in a record": pax((b"uid", b"4294967296")) + A,
    "number with an underscore": file(b"a", uid=b"0000_12\0"),
    "group that no header holds": pax((b"gname", b"\xff" * 40)) + A,
    "long path": long(b"a/" * 40_000) + A,
    "long target": long(b"a/" * 40_000, b"K") + link(b"l", b"x"),
    "long path in a record": pax((b"path", b"a/" * 40_000)) + A,
    "two names": long(b"one") + pax((b"path", b"two")) + A,
    "record whose name has a NUL": pax((b"SCHILY.xattr.user.\0x", b"v")) + A + END,
    "two pax headers": pax((b"mtime", b"1")) + pax((b"mtime", b"2")) + A,
    "size for all members": pax((b"size", b"1"), kind=b"g") + A,
    "attribute for all members": pax((b"SCHILY.xattr.user.a", b"1"), kind=b"g") + A,
    "headers and no member": A + pax((b"mtime", b"1")) + END,
    "file below a file": A + file(b"a/b") + END,
    "file in the place of a folder": folder(b"a") + A + END,
    "hard link to nothing": link(b"l", b"nowhere", b"1") + END,
    "hard link to a link that comes later": (
        link(b"d/h", b"l", b"1") + file(b"a") + link(b"l", b"a") + END
    ),
    "hard link through a link that comes later": (
        link(b"h", b"l/b", b"1") + link(b"l", b"d") + file(b"d/b") + END
    ),
    "owner that only its record tells": pax((b"uid", b"7")) + file(b"a", uid=b"0000_12\0") + END,
    "negative owner in the header, and another in its record": (
        pax((b"uid", b"7")) + file(b"a", uid=b"\xff" * 8) + END
    ),
    "owner of 33 bits in the header, and another in its record": (
        pax((b"uid", b"7")) + file(b"a", uid=b"\x80\0\0\1" + bytes(4)) + END
    ),
    "hard links in a ring": link(b"k", b"l", b"1") + link(b"l", b"k", b"1") + END,
    "hard link in the place of a file": A + Z + link(b"a", b"z.txt", b"1") + END,
    "hard link whose target is replaced": A + link(b"l", b"a", b"1") + A + END,
    "file in the place of a link": link(b"l", b"a") + A + file(b"l") + END,
    "link to no name": link(b"l", b"") + END,
    "folder with bytes": file(b"d/", b"x") + END,
    "part of a larger archive": file(b"a", b"x", b"M", magic=GNU) + END,
    "folder whose first mode comes again": _folders(0o755, 0o644, 0o755),
    "folder that gets the mode it is made with": _folders(0o644, 0o744),
    "folder that loses a right of others": _folders(0o777, 0o755),
    "folder that is there for a file": file(b"d/x") + _folders(0o700, 0o755),
    "link with dots, then another one": link(b"a/b", b"../b") + link(b"a/b", b"..") + END,
    "link with dots, then one without": link(b"l", b"d/../a") + link(b"l", b"a") + END,
    "link with dots in between": (
        link(b"d/l", b"a") + link(b"d/l", b"../a") + link(b"d/l", b"a") + END
    ),
    "hyperparameters that were a link with dots": (
        link(HYPERPARAMETERS.encode(), b"d/../a") + file(HYPERPARAMETERS.encode(), b"{}") + END
    ),
}
UNSAFE = {
    "link over a folder": folder(b"b") + link(b"b", b"c") + link(b"b/c", b"../..") + END,
    "link over what lies below": file(b"b/x") + link(b"b", b"c") + END,
    "folder over a link": folder(b"c") + link(b"b", b"c") + folder(b"b") + END,
    "hard link over a folder": folder(b"b") + link(b"s", b"a") + link(b"b", b"s", b"1") + END,
    "hard link to a link out of its folder": folder(b"d")
    + link(b"d/s", b"../z.txt")
    + link(b"h", b"d/s", b"1")
    + END,
    "link through a later link": link(b"l", b"d/..") + link(b"d", b"x/y/z/../../../..") + END,
    "link through the one that it replaces": link(b"d", b".") + link(b"d", b"d/../a") + END,
    "device that a pax header names": pax((b"path", b"tty")) + file(b"x", b"", b"3") + END,
}


@pytest.mark.parametrize("name", INVALID)
def test_what_has_no_sure_reading_is_invalid(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^ERROR_CODE: INVALID_ARCHIVE - "):
        process(tmp_path, INVALID[name])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", UNSAFE)
def test_what_leads_out_when_it_is_extracted_is_unsafe(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^ERROR_CODE: UNSAFE_MEMBER - "):
        process(tmp_path, gzip.compress(UNSAFE[name]))
    assert not (tmp_path / "out").exists()


ACCEPTED: dict[str, tuple[bytes, list[tuple[str, str, int]]]] = {
    "headers for all members": (pax((b"comment", b"c"), kind=b"g") * 3000 + A, [("a", "0", 5)]),
    "header for all members at the end": (A + pax((b"comment", b"c"), kind=b"g"), [("a", "0", 5)]),
    "label": (file(b"label", b"", b"V", magic=GNU) + A, [("a", "0", 5)]),
    "list of a folder": (
        file(b"d/", b"Ya\0\0", b"D", magic=GNU) + A,
        [("d", "5", 0), ("a", "0", 5)],
    ),
    "times in the place of a prefix": (
        file(b"a", b"x", magic=GNU, rest=b"15302000000\x0015302000000\0"),
        [("a", "0", 1)],
    ),
    "folder as a file": (file(b"d/", b"", b"7") + file(b"d/x"), [("d", "5", 0), ("d/x", "0", 1)]),
    "folder as a file with a long name": (
        long(b"f" * 120 + b"/") + file(b"f" * 100, b"") + Z,
        [("f" * 120, "5", 0), ("z.txt", "0", 4)],
    ),
    "old file with a name cut at a slash": (
        long(LONG) + file(LONG[:100], b"w" * 3072, b"\0", magic=GNU) + Z,
        [(LONG.decode(), "0", 3072), ("z.txt", "0", 4)],
    ),
    "old file that begins with a dot": (
        pax((b"path", b"./" + LONG)) + file(LONG[:61], b"w", b"\0") + Z,
        [(LONG.decode(), "0", 1), ("z.txt", "0", 4)],
    ),
    "link before its target": (
        link(b"l", b"a", b"1") + link(b"k", b"l", b"1") + A,
        [("a", "0", 5), ("l", "1", 0), ("k", "1", 0)],
    ),
    "written through a link": (
        folder(b"d") + link(b"l", b"d") + file(b"l/x"),
        [("d", "5", 0), ("l", "2", 0), ("d/x", "0", 1)],
    ),
    "hard link to a link that leads nowhere": (
        link(b"s", b"nowhere") + link(b"h", b"s", b"1") + A,
        [("s", "2", 0), ("h", "2", 0), ("a", "0", 5)],
    ),
    "equal names": (A + file(b"a", b"second"), [("a", "0", 5), ("a", "0", 6)]),
    "no owner in the header, and one in its record": (
        pax((b"uid", b"7")) + file(b"a", uid=b"\x80\0\0\0" + b"\xff" * 4),
        [("a", "0", 1)],
    ),
    "folder twice": (_folders(0o755, 0o755), [("d", "5", 0)] * 2),
    "folder that loses all rights of others": (_folders(0o755, 0o700), [("d", "5", 0)] * 2),
    "folder that gets more rights": (_folders(0o700, 0o755, 0o775), [("d", "5", 0)] * 3),
    "folder after its file": (file(b"d/x") + _folders(0o755), [("d/x", "0", 1), ("d", "5", 0)]),
    "link with dots twice": (
        link(b"d/l", b"../a") * 2 + A,
        [("d/l", "2", 0)] * 2 + [("a", "0", 5)],
    ),
    "link, then one with dots": (
        link(b"d/l", b"a") + link(b"d/l", b"../a"),
        [("d/l", "2", 0)] * 2,
    ),
    "file, then a link with dots": (
        file(b"d/l") + link(b"d/l", b"../a"),
        [("d/l", "0", 1), ("d/l", "2", 0)],
    ),
    "sparse file with a size": (
        pax(
            *((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"size", b"1024")),
            *((b"GNU.sparse.name", b"s"), (b"GNU.sparse.realsize", b"9000")),
        )
        + file(b"GNUSparseFile.1/s", headers.padded(b"1\n512\n512\n") + b"x" * 512)
        + Z,
        [("s", "0", 9000), ("z.txt", "0", 4)],
    ),
    "sparse file of the first kind": (
        pax(
            *((b"GNU.sparse.size", b"9000"), (b"GNU.sparse.numblocks", b"1")),
            *((b"GNU.sparse.offset", b"512"), (b"GNU.sparse.numbytes", b"512")),
        )
        + file(b"s", b"x" * 512)
        + Z,
        [("s", "0", 9000), ("z.txt", "0", 4)],
    ),
    "unknown kind": (file(b"a", b"x", b"Z"), [("a", "0", 1)]),
    "link with a size": (headers.header(b"l", 512, b"2", b"a") + A, [("l", "2", 0), ("a", "0", 5)]),
}


@pytest.mark.parametrize("name", ACCEPTED)
@pytest.mark.parametrize("mode", ["r:gz", "r|gz"])
def test_what_the_programs_see_comes_out(tmp_path: Path, name: str, mode: str) -> None:
    archive, expected = ACCEPTED[name]
    out = process(tmp_path, gzip.compress(archive + END))
    with tarfile.open(fileobj=io.BytesIO(out), mode=mode) as found:  # type: ignore[call-overload]
        seen = [(one.name, one.type.decode(), one.size) for one in found]
    assert sorted(seen) == sorted([*expected, ("hyperparameters.json", "0", 13)])


def test_hyperparameters_behind_a_misread_header_are_the_own_ones(tmp_path: Path) -> None:
    own = file(HYPERPARAMETERS.encode(), OWN, magic=GNU, rest=b"15302000000\x0015302000000\0")
    assert contents(process(tmp_path, gzip.compress(own + Z + END))) == [
        (HYPERPARAMETERS, OWN),
        ("z.txt", b"last"),
    ]


@pytest.mark.parametrize("dot", [b"", b"./"], ids=["spliced", "rewritten"])
def test_extended_attributes_come_out_as_they_went_in(tmp_path: Path, dot: bytes) -> None:
    attributes = (
        (b"SCHILY.xattr.user.a", bytes(range(256))),
        (b"SCHILY.xattr.user.\xff", b"1"),
        (b"LIBARCHIVE.xattr.user.b", b"YQ"),
    )
    out = gzip.decompress(
        process(tmp_path, gzip.compress(pax(*attributes) + file(dot + b"a") + END))
    )
    assert all(record(*one) in out for one in attributes)


def test_comments_are_left_out(tmp_path: Path) -> None:
    # Some versions of tarfile search them for something else, in time that grows with the square.
    out = gzip.decompress(process(tmp_path, gzip.compress(pax((b"comment", b"7" * 90)) + A + END)))
    assert b"first" in out
    assert b"comment" not in out


def test_what_follows_the_compressed_data_is_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, packed in enumerate((gzip.compress(A + END), bz2.compress(A + END))):
        caplog.clear()
        out = process(tmp_path / str(number), packed + b"garbage")
        assert [one.name for one in members(out)].count("a") == 1
        assert any("is ignored" in one.message for one in caplog.records if one.levelno >= 30)


COSTLY: dict[str, Callable[[], bytes]] = {
    "keys": lambda: file(b"x", b"".join(b"9 %04x=\n" % n for n in range(65_536)) * 9, b"x") + A,
    "comment": lambda: pax((b"comment", b"7" * 3_000_000)) + A,
    "pax header": lambda: file(b"x", b" " * (1 << 26), b"x") + A,
    "old map": lambda: (
        headers.header(b"s", 0, b"S", magic=GNU, rest=bytes(137) + b"\1")
        + (b"00000000001\x0000000000001\0" * 21 + b"\1" + bytes(7)) * 100_000
    ),
    "map": lambda: (
        pax(
            *((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")),
            (b"GNU.sparse.realsize", b"9999999"),
        )
        + file(b"s", b"3000000\n" + b"1\n" * 6_000_000)
    ),
    "links": lambda: b"".join(link(b"l%d" % n, b"a/" * 49) for n in range(20_000)),
    "deep paths": lambda: b"".join(
        long(b"%d/" % n + b"a/" * 2000 + b"f") + file(b"x") for n in range(150)
    ),
    "hyperparameters": lambda: b"".join(
        file(HYPERPARAMETERS.encode(), b"{}") + link(b"k%d" % n, HYPERPARAMETERS.encode(), b"1")
        for n in range(3000)
    ),
    "members": lambda: b"".join(file(b"f%d" % n, b"") for n in range(40_000)),
    "chain": lambda: b"".join(link(b"l%d" % n, b"l%d" % (n + 1)) for n in range(9_000)) + A,
}


@pytest.mark.parametrize("name", COSTLY)
def test_no_header_costs_more_than_it_is_long(tmp_path: Path, name: str) -> None:
    model = put(tmp_path / "model.tar.gz", gzip.compress(COSTLY[name]() + END, 1))
    given = put(tmp_path / HYPERPARAMETERS, OWN)
    code = f"""
import resource, runpy, sys
from pathlib import Path
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
step = runpy.run_path({str(SCRIPT)!r}, run_name="step")
before = peak()
try:
    step["process_model_with_hyperparameters"](*map(Path, sys.argv[1:]))
except ValueError as error:
    assert "INVALID_ARCHIVE" in str(error), error
usage = resource.getrusage(resource.RUSAGE_SELF)
print(peak() - before, usage.ru_utime + usage.ru_stime)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(model), str(given), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    kilobytes, seconds = map(float, ran.stdout.split())
    assert kilobytes < 64 * 1024
    # CPU time, which a busy machine does not change much; work that is quadratic takes minutes.
    assert seconds < 30
    assert [one for one in tree(tmp_path / "out") if one != "model.tar.gz"] == []
