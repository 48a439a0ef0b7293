"""Valid model archives, one of each kind in use.

Sources: TensorFlow's SavedModel, PyTorch's and Hugging Face's folders as SageMaker's inference
containers want them; the tar dialects of POSIX.1-1988, POSIX.1-2001, GNU tar and Unix v7; RFC 1952.
"""

from __future__ import annotations

import bz2
import lzma
import random
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.worlds.archives.build import (
    Dialect,
    gzipped,
    model_archive,
    tar,
    with_gzip_fields,
)
from harness.worlds.archives.member import Member, directory, file, hardlink, sparse, symlink
from harness.worlds.archives.when_used import MadeWhenUsed


@dataclass(frozen=True)
class Layout:
    """A valid archive: its bytes, its members, and the hyperparameters among them, if any."""

    data: bytes
    members: tuple[Member, ...]
    embedded: bytes | None = None


def _weights(seed: int, size: int) -> bytes:
    """Incompressible bytes, as those of a model."""
    return random.Random(seed).randbytes(size)


TENSORFLOW = (
    directory("1"),
    file("1/saved_model.pb", _weights(1, 3_000)),
    directory("1/assets"),
    directory("1/variables"),
    file("1/variables/variables.data-00000-of-00001", _weights(2, 9_000)),
    file("1/variables/variables.index", _weights(3, 400)),
    directory("code"),
    file("code/inference.py", b"def handler(data, context):\n    return data\n"),
    file("code/requirements.txt", b"numpy\n"),
)
PYTORCH = (
    file("model.pth", _weights(4, 6_000)),
    directory("code"),
    file("code/inference.py", b"def model_fn(model_dir):\n    return model_dir\n"),
    file("code/requirements.txt", b""),
)
HUGGING_FACE = (
    file("config.json", b'{"architectures": ["BertModel"]}'),
    file("model.safetensors", _weights(5, 8_000)),
    file("special_tokens_map.json", b"{}"),
    file("tokenizer.json", b'{"version": "1.0"}'),
    file("vocab.txt", "[PAD]\n[UNK]\ncafé\n".encode()),
    directory("1_Pooling"),
    file("1_Pooling/config.json", b'{"pooling_mode_mean_tokens": true}'),
)
# Members that every dialect can represent.
_PLAIN = (
    file("model.bin", _weights(6, 2_000)),
    directory("code"),
    file("code/run.sh", b"#!/bin/sh\n", mode=0o755),
    symlink("code/latest", "run.sh"),
    hardlink("copy.bin", "model.bin"),
)
# v7 has no owner names; a directory is only a name with a slash at its end.
_V7 = (
    file("model.bin", _weights(6, 2_000), uname="", gname=""),
    file("code/run.sh", b"#!/bin/sh\n", mode=0o755, uname="", gname=""),
    symlink("code/latest", "run.sh", uname="", gname=""),
)
_LONG = "a-name-of-which-there-are-many/" * 9 + "and-it-ends-" + "here" * 20 + ".bin"
_HOLES = b"begin" + bytes(40_000) + b"middle" + bytes(70_000) + b"end"
# As GNU tar and bsdtar write them.
_ATTRIBUTED = (
    replace(
        file("labels.txt", b"x"),
        attributes=(
            ("SCHILY.xattr.user.origin", b"s3://bucket/labels"),
            ("LIBARCHIVE.xattr.user.origin", b"czM6Ly9idWNrZXQvbGFiZWxz"),
        ),
    ),
    replace(directory("dated"), attributes=(("SCHILY.xattr.user.note", "café".encode()),)),
)
_OF_ANY_BYTES = replace(
    file("labels.txt", b"x"), attributes=(("SCHILY.xattr.user.digest", bytes(range(256))),)
)
_EMBEDDED = b'{"trained": true}\n'


def _layout(members: tuple[Member, ...], dialect: Dialect = "pax") -> Layout:
    return Layout(model_archive(members, dialect), members)


def _pytorch_layout(data: bytes) -> Layout:
    return Layout(data, PYTORCH)


