"""Shards: the parts of a matrix that the jobs of a CI run side by side."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from harness.errors import WrongUse

_FORM = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of the `of` parts that the cases are dealt out to.

    Which part a case is in is told by its id alone, whatever other cases there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that `I/N` names; raises `WrongUse` when there is no such one."""
        found = _FORM.fullmatch(text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise WrongUse(
                f"{text!r} is no shard", "write I/N, where I is a number from 1 to N, as in 2/4"
            )
        return cls(int(found[1]), int(found[2]))

    def holds(self, case_id: str) -> bool:
        """Whether the case with this id is in this part."""
        digest = hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.number}/{self.of}"
