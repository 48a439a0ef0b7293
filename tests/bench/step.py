"""What the step costs in each of its ways, beside the pipeline that it replaces and the floor.

Every command runs as a whole process, start of the interpreter included. The contenders take turns,
so that a busy machine slows all of them; the numbers are medians. Ratios are to the pipeline that
extracts, copies and compresses anew at level 9, and to the floor: the fastest check of the same
file (`igzip -t`), which anything that reads an archive with care must cost.
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

# The pipeline as it was before: extract to a temporary folder, add the file, pack the folder.
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
    """A command that is measured, and the output that it leaves (None: none)."""

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
    """All that can be run on an archive here; makes the inputs of each way in `scratch`."""
    given = scratch / "given" / "hyperparameters.json"
    given.parent.mkdir(parents=True)
    given.write_bytes(HYPERPARAMETERS)
    out = scratch / "out"
    out.mkdir()
    written = out / "model.tar.gz"

    def step(way: str, source: Path, library: str) -> Contender:
        arguments = (library, str(STEP), str(source.parent), str(given.parent), str(out))
        command = (sys.executable, "-c", _STEP, *arguments)
        return Contender(f"{way}, {library}", command, written)

    # Zeros after the end are harmless, but no splice can have them: the step has to rewrite.
    padded = scratch / "padded" / "model.tar.gz"
    padded.parent.mkdir()
    shutil.copyfile(model, padded)
    with padded.open("ab") as stream:
        stream.write(bytes(512))
    # What has hyperparameters already is what the step made of it.
    embedded = scratch / "embedded" / "model.tar.gz"
    embedded.parent.mkdir()
    run(step("splice", model, "zlib").command, scratch)
    written.rename(embedded)

    three = (str(model), str(given), str(out))
    yield floor(model)
    for way, source in (("splice", model), ("copy", embedded), ("rewrite", padded)):
        for library in ("isal", "zlib"):
            yield step(way, source, library)
    if not others:
        return
    if shutil.which("pigz"):
        yield Contender("tar | pigz", ("sh", "-c", _PIGZ, "sh", *three), written)
    yield Contender(PLAIN, (sys.executable, "-c", _PLAIN, *three), written)


def floor(model: Path) -> Contender:
    """The fastest check of a gzip file that there is here."""
    if shutil.which("igzip"):
        return Contender(f"{FLOOR}: igzip -t", ("igzip", "-t", str(model)))
    command = f'"{sys.executable}" -m isal.igzip -d -c "$1" > /dev/null'
    return Contender(f"{FLOOR}: python -m isal.igzip -d", ("sh", "-c", command, "sh", str(model)))


def measured(archive: Archive, model: Path, runs: int) -> list[Row]:
    """Every contender on one archive, in turns."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        scratch = Path(folder)
        all_of_them = list(contenders(model, scratch, others=archive.others))
        costs: dict[str, list[Cost]] = {one.name: [] for one in all_of_them}
        sizes: dict[str, int] = {}
        for _ in range(runs):
            for one in all_of_them:
                costs[one.name].append(run(one.command, scratch))
                if one.output is not None:
                    sizes[one.name] = one.output.stat().st_size
                    one.output.unlink()
    rows = [
        Row(archive.name, name, runs, median(several), sizes.get(name, 0))
        for name, several in costs.items()
    ]
    plain = next((row.cost.wall for row in rows if row.name == PLAIN), None)
    least = next(row.cost.wall for row in rows if row.name.startswith(FLOOR))
    return [
        replace(
            row,
            plain_ratio=plain / row.cost.wall if plain else None,
            floor_ratio=row.cost.wall / least,
        )
        for row in rows
    ]


def table(rows: Sequence[Row]) -> Table:
    """The rows for people to read."""
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
    """How much longer each way takes for eight times the work; 8 would be linear."""
    small, large = (
        {row.name: row.cost.wall for row in rows if row.archive == archive.name}
        for archive in ALL[:2]
    )
    return {name: large[name] / small[name] for name in small if name in large}
