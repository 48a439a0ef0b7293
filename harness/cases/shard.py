"""Shards: the parts of a matrix that the jobs of a CI run in parallel."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from harness.errors import WrongUse

_PATTERN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `of` parts.

    The part of a case depends on its id only, not on the other cases.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse `I/N`; raises `WrongUse`."""
        found = _PATTERN.fullmatch(text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise WrongUse(
                f"{text!r} is no shard", "write I/N, where I is a number from 1 to N, as in 2/4"
            )
        return cls(int(found[1]), int(found[2]))

    def contains(self, case_id: str) -> bool:
        """Whether the case with this id is in this part."""
        digest = hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def __str__(self) -> str:
        """The shard as `I/N`."""
        return f"{self.number}/{self.of}"
