"""Each cause is one defect, and no cause is hidden in the defect of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contracts.contract import Level
from harness.report import Defect, defects
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import load, prove
from tests.unit.derived import make_step

CONTRACT = """
name: step
entry_point: step.py
inputs:
  data: {required: true, file: data.json, mounts: [/opt/ml/processing/input/data]}
  names: {required: true, file: names.txt, mounts: [/opt/ml/processing/input/names]}
outputs:
  copy: {path: /opt/ml/processing/output/copy, files: [data.json]}
arguments:
  size: {type: int, default: 1}
  unit: {choices: [m, km], default: m}
exit_codes: {0: copied, 1: failed}
waivers: {effect: not judged here, sigterm: not judged here}
"""
SAMPLES = {"data/data.json": '{"a": 1}', "names/names.txt": "a"}
WORK = """
import json, logging, os, sys, traceback
DATA, NAMES = "/opt/ml/processing/input/data/data.json", "/opt/ml/processing/input/names/names.txt"
COPY = "/opt/ml/processing/output/copy/data.json"
def read():
    with open(DATA) as stream, open(NAMES) as names:
        return json.load(stream), names.read()
def write(rows):
    os.makedirs(os.path.dirname(COPY), exist_ok=True)
    with open(COPY + ".part", "w") as stream:
        json.dump(rows, stream)
    os.replace(COPY + ".part", COPY)
def arguments(size=int, units=("m", "km")):
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=size, default=1)
    parser.add_argument("--unit", choices=units, default="m")
    return parser.parse_args()
"""


def found(
    folder: Path,
    script: str,
    contract: str = CONTRACT,
    cases: Sequence[str] = ("",),
    level: Level = "practical",
) -> list[Defect]:
    """The errors of a step in the cases whose ids have one of these words."""
    ref = replace(make_step(folder, WORK + script, contract, SAMPLES), level=level)
    ids = [one for one in load(ref).matrix.ids if any(word in one for word in cases)]
    results = [prove(ref, FakeRunner(), one) for one in ids]
    return [one for one in defects(results) if one.is_error]


@pytest.mark.parametrize(
    "handler",
    ["print('failed', error)", "logging.exception('failed')", "traceback.print_exc()", "pass",
     "print(error); sys.exit(0)", "return"],
)  # fmt: skip
def test_one_handler_that_keeps_failures_to_itself_is_one_defect(
    tmp_path: Path, handler: str
) -> None:
    script = f"""
def main():
    arguments()
    try:
        write(read())
    except Exception as error:
        {handler}
main()
"""
    (defect,) = found(tmp_path, script)
    assert defect.head.cause.startswith("a failure that is kept to itself at step.py:")
    assert {"names=empty,size=omitted,unit=omitted", "special=data-damaged.json"} <= {
        one.partition(",")[2] or one for one in defect.cases
    }
    assert {"full-disk", "output-folder-read-only"} <= set(defect.other_promises)


@pytest.mark.parametrize(
    "ending", ["sys.exit(1)", "raise", "return 1", "os._exit(3)", "sys.exit(str(error))"]
)
def test_a_handler_that_tells_the_failure_is_none(tmp_path: Path, ending: str) -> None:
    script = f"""
def main():
    arguments()
    try:
        write(read())
    except Exception as error:
        print(error, file=sys.stderr)
        {ending}
sys.exit(main())
"""
    errors = [one.head.key for one in found(tmp_path, script)]
    assert errors == (["undeclared-3"] if "_exit(3)" in ending else [])


def test_two_handlers_are_two_defects(tmp_path: Path) -> None:
    script = """
arguments()
try:
    rows = read()
except Exception:
    logging.exception("not read")
    rows = []
try:
    write(rows)
except Exception:
    logging.exception("not written")
