"""Outputs: which files they may hold, their form, and what differs from run to run."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contracts.contract import Contract
from harness.contracts.patterns import matches
from harness.promises import (
    Promise,
    damaged,
    form,
    inputs,
    outputs,
    repeatable,
    scratch,
    undeclared,
)
from harness.promises.faults import check as partial
from harness.runs.step import StepRef
from tests.unit.small_steps import (
    DATA,
    DERIVED,
    OUT,
    contract,
    evidence,
    findings,
    keys,
    outcome,
    write_step,
)
from tests.unit.small_steps import breaches as found


def tar_gz(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    # Without the time: these bytes are in names of tests, which every process has to agree on.
    return gzip.compress(packed.getvalue(), mtime=0)


def tar_with_link(target: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, target
        tar.addfile(info)
    return packed.getvalue()


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"text" * 50)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("part-1.csv", "part-*.csv", True),
        ("part-1.json", "part-*.csv", False),
        ("a/part-1.csv", "part-*.csv", False),
        ("reports/a.json", "reports/*.json", True),
        ("reports/a/b.json", "reports/*.json", False),
        ("reports/a/b.json", "reports/**/*.json", True),
        ("reports/b.json", "reports/**/*.json", True),
        ("a[1].txt", "a[1].txt", True),
        ("b/c", "**", True),
    ],
)
def test_patterns_stay_within_a_folder(path: str, pattern: str, fits: bool) -> None:
    assert matches(path, pattern) is fits


def test_a_pattern_and_a_subfolder_are_declared_and_other_names_are_not() -> None:
    step = contract(files=["part-*.csv", "reports/*.json"])
    right = outcome({"part-0.csv": b"a\n", "reports/a.json": b"1"})
    assert keys(undeclared.PROMISE, evidence(step, right)) == []
    wrong = outcome({"part-0.tsv": b"a\n", "reports/more/a.json": b"1"})
    assert {one.where for one in found(undeclared.PROMISE, evidence(step, wrong))} == {
        f"{OUT}/part-0.tsv",
        f"{OUT}/reports/more",
        f"{OUT}/reports/more/a.json",
    }


CHECKPOINTS = "/opt/ml/checkpoints"
STATE = f"{CHECKPOINTS}/state.json"


def shared() -> Contract:
    return contract(
        inputs={"earlier": {"required": False, "mounts": (CHECKPOINTS,)}},
        outputs={"checkpoints": {"path": CHECKPOINTS, "files": ["state.json"]}},
    )


@pytest.mark.parametrize("promise", [inputs.PROMISE, outputs.UNCHANGED, undeclared.PROMISE])
def test_what_is_input_and_output_at_once_may_change(promise: Promise) -> None:
    result = outcome({STATE: b'{"epoch": 2}'}, {STATE: b'{"epoch": 1}'})
    assert keys(promise, evidence(shared(), result)) == []


def test_it_may_not_be_damaged_nor_may_other_files_there_change() -> None:
    step = shared()
    result = outcome({STATE: b'{"epoch": '}, {STATE: b'{"epoch": 1}'}, code=1)
    assert keys(outputs.UNCHANGED, evidence(step, result)) == ["older-output-damaged"]
    other = f"{CHECKPOINTS}/other.json"
    result = outcome({other: b"2"}, {other: b"1"})
    assert keys(inputs.PROMISE, evidence(step, result)) == ["content-changed"]


def test_an_input_below_an_output_still_must_not_change() -> None:
    step = contract(
        inputs={"data": {"required": True, "mounts": ("/opt/ml/all/data",)}},
        outputs={"all": {"path": "/opt/ml/all"}},
    )
    result = outcome({"/opt/ml/all/data/x": b"2"}, {"/opt/ml/all/data/x": b"1"})
    assert keys(inputs.PROMISE, evidence(step, result)) == ["content-changed"]


def test_scratch_may_be_used_and_left_full() -> None:
    result = outcome({"a.txt": b"a", "/opt/ml/work/x": b"x", "/tmp/cache/x": b"x"})
    step = contract(scratch=["/opt/ml/work", "/tmp/cache"])
    for promise in (undeclared.PROMISE, scratch.PROMISE):
        assert keys(promise, evidence(step, result)) == []
    assert "written" in keys(undeclared.PROMISE, evidence(contract(), result))
    assert "left-behind" in keys(scratch.PROMISE, evidence(contract(), result))


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + bytes(40) + b"\xff\xd9"
RIGHT_FORMS = {
    "a.json": b'{"a": [1, null, "x"]}\n',
    "a.jsonl": b'{"a": 1}\n\n{"a": 2}\n',
    "numbers.csv": b"1,2\n3,4\n",
    "quoted.csv": b'id,text\n1,"a, b\nc"\n2,""\n',
    "semicolons.csv": b"id;price\n1;2,5\n2;3\n",
    "latin.csv": "id\ncafé\n".encode("latin-1"),
    "a.csv.gz": gzip.compress(b"a\n1\n"),
    "a.tar.gz": tar_gz(a=b"x"),
    "a.tgz": tar_gz(a=b"x"),
    "inside.tar.gz": tar_with_link("a"),
    "a.zip": zipped(),
    "a.PNG": PNG,
    "a.jpeg": JPEG + bytes(3),
    "a.tif": b"II*\0\0",
    "a.txt": b"{'a': 1}",
    "a.bin": b"\0",
}
WRONG_FORMS = {
    "nan.json": b'{"rmse": NaN}',
    "repr.json": b"{'a': True}",
    "text.json": b"\"{'a': True}\"",
    "cut.json": b'{"a": ',
    "blank.json": b"\n",
    "two.json": b'{"a": 1}\n{"a": 2}\n',
    "a.jsonl": b'{"a": 1}\n{"a": \n',
    "ragged.csv": b"a,b\n1,2\n3\n",
    "blank.csv": b"\n",
    "open.csv": b'a,b\n1,"x\n',
    "a.gz": gzip.compress(b"some text")[:-3],
    "a.tar.gz": tar_gz(a=b"x" * 2000)[:-20],
    "plain.tar.gz": gzip.decompress(tar_gz(a=b"x")),
    "notar.tar.gz": gzip.compress(b"text"),
    "outside.tar.gz": tar_with_link("../../etc/passwd"),
    "a.zip": zipped()[:-10],
    "a.png": PNG[: len(PNG) // 2],
    "jpeg.png": JPEG,
    "a.jpg": JPEG[: len(JPEG) // 2],
    "a.gif": b"<svg/>",
    "a.parquet": b"PAR1 cut",
    "empty.txt": b"",
    "_DONE": b"",
}


@pytest.mark.parametrize("name", RIGHT_FORMS)
def test_the_right_form_is_not_accused(name: str) -> None:
    result = outcome({name: RIGHT_FORMS[name]})
    assert found(form.PROMISE, evidence(contract(), result)) == []


@pytest.mark.parametrize("name", WRONG_FORMS)
def test_a_wrong_form_is_found(name: str) -> None:
    result = outcome({name: WRONG_FORMS[name]})
    assert len(found(form.PROMISE, evidence(contract(), result))) == 1


def test_a_python_literal_and_the_place_are_told() -> None:
    (breach,) = found(form.PROMISE, evidence(contract(), outcome({"a.json": b"{'a': 1}"})))
    assert breach.key == "no.json"
    assert "a Python literal" in breach.got
    assert "line 1, column 2" in breach.got


def test_a_marker_that_the_contract_names_may_be_empty_and_other_files_may_not() -> None:
    result = outcome({"_SUCCESS": b"", "a.csv": b""})
    step = contract(files=["_SUCCESS", "a.csv"])
    assert keys(form.PROMISE, evidence(step, result)) == ["empty"]


@pytest.mark.parametrize(
    ("files", "written", "wanted"),
    [
        # Where the contract names no files, a marker stands beside others.
        ([], {"DONE": b"", "a.csv": b"x,y\n"}, []),
        ([], {"DONE": b""}, ["empty"]),
        ([], {"DONE": b"", "FAILED": b""}, ["empty", "empty"]),
        ([], {"a.csv": b"", "b.csv": b"x,y\n"}, ["empty"]),
        (["a.csv", "weights-*"], {"weights-1": b"", "a.csv": b"x,y\n"}, ["empty"]),
    ],
)
def test_an_empty_file_is_a_marker_beside_others(
    files: list[str], written: dict[str, bytes], wanted: list[str]
) -> None:
    assert keys(form.PROMISE, evidence(contract(files=files), outcome(written))) == wanted


def test_an_empty_table_may_follow_an_empty_input_and_no_other() -> None:
    given = {"data.csv": b"", "_SUCCESS": b""}
    result = outcome({"a.csv": b"", "a.json": b"", "marker": b"x"}, given)
    (breach,) = found(form.PROMISE, evidence(contract(), result))
    assert (breach.key, breach.where) == ("empty", f"{OUT}/a.json")


def test_a_damaged_output_of_an_accepted_damaged_input_is_no_second_finding() -> None:
    step, result = (
        contract(files=["a.csv"]),
        outcome({"a.csv": b"a,b\n3\n"}, {"a.csv": b"a,b\n1\n"}),
    )
    accepted = replace(DERIVED, damaged=f"{DATA}/a.csv")
    assert keys(form.PROMISE, evidence(step, result)) == ["no.csv"]
    assert keys(form.PROMISE, evidence(step, result, accepted)) == []
    assert keys(damaged.PROMISE, evidence(step, result, accepted)) == ["short-row-accepted"]


def test_form_is_judged_on_success_and_of_what_was_written() -> None:
    failed = outcome({"a.json": b"{"}, code=1)
    assert keys(form.PROMISE, evidence(contract(), failed)) == []
    older = outcome({}, {f"{OUT}/a.json": b"{"})
    assert keys(form.PROMISE, evidence(contract(), older)) == []


def lacking(left: dict[str, bytes], *usual: dict[str, bytes], **terms: object) -> list[str]:
    runs = (outcome(usual[0]), outcome(usual[-1]))
    given = evidence(contract(**terms), outcome(left, code=143), usual=runs)
    return [one.key for one in partial(given)]


ONE, TWO = b'{"time": 111, "rmse": 0.5}', b'{"time": 222, "rmse": 0.5}'


@pytest.mark.parametrize(
    ("name", "left", "usual"),
    [
        ("a.json", b'{"time": 333, "rmse": 0.5}', (ONE, TWO)),
        ("a.csv", b"a,b\n5,6\n", (b"a,b\n1,2\n", b"a,b\n3,4\n")),
        ("a.txt", b"at 3\n", (b"at 1\n", b"at 2\n")),
        ("a.bin", b"\0\1", (b"\0\2", b"\0\3")),
        ("a.tar.gz", tar_gz(a=b"3"), (tar_gz(a=b"1"), tar_gz(a=b"2"))),
    ],
)
def test_a_whole_file_with_other_bytes_is_not_partial(
    name: str, left: bytes, usual: tuple[bytes, bytes]
) -> None:
    assert lacking({name: left}, *({name: one} for one in usual)) == []


@pytest.mark.parametrize(
    ("name", "left", "usual"),
    [
        ("a.json", b'{"time": 333, "rm', (ONE, TWO)),
        ("a.json", b'{"time": 333}', (ONE, TWO)),
        ("a.json", b"", (ONE, TWO)),
        ("a.csv", b"a,b\n5,6\n", (b"a,b\n1,2\n3,4\n", b"a,b\n3,4\n1,2\n")),
        ("a.csv", b"a\n5\n", (b"a,b\n1,2\n", b"a,b\n3,4\n")),
        ("a.bin", b"\0", (b"\0\2", b"\0\3")),
        ("a.tar.gz", tar_gz(a=b"3"), (tar_gz(a=b"1", b=b""), tar_gz(a=b"2", b=b""))),
        # What is the same in both runs has no other whole content.
        ("a.txt", b"other", (b"text", b"text")),
    ],
)
def test_a_part_of_a_file_is_partial(name: str, left: bytes, usual: tuple[bytes, bytes]) -> None:
    assert lacking({name: left}, *({name: one} for one in usual)) == ["partial-output"]


def test_names_that_vary_are_whole_when_their_form_is() -> None:
    usual = ({"part-a.csv": b"a\n1\n"}, {"part-b.csv": b"a\n1\n"})
    assert lacking({"part-c.csv": b"a\n1\n"}, *usual, files=["part-*.csv"]) == []
    assert lacking({"part-c.csv": b""}, *usual, files=["part-*.csv"]) == ["partial-output"]
    assert lacking({"a.tmp": b"a"}, {"a.txt": b"ab"}) == ["partial-output"]


@pytest.mark.parametrize("name", ["cut.png", "cut.json", "cut.tar.gz"])
def test_the_wrong_form_of_a_sample_that_is_passed_on_is_not_the_scripts(name: str) -> None:
    suffix = name[name.index(".") :]
    cut = {".png": PNG[:-4], ".json": b'{"a": ', ".tar.gz": tar_gz(a=b"x" * 2000)[:-20]}[suffix]
    passed_on = outcome({f"cat/{name}": cut}, {f"a{suffix}": cut})
    assert keys(form.PROMISE, evidence(contract(), passed_on)) == ["not proven"]
    own = outcome({f"cat/{name}": cut}, {f"a{suffix}": cut + b" "})
    assert keys(form.PROMISE, evidence(contract(), own)) == [f"no{suffix}"]
    other = outcome({f"cat/{name}": cut}, {"a.bin": cut})
    assert keys(form.PROMISE, evidence(contract(), other)) == [f"no{suffix}"]


def test_a_checkpoint_of_an_earlier_epoch_is_whole_and_half_of_one_is_not() -> None:
    usual = outcome({STATE: b'{"epoch": 9, "best": 10}'})
    for left, wanted in (
        (b'{"epoch": 4, "best": 12}', []),
        (b'{"epoch": 9, "be', ["partial-output"]),
        (b'{"epoch": 4}', ["partial-output"]),
    ):
        given = evidence(
            shared(),
            outcome({STATE: left}, code=143),
            usual=(usual, usual),
        )
        assert [one.key for one in partial(given)] == wanted


KEEPS_CHECKPOINTS = StepRef(Path(__file__).parent / "field" / "checkpoints")


@pytest.mark.parametrize(
    "case_id",
    [
        "train=present,earlier=absent",
        "train=present,earlier=present",
        "train=absent,earlier=present",
        "circumstance=again",
        "circumstance=non-root",
        "circumstance=read-only-inputs",
        "circumstance=read-only-root",
        "circumstance=output-folder-missing",
    ],
)
def test_a_training_that_goes_on_from_a_checkpoint_is_not_accused(case_id: str) -> None:
    assert findings(KEEPS_CHECKPOINTS, case_id) == set()


@pytest.mark.parametrize(
    ("name", "part", "contents", "other"),
    [
        ("a.json", "#/time", (ONE, TWO), b'{"time": 333, "rmse": 0.6}'),
        ("a.jsonl", "#/*/t", (b'{"a": {"t": 1}}\n', b'{"a": {"t": 2}}\n'), b'{"b": {"t": 1}}\n'),
        ("a.csv", "#at", (b"id,at\n1,5\n", b"id,at\n1,6\n"), b"id,at\n2,6\n"),
        ("a.csv", "#2", (b"1,5\n", b"1,6\n"), b"2,6\n"),
        ("a.tar.gz", "#a", (tar_gz(a=b"1"), tar_gz(a=b"2")), tar_gz(a=b"1", b=b"1")),
        ("log/a.txt", "", (b"1", b"2"), None),
    ],
)
def test_what_is_volatile_may_differ_and_all_else_may_not(
    name: str, part: str, contents: tuple[bytes, bytes], other: bytes | None
) -> None:
    first, second = (outcome({name: one, "b.txt": b"same"}) for one in contents)
    plain, volatile = contract(), contract(volatile=[name + part])
    assert keys(repeatable.PROMISE, evidence(plain, first, usual=(first, second))) == ["differs"]
    assert keys(repeatable.PROMISE, evidence(volatile, first, usual=(first, second))) == []
    third = outcome({name: other or b"1", "b.txt": b"same" if other else b"other"})
    assert keys(repeatable.PROMISE, evidence(volatile, third, usual=(first, second))) == ["differs"]


def test_the_difference_is_shown() -> None:
    runs = (outcome({"a.json": ONE}), outcome({"a.json": TWO}))
    (breach,) = found(repeatable.PROMISE, evidence(contract(), runs[0], usual=runs))
    assert "/time: 111 → 222" in breach.got


STAMPED = """\
import json, os, time
with open("/opt/ml/processing/input/data/data.csv") as stream:
    rows = stream.readlines()
os.makedirs("/opt/ml/processing/output/out/reports", exist_ok=True)
with open("/opt/ml/processing/output/out/reports/a.json", "w") as stream:
    json.dump({"rows": len(rows), "time": time.time()}, stream)
"""
TERMS = """\
name: stamped
entry_point: step.py
inputs:
  data: {required: true, file: data.csv, mounts: [/opt/ml/processing/input/data]}
outputs:
  out: {path: /opt/ml/processing/output/out, files: [reports/*.json], volatile: [VOLATILE]}
exit_codes: {0: done, 1: failed}
"""


@pytest.mark.parametrize(
    ("volatile", "wanted"), [("reports/*.json#/time", set()), ("", {"repeatable/differs"})]
)
def test_a_time_stamp_does_not_waive_repeatable(
    tmp_path: Path, volatile: str, wanted: set[str]
) -> None:
    terms = TERMS.replace("VOLATILE", f'"{volatile}"' if volatile else "")
    ref = write_step(tmp_path, terms, STAMPED, {"data/data.csv": b"a\n1\n"})
    assert findings(ref, "circumstance=again") == wanted
