"""Golden files: what outputs must hold, how they are written, and how differences are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.files.difference import describe
from harness.promises import golden
from tests.unit.command import Ended, harness
from tests.unit.small_steps import contract, evidence, keys, outcome, write_step
from tests.unit.test_members import packed
from tests.unit.test_output_content import ROWS, SPLIT, TERMS


def compared(tmp_path: Path, kept: bytes, written: bytes, **terms: object) -> list[str]:
    (tmp_path / "a.json").write_bytes(kept)
    golden_terms = {"file": "a.json", **terms}
    step = contract(files={"a.json": {"golden": golden_terms}}, volatile=["a.json#/time"])
    step = step.model_copy(update={"origin": tmp_path / "contract.yaml"})
    return keys(golden.PROMISE, evidence(step, outcome({"a.json": written}), is_usual=True))


def test_golden_files(tmp_path: Path) -> None:
    kept = b'{"rmse": 1.0, "time": 1}'
    assert compared(tmp_path, kept, b'{"rmse": 1.0,\n "time": 2}') == []
    assert compared(tmp_path, kept, b'{"rmse": 1.001, "time": 2}') == ["differs"]
    assert compared(tmp_path, kept, b'{"rmse": 1.001, "time": 2}', tolerance=0.01) == []
    assert compared(tmp_path, kept, b'{"rmse": 1.1, "time": 2}', tolerance=0.01) == ["differs"]


def test_a_golden_file_that_is_not_there_is_not_proven(tmp_path: Path) -> None:
    step = contract(files={"a.json": {"golden": "x/a.json"}}, origin=tmp_path / "contract.yaml")
    given = evidence(step, outcome({"a.json": b"1"}), is_usual=True)
    assert keys(golden.PROMISE, given) == ["not proven"]
    assert keys(golden.PROMISE, evidence(step, outcome({"a.json": b"1"}))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "shown"),
    [
        ("a.json", b'{"a": {"b/c": 1}}', b'{"a": {"b/c": 2}}', "/a/b~1c: 1 → 2"),
        ("a.json", b'{"a": 1}', b'{"a": 1.0}', "/a: 1 → 1.0"),
        ("a.json", b"[1]", b"[1, 2]", "1 → 2 items"),
        ("a.csv", b"id,x\n1,2\n", b"id,x\n1,3\n", "row 2, column x: 2 → 3"),
        ("a.csv", b"id,x\n", b"id,y\n", "row 1: id,x → id,y"),
        ("a.txt", b"a\nb\n", b"a\nc\n", "-b\n+c"),
        ("a.bin", b"\0\1", b"\0\2", "from byte 1 on: 01 → 02"),
        ("m.tar.gz", packed(), packed(lambda i: i.pop("soft")), "member soft: gone"),
    ],
)
def test_differences_are_shown_as_such(name: str, old: bytes, new: bytes, shown: str) -> None:
    assert shown in describe(name, old, new)
    assert describe(name, old, old) == ""


def test_what_cannot_be_printed_is_escaped() -> None:
    assert describe("a.txt", b"a\n", b"\x1b[31m\n").splitlines()[-1] == r"+\x1b[31m"


def test_differences_are_short() -> None:
    old, new = ("\n".join(f"{n} {letter * 500}" for n in range(99)) for letter in "ab")
    shown = describe("a.txt", old.encode(), new.encode())
    assert len(shown.splitlines()) <= 9
    assert max(len(line) for line in shown.splitlines()) <= 160


def accept(folder: Path, *options: str, answer: str = "") -> Ended:
    return harness("accept", str(folder), *options, answer=answer)


def test_accept_shows_the_difference_and_writes_golden_files(tmp_path: Path) -> None:
    kept = tmp_path / "samples" / "expected" / "report.json"
    write_step(
        tmp_path, TERMS, SPLIT, {"data/data.csv": ROWS, "expected/report.json": b'{"rows": 5}'}
    )
    refused = accept(tmp_path, answer="n\n")
    assert refused.returncode == 1
    assert "/rows: 5 → 4" in refused.stdout
    assert json.loads(kept.read_text()) == {"rows": 5}
    accepted = accept(tmp_path, "--yes")
    assert accepted.returncode == 0, accepted.stderr
    assert json.loads(kept.read_text()) == {"rows": 4}
    again = accept(tmp_path)
    assert (again.returncode, again.stdout) == (0, "")


def test_accept_without_golden_files_or_with_a_failing_case(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "fails").mkdir()
    terms = TERMS.replace(", golden: samples/expected/report.json", "")
    write_step(tmp_path / "plain", terms, SPLIT, {"data/data.csv": ROWS})
    assert accept(tmp_path / "plain").returncode == 2
    write_step(tmp_path / "fails", TERMS, SPLIT + "1 / 0\n", {"data/data.csv": ROWS})
    failed = accept(tmp_path / "fails", "--yes")
    assert failed.returncode == 1
    assert "nothing to accept" in failed.stderr
