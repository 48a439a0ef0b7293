"""Each input and output is a mount of its own; the script is the first process."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.step import StepRef, load, prove
from tests.unit.derived import make_step

_CONTRACT = """
name: step
entry_point: step.py
inputs:
  rows: {required: true, file: rows.csv, mounts: [/opt/ml/processing/input/rows]}
outputs:
  copied: {path: /opt/ml/processing/output/copy}
exit_codes: {0: copied, 1: failed}
"""
_SCRIPT = """
import os, pathlib, shutil, signal, sys, tempfile, time

INPUT = "/opt/ml/processing/input/rows/rows.csv"
OUT = "/opt/ml/processing/output/copy"

{setting_up}
with open(INPUT) as stream:
    rows = stream.read()
"""
_WORKS = {
    "renamed-within": (
        "draft = OUT + '/.draft'\nopen(draft, 'w').write(rows)\nos.replace(draft, OUT + '/x')"
    ),
    "moved": (
        "handle, draft = tempfile.mkstemp()\nos.write(handle, rows.encode())\nos.close(handle)\n"
        "shutil.move(draft, OUT + '/x')"
    ),
    "copied": "shutil.copyfile(INPUT, OUT + '/x')",
    "emptied": (
        "for one in os.listdir(OUT):\n    os.remove(os.path.join(OUT, one))\n"
        "open(OUT + '/x', 'w').write(rows)"
    ),
    "folder-kept-when-busy": (
        "shutil.rmtree(OUT, ignore_errors=True)\nos.makedirs(OUT, exist_ok=True)\n"
        "open(OUT + '/x', 'w').write(rows)"
    ),
    "folder-copied-with-its-mode": (
        "shutil.copytree(os.path.dirname(INPUT), OUT, dirs_exist_ok=True)"
    ),
    "folder-renamed-within": (
        "os.mkdir(OUT + '/.new')\nopen(OUT + '/.new/x', 'w').write(rows)\n"
        "os.rename(OUT + '/.new', OUT + '/part')"
    ),
    "linked-or-copied": (
        "try:\n    os.link(INPUT, OUT + '/x')\nexcept OSError:\n    "
        "shutil.copyfile(INPUT, OUT + '/x')"
    ),
}
_FAILS = {
    "renamed-from-tmp": (
        "handle, draft = tempfile.mkstemp()\nos.write(handle, rows.encode())\nos.close(handle)\n"
        "os.rename(draft, OUT + '/x')"
    ),
    "pathlib-replaces-from-tmp": (
        "draft = pathlib.Path(tempfile.mkstemp()[1])\ndraft.write_text(rows)\n"
        "draft.replace(OUT + '/x')"
    ),
    "folder-removed": ("shutil.rmtree(OUT)\nos.makedirs(OUT)\nopen(OUT + '/x', 'w').write(rows)"),
    "empty-folder-removed": "os.rmdir(OUT)\nos.mkdir(OUT)\nopen(OUT + '/x', 'w').write(rows)",
    "folder-swapped": (
        "new = tempfile.mkdtemp(dir=os.path.dirname(OUT))\nopen(new + '/x', 'w').write(rows)\n"
        "os.chmod(new, 0o755)\nos.rmdir(OUT)\nos.rename(new, OUT)"
    ),
    "folder-renamed-away": (
        "os.rename(OUT, OUT + '.old')\nos.mkdir(OUT)\nopen(OUT + '/x', 'w').write(rows)\n"
        "shutil.rmtree(OUT + '.old')"
    ),
    "everybody-must-read-the-input": (
        "assert os.stat(os.path.dirname(INPUT)).st_mode & 0o004, 'only root may read the input'\n"
        "shutil.copyfile(INPUT, OUT + '/x')"
    ),
    "hard-linked-from-the-input": "os.link(INPUT, OUT + '/x')",
}
_RUNNERS = pytest.mark.parametrize(
    "runner", [FakeRunner(), SandboxRunner()], ids=["fake", "sandbox"]
)
_CASE = "circumstance=own-mounts"


def step(folder: Path, way: str, *, contract: str = _CONTRACT, setting_up: str = "") -> StepRef:
    script = _SCRIPT.format(setting_up=setting_up) + way + "\n"
    return make_step(folder, script, contract, {"rows/rows.csv": "a\n1\n"})


def found(ref: StepRef, runner: Runner, case: str) -> set[tuple[str, str, str]]:
    trial = prove(ref, runner, case)
    assert not trial.unproven
    return {(one.promise, one.key, one.severity) for one in trial.findings}


@_RUNNERS
@pytest.mark.parametrize("way", _WORKS)
def test_who_stays_within_a_mount_is_not_accused(tmp_path: Path, way: str, runner: Runner) -> None:
    ref = step(tmp_path, _WORKS[way])
    assert found(ref, runner, load(ref).matrix.usual) == set()
    assert found(ref, runner, _CASE) == set()


@_RUNNERS
@pytest.mark.parametrize("way", _FAILS)
def test_who_crosses_or_removes_a_mount_is_found(tmp_path: Path, way: str, runner: Runner) -> None:
    ref = step(tmp_path, _FAILS[way])
    assert found(ref, runner, load(ref).matrix.usual) == set()
    assert ("own-mounts", "exit-code/1-for-0", "error") in found(ref, runner, _CASE)


def test_an_input_may_be_mounted_around_the_code(tmp_path: Path) -> None:
    around = _CONTRACT.replace("input/rows]", "input]")
    script = _SCRIPT.format(setting_up="").replace("input/rows/", "input/") + _WORKS["copied"]
    ref = make_step(tmp_path, script, around, {"rows/rows.csv": "a\n1\n"})
    assert found(ref, FakeRunner(), _CASE) == set()


_CHECKPOINTS = """
name: step
entry_point: step.py
inputs:
  rows: {required: true, file: rows.csv, mounts: [/opt/ml/input/data/rows]}
