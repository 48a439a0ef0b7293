"""The way in: the runner and the Python that a script needs are picked, and told once."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from harness.errors import RunnerUnavailable
from harness.runners.real import interpreters
from harness.runners.real.sandbox import SandboxRunner
from harness.runs.choice import RunnerOptions, choose
from harness.runs.step import StepRef
from tests.unit.command import harness

CONTRACT = """
name: prepare
entry_point: prepare.py
inputs:
  data: {required: true, file: data.csv, mounts: [/opt/ml/processing/input/data]}
outputs:
  result: {path: /opt/ml/processing/output/result, files: [data.csv]}
exit_codes: {0: prepared, 1: failed}
"""
SCRIPT = """
import sys
from pathlib import Path
IMPORTS
try:
    data = Path("/opt/ml/processing/input/data/data.csv").read_bytes()
    USES
except OSError as error:
    sys.exit(f"{error}: provide the channel data")
output = Path("/opt/ml/processing/output/result")
output.mkdir(parents=True, exist_ok=True)
(output / "data.csv").write_bytes(data)
"""
# A package with a module in C, whose name nobody knows.
MODULE = "a_package_of_no_environment"
PRESENT = ("--case", "data=present")


def step(folder: Path, imports: str = "", uses: str = "pass", **modules: str) -> StepRef:
    (folder / "samples" / "data").mkdir(parents=True)
    (folder / "samples" / "data" / "data.csv").write_text("a,b\n1,2\n")
    (folder / "contract.yaml").write_text(CONTRACT)
    script = SCRIPT.replace("IMPORTS", imports).replace("USES", uses.replace("\n", "\n    "))
    (folder / "prepare.py").write_text(script)
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    return StepRef(folder)


def with_package(environment: Path) -> Path:
    """A virtual environment that has the package; returns its Python."""
    venv.create(environment)
    python = environment / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    folder = subprocess.run([python, "-c", query], capture_output=True, text=True, check=True)
    Path(folder.stdout.strip(), f"{MODULE}.py").write_text("value = 3\n")
    return python


@pytest.mark.parametrize(
    "imports",
    [
        "import json, csv, tarfile, threading",
        "import click",
        "try:\n    import pydantic_core\nexcept ImportError:\n    pydantic_core = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pydantic_core",
        "import sys\nif sys.version_info < (3, 8):\n    import pydantic_core",
        "import beside",
        "import os; os.environ.get('x')",
    ],
)
def test_what_python_does_with_files_is_for_the_fake_runner(tmp_path: Path, imports: str) -> None:
    choice = choose(step(tmp_path, imports, beside="x = 1"), RunnerOptions())
    assert (choice.runner.name, choice.note) == ("fake", "")


@pytest.mark.parametrize(
    ("imports", "why"),
    [
        ("import pydantic_core", "the script imports pydantic_core,"),
        # It has no module in C itself, and requires one that has.
        ("from pydantic import BaseModel", "the script imports pydantic,"),
        ("import subprocess as s", "the script uses subprocess,"),
        ("from concurrent import futures\nimport multiprocessing.pool", "uses multiprocessing,"),
        ("import ctypes", "the script uses ctypes,"),
        ("import mmap, sqlite3", "the script uses mmap, sqlite3,"),
        ("import os as system\nif len(sys.argv) > 9: system.execv('/x', [])", "uses os.execv,"),
        ("from os import fork", "the script uses os.fork,"),
        ("import beside", "beside.py, which the script imports, uses subprocess,"),
    ],
)
def test_what_else_a_script_does_is_for_a_sandbox(
    sandbox: SandboxRunner, tmp_path: Path, imports: str, why: str
) -> None:
    ref = step(tmp_path, imports, beside="import subprocess")
    choice = choose(ref, RunnerOptions())
    assert choice.runner.name == "sandbox"
    assert choice.note.startswith("prepare: sandbox runner: ")
    assert why in choice.note
    assert choice.note.endswith("which the fake runner cannot judge (--runner fake insists)")
    assert choose(ref, RunnerOptions("fake")).runner.name == "fake"


def test_a_module_of_the_name_of_one_of_pythons_is_for_a_sandbox(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    choice = choose(step(tmp_path, "import queue", queue="x = 1"), RunnerOptions())
    assert choice.runner.name == "sandbox"
    assert "queue beside the script has the name of a module of Python" in choice.note


def test_the_pick_is_told_once_before_any_case(sandbox: SandboxRunner, tmp_path: Path) -> None:
    step(tmp_path, "import subprocess", "subprocess.run(['true'], check=True)")
    done = harness("check", str(tmp_path), *PRESENT)
    assert done.returncode == 0, done.stdout
    assert done.stderr.splitlines() == [
        "prepare: sandbox runner: the script uses subprocess, which the fake runner cannot judge "
        "(--runner fake insists)"
    ]
    assert " cases, sandbox runner\n" in done.stdout
    assert "sandbox runner" in harness("list", str(tmp_path)).stderr
    assert "sandbox runner" in harness("replay", str(tmp_path), "data=present").stderr
    insisted = harness("check", str(tmp_path), *PRESENT, "--runner", "fake")
    assert insisted.returncode == 3
    assert "starts a subprocess" in insisted.stderr


def test_a_step_goes_on_in_a_sandbox_after_a_refusal(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    step(tmp_path, "import os", "getattr(os, 'sys' + 'tem')('true')")
    done = harness("check", str(tmp_path), "-k", "data or again or umask", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("goes on with the sandbox runner: ") == 1
    assert "0 failed" in done.stdout
    replayed = harness("replay", str(tmp_path), "data=present")
    assert replayed.returncode == 0
    assert "goes on with the sandbox runner: " in replayed.stderr


def test_without_sandboxes_one_error_says_what_to_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unavailable(_runner: SandboxRunner) -> None:
        raise RunnerUnavailable("no sandbox can be made here: no namespaces", "be root")

    monkeypatch.setattr(SandboxRunner, "prepare", unavailable)
    monkeypatch.delenv("HARNESS_IMAGE", raising=False)
    monkeypatch.setenv("HARNESS_PYTHON", "/no/such/python")
    with pytest.raises(RunnerUnavailable) as raised:
        choose(step(tmp_path, "import subprocess"), RunnerOptions())
    assert "needs the sandbox or the container runner: the script uses subp" in raised.value.what
    assert "no namespaces" in raised.value.what
    assert "--runner container --image NAME" in raised.value.hint


def test_missing_modules_are_told_once(sandbox: SandboxRunner, tmp_path: Path) -> None:
    step(tmp_path, f"import {MODULE}.part, json\ntry:\n    import not_there\nexcept ImportError: 0")
    for arguments in ((), ("--runner", "sandbox")):
        done = harness("check", str(tmp_path), *arguments)
        assert done.returncode == 3
        assert "data=present" not in done.stdout
        (line,) = done.stderr.splitlines()
        assert f"prepare: the script imports {MODULE}.part, which {sys.executable} does" in line
        assert "HARNESS_PYTHON" in line
        assert "not_there" not in line
    # A script that only lacks them is not accused of its exit code by the runner that insists.
    with pytest.raises(RunnerUnavailable, match=f"imports {MODULE}.part.* use --runner sandbox"):
        choose(StepRef(tmp_path), RunnerOptions("fake"))


def test_one_step_that_lacks_modules_does_not_hide_the_others(
    sandbox: SandboxRunner, tmp_path: Path
) -> None:
    for name, imports in (("right", ""), ("wrong", f"import {MODULE}")):
        (tmp_path / name).mkdir()
        step(tmp_path / name, imports)
    done = harness("check", str(tmp_path), *PRESENT)
    assert done.returncode == 3
    assert "1 passed, 0 failed" in done.stdout
    assert MODULE in done.stderr


def test_the_python_of_the_active_environment_is_used(
    sandbox: SandboxRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = with_package(tmp_path / "environment")
    (tmp_path / "step").mkdir()
    step(tmp_path / "step", f"import {MODULE}")
    assert harness("check", str(tmp_path / "step"), *PRESENT).returncode == 3
    for variable, value in (
        ("HARNESS_PYTHON", python),
        ("VIRTUAL_ENV", python.parent.parent),
        ("CONDA_PREFIX", python.parent.parent),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(value))
            done = harness("check", str(tmp_path / "step"), *PRESENT)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "1 passed" in done.stdout


def test_an_environment_beside_the_step_is_used_if_it_has_the_modules(tmp_path: Path) -> None:
    assert interpreters.find([MODULE], [tmp_path]) == sys.executable
    venv.create(tmp_path / ".venv")
    assert interpreters.find([MODULE], [tmp_path]) == sys.executable
    python = with_package(tmp_path / "venv")
    assert interpreters.find([MODULE], [tmp_path]) == str(python)
    assert interpreters.missing(str(python), [MODULE, "json", "xml.dom", "nowhere"]) == ("nowhere",)
