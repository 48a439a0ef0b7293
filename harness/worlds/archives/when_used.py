"""A mapping whose values are made when it is first used: most runs need none of these archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

T = TypeVar("T")


class MadeWhenUsed(Mapping[str, T]):
    """The mapping that a function returns, which is called once."""

    def __init__(self, make: Callable[[], Mapping[str, T]]) -> None:
        """Call `make` when the mapping is first used."""
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, T]:
        return self._make()

    def __getitem__(self, name: str) -> T:
        """The value of that name; raises KeyError."""
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """The names, in their order."""
        return iter(self._made)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._made)
