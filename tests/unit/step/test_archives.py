"""What the step reads, refuses, extracts and packs."""

from __future__ import annotations

import bz2
import logging
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.unit.step.packing import (
    contents,
    folder,
    hardlink,
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

WEIGHTS = member("model.pth", b"weights" * 100)
CODE = (folder("code", mode=0o750), member("code/run.sh", b"#!/bin/sh\n", mode=0o755))


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# --- validate_model -----------------------------------------------------------------------------


def padded_xz(data: bytes) -> bytes:
    """Two xz streams with four zeros between them."""
    return lzma.compress(data[:700]) + bytes(4) + lzma.compress(data[700:])


@pytest.mark.parametrize("pack", [lambda data: data, bz2.compress, lzma.compress, padded_xz])
def test_a_sound_model_is_valid_however_it_is_packed(tmp_path: Path, pack: object) -> None:
    model = put(tmp_path / "model.tar.gz", pack(tar(WEIGHTS, *CODE)))  # type: ignore[operator]
    assert step.validate_model(model) is True


@pytest.mark.parametrize("name", ["model.tar", "model.tgz", "model.zip", "model.tar.gz.part"])
def test_another_name_is_an_invalid_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^ERROR_CODE: INVALID_FORMAT - .*is not named"):
        step.validate_model(put(tmp_path / name, targz(WEIGHTS)))


BROKEN = {
    "empty": b"",
    "text": b"no archive\n" * 100,
    "truncated": targz(WEIGHTS)[:-9],
    "bad checksum": targz(WEIGHTS)[:-8] + b"\0\0\0\0" + targz(WEIGHTS)[-4:],
    "half a member": tar(WEIGHTS)[:700],
    "bad second header": tar(WEIGHTS, *CODE)[:1536] + b"x" + tar(WEIGHTS, *CODE)[1537:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_intact_is_an_invalid_archive(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^ERROR_CODE: INVALID_ARCHIVE - "):
        step.validate_model(put(tmp_path / "model.tar.gz", BROKEN[name]))


def test_a_folder_is_an_invalid_archive(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").mkdir()
    with pytest.raises(ValueError, match=r"INVALID_ARCHIVE.*not a regular file"):
        step.validate_model(tmp_path / "model.tar.gz")


def test_a_missing_model_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        step.validate_model(tmp_path / "model.tar.gz")


UNSAFE = {
    "parent": member("../evil", b"x"),
    "nested parent": member("a/../../evil", b"x"),
    "absolute": member("/evil", b"x"),
    "absolute link": symlink("link", "/etc/passwd"),
    "link to a parent": symlink("a/link", "../../evil"),
    "absolute hard link": hardlink("link", "/etc/passwd"),
    "hard link to a parent": hardlink("link", "../evil"),
    "fifo": member("pipe", kind=tarfile.FIFOTYPE),
    "device": member("null", kind=tarfile.CHRTYPE),
    "block device": member("disk", kind=tarfile.BLKTYPE),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_members_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    model = put(tmp_path / "in" / "model.tar.gz", targz(WEIGHTS, UNSAFE[name]))
    with pytest.raises(ValueError, match=r"^ERROR_CODE: UNSAFE_MEMBER - "):
        step.validate_model(model)
    with pytest.raises(ValueError, match="UNSAFE_MEMBER"):
        step.extract_tarfile(model, tmp_path / "out")
    assert tree(tmp_path) == ["in", "in/model.tar.gz"]


def test_a_way_out_through_two_links_is_refused(tmp_path: Path) -> None:
    entries = (folder("a"), symlink("a/b", "."), symlink("up", "a/b/../.."))
    with pytest.raises(ValueError, match="UNSAFE_MEMBER"):
        step.validate_model(put(tmp_path / "model.tar.gz", targz(*entries)))


# --- extract_tarfile ----------------------------------------------------------------------------


def test_extracts_everything_with_modes_and_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = (
        member("./model.pth", b"weights", mtime=1_500_000_000),
        *CODE,
        folder("empty", mode=0o700, mtime=1_400_000_000),
        symlink("latest", "model.pth"),
        hardlink("again.pth", "./model.pth"),
    )
    model = put(tmp_path / "model.tar.gz", targz(*entries))
    step.extract_tarfile(model, tmp_path / "out")
    out = tmp_path / "out"
    assert tree(out) == ["again.pth", "code", "code/run.sh", "empty", "latest", "model.pth"]
    assert (out / "latest").readlink() == Path("model.pth")
    assert (out / "again.pth").stat().st_ino == (out / "model.pth").stat().st_ino
    assert stat.S_IMODE((out / "code" / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((out / "code").stat().st_mode) == 0o750
    assert (out / "model.pth").stat().st_mtime == 1_500_000_000
    assert (out / "empty").stat().st_mtime == 1_400_000_000
    assert "Tar file contents before extraction:" in caplog.messages
    assert "  model.pth (0.00MB)" in caplog.messages
    assert any(one.startswith("Total size in tar: ") for one in caplog.messages)


def test_extracting_does_not_follow_links_that_were_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "code").symlink_to(tmp_path)
    model = put(tmp_path / "model.tar.gz", targz(member("code/evil", b"x")))
    with pytest.raises(ValueError, match="UNSAFE_MEMBER"):
        step.extract_tarfile(model, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_extracting_replaces_files_and_no_folders(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out / "model.pth", b"older")
    put(out / "code" / "more.py", b"more")
    model = put(tmp_path / "model.tar.gz", targz(member("model.pth", b"new"), *CODE))
    step.extract_tarfile(model, out)
    assert tree(out) == ["code", "code/more.py", "code/run.sh", "model.pth"]
    assert (out / "model.pth").read_bytes() == b"new"
    put(tmp_path / "model.tar.gz", targz(member("a"), member("code"), member("model.pth")))
    with pytest.raises(OSError, match="while writing"):
        step.extract_tarfile(model, out)
    assert tree(out) == ["code", "code/more.py", "code/run.sh", "model.pth"]
    assert (out / "model.pth").read_bytes() == b"new"


# --- create_tarfile -----------------------------------------------------------------------------


def test_packs_a_folder_with_all_that_is_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "source"
    put(source / "a.bin", b"a" * 5_000)
    put(source / "code" / "run.sh", b"#!/bin/sh\n").chmod(0o751)
    (source / "empty").mkdir(mode=0o700)
    (source / "link").symlink_to("a.bin")
    os.link(source / "a.bin", source / "same.bin")
    target = tmp_path / "new" / "folder" / "out.tar.gz"
    assert step.create_tarfile(target, source) is None
    packed = {info.name: info for info in members(target.read_bytes())}
    assert list(packed) == ["a.bin", "code", "code/run.sh", "empty", "link", "same.bin"]
    assert packed["code/run.sh"].mode == 0o751
    assert packed["empty"].isdir()
    assert packed["link"].linkname == "a.bin"
    assert packed["same.bin"].islnk()
    assert [path.name for path in target.parent.iterdir()] == ["out.tar.gz"]
    assert "Tar creation summary:" in caplog.messages
    assert "  Files added: 4" in caplog.messages
    assert any(one.startswith("  Compression ratio: ") for one in caplog.messages)


def test_packing_into_the_folder_itself_leaves_the_archive_out(tmp_path: Path) -> None:
    put(tmp_path / "a.bin", b"a")
    step.create_tarfile(tmp_path / "out.tar.gz", tmp_path)
    assert contents((tmp_path / "out.tar.gz").read_bytes()) == [("a.bin", b"a")]


def test_packing_what_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    older = put(tmp_path / "out.tar.gz", b"older")
    with pytest.raises(FileNotFoundError):
        step.create_tarfile(older, tmp_path / "missing")
    assert older.read_bytes() == b"older"
    assert tree(tmp_path) == ["out.tar.gz"]


def test_packing_refuses_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    os.mkfifo(tmp_path / "source" / "pipe")
    with pytest.raises(ValueError, match="UNSAFE_MEMBER"):
        step.create_tarfile(tmp_path / "out.tar.gz", tmp_path / "source")
    assert not (tmp_path / "out.tar.gz").exists()


# --- The output ---------------------------------------------------------------------------------


def test_every_member_stays_as_it_is(tmp_path: Path) -> None:
    entries = (
        member("odd", b"1", mode=0o4751, mtime=1.0, uid=7, gid=8, uname="lp", gname="mail"),
        member("fine", b"2", mtime=1_700_000_000.123456),
        member("d/" * 90 + "é.bin", b"3", uid=3_000_000_000),
        *CODE,
        symlink("link", "code/../odd"),
        hardlink("hard", "odd"),
    )
    before = {info.name: info for info, _ in entries}
    after = {info.name: info for info in members(process(tmp_path, targz(*entries)))}
    after.pop("hyperparameters.json")
    assert list(after) == list(before)
    for name, info in before.items():
        for field in ("type", "mode", "mtime", "uid", "gid", "uname", "gname", "linkname", "size"):
            assert getattr(after[name], field) == getattr(info, field), (name, field)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    model = targz(WEIGHTS, *CODE)
    first = process(tmp_path, model)
    source = tmp_path / "in" / "model.tar.gz"
    given = tmp_path / "given" / "hyperparameters.json"
    again = step.process_model_with_hyperparameters(source, given, tmp_path / "again")
    assert again.read_bytes() == first


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not here")
def test_tar_and_gzip_read_the_output_without_a_word(tmp_path: Path) -> None:
    entries = (member("./é" * 60, b"x" * 5_000), *CODE, symlink("./link", "code"))
    process(tmp_path, targz(*entries))
    out = str(tmp_path / "out" / "model.tar.gz")
    for command in (["gzip", "-t", out], ["tar", "-tzf", out]):
        ran = subprocess.run(command, capture_output=True, check=True)
        assert ran.stderr == b""


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not here")
def test_sparse_files_of_gnu_tar_come_out_whole(tmp_path: Path) -> None:
    sparse = tmp_path / "source" / "holes.bin"
    sparse.parent.mkdir()
    with sparse.open("wb") as stream:
        stream.write(b"begin")
        stream.seek(1_000_000)
        stream.write(b"end")
    for form in ("gnu", "pax"):
        command = ["tar", f"--format={form}", "-cSzf", "-", "-C", str(sparse.parent), "holes.bin"]
        model = subprocess.run(command, capture_output=True, check=True).stdout
        out = contents(process(tmp_path / form, model))
        assert dict(out)["holes.bin"] == sparse.read_bytes()
