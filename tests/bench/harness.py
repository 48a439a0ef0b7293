"""Measures a case in each runner, and the floor: `docker run` of a Python that does nothing.

Every command is measured as a process, start included. The contenders are measured in turns, so
that a busy machine slows all of them; the numbers are medians. The growth of the time is measured
from an eighth of the matrix to all of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from harness.cases.case import Case
from harness.errors import RunnerUnavailable
from harness.runners.real import interpreters
from harness.runners.real.local_service import sdk_python
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.real.warm_plan import warmed
from harness.runners.registry import open_runner
from harness.worlds.tree import Tree
from tests.bench.measure import Cost, median, run

ROOT = Path(__file__).parents[2]
HARNESS = Path(sys.executable).with_name("harness")
IMAGE = os.environ.get("HARNESS_IMAGE", "step-base:local")
WORKERS = (1, 2)
FLOOR = "floor: docker run"
PARTS = 8

_FITTING = "/opt/ml/code/fit.py"
# What each imports, and the script.
_FITS: Mapping[tuple[str, ...], bytes] = {
    ("pandas", "sklearn"): b"""
import pandas
from sklearn.linear_model import LinearRegression

data = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]})
print(round(float(LinearRegression().fit(data[["x"]], data["y"]).coef_[0]), 6))
""",
    ("numpy", "xgboost"): b"""
import numpy
import xgboost

model = xgboost.XGBRegressor(n_estimators=1, max_depth=1, learning_rate=1.0, n_jobs=1)
model.fit(numpy.array([[1.0], [9.0]] * 8), numpy.array([0.0, 4.0] * 8))
print(2.0 if model.predict(numpy.array([[9.0]]))[0] > 2 else 0.0)
""",
}

# Those of dummy_training that a job of local mode can express.
_JOBS = (
    "code_models=absent and model_beside=absent and code_hyperparams=absent "
    "and hyperparameters_beside=absent and job=processing"
)
_WIDE = """outputs:
  result: {path: /opt/ml/processing/output/result, files: [a.csv]}
exit_codes: {0: done, 1: failed}
"""
_WIDE_STEP = """
import os
from pathlib import Path
INPUT, OUTPUT = Path("/opt/ml/processing/input"), Path("/opt/ml/processing/output/result")
text = "".join((INPUT / f"input_{number}/a.csv").read_text() for number in (0, 1))
third = INPUT / "input_2/a.csv"
text += third.read_text() if third.exists() else ""
OUTPUT.mkdir(parents=True, exist_ok=True)
(OUTPUT / "a.csv").write_text(text + os.environ.get("LEVEL_0", "1"))
"""

# Arguments: image, containers one after the other in each process, processes at the same time.
_FLOOR = """
one() {
    for _ in $(seq "$2"); do docker run --rm --network none "$1" python3 -c '' || exit 1; done
}
for _ in $(seq "$3"); do one "$1" "$2" & running="$running $!"; done
for each in $running; do wait "$each" || exit 1; done
"""
_FLOOR_RUNS = 10
_FAULTS = ("--faults", "-k", "fault/")


@dataclass(frozen=True)
class Contender:
    """A way to run cases: its name, its options, and what it needs."""

    name: str
    options: tuple[str, ...]
    needs_engine: bool = False
    needs_sdk: bool = False
    parts: int = PARTS


CONTENDERS = (
    Contender("fake", ("--runner", "fake", "--exhaustive")),
    Contender("sandbox", ("--runner", "sandbox", "--start", "warm", "--exhaustive")),
    Contender("sandbox, cold", ("--runner", "sandbox", "--start", "cold", "--exhaustive")),
    Contender(
        "container",
        ("--runner", "container", "--image", IMAGE, "--start", "warm"),
        needs_engine=True,
    ),
    Contender(
        "container, cold",
        ("--runner", "container", "--image", IMAGE, "--start", "cold"),
        needs_engine=True,
    ),
    Contender(
        "container, one for each case",
        ("--runner", "container", "--image", IMAGE, "--isolation", "case", "--start", "cold"),
        needs_engine=True,
    ),
    Contender(
        "local mode",
        ("--runner", "local-mode", "--image", IMAGE, "-k", _JOBS),
        needs_engine=True,
        needs_sdk=True,
        # There are few of them.
        parts=2,
    ),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a number of cases, run by a number of workers, and the cost."""

    name: str
    workers: int
    cases: int
    runs: int
    cost: Cost
    floor_ratio: float | None = None

    @property
    def rate(self) -> float:
        """Cases per second."""
        return self.cases / self.cost.wall