"""
    causes = [one.head.cause for one in found(tmp_path, script)]
    assert len(causes) == len(set(causes)) == 2
    assert all(one.startswith("a failure that is kept to itself at step.py:") for one in causes)


def test_arguments_that_are_not_looked_at_are_two_defects(tmp_path: Path) -> None:
    script = """
arguments(str, None)
try:
    write(read())
except Exception as error:
    sys.exit(str(error))
"""
    causes = {one.head.cause for one in found(tmp_path, script)}
    assert causes == {
        "success in place of a failure that names the argument size",
        "success in place of a failure that names the argument unit",
    }


def test_a_message_that_names_nothing_is_a_cause_of_its_own(tmp_path: Path) -> None:
    # The same line fails for want of an input, and as another user than root.
    script = """
arguments()
def check(*paths):
    if not all(os.path.exists(one) for one in paths) or os.getuid() != 0:
        raise OSError("bad data")
check(DATA, NAMES)
write(read())
"""
    errors = found(tmp_path, script)
    heads = {(one.head.promise, one.head.key) for one in errors}
    assert ("error-named", "no-missing-part") in heads
    assert not any("error-named" in one.other_promises for one in errors)


def test_a_path_that_is_told_is_the_cause_where_no_traceback_is(tmp_path: Path) -> None:
    script = """
arguments()
try:
    rows = read()
    open("/opt/ml/processing/input/code/step.cache", "w").close()
    os.remove("/opt/ml/processing/input/code/step.cache")
except OSError as error:
    sys.exit(f"error: {error}")
write(rows)
"""
    ref = replace(make_step(tmp_path, WORK + script, CONTRACT, SAMPLES), level="strict")
    cases = [f"circumstance={one}" for one in ("non-root", "read-only-inputs", "read-only-root")]
    results = [prove(ref, FakeRunner(), one) for one in cases]
    causes = {one.cause for result in results for one in result.findings if "exit-code" in one.key}
    assert causes == {"OSError of /opt/ml/processing/input/code/step.cache"}


def test_what_is_done_to_the_files_of_one_input_is_one_defect(tmp_path: Path) -> None:
    script = """
import shutil
arguments()
for name in ("cats", "dogs"):
    os.remove(f"/opt/ml/processing/input/data/{name}.txt")
write(read())
"""
    samples = {**SAMPLES, "data/cats.txt": "c", "data/dogs.txt": "d"}
    ref = make_step(tmp_path, WORK + script, CONTRACT, samples)
    usual = prove(ref, FakeRunner(), load(ref).matrix.usual)
    (defect,) = defects([usual])
    assert [one.where.rpartition("/")[2] for one in defect.findings] == ["cats.txt", "dogs.txt"]


@pytest.mark.parametrize(
    ("ending", "keys"),
    [
        ("undefined_name()", {"handler-fails", "undeclared-1"}),
        ("sys.exit(4)", {"undeclared-4"}),
    ],
)
def test_one_handler_that_ends_wrongly_is_one_defect(
    tmp_path: Path, ending: str, keys: set[str]
) -> None:
    script = f"""
arguments()
try:
    write(read())
except Exception as error:
    print(error, file=sys.stderr)
    {ending}
