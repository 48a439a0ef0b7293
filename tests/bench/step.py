"""Measures the step in each of its ways, the pipeline that it replaces, and the floor.

Every command is measured as a process, start included. The contenders are measured in turns, so
that a busy machine slows all of them; the numbers are medians. Ratios are to the pipeline, which
extracts, copies and compresses again at level 9, and to the floor: the fastest check of the same
file (`igzip -t`), which is the least that a step must do to read an archive safely.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from tests.bench.archives import ALL, Archive
from tests.bench.measure import Cost, median, run

ROOT = Path(__file__).parents[2]
STEP = ROOT / "dummy_training" / "dummy_training.py"
HYPERPARAMETERS = b'{"epochs": 3}\n'

# The replaced pipeline: extract to a temporary folder, add the file, archive the folder.
_PLAIN = """
import pathlib, shutil, sys, tarfile, tempfile
model, given, out = map(pathlib.Path, sys.argv[1:])
with tempfile.TemporaryDirectory(dir=out.parent) as folder:
    working = pathlib.Path(folder)
    with tarfile.open(model, "r:*") as tar:
        tar.extractall(working)
    target = working / "hyperparameters.json"
    if not target.exists():
        shutil.copy2(given, target)
    with tarfile.open(out / "model.tar.gz", "w:gz") as tar:
        for item in working.rglob("*"):
            if item.is_file():
                tar.add(item, arcname=item.relative_to(working))
"""
_STEP = """
import logging, runpy, sys
if sys.argv[1] == "zlib":
    sys.modules["isal"] = None
logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(levelname)s - %(message)s")
step = runpy.run_path(sys.argv[2], run_name="step")
folders = {"model_artifacts_input": sys.argv[3], "hyperparameters_s3_uri": sys.argv[4]}
step["main"](folders, {"model_output": sys.argv[5]}, {}, None)
"""
_PIGZ = """
set -e
folder=$(mktemp -d "$3.XXXXXX")
tar -xzf "$1" -C "$folder"
cp "$2" "$folder/"
tar -cf - -C "$folder" . | pigz > "$3/model.tar.gz"
rm -r "$folder"
"""

PLAIN, FLOOR = "plain pipeline", "floor"


@dataclass(frozen=True)
class Contender:
    """A command that is measured, and the file that it writes (None: none)."""

    name: str
    command: tuple[str, ...]
    output: Path | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    archive: str
    name: str
    runs: int
    cost: Cost
    output: int
    plain_ratio: float | None = None
    floor_ratio: float | None = None


def contenders(model: Path, scratch: Path, *, others: bool) -> Iterator[Contender]:
    """All commands for an archive that this machine can run, with their inputs in `scratch`."""
    hyperparameters = scratch / "given" / "hyperparameters.json"
    hyperparameters.parent.mkdir(parents=True)
    hyperparameters.write_bytes(HYPERPARAMETERS)
    out = scratch / "out"
    out.mkdir()
    output = out / "model.tar.gz"

    def step(way: str, source: Path, library: str) -> Contender:
        arguments = (library, str(STEP), str(source.parent), str(hyperparameters.parent), str(out))
        command = (sys.executable, "-c", _STEP, *arguments)
        return Contender(f"{way}, {library}", command, output)

    # The step cannot splice an archive with zeros after its end, so it has to rewrite it.
    padded = scratch / "padded" / "model.tar.gz"
    padded.parent.mkdir()
    shutil.copyfile(model, padded)
    with padded.open("ab") as stream:
        stream.write(bytes(512))
    # The step copies an archive that has hyperparameters already, such as its own output.
    embedded = scratch / "embedded" / "model.tar.gz"
    embedded.parent.mkdir()
    run(step("splice", model, "zlib").command, scratch)
    output.rename(embedded)

    paths = (str(model), str(hyperparameters), str(out))
    yield floor(model)
    for way, source in (("splice", model), ("copy", embedded), ("rewrite", padded)):
        for library in ("isal", "zlib"):
            yield step(way, source, library)
    if not others:
        return
    if shutil.which("pigz"):
        yield Contender("tar | pigz", ("sh", "-c", _PIGZ, "sh", *paths), output)
    yield Contender(PLAIN, (sys.executable, "-c", _PLAIN, *paths), output)


def floor(model: Path) -> Contender:
    """The fastest check of a gzip file on this machine."""
    if shutil.which("igzip"):
        return Contender(f"{FLOOR}: igzip -t", ("igzip", "-t", str(model)))
    command = f'"{sys.executable}" -m isal.igzip -d -c "$1" > /dev/null'
    return Contender(f"{FLOOR}: python -m isal.igzip -d", ("sh", "-c", command, "sh", str(model)))


def measure_archive(archive: Archive, model: Path, runs: int) -> list[Row]:
    """Measure every contender on one archive, in turns."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        scratch = Path(folder)
        all_contenders = list(contenders(model, scratch, others=archive.others))
        costs: dict[str, list[Cost]] = {one.name: [] for one in all_contenders}
        sizes: dict[str, int] = {}
        for _ in range(runs):
            for one in all_contenders:
                costs[one.name].append(run(one.command, scratch))
                if one.output is not None:
                    sizes[one.name] = one.output.stat().st_size
                    one.output.unlink()
    rows = [
        Row(archive.name, name, runs, median(several), sizes.get(name, 0))
        for name, several in costs.items()
    ]
    plain = next((row.cost.wall for row in rows if row.name == PLAIN), None)
    floor_seconds = next(row.cost.wall for row in rows if row.name.startswith(FLOOR))
    return [
        replace(
            row,
            plain_ratio=plain / row.cost.wall if plain else None,
            floor_ratio=row.cost.wall / floor_seconds,
        )
        for row in rows
    ]


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the console."""
    made = Table(title="dummy_training", title_justify="left")
    made.add_column("archive", no_wrap=True)
    made.add_column("way", no_wrap=True)
    for title in ("wall s", "CPU s", "MiB", "written / output", "plain / it", "it / floor", "runs"):
        made.add_column(title, justify="right")
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before.archive != row.archive:
            made.add_section()
        made.add_row(
            row.archive if before is None or before.archive != row.archive else "",
            row.name,
            f"{row.cost.wall:.2f}",
            f"{row.cost.cpu:.2f}",
            f"{row.cost.memory / 2**20:.0f}",
            f"{row.cost.written / row.output:.3f}" if row.output else "",
            f"{row.plain_ratio:.1f}" if row.plain_ratio else "",
            f"{row.floor_ratio:.2f}",
            str(row.runs),
        )
    return made


def growth(rows: Sequence[Row]) -> dict[str, float]:
    """How many times longer each way takes for eight times the work; 8 is linear."""
    small, large = (
        {row.name: row.cost.wall for row in rows if row.archive == archive.name}
        for archive in ALL[:2]
    )
    return {name: large[name] / small[name] for name in small if name in large}
