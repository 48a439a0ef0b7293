"""Results of many cases, most of which are alike: each verdict is kept once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from harness.cases.case import Result


@dataclass(frozen=True)
class Group:
    """Results in order: different verdicts without the ids of cases, and the place of each."""

    verdicts: tuple[Result, ...]
    places: array[int]

    @classmethod
    def of(cls, results: Sequence[Result]) -> Group:
        """These results."""
        verdicts: dict[Result, int] = {}
        places = array("L", (verdicts.setdefault(one.of(""), len(verdicts)) for one in results))
        return cls(tuple(verdicts), places)


class Results(Sequence[Result]):
    """The results of the first of these cases, in their order.

    `clean` makes of each verdict, in this order, the one that is kept.
    """

    def __init__(
        self, ids: Sequence[str], clean: Callable[[Result], Result] = lambda one: one
    ) -> None:
        """No result is there yet."""
        self._ids = ids
        self._clean = clean
        self._verdicts: list[Result] = []
        self._known: dict[Result, int] = {}
        self._places = array("L")

    def add(self, result: Result) -> None:
        """Add the result of the next case."""
        self.add_group(Group.of([result]))

    def add_group(self, group: Group) -> None:
        """Add those of the next cases."""
        known: dict[int, int] = {}
        for place in group.places:
            verdict = group.verdicts[place]
            # A world is shown once.
            if verdict.world or place not in known:
                known[place] = self._keep(self._clean(verdict))
            self._places.append(known[place])

    def _keep(self, verdict: Result) -> int:
        at = self._known.setdefault(verdict, len(self._verdicts))
        if at == len(self._verdicts):
            self._verdicts.append(verdict)
        return at

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Result: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Result]: ...

    def __getitem__(self, at: int | slice) -> Result | Sequence[Result]:
        """One of them, or some."""
        if isinstance(at, slice):
            return [self[one] for one in range(len(self))[at]]
        number = range(len(self))[at]
        return self._verdicts[self._places[number]].of(self._ids[number])

    def __iter__(self) -> Iterator[Result]:
        """All in order."""
        for place, case_id in zip(self._places, self._ids, strict=False):
            yield self._verdicts[place].of(case_id)

    def where(self, keep: Callable[[Result], bool]) -> Iterator[Result]:
        """Those whose verdict is to be kept, in order."""
        kept = {at for at, one in enumerate(self._verdicts) if keep(one)}
        if kept:
            for number, place in enumerate(self._places):
                if place in kept:
                    yield self[number]

    def number(self, keep: Callable[[Result], bool]) -> int:
        """How many there are whose verdict is to be kept."""
        kept = [bool(keep(one)) for one in self._verdicts]
        return sum(kept[place] for place in self._places)


def where(results: Sequence[Result], keep: Callable[[Result], bool]) -> Iterator[Result]:
    """Those results whose verdict, whichever the case, is to be kept."""
    return results.where(keep) if isinstance(results, Results) else filter(keep, results)


def number_of(results: Sequence[Result], keep: Callable[[Result], bool]) -> int:
    """How many results have a verdict that is to be counted, whichever the case."""
    if isinstance(results, Results):
        return results.number(keep)
    return sum(bool(keep(one)) for one in results)
