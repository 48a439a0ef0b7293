"""The cases of dummy_training run once where tests that cannot be skipped prove the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.cases.shard import Shard
from harness.runs.step import StepRef, load

ROOT = Path(__file__).parents[2]
SUITE = "dummy_training/conformance.py"
PARITY = "tests/integration/test_parity.py"


def test_only_what_a_selected_test_proves_is_deselected() -> None:
    left_out = f"{PARITY}::test_all_runners_agree_in_every_case[2/6]"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--collect-only", "-q"),
            *(SUITE, PARITY, "--deselect", left_out),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "HARNESS_REQUIRE_DOCKER": "1"},
    )
    lines = done.stdout.splitlines()
    kept = [line.removeprefix(f"{SUITE}::") for line in lines if line.startswith(SUITE)]
    ids = load(StepRef(ROOT / "dummy_training")).matrix.ids
    assert kept == [one for one in ids if Shard(2, 6).contains(one)]
