"""What derived suites put into inputs: several files, what else they may hold, damaged files."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.cases.input_axes import damage
from harness.cases.input_keys import changed_settings
from harness.errors import WrongContract
from harness.promises.damaged import PROMISE
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import StepRef, load, prove, read_contract
from tests.unit.derived import findings, make_step

CONTRACT = """
name: count
entry_point: step.py
inputs:
  rows:
    required: true
    files: ["*.csv"]
    may_hold: [empty-file, header-only, extra-files, several-files]
    mounts: [/opt/ml/processing/input/rows]
outputs:
  count: {path: /opt/ml/processing/output/count, files: [count.txt]}
exit_codes: {0: counted, 1: failed}
"""
SCRIPT = """
import csv, glob, sys
folder = "/opt/ml/processing/input/rows"
files = sorted(glob.glob(folder + "/*.csv"))
if not files:
    sys.exit("error: there is no *.csv in " + folder)
count = 0
for file in files:
    with open(file, newline="") as stream:
        rows = list(csv.reader(stream))
    if any(len(row) != len(rows[0]) for row in rows):
        sys.exit("error: a row is too short: " + file)
    count += len(rows[1:])
with open("/opt/ml/processing/output/count/count.txt", "w") as stream:
    stream.write(str(count))
"""
SAMPLES = {"rows/a.csv": "x,y\n1,2\n3,4\n"}
MOUNT = "/opt/ml/processing/input/rows"


def make(folder: Path, script: str = SCRIPT, contract: str = CONTRACT) -> StepRef:
    return make_step(folder, script, contract, SAMPLES)


def test_what_an_input_may_hold_is_tried(tmp_path: Path) -> None:
    matrix = load(make(tmp_path)).matrix
    held = {
        one: {
            path.removeprefix(f"{MOUNT}/"): entry.data
            for path, entry in matrix.case(one)[0].tree.under(MOUNT)
            if entry.kind == "file"
        }
        for one in matrix.ids
        if not one.startswith("circumstance=")
    }
    rows = SAMPLES["rows/a.csv"].encode()
    assert matrix.usual == "rows=present"
    assert held["rows=empty-file"] == {"a.csv": b""}
    assert held["rows=header-only"] == {"a.csv": b"x,y\n"}
    assert set(held["rows=extra-files"]) == {"a.csv", "_SUCCESS", ".DS_Store", "rows.manifest"}
    assert held["rows=several-files-before"] == {"0.csv": rows, "a.csv": rows}
    assert held["rows=several-files-after"] == {"a.csv": rows, "~.csv": rows}
    assert held["special=rows-damaged.csv"] == {"a.csv": b"x,y\n1,2\n3\n"}
    assert held["rows=half-of-rows"] == {"a.csv": b"x,y\n1,2\n"}
    assert len(held) == 10


def test_only_what_the_contract_allows_is_tried(tmp_path: Path) -> None:
    contract = CONTRACT.replace("empty-file, header-only, extra-files, several-files", "")
    ids = load(make(tmp_path, contract=contract)).matrix.ids
    assert [one for one in ids if one.startswith("rows=")] == [
        "rows=absent",
        "rows=empty",
        "rows=present",
        "rows=half-of-rows",
    ]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("", "", set()),
        ("rows[1:]", "rows[1:] or [rows[0][0]]", {("exit-code", "1-for-0")}),
        ("count += len(rows[1:])", "count += len(rows[1:]) // (len(rows) - 1)",
         {("exit-code", "1-for-0"), ("effect", "rows")}),
        ('"/*.csv"', '"/*"', {("exit-code", "1-for-0")}),
        ('glob.glob(folder + "/*.csv")', "[folder + '/' + one for one in __import__('os')"
         ".listdir(folder) if open(folder + '/' + one).read()]", {("exit-code", "1-for-0")}),
        ("count = 0", "count = 0\n(_,) = files", {("exit-code", "1-for-0")}),
        ("if any(", "if False and any(", {("damaged-input", "short-row-accepted")}),
    ],
)  # fmt: skip
def test_how_a_script_takes_its_input_is_judged(
    tmp_path: Path, old: str, new: str, found: set[tuple[str, str]]
) -> None:
    script = SCRIPT.replace(old, new) if old else SCRIPT
    # A missing folder is told by listdir itself.
    assert findings(make(tmp_path, script)) == found


READ = """
import gzip, json, pickle, shutil, sys, tarfile, zipfile
from xml.etree import ElementTree
folder = "/opt/ml/processing/input/rows"
try:
    {read}
