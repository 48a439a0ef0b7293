"""The benchmark of the step, on small archives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.bench import measure, step
from tests.bench.archives import Archive, small_files


def test_a_run_is_measured(tmp_path: Path) -> None:
    code = "data = bytearray(50_000_000)\nopen('out', 'wb').write(bytes(3_000_000))"
    code = f"import os\nos.chdir({str(tmp_path)!r})\n{code}"
    cost = measure.run([sys.executable, "-c", code], tmp_path)
    assert 0 < cost.cpu < cost.wall * 2
    assert 50_000_000 < cost.memory < 100_000_000
    assert 3_000_000 <= cost.written < 3_100_000


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys\nprint('it broke')\nsys.exit(3)"]
    with pytest.raises(measure.CommandFailed, match=r"(?s)exit code 3 .*it broke"):
        measure.run(command, tmp_path)


def test_the_table_has_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "QUICK", (Archive("20 files", small_files(20), runs=1),))
    report = tmp_path / "report.json"
    arguments = ["--quick", "--keep", str(tmp_path / "kept"), "--json", str(report)]
    ran = CliRunner().invoke(step.main, arguments)
    assert ran.exit_code == 0, ran.output
    found = json.loads(report.read_text())
    names = {row["name"] for row in found["rows"]}
    ways = {f"{way}, {lib}" for way in ("splice", "copy", "rewrite") for lib in ("isal", "zlib")}
    assert ways | {"plain pipeline"} <= names
    assert any(name.startswith("floor: ") for name in names)
    assert all(name in ran.output for name in names)
    (plain,) = (row for row in found["rows"] if row["name"] == "plain pipeline")
    assert plain["plain_ratio"] == 1
