"""Contracts that are Python objects: `harness lint` executes them where they can do no harm."""

# What is tried is tried by the plainest means.
# ruff: noqa: PTH101, PTH107, PTH123, PTH208, SIM115

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.contracts import loaders
from harness.errors import RunnerCannot, RunnerUnavailable, WrongContract
from harness.runners.real import sandbox_call
from harness.runs.apart import read_apart
from harness.runs.step import read_contract
from tests.unit.test_sandbox_runner import call_as_nobody

BASE = """
class Contract:
    def __init__(self, **values):
        vars(self).update(values)
"""
CONTRACT = """
import os
from .base import Contract

here = os.path.dirname(os.path.abspath(__file__))
{before}
TRAIN = Contract(
    entry_point="step.py",
    expected_input_paths={{"data": "/opt/ml/processing/input/data"}},
    expected_output_paths={{"result": "/opt/ml/processing/output/result"}},
    expected_arguments={{"depth": {{"description": "how deep", "type": "integer", "maximum": 9}}}},
    required_env_vars=("REGION",),
    optional_env_vars={{"LEVEL": 3}},
    framework_requirements={{"pandas": ">=2"}},
    waivers={{"repeatable": {{"reason": "it samples", "until": "2999-01-31"}}}},
    timeout=3,
    output_content={{"result": {{"files": {{"a.json": {{"schema": {{"type": "object"}}}}}}}}}},
)
"""
SCRIPT = 'open("/opt/ml/processing/input/other/x")\n'


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], Path]:
    def make(before: str = "") -> Path:
        (tmp_path / "base.py").write_text(BASE)
        (tmp_path / "step.py").write_text(SCRIPT)
        path = tmp_path / "train_contract.py"
        path.write_text(CONTRACT.format(before=before))
        return path

    return make


def read(path: Path, said: list[str] | None = None) -> Any:
    heard = [] if said is None else said
    return read_contract(path, apart=lambda one, reads: read_apart(one, reads, heard.append))


def refused(_visible: object) -> None:
    raise OSError("not permitted")


@pytest.fixture(params=["namespaces", "refusals"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which such a process is made."""
    if request.param == "refusals":
        monkeypatch.setattr(sandbox_call, "_in_namespaces", refused)
    return str(request.param)


def test_the_contract_is_the_same(module: Callable[[str], Path], way: str) -> None:
    said: list[str] = []
    path = module('print("\\x1b[2J")')
    assert read(path, said) == loaders.load(path)
    assert "executed to read its contract, in a process of its own" in said[0]
    assert said[1:] == ["\\x1b[2J"], said


def test_what_is_wrong_is_told_where_it_stands(module: Callable[[str], Path], way: str) -> None:
    with pytest.raises(WrongContract) as caught:
        read(module("import os\n1 / 0"))
    assert "train_contract.py:7: the script contract cannot be executed: Zero" in caught.value.what
    assert "without a network" in caught.value.hint
    for ends in ("os._exit(0)", "import ctypes; ctypes.CDLL(None)._exit(0)", "raise SystemExit"):
        with pytest.raises(WrongContract) as caught:
            read(module(ends))
        assert "train_contract.py" in caught.value.what


def attempts(folder: str, port: int, parent: int) -> bytes:
    """What of the things that would reach out of the process succeeds."""

    own = f"{folder}/step.py"
    tried: dict[str, Callable[[], object]] = {
        "write": lambda: open(f"{folder}/left", "w"),
        "append": lambda: open(own, "a"),
        "remove": lambda: os.remove(own),
        "mode": lambda: os.chmod(own, 0o600),
        "mode of an open file": lambda: os.fchmod(os.open(own, os.O_RDONLY), 0o600),
        "dates of an open file": lambda: os.utime(os.open(own, os.O_RDONLY)),
        "network": lambda: socket.create_connection(("127.0.0.1", port), 1),
        "secrets of the machine": lambda: open("/etc/shadow").read(),
        "other files": lambda: os.listdir("/boot"),
        "variables": lambda: os.environb.__getitem__(b"HARNESS_SECRET"),
        "variables at the start": lambda: open("/proc/self/environ").read().index("PATH="),
        "other processes": lambda: os.kill(os.getppid() or parent, 0),
    }
    done = []
    for name, one in tried.items():
        with suppress(OSError, LookupError, ValueError):
            one()
            done.append(name)
    return json.dumps(done).encode()


@pytest.mark.parametrize("user", ["this", "nobody"])
def test_it_reaches_nothing(
    tmp_path: Path, way: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_SECRET", "x")
    (tmp_path / "step.py").write_text(SCRIPT)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> bytes:
            work = partial(attempts, str(tmp_path), port, os.getpid())
            return sandbox_call.call(work, (tmp_path,), 60)

        found = answer() if user == "this" else call_as_nobody(answer)
    assert json.loads(found) == []
    assert [one.name for one in tmp_path.iterdir()] == ["step.py"]


def test_it_is_not_executed_where_it_could_do_harm(
    module: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("_in_namespaces", "_by_refusals"):
        monkeypatch.setattr(sandbox_call, way, refused)
    path = module("open(here + '/left', 'w')")
    with pytest.raises(RunnerUnavailable, match="not executed, so that its contract is not known"):
        read(path)
    assert not (path.parent / "left").exists()


def test_it_does_not_go_on_for_ever(tmp_path: Path, way: str) -> None:
    def work() -> bytes:
        time.sleep(60)
        return b""

    with pytest.raises(RunnerCannot, match="it does not end"):
        sandbox_call.call(work, (tmp_path,), 0.5)


def test_lint_says_that_it_was_executed(module: Callable[[str], Path]) -> None:
    path = module("try:\n    open(here + '/left', 'w')\nexcept OSError as error:\n    print(error)")
    result = CliRunner().invoke(cli, ["lint", str(path)])
    assert result.exit_code == 1
    assert "executed to read its contract, in a process of its own" in result.stderr
    assert "Read-only" in result.stderr
    assert "STEP101 /opt/ml/processing/input/other/x" in result.stdout
    assert not (path.parent / "left").exists()
