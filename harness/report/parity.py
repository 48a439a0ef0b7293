"""Shows what two runners do not agree on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.progress import track

from harness.parity import Disparity

_SHOWN = 400


def show(
    console: Console,
    names: Sequence[str],
    ids: Sequence[str],
    found: Iterable[tuple[Disparity, ...]],
) -> int:
    """Print every disparity as it is found, then the totals; returns in how many cases."""

    def line(text: str) -> None:
        console.print(text, markup=False)

    first, second = names
    line(f"{len(ids)} cases, {first} and {second} runner")
    width = max(len(first), len(second))
    apart = 0
    cases: Any = found
    with closing(cases):
        shown = track(cases, "", len(ids), console=console, transient=True)
        for disparities in shown if console.is_terminal else cases:
            apart += bool(disparities)
            for one in disparities:
                line(f"\n{one.case}\n  {one.what}")
                line(f"    {first:{width}}  {_short(one.first)}")
                line(f"    {second:{width}}  {_short(one.second)}")
    line(f"{len(ids) - apart} cases the same, {apart} different")
    return apart


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