def has_engine() -> bool:
    """Whether a Docker engine answers and has the image."""
    command = ["docker", "image", "inspect", IMAGE]
    return (
        bool(shutil.which("docker")) and not subprocess.run(command, capture_output=True).returncode
    )


def no_sdk() -> str:
    """Why no job of local mode can be run here, or nothing."""
    try:
        sdk_python()
    except RunnerUnavailable as error:
        return str(error)
    return ""


def no_sandbox() -> str:
    """Why no sandbox can be made here, or nothing."""
    try:
        SandboxRunner().prepare()
    except RunnerUnavailable as error:
        return str(error)
    return ""


def measure_contenders(runs: int, quick: bool, log: Callable[[str], object]) -> list[Row]:
    """Measure every contender with one and with two workers, in turns, on a part of the matrix.

    `log` is called with a text before each measurement.
    """
    engine = has_engine()
    contenders = [one for one in CONTENDERS if engine or not one.needs_engine]
    if no_sandbox():
        contenders = [one for one in contenders if not one.name.startswith("sandbox")]
    if no_sdk():
        contenders = [one for one in contenders if not one.needs_sdk]
    measurements: dict[tuple[str, int], list[tuple[int, Cost]]] = {}
    for turn in range(runs):
        for workers in WORKERS:
            if engine:
                log(f"{FLOOR}, {workers} at once, {turn + 1} of {runs}")
                measurements.setdefault((FLOOR, workers), []).append(_measure_floor(workers))
            for one in contenders:
                log(f"{one.name}, {workers} workers, {turn + 1} of {runs}")
                shard = f"1/{one.parts * (8 if quick else 1)}"
                measurements.setdefault((one.name, workers), []).append(
                    _measure_check(one, workers, shard)
                )
    rows = [
        Row(name, workers, costs[0][0], len(costs), median([cost for _, cost in costs]))
        for (name, workers), costs in measurements.items()
    ]
    floors = {row.workers: row.rate for row in rows if row.name == FLOOR}
    return [
        replace(row, floor_ratio=row.rate / floors[row.workers] if floors else None) for row in rows
    ]


def measure_imports(runs: int, log: Callable[[str], object]) -> list[Row]:
    """Measure scripts that import large libraries, where HARNESS_PYTHON has them.

    Each is one case, run again and again by one worker; the warm process is started before.
    """
    runner = open_runner("sandbox")
    assert isinstance(runner, SandboxRunner)
    rows: list[Row] = []
    for modules, script in {} if no_sandbox() else _FITS.items():
        if interpreters.missing(runner.python, modules) == ():
            log(f"imports of {' and '.join(modules)}")
            rows += _measure_start(runner, modules, script, runs)
    return rows


def _measure_start(
    runner: SandboxRunner, modules: tuple[str, ...], script: bytes, runs: int
) -> Iterator[Row]:
    """A script from a cold and from a warm start."""
    case = Case(tree=Tree().with_file(_FITTING, script), script=_FITTING, timeout=120.0)
    started, reason = warmed(runner, case)
    assert reason == ""
    for name, one, cases in (("cold", runner, runs), ("warm", started, 10 * runs)):
        one.run(case)
        begin = time.perf_counter()
        for _ in range(cases):
            assert one.run(case).stdout == "2.0\n"
        cost = Cost(time.perf_counter() - begin, 0, 0, 0)
        yield Row(f"{', '.join(modules)}: sandbox, {name}", 1, cases, runs, cost)
    started.close()


