"""The benchmark, on small archives and few cases."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from harness.errors import RunnerUnavailable
from harness.runners.real.sandbox import SandboxRunner
from tests.bench import __main__ as bench
from tests.bench import harness, markdown, measure
from tests.bench.archives import Archive, small_files
from tests.unit.command import harness as run_harness


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
    def unavailable(_runner: SandboxRunner) -> None:
        raise RunnerUnavailable("no sandbox can be made here", "allow user namespaces")

    monkeypatch.setattr(SandboxRunner, "prepare", unavailable)
    monkeypatch.setattr(harness, "CONTENDERS", harness.CONTENDERS[:2])
    monkeypatch.setattr(harness, "IMAGE", "step-harness-has-no-such-image:1")
    report = tmp_path / "report.json"
    result = CliRunner().invoke(bench.main, ["harness", "--quick", "--json", str(report)])
    assert result.exit_code == 0, result.output
    rows = json.loads(report.read_text())["harness"]["rows"]
    names = [(row["name"], row["workers"]) for row in rows]
    assert names == [("fake", 1), ("fake", 2), ("4 inputs, covered", 2)]
    assert rows[0]["cases"] == rows[1]["cases"] > 10
    assert "sandboxes: not measured, no sandbox can be made here" in result.output
    assert "allow user namespaces" in result.output
    assert "containers: not measured" in result.output


def test_the_step_with_many_axes_keeps_its_contract(tmp_path: Path) -> None:
    harness._write_wide(tmp_path, 3, 2)
    done = run_harness("check", str(tmp_path), "--runner", "fake")
    assert done.returncode == 0, done.stdout
    assert " follow from them " in done.stdout


def test_growth_is_corrected_for_the_number_of_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    small = harness.Row("fake", 2, cases=50, runs=1, cost=measure.Cost(2.0, 0, 0, 0))
    monkeypatch.setattr(harness, "_measure_check", lambda *_: (500, measure.Cost(20.0, 0, 0, 0)))
    assert harness.growth([small], str) == {"fake": 8.0}


FIGURES = """
{
  "machine": "2 processors X, Python 3.11.7, isal 1.9.1",
  "step": {
    "rows": [
      {
        "archive": "weights 16 MB", "name": "floor: igzip -t", "runs": 5, "output": 0,
        "cost": {"wall": 0.05, "cpu": 0.049, "memory": 9437184, "written": 0},
        "plain_ratio": 106.0, "floor_ratio": 1.0
      },
      {
        "archive": "weights 16 MB", "name": "rewrite, zlib", "runs": 5, "output": 1000,
        "cost": {"wall": 0.59, "cpu": 0.69, "memory": 18874368, "written": 1001},
        "plain_ratio": 9.0, "floor_ratio": 11.8
      },
      {
        "archive": "weights 16 MB", "name": "tar | pigz", "runs": 5, "output": 1000,
        "cost": {"wall": 1.3, "cpu": 2.5, "memory": 10485760, "written": 2500},
        "plain_ratio": 4.1, "floor_ratio": 26.0
      },
      {
        "archive": "1 MB", "name": "rewrite, zlib", "runs": 1, "output": 1000,
        "cost": {"wall": 0.2, "cpu": 0.2, "memory": 18874368, "written": 1000},
        "plain_ratio": null, "floor_ratio": 4.0
      }
    ],
    "growth": {"rewrite, zlib": 6.3, "tar | pigz": 7.6}
  },
  "harness": {
    "rows": [
      {
        "name": "fake", "workers": 1, "cases": 175, "runs": 3, "floor_ratio": 7.0,
        "cost": {"wall": 5.0, "cpu": 4.0, "memory": 1, "written": 1}
      }
    ],
    "growth": {}
  }
}
"""


def test_figures_are_shown_as_markdown(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(FIGURES)
    ran = CliRunner().invoke(bench.main, ["--markdown", str(report)])
    assert ran.exit_code == 0, ran.output
    assert ran.output.splitlines() == [
        "2 processors X, Python 3.11.7, isal 1.9.1",
        "",
        "| archive | way | wall s | CPU s | MiB | written / output | plain / it | it / floor "
        "| runs |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| weights 16 MB | floor: igzip -t | 0.05 | 0.05 | 9 |  | 106.0 | 1.00 | 5 |",
        "|  | rewrite, zlib | 0.59 | 0.69 | 18 | 1.001 | 9.0 | 11.80 | 5 |",
        "| 1 MB | rewrite, zlib | 0.20 | 0.20 | 18 | 1.000 |  | 4.00 | 1 |",
        "",
        "| way | time for 8 times the work |",
        "| --- | ---: |",
        "| rewrite, zlib | 6.3 times |",
        "",
        "| runner | workers | cases | cases / s | it / floor | ms a case | runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| fake | 1 | 175 | 35.0 | 7.0 | 29 | 3 |",
    ]


def test_what_was_measured_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "QUICK", (Archive("5 files", small_files(5), runs=1),))
    report = tmp_path / "report.json"
    arguments = ["step", "--quick", "--keep", str(tmp_path / "kept"), "--json", str(report)]
    assert CliRunner().invoke(bench.main, arguments).exit_code == 0
    ran = CliRunner().invoke(bench.main, ["--markdown", str(report)])
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith(f"{bench.machine()}\n\n| archive |")
    assert "| plain pipeline |" in ran.output
    assert platform.release() not in ran.output


def test_other_files_are_not_shown(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("[]")
    ran = CliRunner().invoke(bench.main, ["--markdown", str(report)])
    assert ran.exit_code == 2
    assert f"{report} was not written by --json" in ran.output


def test_the_page_shows_such_tables() -> None:
    page = (harness.ROOT / "harness" / "docs" / "benchmarks.md").read_text()
    figures = TypeAdapter(markdown.Figures).validate_json(FIGURES)
    heads = [line for line in markdown.markdown(figures).splitlines() if line.endswith(" runs |")]
    assert len(heads) == 2
    assert [head for head in heads if head not in page] == []
