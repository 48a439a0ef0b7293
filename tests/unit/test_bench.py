"""The benchmark, on small archives and few cases."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.bench import __main__ as bench
from tests.bench import harness, measure
from tests.bench.archives import Archive, small_files


def test_a_run_is_measured(tmp_path: Path) -> None:
    code = "data = bytearray(50_000_000)\nopen('out', 'wb').write(bytes(3_000_000))"
    code = f"import os\nos.chdir({str(tmp_path)!r})\n{code}"
    cost = measure.run([sys.executable, "-c", code], tmp_path)
    assert 0 < cost.cpu < cost.wall * 2
    assert 50_000_000 < cost.memory < 100_000_000
    assert 3_000_000 <= cost.written < 3_100_000


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys\nprint('it broke')\nsys.exit(3)"]
    with pytest.raises(measure.CommandFailed, match=r"(?s)exit code 3 .*it broke"):
        measure.run(command, tmp_path)


def test_the_table_has_a_row_for_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "QUICK", (Archive("20 files", small_files(20), runs=1),))
    report = tmp_path / "report.json"
    arguments = ["step", "--quick", "--keep", str(tmp_path / "kept"), "--json", str(report)]
    result = CliRunner().invoke(bench.main, arguments)
    assert result.exit_code == 0, result.output
    data = json.loads(report.read_text())["step"]
    names = {row["name"] for row in data["rows"]}
    ways = {f"{way}, {lib}" for way in ("splice", "copy", "rewrite") for lib in ("isal", "zlib")}
    assert ways | {"plain pipeline"} <= names
    assert any(name.startswith("floor: ") for name in names)
    assert all(name in result.output for name in names)
    (plain,) = (row for row in data["rows"] if row["name"] == "plain pipeline")
    assert plain["plain_ratio"] == 1


def test_the_table_has_a_row_for_every_available_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "CONTENDERS", harness.CONTENDERS[:1])
    monkeypatch.setattr(harness, "IMAGE", "step-harness-has-no-such-image:1")
    report = tmp_path / "report.json"
    result = CliRunner().invoke(bench.main, ["harness", "--quick", "--json", str(report)])
    assert result.exit_code == 0, result.output
    rows = json.loads(report.read_text())["harness"]["rows"]
    assert [(row["name"], row["workers"]) for row in rows] == [("fake", 1), ("fake", 2)]
    assert rows[0]["cases"] == rows[1]["cases"] > 10
    assert "containers: not measured" in result.output


def test_growth_is_corrected_for_the_number_of_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    small = harness.Row("fake", 2, cases=50, runs=1, cost=measure.Cost(2.0, 0, 0, 0))
    monkeypatch.setattr(harness, "_measure_check", lambda *_: (500, measure.Cost(20.0, 0, 0, 0)))
    assert harness.growth([small], str) == {"fake": 8.0}