def _layouts() -> dict[str, Layout]:
    plain = tar(PYTORCH)
    with_embedded = (*PYTORCH, file("hyperparameters.json", _EMBEDDED))
    embedded = (*PYTORCH, file("././/hyperparameters.json", _EMBEDDED))
    return {
        "tensorflow": _layout(TENSORFLOW),
        "pytorch": _layout(PYTORCH),
        "hugging-face": _layout(HUGGING_FACE),
        "empty-directories": _layout(
            (*PYTORCH, directory("empty"), directory("a/b/c", mode=0o700))
        ),
        "symlinks": _layout(
            (
                *PYTORCH,
                symlink("latest.pth", "model.pth"),
                symlink("code/up.pth", "../model.pth"),
                symlink("dangling", "code/missing.py"),
                symlink("folder", "code"),
                symlink("dotted", "./code/../model.pth"),
                symlink("long", _LONG),
            )
        ),
        "hard-links": _layout(
            (*PYTORCH, hardlink("again.pth", "model.pth"), hardlink("code/b.pth", "again.pth"))
        ),
        "dot-slash-hard-links": _layout(
            (file("./model.pth", b"weights"), hardlink("./again.pth", "./model.pth"))
        ),
        "long-names": _layout(
            (*PYTORCH, file(_LONG, b"far"), directory(f"d/{_LONG}"), symlink(f"s/{_LONG}", "x"))
        ),
        "long-names-gnu": _layout((*PYTORCH, file(_LONG, b"far"), hardlink("near", _LONG)), "gnu"),
        "unicode-names": _layout(
            (*PYTORCH, file("modèle/模型-😀.bin", b"x"), symlink("ссылка", "modèle/模型-😀.bin"))
        ),
        "unicode-names-gnu": _layout((*PYTORCH, file("modèle/模型-😀.bin", b"x")), "gnu"),
        "odd-names": _layout(
            (
                file(" leading and trailing ", b"1"),
                file("new\nline", b"2"),
                file("-rf", b"3"),
                file("back\\slash", b"4"),
                file("..dots", b"5"),
                file("code/...", b"6"),
                file("star*?[x]", b"7"),
                file(".hidden", b"8"),
                file("._model.pth", b"9"),
                file("code/__pycache__/inference.cpython-311.pyc", b"10"),
                file("README", b"11"),
                file("ends with a dot.", b"12"),
            )
        ),
        "decomposed-unicode-names": _layout((*PYTORCH, file("mode\u0300le.bin", b"x"))),
        "line-ends": _layout((*PYTORCH, file("dos.txt", b"one\r\ntwo\r\n"), file("cr", b"\r\n"))),
        # Larger than common buffers, and no multiple of one.
        "large-member": _layout((file("shard.bin", _weights(8, 2_500_007)), *PYTORCH)),
        "odd-modes": _layout(
            (
                file("read-only", b"1", mode=0o400),
                file("nothing", b"2", mode=0o000),
                file("all", b"3", mode=0o777),
                file("set-uid", b"4", mode=0o4755),
                file("set-gid", b"5", mode=0o2755),
                directory("sticky", mode=0o1777),
                directory("closed", mode=0o500),
                file("closed/inside", b"6", mode=0o600),
            )
        ),
        "odd-mtimes": _layout(
            (
                file("epoch", b"1", mtime=0.0),
                file("old", b"2", mtime=1.0),
                file("older than the epoch", b"2", mtime=-86_400.0),
                file("future", b"3", mtime=4_102_444_800.0),
                directory("dated", mtime=1_234_567_890.0),
                file("dated/inside", b"4", mtime=1_400_000_000.0),
                symlink("link", "old", mtime=1_111_111_111.0),
            )
        ),
        "subsecond-mtimes": _layout((*PYTORCH, file("fine", b"1", mtime=1_700_000_000.123456))),
        "owners": _layout(
            (
                file("root", b"1", uid=0, gid=0, uname="root", gname="root"),
                file("nameless", b"2", uid=12_345, gid=54_321, uname="", gname=""),
                file("no group", b"4", uid=500, gid=501, uname="ec2-user", gname=""),
                file("no user", b"5", uid=501, gid=500, uname="", gname="staff"),
                file("large", b"3", uid=3_000_000_000, gid=2_500_000, uname="big", gname="bigger"),
                directory("theirs", uid=501, gid=20, uname="jos\u00e9", gname="staff"),
                symlink("link", "root", uid=7, gid=8, uname="lp", gname="mail"),
            )
        ),
        "dot-slash": _layout(
            (
                directory("./"),
                file("./model.pth", b"weights"),
                directory("./code/"),
                file("./code/inference.py", b"run()\n"),
                symlink("./latest", "./model.pth"),
            )
        ),
        "root-member": _layout((directory("/"), *PYTORCH)),
        "sparse-gnu": _layout((*PYTORCH, sparse("holes.bin", _HOLES)), "gnu"),
        "sparse-pax": _layout((*PYTORCH, sparse("holes.bin", _HOLES))),
        "sparse-nothing": _layout((*PYTORCH, sparse("all-hole.bin", bytes(50_000)))),
        "dialect-v7": _layout(_V7, "v7"),
        "dialect-ustar": _layout((*_PLAIN, file("d/" * 60 + "ustar-prefix.bin", b"x")), "ustar"),
        "dialect-gnu": _layout(_PLAIN, "gnu"),
        "dialect-pax": _layout(_PLAIN, "pax"),
        "pax-path": _layout(
            (
                file("./model.pth", b"weights"),
                directory("././code/"),
                file("code/.//inference.py", b"run()\n"),
                file("modèle.bin", b"x"),
            ),
            "pax-path",
        ),
        "pax-path-embedded": Layout(model_archive(embedded, "pax-path"), embedded, _EMBEDDED),
        "gzip-stored-name": _pytorch_layout(
            gzipped(plain, file_name="model.tar", mtime=1_600_000_000)
        ),
        "gzip-members": _pytorch_layout(gzipped(plain, cuts=(700, 5_000))),
        "gzip-empty-member": _pytorch_layout(gzipped(plain, cuts=(512, 512, len(plain) - 1024))),
        "gzip-level-0": _pytorch_layout(gzipped(plain, level=0)),
        "gzip-level-9": _pytorch_layout(gzipped(plain, level=9)),
        "no-members": _layout(()),
        "empty-file": _layout((file("empty.bin", b""),)),
        "one-block-file": _layout((file("block.bin", _weights(7, 512)),)),
        "deep": _layout((*PYTORCH, file("/".join("abcdefghijklmnopqrstuvwxyz") + "/x", b"deep"))),
        "many-members": _layout(tuple(file(f"shard-{n:03}.bin", b"%d" % n) for n in range(300))),
        "plain-tar": _pytorch_layout(plain),
        "plain-tar-embedded": Layout(tar(with_embedded), with_embedded, _EMBEDDED),
        "bzip2-embedded": Layout(bz2.compress(tar(with_embedded)), with_embedded, _EMBEDDED),
        "bzip2": _pytorch_layout(bz2.compress(plain)),
        "xz": _pytorch_layout(lzma.compress(plain)),
        **_unusual_layouts(plain),
    }


