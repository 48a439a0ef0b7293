"""Faults: each file operation of the usual case fails once, and the script is killed before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cases.case import Severity
from harness.cases.fault import Fault, Operation, is_fault, point_of
from harness.cli import cli
from harness.promises import any_fault
from harness.report.record import StepRecord
from harness.runners.fake.runner import FakeRunner
from harness.runs.faults import find_faults, one_of_equal
from harness.runs.step import StepRef, load, run_case

COPIER = Path(__file__).parent / "steps" / "copier"
READ = "    text = TEXT.read_bytes()\n"
TRY = "    try:\n        draft.write_bytes(text)\n"
WRITE, RENAME = "        draft.write_bytes(text)\n", "        draft.replace(COPY)\n"
IMPORT = "import signal\n"


def script(folder: Path, *edits: tuple[str, str]) -> StepRef:
    """The step that copies a text, with another script."""
    text = (COPIER / "copier.py").read_text()
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    changed = folder / "copier.py"
    changed.write_text(text)
    return StepRef(COPIER, changed)


def found(ref: StepRef, *operations: str) -> set[tuple[str, str, Severity]]:
    """Operation, effect and key of what is found with faults of some operations, or of any."""
    runner = FakeRunner()
    breaches = set()
    for one in find_faults(ref, runner).ids:
        operation, effect = one.split("/")[1], one.rpartition("/")[2]
        if operations and operation not in operations:
            continue
        trial = run_case(ref, runner, one)
        assert not trial.verdict.unproven
        for finding in trial.findings:
            assert finding.promise == "any-fault"
            breaches.add((f"{operation} {effect}", finding.key, finding.severity))
    return breaches


READ_TO_ERROR = """    text = b""
    with TEXT.open("rb") as stream:
        while True:
            try:
                chunk = stream.read(2)
            except OSError:
                break
            if not chunk:
                break
            text += chunk
"""
UNCHECKED_CLOSE = """        stream = draft.open("wb")
        stream.write(text)
        try:
            stream.close()
        except OSError:
            pass
"""
UNCHECKED_OS_CLOSE = """        number = os.open(draft, os.O_WRONLY | os.O_CREAT)
        if os.write(number, text) != len(text):
            raise OSError("a short write")
        try:
            os.close(number)
        except OSError:
            pass
"""
ONE_WRITE = """        number = os.open(draft, os.O_WRONLY | os.O_CREAT)
        os.write(number, text)
        os.close(number)
"""
LISTING = """    text = b""
    for folder, _, names in os.walk(TEXT.parent):
        for name in names:
            text += Path(folder, name).read_bytes()
"""
WRONG = {
    "a read error is the end": (
        ((READ, READ_TO_ERROR),),
        ("read EIO", "less-than-usual"),
    ),
    "the older output is removed before the rename": (
        ((RENAME, "        COPY.unlink(missing_ok=True)\n" + RENAME),),
        ("rename SIGKILL", "older-output-gone"),
    ),
    "a chmod before the try": (
        ((TRY, "    draft.touch()\n    draft.chmod(0o600)\n" + TRY),),
        ("chmod EPERM", "nothing-undeclared/written"),
    ),
    "an unchecked close": (((WRITE, UNCHECKED_CLOSE),), ("write ENOSPC", "less-than-usual")),
    "an unchecked close of a descriptor": (
        ((IMPORT, "import os\n" + IMPORT), (WRITE, UNCHECKED_OS_CLOSE)),
        ("close EIO", "less-than-usual"),
    ),
    "a rename across devices that is a copy": (
        (
            (IMPORT, "import shutil\n" + IMPORT),
            ('COPY.with_suffix(".part")', 'Path("/tmp/text.part")'),
            (RENAME, "        shutil.move(draft, COPY)\n"),
        ),
        ("write SIGKILL", "partial-output"),
    ),
    "a short write": (
        ((IMPORT, "import os\n" + IMPORT), (WRITE, ONE_WRITE)),
        ("write short", "less-than-usual"),
    ),
    "a folder that cannot be listed is empty": (
        ((IMPORT, "import os\n" + IMPORT), (READ, LISTING)),
        ("list EIO", "less-than-usual"),
    ),
    "an error is a warning": (
        ((RENAME, "        try:\n    " + RENAME + "        except OSError:\n            pass\n"),),
        ("rename EACCES", "less-than-usual"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_at_one_point_alone_is_found(name: str, tmp_path: Path) -> None:
    edits, (fault, key) = WRONG[name]
    ref = script(tmp_path, *edits)
    assert (fault, key, "error") in found(ref, fault.partition(" ")[0])
    usual = run_case(ref, FakeRunner(), load(ref).matrix.usual)
    assert usual.findings == ()


IN_SCRATCH = """    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "text")
        scratch.write_bytes(text)
        copy = scratch.read_bytes()
"""
BY_DESCRIPTOR = """        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            left = text
            while left:
                left = left[os.write(number, left):]
            os.fsync(number)
        finally:
            os.close(number)