except Exception as error:
    sys.exit("error: cannot read " + folder + ": " + str(error))
with open("/opt/ml/processing/output/count/count.txt", "w") as stream:
    stream.write("1")
"""
DAMAGED = {("damaged-input", "accepted")}


def packed_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "a" * 100)
    return stream.getvalue()


CONTENT = {
    "a.json": json.dumps({"rows": 3}).encode(),
    "a.txt.gz": gzip.compress(b"rows" * 100),
    "a.zip": packed_zip(),
    "a.jsonl": b'{"row": 1}\n{"row": 2}\n',
    "a.xml": b"<rows><row>1</row><row>2</row></rows>\n",
    "a.pkl": pickle.dumps({"rows": [1, 2, 3]}),
    "a.png": b"\x89PNG\r\n\x1a\n" + bytes(90) + b"IEND\xaeB`\x82",
}


@pytest.mark.parametrize(
    ("name", "read", "found"),
    [
        ("a.json", "json.load(open(folder + '/a.json'))", set()),
        ("a.json", "open(folder + '/a.json').read()", DAMAGED),
        ("a.txt.gz", "gzip.open(folder + '/a.txt.gz').read()", set()),
        ("a.txt.gz", "open(folder + '/a.txt.gz', 'rb').read()", DAMAGED),
        ("a.jsonl", "[json.loads(one) for one in open(folder + '/a.jsonl')]", set()),
        ("a.jsonl", "json.loads(next(open(folder + '/a.jsonl')))", DAMAGED),
        ("a.png", "assert b'IEND' in open(folder + '/a.png', 'rb').read(), 'a.png'", set()),
        ("a.png", "open(folder + '/a.png', 'rb').read()", DAMAGED),
        ("a.zip", "zipfile.ZipFile(folder + '/a.zip').testzip()", set()),
        ("a.xml", "ElementTree.parse(folder + '/a.xml')", set()),
        ("a.xml", "open(folder + '/a.xml').read()", DAMAGED),
        ("a.pkl", "pickle.load(open(folder + '/a.pkl', 'rb'))", set()),
        ("a.pkl", "open(folder + '/a.pkl', 'rb').read()", DAMAGED),
        ("a.zip", "open(folder + '/a.zip', 'rb').read()", DAMAGED),
    ],
)
def test_a_damaged_file_must_not_pass_for_a_whole_one(
    tmp_path: Path, name: str, read: str, found: set[tuple[str, str]]
) -> None:
    contract = CONTRACT.replace('["*.csv"]', f"[{name}]").replace("may_hold", "may_hold: [] #")
    contract += "waivers: {effect: not judged here}\n"
    ref = make(tmp_path, READ.replace("{read}", read), contract)
    (tmp_path / "samples" / "rows" / "a.csv").unlink()
    (tmp_path / "samples" / "rows" / name).write_bytes(CONTENT[name])
    assert findings(ref) == found
    tolerated = contract.replace("    required", "    damaged: tolerated\n    required")
    (tmp_path / "contract.yaml").write_text(tolerated)
    load.cache_clear()
    assert findings(ref) == set()


PASSES_ON = """
import shutil, sys, tarfile
source, out = "/opt/ml/processing/input/rows/a.json", "/opt/ml/processing/output/count/"
try:
    PASS
except OSError as error:
    sys.exit(f"error: {error}")
