"""Whose hyperparameters go into the output, and which are refused."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.unit.step.packing import (
    GIVEN,
    HYPERPARAMETERS,
    contents,
    folder,
    hardlink,
    member,
    members,
    names,
    process,
    step,
    symlink,
    targz,
    tree,
)

WEIGHTS = member("model.pth", b"weights")
OWN = b'{"own": 1}\n'

BAD = {
    "malformed": b'{"a": 1',
    "empty": b"",
    "array": b"[1]",
    "string": b'"a"',
    "number": b"3",
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "two": b"{}{}",
    "bom": b"\xef\xbb\xbf{}",
    "latin-1": '{"a": "é"}'.encode("latin-1"),
    "utf-16": "{}".encode("utf-16"),
    "utf-32-le": "{}".encode("utf-32-le"),
    "deep": b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
}


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_injected_unchanged_at_the_root(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = b'\n{ "b":1,\r\n "a" : 1.50, "n": ' + b"9" * 6000 + b"}  \n"
    assert contents(process(tmp_path, targz(WEIGHTS), given)) == [
        (HYPERPARAMETERS, given),
        ("model.pth", b"weights"),
    ]
    assert "HYPERPARAMETERS NOT IN MODEL" in caplog.messages


def test_the_injected_file_keeps_mode_and_time(tmp_path: Path) -> None:
    given = tmp_path / "given" / HYPERPARAMETERS
    given.parent.mkdir()
    given.write_bytes(GIVEN)
    given.chmod(0o640)
    os.utime(given, (1_500_000_000, 1_500_000_000))
    model = tmp_path / "model.tar.gz"
    model.write_bytes(targz(WEIGHTS))
    out = step.process_model_with_hyperparameters(model, given, tmp_path / "out")
    info = members(out.read_bytes())[0]
    assert (info.mode, info.mtime, info.uid, info.uname) == (0o640, 1_500_000_000, 0, "root")


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_bad_ones_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match="ERROR_CODE: INVALID_HYPERPARAMETERS"):
        process(tmp_path, targz(WEIGHTS), data)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.tar.gz"
    model.write_bytes(targz(WEIGHTS))
    (tmp_path / HYPERPARAMETERS).mkdir()
    with pytest.raises(ValueError, match=r"INVALID_HYPERPARAMETERS.*regular file"):
        step.process_model_with_hyperparameters(model, tmp_path / HYPERPARAMETERS, tmp_path / "out")


def test_neither(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "in" / "model.tar.gz")):
        process(tmp_path, targz(WEIGHTS, member(f"sub/{HYPERPARAMETERS}", OWN)), None)
    assert tree(tmp_path) == ["in", "in/model.tar.gz"]


@pytest.mark.parametrize("given", [None, GIVEN, *BAD.values()], ids=["none", "good", *BAD])
def test_embedded_ones_win(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, given: bytes | None
) -> None:
    model = targz(member(f"./{HYPERPARAMETERS}", OWN), WEIGHTS)
    assert contents(process(tmp_path, model, given)) == [
        (HYPERPARAMETERS, OWN),
        ("model.pth", b"weights"),
    ]
    assert "HYPERPARAMETERS ALREADY IN MODEL" in caplog.messages
    ignored = [one.levelname for one in caplog.records if "IGNORED" in one.message]
    assert ignored == ([] if given is None else ["WARNING"])


def test_ignored_ones_are_not_read(tmp_path: Path) -> None:
    model = tmp_path / "model.tar.gz"
    model.write_bytes(targz(member(HYPERPARAMETERS, OWN)))
    fifo = tmp_path / "given"
    os.mkfifo(fifo)
    out = step.process_model_with_hyperparameters(model, fifo, tmp_path / "out")
    assert contents(out.read_bytes()) == [(HYPERPARAMETERS, OWN)]


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_embedded_bad_ones_are_kept_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    assert contents(process(tmp_path, targz(member(HYPERPARAMETERS, data)), None)) == [
        (HYPERPARAMETERS, data)
    ]
    assert any("is kept as it is" in one.message for one in caplog.records if one.levelno >= 30)


def test_embedded_good_ones_give_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process(tmp_path, targz(member(HYPERPARAMETERS, OWN)), None)
    assert [one.message for one in caplog.records if one.levelno >= 30] == []


def test_the_last_of_several_wins(tmp_path: Path) -> None:
    model = targz(
        member(HYPERPARAMETERS, b"{}"), WEIGHTS, member(f"./{HYPERPARAMETERS}", OWN), folder("z")
    )
    assert contents(process(tmp_path, model)) == [
        ("model.pth", b"weights"),
        (HYPERPARAMETERS, OWN),
        ("z", b""),
    ]


def test_a_hard_link_to_an_earlier_one_keeps_its_bytes(tmp_path: Path) -> None:
    model = targz(
        member(HYPERPARAMETERS, b"first"),
        hardlink("old", f"./{HYPERPARAMETERS}"),
        member(HYPERPARAMETERS, OWN),
        hardlink("new", HYPERPARAMETERS),
    )
    out = process(tmp_path, model)
    assert contents(out)[:2] == [("old", b"first"), (HYPERPARAMETERS, OWN)]
    assert members(out)[2].islnk()
    assert members(out)[2].linkname == HYPERPARAMETERS


@pytest.mark.parametrize(
    "entries",
    [
        [member("conf/h.json", OWN), symlink(HYPERPARAMETERS, "conf/h.json")],
        [symlink(HYPERPARAMETERS, "./conf/h.json"), member("conf/h.json", OWN)],
        [member("h.json", OWN), hardlink(HYPERPARAMETERS, "./h.json")],
        [member("h.json", OWN), hardlink("i", "h.json"), hardlink(HYPERPARAMETERS, "i")],
        [member("h", OWN), symlink("s", "h"), symlink(HYPERPARAMETERS, "s")],
        [member("d/e/h", OWN), symlink("l", "d/e"), symlink(HYPERPARAMETERS, "l/../e/h")],
        [folder("d"), symlink("l", "d"), member("l/h", OWN), symlink(HYPERPARAMETERS, "d/h")],
        [member("h", OWN), hardlink(HYPERPARAMETERS, "h"), member("h", b"later")],
        [member("d/h", OWN), symlink("s", "d/h"), hardlink(HYPERPARAMETERS, "s")],
    ],
    ids=[
        *("symlink", "forward", "hard", "hard-hard", "sym-sym"),
        *("through-folder", "written-through", "overwritten-later", "hard-sym"),
    ],
)
def test_links_become_a_regular_file(tmp_path: Path, entries: list[object]) -> None:
    out = process(tmp_path, targz(*entries))  # type: ignore[arg-type]
    (found,) = (one for one in members(out) if one.name == HYPERPARAMETERS)
    assert found.isreg()
    assert dict(contents(out))[HYPERPARAMETERS] == OWN
    assert len(members(out)) == len(entries)


@pytest.mark.parametrize(
    "entries",
    [
        [folder(HYPERPARAMETERS)],
        [member(f"{HYPERPARAMETERS}/x", b"x")],
        [symlink(HYPERPARAMETERS, "nowhere")],
        [symlink(HYPERPARAMETERS, HYPERPARAMETERS)],
        [hardlink(HYPERPARAMETERS, "nowhere")],
        [hardlink(HYPERPARAMETERS, HYPERPARAMETERS)],
        [folder("d"), symlink(HYPERPARAMETERS, "d")],
        [symlink("a", "b"), symlink("b", "a"), symlink(HYPERPARAMETERS, "a")],
    ],
    ids=["folder", "implied", "dangling", "self", "hard", "hard-self", "to-folder", "loop"],
)
def test_what_is_no_file_is_an_error(tmp_path: Path, entries: list[object]) -> None:
    with pytest.raises(ValueError, match="ERROR_CODE: INVALID_HYPERPARAMETERS"):
        process(tmp_path, targz(*entries))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_lookalikes_do_not_count(tmp_path: Path) -> None:
    others = [f"sub/{HYPERPARAMETERS}", "Hyperparameters.json", f"{HYPERPARAMETERS}.bak"]
    out = process(tmp_path, targz(*(member(one, OWN) for one in others)))
    assert names(members(out)) == [HYPERPARAMETERS, *others]
