"""When the step splices, copies or rewrites, and that all three give the same archive."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import logging
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from tests.unit.step.packing import (
    GIVEN,
    HYPERPARAMETERS,
    Entry,
    contents,
    folder,
    hardlink,
    load,
    member,
    members,
    process,
    put,
    step,
    symlink,
    tar,
    targz,
    tree,
)

WEIGHTS = member("model.pth", random.Random(1).randbytes(5_000))
OWN = member(HYPERPARAMETERS, b'{"own": 1}\n', mode=0o640)
PLAIN = tar(WEIGHTS, folder("code"), member("code/run.py", b"run()\n"))


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def way(messages: list[str]) -> str:
    """How the output was written, as the log says it."""
    (said,) = (one for one in messages if one.startswith("The archive is "))
    return said.removeprefix("The archive is ").partition(" because of ")[0]


def again(at: Path, script: Any = step) -> Path:
    """What the step makes of the inputs that `process` has left in the folder `at`."""
    source, provided = at / "in" / "model.tar.gz", at / "given" / HYPERPARAMETERS
    written: Path = script.process_model_with_hyperparameters(source, provided, at / "again")
    return written


# --- The checksum of two parts ------------------------------------------------------------------


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_checksum_of_a_whole_follows_from_its_parts(first: bytes, second: bytes) -> None:
    combined = step.crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second))
    assert combined == zlib.crc32(first + second)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**35), min_size=1, max_size=6))
def test_parts_of_any_length_can_be_appended_one_by_one(first: int, lengths: list[int]) -> None:
    # Nothing but a length tells long parts apart: a wrong power of x would show in the sum.
    one_by_one = first
    for length in lengths:
        one_by_one = step.crc32_combine(one_by_one, 0, length)
    assert one_by_one == step.crc32_combine(first, 0, sum(lengths))


def test_a_second_part_of_more_than_four_gibibytes() -> None:
    block, count = bytes(1 << 24), 259
    first, second = zlib.crc32(b"first"), 0
    whole = first
    for _ in range(count):
        second, whole = isal_zlib.crc32(block, second), isal_zlib.crc32(block, whole)
    length = count * len(block)
    assert length > 2**32
    assert step.crc32_combine(first, second, length) == whole
    assert step.crc32_combine(first, second, length % 2**32) != whole


# --- Generated archives: a splice holds what a rewrite holds ------------------------------------

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
PARTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=12,
).filter(lambda part: part not in (".", "..", HYPERPARAMETERS))


@st.composite
def archives(draw: st.DrawFn) -> tuple[list[Entry], int, int]:
    """Members of every kind, with names that need no change; a tar format; a gzip level."""
    paths = draw(st.lists(st.lists(PARTS, min_size=1, max_size=4), unique_by=tuple, max_size=8))
    entries: list[Entry] = []
    files: list[str] = []
    for parts in paths:
        name = "/".join(parts)
        values: dict[str, Any] = {
            "mode": draw(st.integers(0, 0o7777)),
            "mtime": draw(st.integers(0, 2**33 - 1)),
            "uid": draw(st.integers(0, 0o7777777)),
            "uname": draw(st.sampled_from(["", "root", "josé"])),
        }
        kind = draw(st.sampled_from(["file", "file", "folder", "symlink", "hardlink"]))
        if any(other != parts and other[: len(parts)] == parts for other in paths):
            # What others lie in is a folder: no program extracts a file that is one too.
            kind = "folder"
        if kind == "folder":
            entries.append(folder(name, **values))
        elif kind == "symlink":
            entries.append(symlink(name, draw(PARTS)))
        elif kind == "hardlink" and files:
            entries.append(hardlink(name, draw(st.sampled_from(files))))
        else:
            entries.append(member(name, draw(st.binary(max_size=2_000)), **values))
            files.append(name)
    return entries, draw(st.sampled_from(FORMATS)), draw(st.integers(0, 9))


def described(data: bytes) -> list[tuple[Any, ...]]:
    """All that is in an archive, as a stream reader finds it."""
    fields = ("name", "type", "mode", "mtime", "uid", "gid", "uname", "gname", "linkname", "size")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|gz") as archive:
        return [
            (
                *(getattr(one, field) for field in fields),
                archive.extractfile(one).read() if one.isreg() else b"",  # type: ignore[union-attr]
            )
            for one in archive
        ]


def unpacked(data: bytes) -> bytes:
    """The bytes in a file that is one gzip member and nothing else."""
    inflate = zlib.decompressobj(wbits=31)
    unpacked = inflate.decompress(data)
    assert inflate.eof
    assert inflate.unused_data == b""
    return unpacked


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(generated=archives(), name=st.sampled_from(["", "model.tar"]))
def test_a_splice_holds_what_a_rewrite_of_the_same_holds(
    caplog: pytest.LogCaptureFixture, generated: tuple[list[Entry], int, int], name: str
) -> None:
    entries, form, level = generated
    try:
        plain = tar(*entries, format=form)
    except ValueError:  # USTAR cannot say everything.
        plain = tar(*entries)
    packed = io.BytesIO()
    with gzip.GzipFile(name, "wb", level, packed, mtime=0) as stream:
        stream.write(plain)
    caplog.clear()
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        spliced = process(Path(scratch), packed.getvalue())
        assert way(caplog.messages) == "spliced"
        patch.setattr(step, "_obstacle", lambda *_: "this test")
        rewritten = again(Path(scratch)).read_bytes()
    assert unpacked(spliced).endswith(plain)
    first, *others = described(spliced)
    *same, last = described(rewritten)
    assert others == same
    assert first[0] == HYPERPARAMETERS
    assert first == last


@settings(deadline=None, max_examples=40)
@given(generated=archives())
def test_names_that_need_a_change_come_out_normalised(
    generated: tuple[list[Entry], int, int],
) -> None:
    entries, _, _ = generated
    plain = [info.name for info, _ in entries]
    for info, _ in entries:
        info.name = f"./{info.name}"
    with tempfile.TemporaryDirectory() as scratch:
        out = process(Path(scratch), targz(*entries))
    assert [one.name for one in members(out)] in (
        [*plain, HYPERPARAMETERS],
        [HYPERPARAMETERS],  # There was nothing to normalise.
    )


# --- Which way is taken -------------------------------------------------------------------------


def with_gzip_header(flags: int, extra: bytes, *, data: bytes = PLAIN) -> bytes:
    """A gzip member with optional fields in its header."""
    packed = gzip.compress(data, mtime=0)
    header = packed[:3] + bytes([flags]) + packed[4:10] + extra
    checksum = (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") if flags & 2 else b""
    return header + checksum + packed[10:]


def with_pax(records: dict[str, str]) -> bytes:
    """An archive with these pax records."""
    info, data = member("pax.bin", b"x")
    info.pax_headers = records
    return targz(WEIGHTS, (info, data))


def with_raw_pax(records: bytes) -> bytes:
    """An archive with a pax header of these bytes."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    pax = header.tobuf(tarfile.USTAR_FORMAT) + records.ljust(tarfile.BLOCKSIZE, b"\0")
    return gzip.compress(pax + PLAIN, mtime=0)


