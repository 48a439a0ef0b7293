"""Shows the differences between runners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.progress import track

from harness.cases.trial import Difference
from harness.files.shown import shown

_MAX_LENGTH = 400


def show_differences(
    console: Console,
    names: Sequence[str],
    ids: Sequence[str],
    differences_by_case: Iterable[tuple[Difference, ...]],
) -> int:
    """Print every difference as it is found, then the totals; returns the number of such cases."""

    def line(text: str) -> None:
        console.print(shown(text), markup=False)

    line(f"{len(ids)} cases, {', '.join(names[:-1])} and {names[-1]} runner")
    width = max(map(len, names))
    different = 0
    cases: Any = differences_by_case
    with closing(cases):
        tracked = track(cases, "", len(ids), console=console, transient=True)
        for differences in tracked if console.is_terminal else cases:
            different += bool(differences)
            for difference in differences:
                line(f"\n{difference.case}\n  {difference.what}")
                for name, got in zip(names, difference.got, strict=True):
                    line(f"    {name:{width}}  {_shorten(got)}")
    line(f"{len(ids) - different} cases the same, {different} different")
    return different


def show_versions(console: Console, names: Sequence[str], versions: Sequence[str]) -> None:
    """Say which Python each runner has, where they differ, which may be why their cases do."""
    if len(set(versions)) > 1:
        pairs = (f"{name} {one or 'unknown'}" for name, one in zip(names, versions, strict=True))
        console.print(shown(f"their Pythons differ, too: {', '.join(pairs)}"), markup=False)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
