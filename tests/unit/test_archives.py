"""Model archives: they are readable as built, and every error in one is found."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import subprocess
import tarfile
import zlib
from dataclasses import replace

import pytest

from harness.worlds.archives import (
    HOSTILE,
    LAYOUTS,
    PYTORCH,
    TENSORFLOW,
    Member,
    differences,
    directory,
    file,
    hardlink,
    model_archive,
    sparse,
    symlink,
)
from harness.worlds.archives.build import Dialect, gzipped, stored_gzip, tar
from harness.worlds.archives.member import normalised
from harness.worlds.archives.readers import misreadings

HYPERPARAMETERS = b'{"epochs": 3}\n'
WHOLE = (
    *PYTORCH,
    directory("empty", mode=0o750),
    symlink("latest.pth", "model.pth"),
    hardlink("again.pth", "model.pth"),
    sparse("holes.bin", b"x" + bytes(9_000) + b"y"),
)
needs_gnu_tar = pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not here")


def keys(data: bytes, members: tuple[Member, ...], injected: bytes | None = None) -> set[str]:
    return {one.key for one in differences(data, members, injected)}


def as_output(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """The members with normalised names."""
    result = []
    for member in members:
        name = normalised(member.name)
        target = normalised(member.target) if member.kind == "hardlink" else member.target
        if name != ".":
            result.append(replace(member, name=name, target=target))
    # Hard links come after what they are links to.
    return tuple(sorted(result, key=lambda member: member.kind == "hardlink"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_an_archive_that_python_reads(name: str) -> None:
    layout = LAYOUTS[name]
    with tarfile.open(fileobj=io.BytesIO(layout.data), mode="r:*") as archive:
        names = [normalised(info.name) for info in archive]
    assert names == [normalised(member.name) for member in layout.members]


@needs_gnu_tar
@pytest.mark.parametrize("dialect", ["v7", "ustar", "gnu", "pax"])
def test_gnu_tar_reads_every_dialect(dialect: Dialect) -> None:
    layout = LAYOUTS[f"dialect-{dialect}"]
    completed = subprocess.run(
        ["tar", "-tzf", "-"], input=layout.data, capture_output=True, check=True
    )
    assert completed.stderr == b""
    assert [line.rstrip("/") for line in completed.stdout.decode().splitlines()] == [
        member.name for member in layout.members
    ]


@pytest.mark.parametrize("dialect", ["gnu", "pax"])
def test_sparse_files_are_stored_without_their_holes_and_read_whole(dialect: Dialect) -> None:
    data = b"begin" + bytes(1_000_000) + b"end"
    packed = tar((sparse("holes", data),), dialect)
    assert len(packed) < 20_000
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        content = archive.extractfile("holes")
        assert content is not None
        assert content.read() == data
        assert archive.getmember("holes").issparse()


def test_the_dialects_differ_in_their_headers() -> None:
    plain = (file("a", b"1"),)
    assert tar(plain, "v7")[257:263] == bytes(6)
    assert tar(plain, "ustar")[257:265] == b"ustar\x0000"
    assert tar(plain, "gnu")[257:265] == b"ustar  \0"
    assert tar(plain, "pax-path")[156:157] == b"x"


def test_v7_refuses_what_it_cannot_represent() -> None:
    with pytest.raises(ValueError, match="too long"):
        tar((file("n" * 300, b""),), "v7")


def test_gzip_options() -> None:
    data = random.Random(0).randbytes(100_000)
    assert gzip.decompress(gzipped(data, file_name="model.tar"))[:] == data
    assert b"model.tar\0" in gzipped(data, file_name="model.tar")[:30]
    assert gzip.decompress(gzipped(data, cuts=(10, 10, 5_000))) == data
    assert gzip.decompress(stored_gzip(data)) == data
    assert data[:60_000] in stored_gzip(data)
    assert gzip.decompress(stored_gzip(b"")) == b""


def test_the_same_members_give_the_same_bytes() -> None:
    model_archive.cache_clear()
    first = model_archive(WHOLE)
    model_archive.cache_clear()
    tar.cache_clear()
    assert model_archive(WHOLE) == first


# --- Valid archives -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_difference_in_an_equal_archive(name: str) -> None:
    members = LAYOUTS[name].members
    # Neither dialect has everything: fractions of seconds, names that are not UTF-8.
    dialects = {"subsecond-mtimes": ("pax",), "name-not-utf8": ("gnu",)}
    for dialect in dialects.get(name, ("gnu", "pax")):
        assert differences(model_archive(as_output(members), dialect), members) == ()


@pytest.mark.parametrize("level", [0, 1, 9])
def test_level_order_and_dialect_do_not_count(level: int) -> None:
    other = (WHOLE[-1], *WHOLE[:-1])
    assert differences(gzipped(tar(other, "gnu"), level), WHOLE) == ()


def test_the_root_member_is_optional() -> None:
    members = (directory("./"), file("a", b"1"))
    assert differences(model_archive((directory("."), file("a", b"1"))), members) == ()
    assert differences(model_archive((file("a", b"1"),)), members) == ()


def test_injected_file_may_have_any_owner_and_date() -> None:
    own = file("hyperparameters.json", HYPERPARAMETERS, uid=0, mode=0o600, mtime=5.0)
    assert differences(model_archive((own, *PYTORCH)), PYTORCH, HYPERPARAMETERS) == ()


# --- Errors ---------------------------------------------------------------------------------------


def changed(which: str, **fields: object) -> tuple[Member, ...]:
    result = tuple(
        replace(one, **fields) if one.name == which else one  # type: ignore[arg-type]
        for one in WHOLE
    )
    assert result != WHOLE
    return result


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (changed("model.pth", data=b"other"), "wrong-bytes"),
        (changed("holes.bin", data=b"x" + bytes(9_001)), "wrong-bytes"),
        (changed("model.pth", mode=0o600), "wrong-mode"),
        (changed("empty", mode=0o755), "wrong-mode"),
        (changed("model.pth", mtime=5.0), "wrong-mtime"),
        (changed("latest.pth", mtime=5.0), "wrong-mtime"),
        (changed("model.pth", uid=0), "wrong-owner"),
        (changed("model.pth", gname="root"), "wrong-owner"),
        (changed("latest.pth", target="code"), "wrong-target"),
        (changed("again.pth", target="code/inference.py"), "wrong-target"),
        (changed("again.pth", kind="file", data=PYTORCH[0].data), "wrong-type"),
        (changed("latest.pth", kind="file", data=PYTORCH[0].data), "wrong-type"),
        (changed("empty", kind="file"), "wrong-type"),
        (changed("model.pth", name="./model.pth"), "name-prefix"),
        (changed("empty", name="elsewhere/empty"), "member-missing"),
        (tuple(one for one in WHOLE if one.name != "empty"), "member-missing"),
        ((*WHOLE, file("extra", b"")), "member-unexpected"),
        ((*WHOLE, WHOLE[0]), "member-twice"),
        ((WHOLE[-2], *WHOLE[:-2], WHOLE[-1]), "link-before-target"),
    ],
)
def test_every_change_of_a_member_is_found(wrong: tuple[Member, ...], key: str) -> None:
    assert key in keys(model_archive(wrong), WHOLE)


def test_subsecond_dates_are_judged() -> None:
    members = (file("fine", b"1", mtime=1_700_000_000.123456),)
    assert keys(model_archive((replace(members[0], mtime=1_700_000_000.0),)), members) == {
        "wrong-mtime"
    }


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ((), "member-missing"),
        ((file("hyperparameters.json", b'{"epochs":3}'),), "wrong-bytes"),
        ((file("code/hyperparameters.json", HYPERPARAMETERS),), "member-missing"),
        ((file("./hyperparameters.json", HYPERPARAMETERS),), "name-prefix"),
        ((symlink("hyperparameters.json", "model.pth"),), "wrong-type"),
        ((file("hyperparameters.json", HYPERPARAMETERS),) * 2, "member-twice"),
    ],
)
def test_injected_hyperparameters_are_there_once(wrong: tuple[Member, ...], key: str) -> None:
    assert key in keys(model_archive((*PYTORCH, *wrong)), PYTORCH, HYPERPARAMETERS)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"", "not-gzip"),
        (tar(PYTORCH), "not-gzip"),
        (gzipped(tar(PYTORCH), cuts=(600,)), "several-gzip-members"),
        (gzipped(tar(PYTORCH)) + b"more", "bytes-after-the-end"),
        (gzipped(tar(PYTORCH)) + bytes(512), "bytes-after-the-end"),
        (gzipped(tar(PYTORCH))[:-1], "unreadable"),
        (gzipped(tar(PYTORCH))[:500], "unreadable"),
        (gzipped(b"no tar" * 100), "unreadable"),
        (gzipped(tar(PYTORCH)[:-10_240] + tar(PYTORCH)[:600]), "unreadable"),
    ],
)
def test_an_invalid_archive_is_found(data: bytes, key: str) -> None:
    assert key in keys(data, PYTORCH)


def test_readers_that_miss_members_are_named() -> None:
    names = tuple(sorted(member.name for member in PYTORCH))
    first_member = 512 + len(PYTORCH[0].data) + -len(PYTORCH[0].data) % 512
    whole = gzipped(tar(PYTORCH))
    assert misreadings(whole, names) == ()
    cut = gzipped(tar(PYTORCH), cuts=(first_member,))
    assert dict(misreadings(cut, names))["first gzip member"] == "1 of 4 members"
    assert "gzip -t" in dict(misreadings(whole + b"more", names))
    assert set(dict(misreadings(whole[:-8], names))) >= {"gzip -t", "tar -tzf"}


@needs_gnu_tar
def test_a_warning_of_gnu_tar_is_found() -> None:
    assert "reader-tar -tzf" in keys(model_archive((*PYTORCH, directory("/"))), PYTORCH)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_match_their_error_code(name: str) -> None:
    hostile = HOSTILE[name]
    if hostile.code == "UNSAFE_MEMBER":
        assert count_readable_members(hostile.data) > len(PYTORCH)
    else:
        assert hostile.code == "INVALID_ARCHIVE"
        assert count_readable_members(hostile.data) < len(TENSORFLOW)


def count_readable_members(data: bytes) -> int:
    """The number of members of an intact archive, 0 when it is damaged."""
    count = 0
    try:
        plain = gzip.decompress(data)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for info in archive:
                if info.isreg():
                    content = archive.extractfile(info)
                    assert content is not None
                    assert len(content.read()) == info.size
                count += 1
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return 0
    return count


def test_differences_never_raise_on_noise() -> None:
    random_bytes = random.Random(7)
    whole = model_archive(WHOLE)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(random_bytes.randint(1, 4)):
            damaged[random_bytes.randrange(len(damaged))] = random_bytes.randrange(256)
        cut = random_bytes.randint(0, len(damaged))
        differences(bytes(damaged[:cut]), WHOLE)
        inner = bytearray(tar(WHOLE))
        for _ in range(random_bytes.randint(1, 3)):
            inner[random_bytes.randrange(len(inner))] = random_bytes.randrange(256)
        differences(gzip.compress(bytes(inner), 1), WHOLE)