def _unusual_layouts(plain: bytes) -> dict[str, Layout]:
    """What few programs write, and all of them read."""
    comment = tarfile.TarInfo.create_pax_global_header({"comment": "0123456789abcdef"})
    block = 4 << 20
    large = (file("zeros.bin", bytes(2 * block + 1000)), *PYTORCH)
    equal = (file("log.txt", b"first\n"), *PYTORCH, file("log.txt", b"first\nsecond\n"))
    late = (hardlink("again.pth", "model.pth"), *PYTORCH)
    return {
        "global-pax-header": _pytorch_layout(gzipped(comment + plain)),
        "gzip-extra-field": _pytorch_layout(with_gzip_fields(plain, extra=b"BC\2\0\0\0")),
        "gzip-comment": _pytorch_layout(with_gzip_fields(plain, comment=b"said")),
        "gzip-header-checksum": _pytorch_layout(with_gzip_fields(plain, checksum=True)),
        "gzip-empty-first-member": _pytorch_layout(gzipped(plain, cuts=(0,))),
        "gzip-zeros-after": _pytorch_layout(gzipped(plain) + bytes(512)),
        "gzip-members-of-4-mb": Layout(
            gzipped(tar(large), level=1, cuts=(block, 2 * block)), large
        ),
        "name-of-100-bytes": _layout((file("n" * 96 + ".bin", b"x"), *PYTORCH)),
        "name-over-255-bytes": _layout((file("n" * 296 + ".bin", b"x"), *PYTORCH)),
        "name-over-255-bytes-gnu": _layout((file("n" * 296 + ".bin", b"x"), *PYTORCH), "gnu"),
        "name-not-utf8": _layout((file("caf\udce9.bin", b"x"), *PYTORCH), "gnu"),
        "numbers-base-256": _layout((file("a.bin", b"x", uid=3_000_000_000), *PYTORCH), "gnu"),
        "equal-names": _layout(equal),
        "link-before-target": _layout(late),
        "extended-attributes": _layout((*_ATTRIBUTED, *PYTORCH)),
        "extended-attribute-of-any-bytes": _layout((_OF_ANY_BYTES, *PYTORCH)),
        "nested-archive": _layout((file("model.tar.gz", gzipped(plain)), *PYTORCH)),
        "one-top-folder": _layout(tuple(replace(one, name=f"model/{one.name}") for one in PYTORCH)),
    }


LAYOUTS: Mapping[str, Layout] = MadeWhenUsed(_layouts)