"""


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize(
    "passes",
    [
        "shutil.copyfile(source, out + 'count.txt')",
        "with tarfile.open(out + 'count.txt', 'w:gz') as t: t.add(source, 'model/a.json')",
    ],
)
def test_what_is_passed_on_need_not_be_read(tmp_path: Path, passes: str, *, stated: bool) -> None:
    contract = CONTRACT.replace('["*.csv"]', "[a.json]")
    contract = contract.replace("may_hold", "damaged: fails #" if stated else "may_hold: [] #")
    ref = make(tmp_path, PASSES_ON.replace("PASS", passes), contract)
    (tmp_path / "samples" / "rows" / "a.json").write_bytes(CONTENT["a.json"])
    found = prove(ref, FakeRunner(), "special=rows-damaged.json").findings
    assert {(one.promise, one.key) for one in found} == (DAMAGED if stated else set())


@pytest.mark.parametrize("data", [b"a: 1\n", b"- |\n  text\n", b"{a: 1}", b"'a'\n", b"# a\n"])
def test_damaged_yaml_is_none(data: bytes) -> None:
    broken = damage("config.yml", data)
    assert broken is not None
    with pytest.raises(YAMLError):
        YAML(typ="safe").load(broken)


OPTIONAL = """
name: scale
entry_point: step.py
inputs:
  state: {required: false, file: state.json, mounts: [/opt/ml/processing/input/state]}
outputs:
  scaled: {path: /opt/ml/processing/output/scaled, files: [rows.txt]}
exit_codes: {0: scaled, 1: failed}
"""
STATE = """
import json, os
path, state = "/opt/ml/processing/input/state/state.json", {"epoch": 0}
try:
    if WHEN:
        state = json.load(open(path))
except ValueError as error:
    print("ignored:", error)
open("/opt/ml/processing/output/scaled/rows.txt", "w").write(str(state["epoch"]))
"""


@pytest.mark.parametrize(
    ("when", "promise"),
    [("os.path.exists(path)", "damaged-input"), ("os.path.exists(path + '.gz')", "effect")],
)
def test_an_optional_input_that_is_never_read_is_told_once(
    tmp_path: Path, when: str, promise: str
) -> None:
    samples = {"state/state.json": '{"epoch": 3}'}
    ref = make_step(tmp_path, STATE.replace("WHEN", when), OPTIONAL, samples)
    assert {one for one, _ in findings(ref)} == {promise}


def test_a_short_row_hurts_less_than_a_broken_archive(tmp_path: Path) -> None:
    assert (PROMISE.severity, PROMISE.practical) == ("error", "warning")
    ref = make(tmp_path, SCRIPT.replace("if any(", "if False and any("))
    (found,) = prove(ref, FakeRunner(), "special=rows-damaged.csv").findings
    assert found.where == f"{MOUNT}/a.csv"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", b"text"),
        ("a.csv", b"x\n1\n2\n"),
        ("a.csv", b"x,y\n"),
        ("a.csv", b""),
    ],
)
def test_what_cannot_be_damaged_is_left_alone(name: str, data: bytes) -> None:
    assert damage(name, data) is None


def test_json_is_broken_whatever_it_holds() -> None:
    for text in ('{"a": 1}', "[]", "12", '"text"', "", "null"):
        broken = damage("a.json", text.encode())
        assert broken is not None
        with pytest.raises(ValueError, match="line 1"):
            json.loads(broken)


def test_samples_must_match_every_pattern(tmp_path: Path) -> None:
    contract = CONTRACT.replace('["*.csv"]', '["*.csv", "parts/*.json"]')
    matrix = load(make(tmp_path, contract=contract)).matrix
    wanted = f"put a file that parts/*.json matches into {tmp_path / 'samples' / 'rows'}/"
    assert matrix.unproven["rows=present"] == wanted
    (tmp_path / "samples" / "rows" / "parts").mkdir()
    (tmp_path / "samples" / "rows" / "parts" / "1.json").write_text("{}")
    load.cache_clear()
    assert "rows=present" in load(StepRef(tmp_path)).matrix.ids


def test_two_stars_match_files_without_a_folder_too(tmp_path: Path) -> None:
    matrix = load(make(tmp_path, contract=CONTRACT.replace('"*.csv"', '"**/*.csv"'))).matrix
    assert "rows=present" in matrix.ids
    tree = matrix.case("rows=several-files-after")[0].tree
    names = [path.rpartition("/")[2] for path, _ in tree.under("/opt/ml/processing/input/rows")]
    assert [one for one in names if one.endswith(".csv")] == ["a.csv", "~.csv"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('["*.csv"]', "rows.csv", "should be a list"),
        ('["*.csv"]', "[/rows.csv]", "pattern"),
        ("[empty-file,", "[empty,", "'empty-file'"),
        ("    required", "    damaged: maybe\n    required", "'fails' or 'tolerated'"),
    ],
)
def test_a_wrong_input_is_told_with_its_key(tmp_path: Path, old: str, new: str, what: str) -> None:
    make(tmp_path, contract=CONTRACT.replace(old, new))
    with pytest.raises(WrongContract, match=r"contract\.yaml:\d+: inputs\.rows\.") as caught:
        read_contract(tmp_path)
    assert what in str(caught.value)


SETTINGS = """
import json, sys
from pathlib import Path
text = Path("/opt/ml/processing/input/state/state.json").read_text()
try:
    state = json.loads(text)
    result = RESULT