def measure_faults(log: Callable[[str], object]) -> list[Row]:
    """Measure every fault of `dummy_training`, with two workers."""
    rows = []
    for one in CONTENDERS[: 1 if no_sandbox() else 2]:
        log(f"faults, {one.name}")
        cases, cost = _measure_check(replace(one, options=(*one.options, *_FAULTS)), 2, "1/1")
        rows.append(Row(f"faults: {one.name}", 2, cases, 1, cost))
    return rows


def measure_axes(quick: bool, log: Callable[[str], object]) -> list[Row]:
    """Measure contracts of more and more axes, of whose cases almost all follow from others."""
    rows = []
    for inputs, variables in ((4, 0),) if quick else ((4, 0), (6, 0), (8, 0), (8, 6)):
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            _write_wide(scratch, inputs, variables)
            name = f"{inputs} inputs" + (f", {variables} variables" if variables else "")
            log(name)
            report = scratch / "report.json"
            options = ("--runner", "fake", "--jobs", "2", "--json", str(report))
            cost = run((str(HARNESS), "check", folder, *options), scratch)
            cases = json.loads(report.read_text())["totals"]["run"]
            rows.append(Row(f"{name}, covered", 2, cases, 1, cost))
    return rows


def _write_wide(folder: Path, inputs: int, variables: int) -> None:
    """A step that reads two of its inputs and a variable, and looks for a third input."""
    names = [f"input_{number}" for number in range(inputs)]
    lines = [
        f"  {name}: {{required: {str(number < 2).lower()}, files: [a.csv], "
        f"mounts: [/opt/ml/processing/input/{name}]}}"
        for number, name in enumerate(names)
    ]
    optional = [f"    LEVEL_{number}: '1'" for number in range(variables)]
    environment = ["environment:", "  optional:", *optional] if variables else []
    contract = ["name: wide", "entry_point: step.py", "inputs:", *lines, *environment, _WIDE]
    (folder / "contract.yaml").write_text("\n".join(contract))
    (folder / "step.py").write_text(_WIDE_STEP)
    for name in names:
        (folder / "samples" / name).mkdir(parents=True)
        (folder / "samples" / name / "a.csv").write_text(f"a\n{len(name)}\n")


def growth(rows: Sequence[Row], log: Callable[[str], object]) -> dict[str, float]:
    """How many times longer the whole matrix takes than an eighth of it, by contender.

    Corrected for the exact numbers of cases, so that 8 is linear.
    """
    found = {}
    for one in CONTENDERS:
        small = next((row for row in rows if (row.name, row.workers) == (one.name, 2)), None)
        if small is not None and not one.needs_sdk and "--isolation" not in one.options:
            log(f"{one.name}, the whole matrix")
            cases, cost = _measure_check(one, 2, "1/1")
            found[one.name] = PARTS * (cost.wall / cases) / (small.cost.wall / small.cases)
    return found


def _measure_check(one: Contender, workers: int, shard: str) -> tuple[int, Cost]:
    """Run cases of `dummy_training`; returns their number and the cost."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        report = scratch / "report.json"
        command = (str(HARNESS), "check", str(ROOT / "dummy_training"), *one.options)
        options = ("--jobs", str(workers), "--shard", shard, "--json", str(report))
        cost = run((*command, *options), scratch)
        return json.loads(report.read_text())["totals"]["run"], cost


def _measure_floor(workers: int) -> tuple[int, Cost]:
    """Start containers that do nothing; returns their number and the cost."""
    with tempfile.TemporaryDirectory() as folder:
        command = ("sh", "-c", _FLOOR, "sh", IMAGE, str(_FLOOR_RUNS), str(workers))
        return _FLOOR_RUNS * workers, run(command, Path(folder))


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the console."""
    made = Table(title="harness", title_justify="left")
    made.add_column("runner", no_wrap=True)
    for title in ("workers", "cases", "cases / s", "it / floor", "ms a case", "runs"):
        made.add_column(title, justify="right")
    for row in sorted(rows, key=lambda row: row.name != FLOOR):
        made.add_row(
            row.name,
            str(row.workers),
            str(row.cases),
            f"{row.rate:.1f}",
            f"{row.floor_ratio:.1f}" if row.floor_ratio else "",
            f"{1000 / row.rate:.0f}",
            str(row.runs),
        )
    return made
