"""The product of a suite's axes: every combination of choices, by its number and by its id.

There may be a million. None is kept: each is made of its number when it is asked for.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import overload

_FEW = 1_000


def id_of(choices: Mapping[str, str]) -> str:
    """The id of the case of the product that has these choices."""
    return ",".join(f"{axis}={choice}" for axis, choice in choices.items())


class Product:
    """The combinations of one choice of each axis; without any axis there is none."""

    def __init__(self, axes: Mapping[str, Sequence[str]]) -> None:
        """Combine the choices of these axes, of which the last varies first."""
        self._names = tuple(axes)
        self._choices = [tuple(one) for one in axes.values()]
        self._words = [tuple(f"{name}={one}" for one in choices) for name, choices in axes.items()]
        self._places = [{word: at for at, word in enumerate(one)} for one in self._words]
        # So many of the last axes have few combinations, which are kept.
        sizes = [math.prod(map(len, self._choices[at:])) for at in range(len(self._choices) + 1)]
        self._cut = next(at for at, size in enumerate(sizes) if size <= _FEW)
        self._low = sizes[self._cut]
        self._part = lru_cache(maxsize=2 * _FEW)(self._make_part)

    def __len__(self) -> int:
        """How many combinations there are."""
        return math.prod(map(len, self._choices)) if self._choices else 0

    def choices(self, number: int) -> dict[str, str]:
        """The choice of each axis in the combination of this number, from 0."""
        high, low = divmod(number, self._low)
        return {**self._part(high, False)[0], **self._part(low, True)[0]}

    def id(self, number: int) -> str:
        """The id of the case of this number."""
        high, low = divmod(number, self._low)
        return f"{self._part(high, False)[1]}{self._part(low, True)[1]}"

    def number(self, case_id: str) -> int | None:
        """The number of the case with this id; None when there is none."""
        words = case_id.split(",")
        if len(words) != len(self._places):
            # Of a name or a choice with a comma.
            found = self._split(case_id, 0)
            if found is None:
                return None
            words = found
        number = 0
        for word, places in zip(words, self._places, strict=True):
            at = places.get(word)
            if at is None:
                return None
            number = number * len(places) + at
        return number

    def _make_part(self, number: int, is_last: bool) -> tuple[Mapping[str, str], str]:
        """The choices of the last axes, or of those before them, and their part of an id."""
        axes = slice(self._cut, None) if is_last else slice(self._cut)
        picked = []
        for choices in reversed(self._choices[axes]):
            number, at = divmod(number, len(choices))
            picked.append(choices[at])
        found = dict(zip(self._names[axes], reversed(picked), strict=True))
        has_both = bool(found) and is_last and self._cut > 0
        return found, "," * has_both + id_of(found)

    def _split(self, text: str, axis: int) -> list[str] | None:
        """The words that a part of an id is made of, from this axis on."""
        if axis == len(self._words):
            return None
        is_last = axis + 1 == len(self._words)
        for word in self._words[axis]:
            if is_last and text == word:
                return [word]
            if not is_last and text.startswith(f"{word},"):
                rest = self._split(text[len(word) + 1 :], axis + 1)
                if rest is not None:
                    return [word, *rest]
        return None


class Ids(Sequence[str]):
    """Ids of cases in order, each of which is made when it is asked for."""

    def __init__(self, make: Callable[[int], str], numbers: Sequence[int]) -> None:
        """The ids that `make` makes of these numbers."""
        self._make = make
        self._numbers = numbers

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> Ids: ...

    def __getitem__(self, at: int | slice) -> str | Ids:
        """One of them, or some."""
        if isinstance(at, slice):
            return Ids(self._make, self._numbers[at])
        return self._make(self._numbers[at])

    def __len__(self) -> int:
        """How many there are."""
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        """All in order."""
        return map(self._make, self._numbers)

    def __eq__(self, other: object) -> bool:
        """Whether the other has the same in the same order."""
        if not isinstance(other, Ids | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def where(self, keep: Callable[[str], bool]) -> Ids:
        """Those that are to be kept."""
        return Ids(self._make, array("q", (one for one in self._numbers if keep(self._make(one)))))

    def with_others(self, others: Sequence[str]) -> Ids:
        """These and then others, which are kept."""
        if not others:
            return self
        own = len(self)

        def make(number: int) -> str:
            return self[number] if number < own else others[number - own]

        return Ids(make, range(own + len(others)))
