"""The matrix of a step as tables: axes as rows and columns, and a cell for each combination."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harness.report import Summary

State = Literal["passed", "warning", "failed", "unproven"]

# The worst state of a cell's cases is that of the cell.
_WORST_FIRST: Sequence[State] = ("failed", "unproven", "warning", "passed")
_AXIS = re.compile(r"(?:^|,)([A-Za-z_][\w.-]*)=")
_MAX_CELLS = 5_000
_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Cell:
    """The cases of one combination: how many in each state, and the first of the worst state.

    `defects` are the ids of the defects that they show.
    """

    counts: Mapping[State, int]
    first: str
    defects: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """The worst state."""
        return next(one for one in _WORST_FIRST if self.counts.get(one))

    @property
    def total(self) -> int:
        """The number of cases."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Grid:
    """A table: the axes of rows and columns, the choices of each row and column, and the cells.

    `left_out` are axes that have no row or column, since the table would be too large: the cells
    hold the cases of all of their choices.
    """

    row_axes: tuple[str, ...]
    column_axes: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[tuple[str, ...], ...]
    cells: Mapping[tuple[tuple[str, ...], tuple[str, ...]], Cell]
    left_out: tuple[str, ...]

    @property
    def row_spans(self) -> tuple[tuple[int, ...], ...]:
        """Over how many rows each choice of a row stands; 0 where one above stands there."""
        return _spans(self.rows)

    @property
    def column_spans(self) -> tuple[tuple[int, ...], ...]:
        """The same of the columns."""
        return _spans(self.columns)


def _spans(lines: Sequence[tuple[str, ...]]) -> tuple[tuple[int, ...], ...]:
    found = [[1] * len(line) for line in lines]
    for at in range(len(lines) - 1, 0, -1):
        for level in range(len(lines[at])):
            if lines[at][: level + 1] != lines[at - 1][: level + 1]:
                break
            found[at - 1][level] += found[at][level]
            found[at][level] = 0
    return tuple(tuple(one) for one in found)


def choices(case_id: str) -> tuple[tuple[str, str], ...]:
    """The axes and choices that a case's id is made of: (axis, choice) in order."""
    found = list(_AXIS.finditer(case_id))
    ends = [*(one.start() for one in found[1:]), len(case_id)]
    return tuple((one[1], case_id[one.end() : end]) for one, end in zip(found, ends, strict=False))


def states(summary: Summary) -> dict[str, State]:
    """The state of each case: id → state."""
    found: dict[str, State] = {}
    for one in summary.results:
        if one.failed:
            found[one.case] = "failed"
        elif one.unproven:
            found[one.case] = "unproven"
        else:
            found[one.case] = "warning" if one.findings else "passed"
    return {**found, **dict.fromkeys(summary.plan.unproven, "unproven")}


def grids(summary: Summary, defects: Mapping[str, Sequence[str]] = _NONE) -> list[Grid]:
    """A grid for all cases with the same axes, in the order of the cases.

    `defects` are the ids of the defects of each case.
    """
    groups: dict[tuple[str, ...], dict[tuple[str, ...], tuple[str, State]]] = {}
    for case_id, state in states(summary).items():
        pairs = choices(case_id) or (("case", case_id),)
        axes = tuple(axis for axis, _ in pairs)
        groups.setdefault(axes, {})[tuple(one for _, one in pairs)] = (case_id, state)
    return [_grid(axes, cases, defects) for axes, cases in groups.items()]


def _grid(
    axes: tuple[str, ...],
    cases: Mapping[tuple[str, ...], tuple[str, State]],
    defects: Mapping[str, Sequence[str]],
) -> Grid:
    depth = len(axes)
    while depth > 1 and len({one[:depth] for one in cases}) > _MAX_CELLS:
        depth -= 1
    shown = {one[:depth] for one in cases}
    split = min(
        range(1, depth) if depth > 1 else (1,),
        key=lambda at: abs(len({one[:at] for one in shown}) - 2 * len({one[at:] for one in shown})),
    )
    together: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[str, State]]] = {}
    for combination, case in cases.items():
        place = combination[:split], combination[split:depth]
        together.setdefault(place, []).append(case)
    return Grid(
        axes[:split],
        axes[split:depth],
        tuple(dict.fromkeys(row for row, _ in together)),
        tuple(dict.fromkeys(column for _, column in together)),
        {place: _cell(some, defects) for place, some in together.items()},
        axes[depth:],
    )


def _cell(cases: Sequence[tuple[str, State]], defects: Mapping[str, Sequence[str]]) -> Cell:
    counts: dict[State, int] = {}
    for _, state in cases:
        counts[state] = counts.get(state, 0) + 1
    worst = next(one for one in _WORST_FIRST if one in counts)
    first = next(one for one, state in cases if state == worst)
    found = dict.fromkeys(name for one, _ in cases for name in defects.get(one, ()))
    return Cell(counts, first, tuple(found))