def record(text: str) -> bytes:
    """One pax record of less than a hundred bytes."""
    return b"%d %s\n" % (len(text) + 4, text.encode())


ALL = 4 | 8 | 16
SPLICED = {
    "plain": gzip.compress(PLAIN),
    "stored": gzip.compress(PLAIN, 0),
    "nothing in it": targz(),
    "gnu": targz(WEIGHTS, member("n" * 300, b"x"), format=tarfile.GNU_FORMAT),
    "pax": targz(WEIGHTS, member("n" * 300, b"x", mtime=1.5)),
    "pax records that go on": with_pax({"atime": "1.5", "SCHILY.xattr.user.a": "b"}),
    "file name": with_gzip_header(8, b"model.tar\0"),
    "comment": with_gzip_header(16, b"said\0"),
    "extra field": with_gzip_header(4, b"\3\0abc"),
    "text flag": with_gzip_header(1, b""),
    "all fields and their checksum": with_gzip_header(ALL | 2, b"\3\0a\0cname\0said\0"),
    "link to the injected file": targz(WEIGHTS, symlink("h.json", HYPERPARAMETERS)),
}
COPIED = {
    "plain": targz(WEIGHTS, OWN),
    "stored": gzip.compress(tar(OWN, WEIGHTS), 0),
    "header fields": with_gzip_header(ALL, b"\3\0abcname\0said\0", data=tar(WEIGHTS, OWN)),
    "checksum of the gzip header": with_gzip_header(2, b"", data=tar(WEIGHTS, OWN)),
    "lookalike": targz(OWN, WEIGHTS, member(f"sub/{HYPERPARAMETERS}", b"[]")),
}
REWRITTEN = {
    "leading dot": targz(member("./model.pth", b"x")),
    "dot in the middle": targz(member("a/./model.pth", b"x")),
    "root member": targz(folder("."), WEIGHTS),
    "slash as root": targz(folder("/"), WEIGHTS),
    "dotted hard link": targz(WEIGHTS, hardlink("again", "./model.pth")),
    "two gzip members": gzip.compress(PLAIN[:700]) + gzip.compress(PLAIN[700:]),
    "empty first gzip member": gzip.compress(b"") + gzip.compress(PLAIN),
    "zeros after the end": gzip.compress(PLAIN) + bytes(9),
    "garbage after the end": gzip.compress(PLAIN) + b"garbage",
    "bytes after the tar": gzip.compress(PLAIN + b"more"),
    "another tar after the tar": gzip.compress(PLAIN + tar(member("late", b"x"))),
    "no end of the tar": gzip.compress(tar(WEIGHTS)[: 512 + 5120]),
    "half an end of the tar": gzip.compress(tar(WEIGHTS)[: 512 + 5120 + 512]),
    "an end that is no block": gzip.compress(tar(WEIGHTS)[: 512 + 5120 + 1030]),
    "plain tar": PLAIN,
    "bzip2": bz2.compress(PLAIN),
    "global pax header": gzip.compress(
        tarfile.TarInfo.create_pax_global_header({"comment": "abc"}) + PLAIN
    ),
    "comment of a member": with_pax({"comment": "x"}),
    "unknown pax record": with_pax({"who.knows": "x"}),
    "time that GNU tar does not read": with_pax({"mtime": "1e3"}),
    "pax record that is repeated": with_raw_pax(record("path=x1") + record("path=x2")),
    "pax record that is none": with_raw_pax(record("path=x1") + b"\0\0\0"),
    "unknown type": targz(WEIGHTS, member("odd", b"x", b"Z")),
    "dotted hyperparameters": targz(WEIGHTS, member(f"./{HYPERPARAMETERS}", b"{}")),
    "several hyperparameters": targz(OWN, WEIGHTS, OWN),
    "linked hyperparameters": targz(member("h.json", b"{}"), symlink(HYPERPARAMETERS, "h.json")),
    "a way round to the root": targz(symlink("d", "."), member(f"d/{HYPERPARAMETERS}", b"[]")),
}
WAYS = {
    **{f"spliced: {name}": data for name, data in SPLICED.items()},
    **{f"copied: {name}": data for name, data in COPIED.items()},
    **{f"written anew: {name}": data for name, data in REWRITTEN.items()},
}