outputs:
  model: {path: /opt/ml/model}
  checkpoints: {path: /opt/ml/checkpoints, required: false}
exit_codes: {0: trained, 1: failed}
"""
_EARLIER = "  earlier: {required: false, mounts: [/opt/ml/checkpoints]}\n"
_TRAINS = """
import os, shutil, tempfile
IN, MODEL, KEPT = (f"/opt/ml/{name}" for name in ("input/data/rows", "model", "checkpoints"))
shutil.copyfile(f"{IN}/rows.csv", f"{MODEL}/model.csv")
"""
_KEEPS = {
    "where-the-folder-is": "if os.path.isdir(KEPT):\n    shutil.copy(f'{MODEL}/model.csv', KEPT)",
    "without-making-it": "shutil.copy(f'{MODEL}/model.csv', f'{KEPT}/last.csv')",
    "after-making-it": "os.makedirs(KEPT, exist_ok=True)\nshutil.copy(f'{MODEL}/model.csv', KEPT)",
}


@pytest.mark.parametrize(
    ("way", "both"),
    # The folder is there without checkpoints of an earlier job too.
    [*((one, False) for one in _KEEPS), *((one, True) for one in list(_KEEPS)[:2])],
)
def test_a_job_with_checkpoints_has_their_folder(tmp_path: Path, way: str, both: bool) -> None:
    terms = _CHECKPOINTS.replace("outputs:", f"{_EARLIER}outputs:") if both else _CHECKPOINTS
    ref = make_step(tmp_path, _TRAINS + _KEEPS[way], terms, {"rows/rows.csv": "a\n1\n"})
    assert found(ref, FakeRunner(), _CASE) == set()


def test_a_checkpoint_that_is_renamed_into_its_folder_is_found(tmp_path: Path) -> None:
    way = "open('/tmp/c', 'w').close()\nos.rename('/tmp/c', f'{KEPT}/c')"
    ref = make_step(tmp_path, _TRAINS + way, _CHECKPOINTS, {"rows/rows.csv": "a\n1\n"})
    assert ("own-mounts", "exit-code/1-for-0", "error") in found(ref, FakeRunner(), _CASE)


_STOPPED = "circumstance=sigterm-at-50-percent"
_WRITES = """
for number in range(3):
    with open(OUT + "/" + str(number), "w") as stream:
        stream.write(rows)
    time.sleep(0.05)
"""
_CLEANS_UP = """
def stop(*_):
    for one in os.listdir(OUT):
        os.remove(os.path.join(OUT, one))
    os._exit(143)

signal.signal(signal.SIGTERM, stop)
"""
_IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
_MUST_STOP = _CONTRACT + "sigterm: {exit_codes: [143]}\n"
_MAY_GO_ON = _CONTRACT + "sigterm: {exit_codes: [0, 143]}\n"
_MAY_BE_KILLED = _CONTRACT + "sigterm: {exit_codes: [137, 143], may_write: [copied]}\n"


@_RUNNERS
@pytest.mark.parametrize(
    ("setting_up", "contract", "code"),
    [
        (_CLEANS_UP, _CONTRACT, None),
        # Linux gives no default to the first process: the job is killed when the time is over.
        ("", _MUST_STOP, "137-for-143"),
        (_CLEANS_UP, _MUST_STOP, None),
        # A contract that says nothing of SIGTERM asks for no handler.
        ("", _CONTRACT, None),
        (_IGNORES, _CONTRACT, "0-for-143"),
        # In that time it may come to its end.
        ("", _MAY_GO_ON, None),
        (_IGNORES, _MAY_GO_ON, None),
        ("", _MAY_BE_KILLED, None),
    ],
)
def test_a_script_is_stopped_as_the_first_process(
    tmp_path: Path, setting_up: str, contract: str, code: str | None, runner: Runner
) -> None:
    ref = step(tmp_path, _WRITES, contract=contract, setting_up=setting_up)
    keys = {key for _, key, _ in found(ref, runner, _STOPPED) if "exit-code" in key}
    assert keys == ({f"exit-code/{code}"} if code else set())