except Exception as error:
    sys.exit(f"cannot use state.json: {error!r}")
Path("/opt/ml/processing/output/scaled/rows.txt").write_text(str(result))
"""
UNNAMED = {("special=state-without-epoch", "error-named")}
PRINTED = {("special=state-other-step", "effect")}
UNUSED = {("special=state-other-epoch", "effect")}


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ("state['epoch'] + state['step']", set()),
        # With a default, and with all keys at once.
        ("state.get('epoch', 0) + state['step']", set()),
        ("sorted(state.items())", set()),
        ("state.get('epoch') + state['step'] + len(state['name'])", UNNAMED),
        ("state.get('epochs', 1) + state['step']", UNUSED),
        # A variable of that name is no key, unless a function gets all of them.
        ("[epoch := state.get('epochs', 1), epoch + state['step']]", UNUSED),
        ("state.get('epochs')\n    print(state['step'])", UNUSED | PRINTED),
        ("(lambda epoch, step, name: epoch * 0 + step)(**state)", set()),
    ],
)
def test_each_key_of_settings_is_left_out_and_changed(
    tmp_path: Path, result: str, found: set[tuple[str, str]]
) -> None:
    contract = OPTIONAL.replace("required: false", "required: true")
    samples = {"state/state.json": '{"epoch": 3, "step": 2, "name": "x y"}'}
    ref = make_step(tmp_path, SETTINGS.replace("RESULT", result), contract, samples)
    ids = [one for one in load(ref).matrix.ids if one.startswith("special=state-")]
    assert len(ids) == 1 + 3 + 2
    trials = {one: prove(ref, FakeRunner(), one) for one in ids}
    assert {(id, one.promise) for id, trial in trials.items() for one in trial.findings} == found


def test_settings_are_flat_and_have_few_keys() -> None:
    yaml = b"eta: 0.5\ndepth: 3\nnames: [a, b]\n"
    changed = {word: data for word, _, data, _ in changed_settings({"a.yml": yaml})}
    assert set(changed) == {"without-eta", "other-eta", "without-depth", "other-depth",
                            "without-names"}  # fmt: skip
    assert YAML(typ="safe").load(changed["other-depth"])["depth"] == 4
    rows = json.dumps([{"a": 1, "b": 2}]).encode()
    nested = b'{"a": {"b": 1}, "c": 2}'
    many = json.dumps({str(one): one for one in range(13)}).encode()
    for data in (rows, nested, many, b'{"a": 1}', b"{", b"1"):
        assert list(changed_settings({"a.json": data})) == []
    assert list(changed_settings({"a.txt": yaml})) == []