"""
    contract = CONTRACT.replace("1: failed", "3: failed")
    (defect,) = found(tmp_path, script, contract)
    assert {one.key for one in defect.findings if one.promise == "exit-code"} == keys
    assert {"full-disk", "output-folder-read-only"} <= set(defect.other_promises)


@pytest.mark.parametrize(
    "other",
    # Another name in the output folder, the right name elsewhere, nothing that is kept.
    ['COPY.replace("data", "Data")', '"data.json"', '"/tmp/data"'],
)
def test_an_output_that_is_written_elsewhere_is_one_defect(tmp_path: Path, other: str) -> None:
    script = f"arguments()\nrows = read()\nCOPY = {other}\nopen(COPY, 'w').write('{{}}')\n"
    contract = CONTRACT.replace("[data.json]", "{data.json: {schema: {type: object}}}")
    (defect,) = found(tmp_path, script, contract, ["names=present,size=omitted,unit=omitted"])
    assert "missing" in {one.key for one in defect.findings}
    assert ("nothing-undeclared" in defect.other_promises) is (other != '"/tmp/data"')


def test_one_output_that_is_missing_and_a_file_beside_another_are_two_defects(
    tmp_path: Path,
) -> None:
    contract = CONTRACT.replace("outputs:\n", "outputs:\n  log: {path: /opt/ml/processing/log}\n")
    script = "arguments()\nwrite(read())\nopen(COPY + '.old', 'w').write('{}')\n"
    errors = found(tmp_path, script, contract, ["names=present,size=omitted,unit=omitted"])
    assert sorted(one.head.key for one in errors) == ["empty", "written"]


def test_what_is_written_to_the_working_folder_is_one_defect(tmp_path: Path) -> None:
    script = "arguments()\nwrite(read())\nopen('notes.txt', 'w').close()\n"
    usual, refused = "data=present,names=present,size=omitted,unit=omitted", "read-only-root"
    (defect,) = found(tmp_path, script, cases=[f"{usual}", "other-folder", refused])
    assert defect.cases == (usual, "circumstance=other-folder", f"circumstance={refused}")
    assert defect.other_promises == (refused,)


@pytest.mark.parametrize("fails", ["raise SystemExit('no luck')", "f'{'", "None + 1"])
def test_a_script_that_fails_in_any_case_has_one_defect(tmp_path: Path, fails: str) -> None:
    cases = ["data=absent,names=present,size=omitted", "names=present,size=omitted,unit=omitted"]
    (defect,) = found(tmp_path, f"{fails}\nwrite(read())\n", cases=cases)
    assert defect.head.key == "1-for-0"
    assert defect.other_promises[0] == "error-named"


def test_a_failure_that_names_nothing_stays_beside_another(tmp_path: Path) -> None:
    script = """
a = arguments()
try:
    rows = read()
except OSError:
    raise SystemExit("no luck")
write(rows)
if a.size == 1:
    raise SystemExit("another matter")
"""
    cases = ["data=absent,names=present,size=omitted", "names=present,size=omitted,unit=omitted"]
    keys = sorted(one.head.key for one in found(tmp_path, script, cases=cases))
    assert keys == ["1-for-0", "no-missing-part"]


def test_secrets_that_are_told_in_one_place_are_one_defect(tmp_path: Path) -> None:
    script = "arguments()\nwrite(read())\nprint(os.environ)\n"
    (defect,) = found(tmp_path, script, cases=["names=present,size=omitted,unit=omitted"])
    assert len({one.key for one in defect.findings}) == 2
    assert defect.other_promises == ()


def test_files_whose_names_only_add_to_another_one_are_one_defect(tmp_path: Path) -> None:
    script = """
write(read()[0])
for name in ("state.db", "state.db-journal", "state.db.lock", "state.dbx"):
    open("/opt/ml/processing/output/copy/" + name, "w").close()
"""
    (first, second) = found(tmp_path, script, cases=["present"])
    assert {one.where for one in first.findings} == {
        f"/opt/ml/processing/output/copy/state.db{end}" for end in ("", "-journal", ".lock")
    }
    assert {one.where for one in second.findings} == {"/opt/ml/processing/output/copy/state.dbx"}


REASON = """
try:
    rows, _ = read()
except Exception as error:
    print(f"error: {error}", file=sys.stderr)
    os.makedirs("/opt/ml/output", exist_ok=True)
    open("/opt/ml/output/failure", "w").write(str(error))
    sys.exit({code})
write(rows)
"""


@pytest.mark.parametrize(("code", "keys"), [("0", {"0-for-failure", "accepted"}), ("1", set())])
def test_the_reason_of_a_failure_is_no_defect_of_its_own(
    tmp_path: Path, code: str, keys: set[str]
) -> None:
    script = REASON.replace("{code}", code)
    found_ = found(tmp_path, script, cases=["data=", "damaged"])
    assert {finding.key for one in found_ for finding in one.findings} <= keys
    assert len(found_) == (code == "0")


def test_what_another_program_says_of_a_path_is_its_cause(tmp_path: Path) -> None:
    script = """
