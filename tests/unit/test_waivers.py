"""Waivers with a date: they count up to that day, and are told as over from then on."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.contracts.waivers import Waiver, expired
from harness.errors import WrongContract
from harness.runners.fake.runner import FakeRunner
from harness.runs.step import fingerprint, load, prove, read_contract
from tests.unit.derived import CONTRACT, make_step

_LEAVES_A_FILE = """
import shutil, tempfile
handle, draft = tempfile.mkstemp()
shutil.copyfile("/opt/ml/input/data/train/train.csv", "/opt/ml/model/model.csv")
"""


def contract(waiver: str) -> str:
    return f"{CONTRACT}level: strict\nwaivers:\n  scratch-clean: {waiver}\n"


@pytest.mark.parametrize(
    ("waiver", "counts"),
    [
        ("the library leaves it", True),
        ("{reason: until the next release, until: 2999-12-31}", True),
        ("{reason: until the last release, until: 2001-01-31}", False),
    ],
)
def test_a_waiver_counts_up_to_its_day(tmp_path: Path, waiver: str, counts: bool) -> None:
    ref = make_step(tmp_path, _LEAVES_A_FILE, contract(waiver))
    found = prove(ref, FakeRunner(), load(ref).matrix.usual).findings
    assert {one.promise for one in found} == (set() if counts else {"scratch-clean"})
    assert bool(load(ref).contract.warnings) != counts


def test_check_says_that_a_waiver_is_over(tmp_path: Path) -> None:
    until = "{reason: the library leaves it, until: %s}"
    options = ["-k", "train=present", "--jobs", "1", "--runner", "fake"]
    over, counting = tmp_path / "over", tmp_path / "counting"
    make_step(over, _LEAVES_A_FILE, contract(until % "2001-01-31"))
    result = CliRunner().invoke(cli, ["check", str(over), *options])
    assert result.exit_code == 1, result.output
    told = " ".join(result.output.split())
    assert "contract.yaml: waivers.scratch-clean: is over since 2001-01-31" in told
    assert "mend the step and remove it, or give it a later date" in told
    make_step(counting, _LEAVES_A_FILE, contract(until % "2999-12-31"))
    result = CliRunner().invoke(cli, ["check", str(counting), *options])
    assert result.exit_code == 0, result.output
    assert "waived: scratch-clean: the library leaves it (until 2999-12-31)" in result.output


def test_the_last_day_is_the_one_that_is_named(tmp_path: Path) -> None:
    day = datetime.date(2027, 1, 31)
    waivers: dict[str, str | Waiver] = {
        "log": Waiver(reason="later", until=day),
        "output": "always",
    }
    assert expired(waivers, day) == {}
    assert set(expired(waivers, day + datetime.timedelta(days=1))) == {"log"}


def test_results_are_not_kept_beyond_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = make_step(tmp_path, _LEAVES_A_FILE, contract("{reason: later, until: 2999-12-31}"))
    before = fingerprint(ref)
    load.cache_clear()
    fingerprint.cache_clear()
    monkeypatch.setattr("harness.contracts.loaders.expired", lambda waivers, _today: waivers)
    assert fingerprint(ref) != before
    load.cache_clear()
    fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("waiver", "message"),
    [
        ("{until: 2027-01-31}", "waivers.scratch-clean.reason: is required and missing"),
        ("{reason: later}", "waivers.scratch-clean.until: is required and missing"),
        ("{reason: later, until: soon}", "waivers.scratch-clean.until: "),
        ("{reason: later, untill: 2027-01-31}", "waivers.scratch-clean.untill: "),
        ("7", "waivers.scratch-clean: "),
    ],
)
def test_a_wrong_waiver_is_told(tmp_path: Path, waiver: str, message: str) -> None:
    make_step(tmp_path, _LEAVES_A_FILE, contract(waiver))
    with pytest.raises(WrongContract) as error:
        read_contract(tmp_path)
    assert message in str(error.value)
