"""Archives that a step must refuse: damaged, not an archive at all, or malicious."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from harness.worlds.archives.build import gzipped, model_archive, stored_gzip, tar
from harness.worlds.archives.layouts import PYTORCH, TENSORFLOW
from harness.worlds.archives.member import Member, directory, file, hardlink, special, symlink
from harness.worlds.archives.when_used import MadeWhenUsed

INVALID = "INVALID_ARCHIVE"
UNSAFE = "UNSAFE_MEMBER"


@dataclass(frozen=True)
class Hostile:
    """An archive to refuse: its bytes, the error code, and the reason."""

    data: bytes
    code: str
    why: str


def _invalid() -> dict[str, Hostile]:
    plain = tar(TENSORFLOW)
    whole = gzipped(plain)
    stored = stored_gzip(plain)
    # Inside the data of the second member, away from every header.
    within = 10 + 5 + 512 + 512 + 100
    second_header = 512
    return {
        "truncated-gzip": Hostile(whole[:-20], INVALID, "the last 20 bytes are missing"),
        "truncated-trailer": Hostile(whole[:-4], INVALID, "the last 4 bytes are missing"),
        "truncated-half": Hostile(whole[: len(whole) // 2], INVALID, "one half is missing"),
        "truncated-header": Hostile(whole[:5], INVALID, "only 5 bytes are there"),
        "flipped-byte": Hostile(
            _with_flipped_bit(whole, len(whole) // 2), INVALID, "one byte is wrong"
        ),
        "flipped-byte-stored": Hostile(
            _with_flipped_bit(stored, within), INVALID, "one byte of a member's data is wrong"
        ),
        "bad-crc": Hostile(
            _with_flipped_bit(whole, -8), INVALID, "the checksum of the gzip trailer is wrong"
        ),
        "bad-length": Hostile(
            _with_flipped_bit(whole, -4), INVALID, "the length in the trailer is wrong"
        ),
        "bad-crc-of-second-gzip-member": Hostile(
            _with_flipped_bit(gzipped(plain, cuts=(5_000,)), -8), INVALID, "a checksum is wrong"
        ),
        "truncated-plain-tar": Hostile(
            plain[: 512 + 512 + 1000], INVALID, "it is not packed, and ends within a member"
        ),
        "truncated-bzip2": Hostile(bz2.compress(plain)[:-20], INVALID, "the end is missing"),
        "truncated-xz": Hostile(lzma.compress(plain)[:-20], INVALID, "the end is missing"),
        "bad-second-bzip2-stream": Hostile(
            bz2.compress(plain[:5_000]) + _with_flipped_bit(bz2.compress(plain[5_000:]), 2_000),
            INVALID,
            "a byte of the second stream is wrong",
        ),
        "bad-second-xz-stream": Hostile(
            lzma.compress(plain[:5_000]) + _with_flipped_bit(lzma.compress(plain[5_000:]), 2_000),
            INVALID,
            "a byte of the second stream is wrong",
        ),
        "flipped-byte-bzip2": Hostile(
            _with_flipped_bit(bz2.compress(plain), 5_000), INVALID, "one byte is wrong"
        ),
        "flipped-byte-xz": Hostile(
            _with_flipped_bit(lzma.compress(plain), 5_000), INVALID, "one byte is wrong"
        ),
        "empty-file": Hostile(b"", INVALID, "it is empty"),
        "text": Hostile(b"<html>Not Found</html>\n" * 50, INVALID, "it is text"),
        "zip": Hostile(_zip(), INVALID, "it is a zip archive"),
        "gzip-of-text": Hostile(gzip.compress(b"no tar\n" * 200, mtime=0), INVALID, "text, packed"),
        "gzip-of-nothing": Hostile(gzip.compress(b"", mtime=0), INVALID, "nothing, packed"),
        "bad-first-header": Hostile(
            gzipped(_with_flipped_bit(plain, 3)),
            INVALID,
            "the checksum of the first header is wrong",
        ),
        "bad-second-header": Hostile(
            gzipped(_with_flipped_bit(plain, second_header + 3)),
            INVALID,
            "that of the second header is wrong",
        ),
        "member-cut-short": Hostile(
            gzipped(plain[: 512 + 512 + 1000]), INVALID, "the tar ends within a member"
        ),
    }


def _unsafe(why: str, *members: Member, dialect_gnu: bool = False) -> Hostile:
    # The first and last members are valid: a script that checks as it writes is found.
    content = (*PYTORCH, *members, file("last.bin", b"last"))
    return Hostile(model_archive(content, "gnu" if dialect_gnu else "pax"), UNSAFE, why)


def _unsafe_archives() -> dict[str, Hostile]:
    payload = b"evil"
    return {
        "parent-name": _unsafe("a name leads out", file("../evil", payload)),
        "nested-parent-name": _unsafe("a name leads out", file("code/../../../evil", payload)),
        "parent-directory": _unsafe("a folder's name leads out", directory("../evil")),
        "absolute-name": _unsafe("a name is absolute", file("/tmp/evil", payload)),
        "absolute-directory": _unsafe("a folder's name is absolute", directory("/opt/evil")),
        "dot-slash-parent-name": _unsafe("a name leads out", file("./../evil", payload)),
        "pax-parent-name": Hostile(
            model_archive((*PYTORCH, file("../evil", payload)), "pax-path"),
            UNSAFE,
            "a name leads out",
        ),
        "symlink-absolute": _unsafe("a link leads out", symlink("link", "/etc/passwd")),
        # Where a job has it, but not where the archive will be extracted.
        "symlink-absolute-into-opt-ml": _unsafe(
            "a link leads out", symlink("link", "/opt/ml/model/model.pth")
        ),
        "link-over-a-folder": _unsafe(
            "a link replaces a folder, through which another one then leads out",
            directory("swap"),
            symlink("swap", "code"),
            symlink("swap/up", "../.."),
        ),
        "symlink-parent": _unsafe("a link leads out", symlink("link", "../outside")),
        "symlink-nested-parent": _unsafe("a link leads out", symlink("code/link", "../../outside")),
        "symlink-through-inside": _unsafe("a link leads out", symlink("link", "code/../../out")),
        "hard-link-absolute": _unsafe("a link leads out", hardlink("link", "/etc/passwd")),
        "hard-link-parent": _unsafe("a link leads out", hardlink("link", "../outside")),
        "hard-link-nested-parent": _unsafe(
            "a link leads out", hardlink("code/link", "code/../../outside")
        ),
        # The target of a hard link is relative to the root of the archive.
        "hard-link-parent-from-a-folder": _unsafe(
            "a link leads out", hardlink("code/deep/link", "../outside")
        ),
        # Each link is valid by itself; together they lead out of the archive.
        "symlink-by-way-of-another": _unsafe(
            "a link leads out", symlink("code/up", ".."), symlink("link", "code/up/../outside")
        ),
        "character-device": _unsafe("it holds a device", special("null", "character-device")),
        "block-device": _unsafe("it holds a device", special("disk", "block-device")),
        "fifo": _unsafe("it holds a FIFO", special("pipe", "fifo")),
        "fifo-gnu": _unsafe("it holds a FIFO", special("pipe", "fifo"), dialect_gnu=True),
    }


def _with_flipped_bit(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x20
    return bytes(changed)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("model.pth", (2024, 1, 2, 3, 4, 6)), b"weights")
    return buffer.getvalue()


HOSTILE: Mapping[str, Hostile] = MadeWhenUsed(lambda: {**_invalid(), **_unsafe_archives()})