arguments()
try:
    open(DATA, "w").write('{"a": 2}')
except OSError as error:
    sys.exit(f"sort: open failed: {error.filename}: {error.strerror}")
write(read())
"""
    cases = ("data=present", "read-only-inputs")
    (defect,) = found(tmp_path, script, cases=cases, level="strict")
    assert defect.head.promise == "inputs-unchanged"
    assert defect.other_promises == ("read-only-inputs",)
    # What has changed is shown, not only how much.
    assert defect.head.got.splitlines()[1:]


STOPPED = """
name: step
entry_point: step.py
inputs:
  data: {required: true, file: data.json, mounts: [/opt/ml/input/data/data]}
  names: {required: true, file: names.txt, mounts: [/opt/ml/input/data/names]}
  states: {required: false, file: state.json, mounts: [/opt/ml/checkpoints]}
outputs:
  model: {path: /opt/ml/model, files: [model.json]}
  states: {path: /opt/ml/checkpoints, files: [state.json]}
exit_codes: {0: trained, 1: failed}
"""
TRAIN = """
import os
for name in ("data/data.json", "names/names.txt"):
    open("/opt/ml/input/data/" + name).read()
with open("/opt/ml/checkpoints/state.json.part", "w") as stream:
    stream.write("{}")
os.replace("/opt/ml/checkpoints/state.json.part", "/opt/ml/checkpoints/state.json")
with open("/opt/ml/model/model.json", "w") as stream:
    stream.write("{}")
"""


def test_what_a_stopped_run_leaves_is_judged_as_such_beside_what_every_run_writes(
    tmp_path: Path,
) -> None:
    script = TRAIN + "open('/opt/ml/notes.txt', 'w').write('x')\n"
    cases = ("data=present,names=present,states=empty", "sigterm-at-25")
    assert found(tmp_path, TRAIN, STOPPED, cases) == []
    tmp_path.joinpath("wrong").mkdir()
    (defect,) = found(tmp_path / "wrong", script, STOPPED, cases)
    assert defect.head.where == "/opt/ml/notes.txt"


def test_all_that_a_stopped_script_leaves_has_one_cause(tmp_path: Path) -> None:
    script = """
import os
for folder, name in (("checkpoints", "state"), ("model", "model")):
    with open(f"/opt/ml/{folder}/{name}.part", "w") as stream:
        for part in "{    }":
            stream.write(part)
            stream.flush()
    os.replace(f"/opt/ml/{folder}/{name}.part", f"/opt/ml/{folder}/{name}.json")
"""
    (defect,) = found(tmp_path, script, STOPPED, ("sigterm-at",), level="strict")
    left = {one.where for one in defect.findings}
    assert left == {"/opt/ml/checkpoints/state.part", "/opt/ml/model/model.part"}


def test_a_reason_that_is_always_too_long_is_one_defect(tmp_path: Path) -> None:
    script = """
try:
    with open("/opt/ml/model/model.json", "w") as stream:
        stream.write("{}")
    read()
except Exception as error:
    with open("/opt/ml/output/failure", "w") as stream:
        stream.write(str(error) * 100)
    sys.exit(str(error))
"""
    script = script.replace("read()", "open('/opt/ml/input/data/data/data.json').read()")
    ref = make_step(tmp_path, WORK + script, STOPPED, SAMPLES)
    cases = ("circumstance=full-disk", "circumstance=output-folder-read-only")
    results = [prove(ref, FakeRunner(), one) for one in cases]
    long = [one for one in defects(results) if "failure-too-long" in one.head.key]
    assert [len(one.cases) for one in long] == [2]
