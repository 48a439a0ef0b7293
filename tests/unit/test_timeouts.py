"""How long a case may take: the option, the contract, the settings, the usual case."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cases.case import DEFAULT_TIMEOUT, Case, Outcome
from harness.cli import cli
from harness.contracts import loaders
from harness.errors import WrongContract
from harness.runs.step import StepRef, load, run_case
from harness.runs.timeouts import Limit
from harness.worlds.tree import Tree

COPIER = Path(__file__).parent / "steps" / "copier"
CASE = "text=long,older_copy=absent"
MISSING = "text=absent,older_copy=absent"


@pytest.fixture
def step(tmp_path: Path) -> Path:
    folder = tmp_path / "copier"
    shutil.copytree(COPIER, folder)
    return folder


def add(file: Path, text: str) -> None:
    file.write_text((file.read_text() if file.exists() else "") + text)


def timeout_of(ref: StepRef) -> float:
    step = load(ref)
    return step.limit.apply(step.matrix.case(step.matrix.usual)[0]).timeout


def test_an_option_wins_over_the_contract_and_that_over_the_settings(step: Path) -> None:
    assert timeout_of(StepRef(step)) == DEFAULT_TIMEOUT
    load.cache_clear()
    add(step.parent / "pyproject.toml", "[tool.harness]\ntimeout = 40\n")
    assert timeout_of(StepRef(step)) == 40
    load.cache_clear()
    add(step / "contract.yaml", "timeout: 50.5\n")
    assert timeout_of(StepRef(step)) == 50.5
    assert timeout_of(StepRef(step, timeout=60)) == 60


def test_what_a_suite_sets_is_kept_unless_an_option_says_otherwise() -> None:
    case = Case(timeout=3)
    assert Limit(50).apply(case).timeout == 3
    assert Limit(50, always=True).apply(case).timeout == 50


@pytest.mark.parametrize("text", ["timeout: 0\n", "timeout: -1\n", "timeout: soon\n"])
def test_a_wrong_timeout_names_file_line_and_key(step: Path, text: str) -> None:
    add(step / "contract.yaml", text)
    with pytest.raises(WrongContract, match=r"contract.yaml:\d+: timeout: "):
        loaders.load(step)


def test_every_form_has_it(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("")
    interface = tmp_path / "x.step.yaml"
    interface.write_text(
        "contract:\n  entry_point: x.py\n  outputs: {o: {path: /o}}\n  timeout: 90\n"
        "  sigterm: {exit_codes: [0, 143], may_write: [o]}\n"
    )
    script = tmp_path / "x_contract.py"
    script.write_text(
        "class CONTRACT:\n    pass\nCONTRACT = CONTRACT()\nCONTRACT.entry_point = 'x.py'\n"
        "CONTRACT.expected_input_paths = {}\nCONTRACT.expected_output_paths = {'o': '/o'}\n"
        "CONTRACT.timeout = 90\nCONTRACT.sigterm = {'exit_codes': [0, 143], 'may_write': ['o']}\n"
    )
    for path in (interface, script):
        contract = loaders.load(path)
        assert contract.timeout == 90
        assert contract.sigterm.exit_codes == (0, 143)
        assert contract.sigterm.may_write == ("o",)


def test_the_options_of_commands(step: Path) -> None:
    options = ["--timeout", "0.000001"]
    for command in (["check", str(step), "--case", CASE], ["replay", str(step), CASE]):
        result = CliRunner().invoke(cli, [*command, *options])
        assert result.exit_code == 1, result.output
        assert "no end within 1e-06 s" in result.output
    assert (
        "--timeout 1e-06"
        in CliRunner().invoke(cli, ["check", str(step), "--case", CASE, *options]).output
    )
    assert CliRunner().invoke(cli, ["list", str(step), *options]).exit_code == 0
    for wrong in ("0", "-1", "soon"):
        result = CliRunner().invoke(cli, ["check", str(step), "--timeout", wrong])
        assert result.exit_code == 2


@dataclass(frozen=True)
class SlowRunner:
    """A runner in which every case takes some seconds, according to its clock."""

    seconds: float
    timeouts: list[float] = field(default_factory=list, hash=False, compare=False)
    name: str = "slow"

    def prepare(self) -> None:
        pass

    def run(self, case: Case) -> Outcome:
        self.timeouts.append(case.timeout)
        ends = self.seconds <= case.timeout
        seconds = min(self.seconds, case.timeout)
        return Outcome(1 if ends else None, "", "no text", seconds, case.tree, Tree())

    def identity(self) -> object:
        return self.name

    def for_this_process(self) -> SlowRunner:
        return self

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("seconds", "ends", "timeouts"),
    [
        (5.0, True, [20.0]),
        # Once for the case, once for the usual one, and once in the time that follows from it.
        (30.0, True, [20.0, 200.0, 300.0]),
        (1000.0, False, [20.0, 200.0]),
    ],
)
def test_the_default_grows_with_the_usual_case(
    step: Path, seconds: float, *, ends: bool, timeouts: list[float]
) -> None:
    runner = SlowRunner(seconds)
    trial = run_case(StepRef(step), runner, MISSING)
    assert (trial.outcome.exit_code is not None) == ends
    assert runner.timeouts == timeouts


def test_a_timeout_that_is_said_does_not_grow(step: Path) -> None:
    runner = SlowRunner(30)
    trial = run_case(replace(StepRef(step), timeout=25), runner, MISSING)
    assert trial.outcome.exit_code is None
    assert runner.timeouts == [25]