"""
COPIED_FIRST = """        scratch = Path("/tmp/text.part")
        try:
            scratch.write_bytes(text)
            try:
                os.replace(scratch, COPY)
            except OSError:
                shutil.copyfile(scratch, draft)
                os.replace(draft, COPY)
        finally:
            scratch.unlink(missing_ok=True)
"""
CORRECT = {
    "a temporary folder": (READ, READ + IN_SCRATCH),
    "descriptors": (WRITE, BY_DESCRIPTOR),
    "a rename across devices that falls back to a copy and a rename": (WRITE, COPIED_FIRST),
}


@pytest.mark.parametrize("name", CORRECT)
def test_other_ways_to_survive_are_not_accused(name: str, tmp_path: Path) -> None:
    edits = [CORRECT[name], (IMPORT, "import os\nimport shutil\n" + IMPORT)]
    if name.startswith("a rename"):
        edits.append((RENAME, ""))
    assert found(script(tmp_path, *edits)) == set()


def test_the_points_are_the_operations_of_the_script() -> None:
    faults = find_faults(StepRef(COPIER), FakeRunner())
    assert faults.unproven == {}
    assert all(map(is_fault, faults.ids))
    assert list(dict.fromkeys(map(point_of, faults.ids))) == [
        "open/copier.py:14/1",
        "read/copier.py:14/1",
        "mkdir/copier.py:15/1",
        "stat/copier.py:15/1",
        "create/copier.py:18/1",
        "write/copier.py:18/1",
        "close/copier.py:18/1",
        "rename/copier.py:19/1",
        "stat/copier.py:21/1",
    ]


def test_of_equal_operations_that_in_the_middle_is_tried() -> None:
    reads = [Operation("read", "step.py:3", time) for time in (1, 2, 3)]
    writes = [Operation("write", "step.py:3", time) for time in (1, 2)]
    assert one_of_equal([reads[0], writes[0], *reads[1:], writes[1]]) == (reads[1], writes[0])


def test_a_fault_is_named_after_its_operation() -> None:
    for fault in (
        Fault((), "read", "step.py:3", 1, "EIO"),
        Fault((), "create", "/opt/ml/output/data/7", 2, "SIGKILL"),
    ):
        assert Fault.parse(fault.name) == fault
    for name in ("", "read", "read/step.py:3/0/EIO", "read/step.py:3/1/EVIL", "again"):
        assert Fault.parse(name) is None


def test_sigterm_comes_where_the_script_handles_it_and_not_at_a_creation() -> None:
    for name, handles, comes in (
        ("write", True, True),
        ("write", False, False),
        ("create", True, False),
    ):
        effects = list(any_fault.effects(Operation(name, "step.py:3", 1, handles)))
        assert ("SIGTERM" in effects, "SIGKILL" in effects) == (comes, True)


def test_a_fault_that_the_script_does_not_come_to_is_not_proven() -> None:
    case_id = "circumstance=fault/write/copier.py:999/1/EIO"
    trial = run_case(StepRef(COPIER), FakeRunner(), case_id)
    assert "did not come to" in trial.verdict.unproven
    assert trial.result.unproven_severity == "warning"


def test_a_script_that_fails_where_each_output_is_a_mount_has_no_faults(tmp_path: Path) -> None:
    in_scratch = ('COPY.with_suffix(".part")', 'Path("/tmp/text.part")')
    faults = find_faults(script(tmp_path, in_scratch), FakeRunner())
    assert faults.ids == ()
    assert "mount of its own" in faults.unproven["circumstance=fault"]


def test_the_command_counts_faults_and_reports_them_as_other_cases(tmp_path: Path) -> None:
    edits, _ = WRONG["the older output is removed before the rename"]
    ref, report = script(tmp_path, *edits), tmp_path / "report.json"
    command = ["check", str(COPIER), "--script", str(ref.script), "--jobs", "1"]
    options = ["--faults", "-k", "fault/rename or fault/close", "--json", str(report)]
    ran = CliRunner().invoke(cli, [*command, *options])
    assert ran.exit_code == 1
    assert "9 faults at 2 points: 3 survived" in ran.output
    record = StepRecord.model_validate_json(report.read_text())
    failed = [one.id for one in record.cases if not one.passed]
    assert record.selection.faults
    assert "circumstance=fault/rename/copier.py:20/1/SIGKILL" in failed
    again = CliRunner().invoke(cli, [*command, "--case", failed[0]])
    assert (again.exit_code, "1 fault at 1 point: 0 survived" in again.output) == (1, True)


def test_a_fault_is_replayed_by_its_id() -> None:
    case_id = "circumstance=fault/rename/copier.py:19/1/EACCES"
    ran = CliRunner().invoke(cli, ["replay", str(COPIER), case_id])
    assert (ran.exit_code, "Permission denied" in ran.output) == (0, True)
