"""The comparable content of files, packed or not."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from harness.worlds.archives.content import content, unpacked_parts


def tar(names: dict[str, bytes], mtime: int = 1, mode: int = 0o644, kind: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=kind) as out:  # type: ignore[call-overload]
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), mtime, mode
            out.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_archive(names: dict[str, bytes], year: int = 1990, level: int = 9) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as out:
        for name, data in names.items():
            out.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


TWO = {"a": b"1" * 100, "b/c": b"2"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (tar(TWO), tar(dict(reversed(TWO.items())), mtime=9, mode=0o600)),
        (tar(TWO), gzip.compress(tar(TWO, mtime=7), 1, mtime=1)),
        (gzip.compress(tar(TWO), mtime=1), gzip.compress(tar(TWO, mtime=5), mtime=2)),
        (zip_archive(TWO), zip_archive(TWO, 2001, 1)),
        (gzip.compress(b"text", 1, mtime=1), gzip.compress(b"text", 9, mtime=2)),
        (b"", b""),
    ],
)
def test_equal_content(first: bytes, second: bytes) -> None:
    assert content(first) == content(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (tar(TWO), tar({**TWO, "a": b"1" * 99 + b"2"})),
        (tar(TWO), tar({**TWO, "d": b""})),
        (tar(TWO), tar({"x": TWO["a"], "b/c": b"2"})),
        (zip_archive(TWO), zip_archive({**TWO, "a": b"0"})),
        (gzip.compress(b"text", mtime=1), gzip.compress(b"test", mtime=1)),
        (b"text", b"test"),
        (tar(TWO), b""),
    ],
)
def test_different_content(first: bytes, second: bytes) -> None:
    assert content(first) != content(second)


@pytest.mark.parametrize(
    "damaged",
    [b"\x1f\x8b", gzip.compress(b"x" * 99, mtime=1)[:-3], tar(TWO)[:700], zip_archive(TWO)[:-9]],
)
def test_a_damaged_archive_is_compared_by_its_bytes(damaged: bytes) -> None:
    assert content(damaged) == content(damaged)
    assert next(unpacked_parts(damaged)) == damaged


@pytest.mark.parametrize(
    "data", [b"secret", gzip.compress(b"secret", mtime=1), zip_archive({"x": b"secret"})]
)
def test_unpacked_parts_hold_packed_texts(data: bytes) -> None:
    assert any(b"secret" in part for part in unpacked_parts(data))
    assert any(b"secret" in part for part in unpacked_parts(tar({"x": b"a secret"}, kind="w:gz")))