@pytest.mark.parametrize("name", WAYS)
def test_the_way_that_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    out = process(tmp_path, WAYS[name])
    assert way(caplog.messages) == name.partition(":")[0]
    assert [one.name for one in members(out)].count(HYPERPARAMETERS) == 1
    assert not any(one.name.startswith("./") for one in members(out))
    unpacked(out)
    if name.startswith("copied"):
        assert unpacked(out) == gzip.decompress(WAYS[name])
        assert out[3] == 0  # No optional field of the gzip header, which some readers do not know.
    for command in (["gzip", "-t"], ["tar", "-tzf"]):
        if shutil.which(command[0]):
            path = str(tmp_path / "out" / "model.tar.gz")
            ran = subprocess.run([*command, path], capture_output=True, check=False)
            expected = ran.stderr if "unknown type" in name else b""  # GNU tar warns of it.
            assert (ran.returncode, ran.stderr) == (0, expected)


def test_nothing_is_written_over_the_injected_file(tmp_path: Path) -> None:
    out = process(tmp_path, WAYS["written anew: a way round to the root"])
    assert contents(out)[-1] == (HYPERPARAMETERS, GIVEN)


@pytest.mark.parametrize("data", WAYS.values(), ids=WAYS)
def test_without_isal_the_output_holds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    plain = load("step_without_isal")
    assert plain._fast_zlib is zlib
    assert step._fast_zlib is isal_zlib
    first = process(tmp_path, data)
    assert unpacked(again(tmp_path, plain).read_bytes()) == unpacked(first)


def test_both_ways_to_unpack_refuse_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    plain = load("step_without_isal")
    sound = with_gzip_header(8, b"n\0", data=tar(member("a", b"aaab")))
    seen = set()
    for at in range(len(sound)):
        for changed in (sound[:at], sound[:at] + bytes([sound[at] ^ 0x20]) + sound[at + 1 :]):
            model = put(tmp_path / "model.tar.gz", changed)
            verdicts = []
            for one in (step, plain):
                try:
                    verdicts.append(str(one.validate_model(model)))
                except ValueError as error:
                    verdicts.append(error.code)  # type: ignore[attr-defined]
            assert verdicts[0] == verdicts[1], at
            seen.add(verdicts[0])
    assert seen == {"True", "INVALID_ARCHIVE"}


# --- Copying ------------------------------------------------------------------------------------


def refuse(*_: object) -> int:
    raise OSError(errno.EXDEV, "not between these")


@pytest.mark.parametrize("kernel", ["refuses", "stops", "dribbles", "is too old"])
@pytest.mark.parametrize("data", [SPLICED["plain"], COPIED["plain"]], ids=["splice", "copy"])
def test_whatever_the_kernel_copies_the_output_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, data: bytes
) -> None:
    expected = process(tmp_path, data)
    original = os.copy_file_range
    if kernel == "is too old":
        monkeypatch.delattr(os, "copy_file_range")
    else:
        counts = iter([7, 11] if kernel == "stops" else [1000] * 10_000)

        def some(source: int, target: int, size: int, offset: int) -> int:
            count = min(size, next(counts, 0))
            return original(source, target, count, offset) if count else 0

        monkeypatch.setattr(os, "copy_file_range", refuse if kernel == "refuses" else some)
    assert again(tmp_path).read_bytes() == expected


# --- Threads ------------------------------------------------------------------------------------


def test_an_error_in_a_thread_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = step._Archive._unpack, []

    def unpack(archive: Any) -> Iterator[bytes]:
        calls.append(archive)
        if len(calls) > 1:
            raise OSError(errno.EIO, "the disk is broken")
        yield from original(archive)

    monkeypatch.setattr(step._Archive, "_unpack", unpack)
    with pytest.raises(OSError, match="the disk is broken"):
        process(tmp_path, REWRITTEN["leading dot"])
    assert len(calls) == 2
    assert tree(tmp_path / "out") == []
