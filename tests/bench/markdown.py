"""Shows the figures that `--json` has written as Markdown tables, as on the page of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from rich.table import Table

from tests.bench import harness, step

# Of each archive the floor, the step's usual way, the slowest one, and what the step replaces.
TELLING = ("splice, isal", "splice, zlib", "rewrite, zlib", step.PLAIN)


@dataclass(frozen=True)
class StepFigures:
    """What was measured of the step, and how its ways grow."""

    rows: Sequence[step.Row]
    growth: Mapping[str, float]


@dataclass(frozen=True)
class HarnessFigures:
    """What was measured of the runners, and how they grow."""

    rows: Sequence[harness.Row]
    growth: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """What a run of the benchmark has written; a part that was not measured is None."""

    machine: str
    step: StepFigures | None = None
    harness: HarnessFigures | None = None


def read(path: Path) -> Figures:
    """The figures in a file; raises `pydantic.ValidationError` when `--json` has not written it."""
    return TypeAdapter(Figures).validate_json(path.read_bytes())


def markdown(figures: Figures) -> str:
    """The machine, and of each part a table, with five rows of an archive at most."""
    return "\n\n".join(_blocks(figures)) + "\n"


def _blocks(figures: Figures) -> Iterator[str]:
    yield figures.machine
    if figures.step is not None:
        yield _table(step.table([row for row in figures.step.rows if _is_telling(row.name)]))
        growth = figures.step.growth.items()
        yield from _growth("way", {name: factor for name, factor in growth if _is_telling(name)})
    if figures.harness is not None:
        yield _table(harness.table(figures.harness.rows))
        yield from _growth("runner", figures.harness.growth)


def _is_telling(name: str) -> bool:
    return name in TELLING or name.startswith(step.FLOOR)


def _growth(what: str, factors: Mapping[str, float]) -> Iterator[str]:
    if factors:
        made = Table()
        made.add_column(what)
        made.add_column("time for 8 times the work", justify="right")
        for name, factor in factors.items():
            made.add_row(name, f"{factor:.1f} times")
        yield _table(made)


def _table(table: Table) -> str:
    ends = ["---:" if column.justify == "right" else "---" for column in table.columns]
    rows = zip(*(map(str, column.cells) for column in table.columns), strict=True)
    lines = [[str(column.header) for column in table.columns], ends, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
