"""Shows what runners do not agree on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.progress import track

from harness.cases.trial import Difference

_SHOWN = 400


def show(
    console: Console,
    names: Sequence[str],
    ids: Sequence[str],
    found: Iterable[tuple[Difference, ...]],
) -> int:
    """Print every difference as it is found, then the totals; returns in how many cases."""

    def line(text: str) -> None:
        console.print(text, markup=False)

    line(f"{len(ids)} cases, {', '.join(names[:-1])} and {names[-1]} runner")
    width = max(map(len, names))
    apart = 0
    cases: Any = found
    with closing(cases):
        shown = track(cases, "", len(ids), console=console, transient=True)
        for differences in shown if console.is_terminal else cases:
            apart += bool(differences)
            for one in differences:
                line(f"\n{one.case}\n  {one.what}")
                for name, got in zip(names, one.got, strict=True):
                    line(f"    {name:{width}}  {_short(got)}")
    line(f"{len(ids) - apart} cases the same, {apart} different")
    return apart


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
